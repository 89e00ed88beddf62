"""Routes of my page itself: name, language, signing out."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts import sessions as accounts_sessions
from aed.accounts.authentication import FormViewerDep, ViewerDep, require_same_origin, session_key_in_cookie
from aed.accounts.people import actions as people_actions
from aed.accounts.people import queries as people_queries
from aed.accounts.people.rules import Language
from aed.accounts.people.schemas import PersonAmend
from aed.accounts.permissions import Role, Viewer
from aed.accounts.sessions import SESSION_COOKIE, end_sessions
from aed.certificates.declarations import queries as declarations
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.imports.devices.permissions import is_importer
from aed.incidents.alerts import queries as alert_queries
from aed.notifications.channels.web_push import public_key
from aed.responders import queries as responder_queries
from aed.settings import Settings
from aed.training.enrolments import queries as enrolment_queries
from aed.training.permissions import RUN_IN_ESTATES
from aed.volunteering.permissions import manages_any
from aed.web.form_fields import Text
from aed.web.my_page import queries
from aed.web.my_page.page import call_line, certificate_line, declaration_line, enrolment_line, offer_view
from aed.web.my_page.queries import MAX_SHOWN, person_of
from aed.web.my_page.rules import PAUSES
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

BAD_NAME: Final = noop("Enter your name. Leave out unusual characters.")


@router.get("/me")
def show_my_page(
    request: Request, session: ReadSession, viewer: ViewerDep, settings: SettingsDep
) -> Response:
    """Show the person's own page, or lead to the sign-in."""
    if viewer.person_id is None:
        return to_sign_in("/me")
    return _page(request, session, viewer, settings)


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    settings: Settings,
    *,
    status: int = 200,
    name_error: str = "",
) -> Response:
    person_id, at = person_of(viewer), clock.now()
    private_key = settings.web_push.private_key
    person, account = people_queries.person(session, viewer, person_id)
    offer = responder_queries.offer_of(session, person_id)
    return render(
        request,
        "my_page/my_page.html.jinja",
        status=status,
        headers=NO_STORE,
        person=person,
        account=account,
        name_error=name_error,
        push_key=public_key(private_key.get_secret_value()) if private_key is not None else "",
        has_cells=request.app.state.neighbours is not None,
        offer=offer_view(offer, at=at),
        pauses=PAUSES,
        estates=queries.own_estates(session, viewer),
        may_import=is_importer(viewer),
        kept_estate_ids={
            each.estate_id
            for each in viewer.role_assignments
            if each.role in (Role.KEEPER, Role.ESTATE_MANAGER)
        },
        asked=request.query_params.get("asked") == "1",
        certificates=[certificate_line(each, today=at.date()) for each in offer.certificates]
        + [declaration_line(each) for each in declarations.own_declarations(session, person_id, limit=5)],
        to_confirm=declarations.count_pending(session, viewer),
        is_manager=manages_any(viewer),
        is_trainer=any(each.role in RUN_IN_ESTATES for each in viewer.role_assignments),
        is_inspector=any(each.role in (Role.KEEPER, Role.LEAD) for each in viewer.role_assignments),
        sessions=[
            enrolment_line(each)
            for each in enrolment_queries.enrolments_of_person(session, person_id, limit=MAX_SHOWN)
        ],
        calls=[
            call_line(each) for each in alert_queries.alerts_of_person(session, person_id, limit=MAX_SHOWN)
        ],
    )


@router.post("/me/name")
def change_name(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    settings: SettingsDep,
    name: Text = "",
    language: Annotated[Language, Form()] = Language.ZH,
) -> Response:
    """Change the person's name and the language of messages."""
    person, _account = people_queries.person(session, viewer, person_of(viewer))
    try:
        change = PersonAmend(name=name, language=language)
    except ValidationError:
        return _page(request, session, viewer, settings, status=422, name_error=BAD_NAME)
    people_actions.amend_person(
        session,
        viewer,
        person.id,
        change,
        version=person.version,
        country=settings.phone_country,
        at=clock.now(),
    )
    return RedirectResponse("/me", 303)


@router.post("/me/sign-out", dependencies=[Depends(require_same_origin)])
def sign_out(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    everywhere: Annotated[bool, Form()] = False,
) -> Response:
    """Sign this browser out, or all of the person's browsers."""
    key = session_key_in_cookie(request)
    if key is not None:
        accounts_sessions.sign_out(session, key, at=clock.now())
        if everywhere and viewer.person_id is not None:
            end_sessions(session, viewer.person_id, at=clock.now())
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response
