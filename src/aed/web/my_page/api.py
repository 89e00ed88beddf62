"""Routes of my page."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from aed import clock
from aed.accounts import sessions as accounts_sessions
from aed.accounts.authentication import FormViewerDep, ViewerDep, require_same_origin, session_key_in_cookie
from aed.accounts.people import actions as people_actions
from aed.accounts.people import queries as people_queries
from aed.accounts.people.rules import Language
from aed.accounts.people.schemas import PersonAmend
from aed.accounts.permissions import Viewer
from aed.accounts.sessions import SESSION_COOKIE, end_sessions
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotSignedIn
from aed.http.parameters import SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.web.render import render
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

NO_STORE: Final = {"Cache-Control": "no-store"}
BAD_NAME: Final = noop("Enter your name. Leave out unusual characters.")

Text = Annotated[str, Form(max_length=300)]


def person_of(viewer: Viewer) -> int:
    """Return the id of the signed-in person. Raises NotSignedIn."""
    if viewer.person_id is None:
        raise NotSignedIn("Sign in first.")
    return viewer.person_id


@router.get("/me")
def show_my_page(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show the person's own page, or lead to the sign-in."""
    if viewer.person_id is None:
        return RedirectResponse("/sign-in?next=/me", 303)
    return _page(request, session, viewer)


def _page(
    request: Request, session: ReadSession, viewer: Viewer, *, status: int = 200, name_error: str = ""
) -> Response:
    person, account = people_queries.person(session, viewer, person_of(viewer))
    return render(
        request,
        "my_page/my_page.html.jinja",
        status=status,
        headers=NO_STORE,
        person=person,
        account=account,
        name_error=name_error,
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
        return _page(request, session, viewer, status=422, name_error=BAD_NAME)
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
