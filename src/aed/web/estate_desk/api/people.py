"""Routes of the people who hold a role on an estate: add one, end one, undo that."""

from __future__ import annotations

from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.people.actions import add_person, grant_role_to_known
from aed.accounts.people.rules import Language, e164
from aed.accounts.people.schemas import PersonIn
from aed.accounts.permissions import Role, Viewer
from aed.accounts.roles.actions import UNDO_FOR, revoke_role, undo_revocation
from aed.accounts.roles.schemas import RoleIn
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError, InvalidInput
from aed.http.parameters import RowId, SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.translation import detail_of
from aed.web.estate_desk import page, queries
from aed.web.estate_desk.actions import require_person
from aed.web.form_fields import BAD_PHONE, problem_in
from aed.web.language import language_of
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

NAME: Final = noop("Name")
NO_NAME: Final = noop("Enter the name of the person.")
OTHER_NAME: Final = noop("This number is registered under another name. Check the name and the number.")


@router.get("/desk/{estate_id}/people")
def show_people(request: Request, session: ReadSession, viewer: ViewerDep, estate_id: RowId) -> Response:
    """List who holds a role on the estate."""
    if viewer.person_id is None:
        return to_sign_in(f"/desk/{estate_id}/people")
    return _people_page(request, session, viewer, estate_id, {"name": "", "phone": "", "role": Role.KEEPER})


@router.post("/desk/{estate_id}/people")
def add_role(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    settings: SettingsDep,
    estate_id: RowId,
    name: Annotated[str, Form(max_length=300)] = "",
    phone: Annotated[str, Form(max_length=300)] = "",
    role: Annotated[Role, Form()] = Role.KEEPER,
    is_same_person: Annotated[bool, Form()] = False,
) -> Response:
    """Give a role on the estate to a new person, or to one who is registered under this name and number.

    Asks before it takes two people for one. A number under another name is refused without that name.
    """
    require_person(viewer)
    typed: dict[str, Any] = {"name": name, "phone": phone, "role": role}
    estate = queries.managed_estate(session, viewer, estate_id)
    try:
        number = e164(phone, country=estate.region.country)
    except InvalidInput:
        return _people_page(request, session, viewer, estate_id, typed, status=422, phone_error=BAD_PHONE)
    known = queries.person_with(session, number, country=estate.region.country)
    if known is not None and known.name.strip() != name.strip():
        return _people_page(request, session, viewer, estate_id, typed, status=409, name_error=OTHER_NAME)
    if known is not None and not is_same_person:
        return _people_page(request, session, viewer, estate_id, typed, status=409, is_known=True)
    new = RoleIn(role=role, estate_id=estate_id)
    try:
        with session.begin_nested():
            if known is not None:
                grant_role_to_known(session, viewer, known, number, new, at=clock.now())
            else:
                person = PersonIn(name=name.strip(), phone=number, language=Language.ZH, role=new)
                add_person(session, viewer, person, country=settings.phone_country, at=clock.now())
    except ValidationError as error:
        problem = problem_in(error, {"name": NAME}, language_of(request)) if name.strip() else NO_NAME
        return _people_page(request, session, viewer, estate_id, typed, status=422, name_error=problem)
    except AedError as error:
        if error.status not in (409, 422):
            raise
        problem = detail_of(error, language_of(request))
        return _people_page(request, session, viewer, estate_id, typed, status=error.status, problem=problem)
    return RedirectResponse(f"/desk/{estate_id}/people", 303)


@router.post("/desk/{estate_id}/people/{grant_id}/end")
def end_role(
    session: WriteSession, viewer: FormViewerDep, estate_id: RowId, grant_id: RowId
) -> RedirectResponse:
    """End a role on the estate; a second time changes nothing."""
    require_person(viewer)
    queries.managed_estate(session, viewer, estate_id)
    revoke_role(session, viewer, grant_id, at=clock.now())
    return RedirectResponse(f"/desk/{estate_id}/people", 303)


@router.post("/desk/{estate_id}/people/{grant_id}/undo")
def undo_end_of_role(
    session: WriteSession, viewer: FormViewerDep, estate_id: RowId, grant_id: RowId
) -> RedirectResponse:
    """Give a role again that the viewer ended a moment ago; a second time changes nothing."""
    require_person(viewer)
    queries.managed_estate(session, viewer, estate_id)
    undo_revocation(session, viewer, grant_id, at=clock.now())
    return RedirectResponse(f"/desk/{estate_id}/people", 303)


def _people_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    estate_id: int,
    typed: dict[str, Any],
    *,
    status: int = 200,
    problem: str = "",
    name_error: str = "",
    phone_error: str = "",
    is_known: bool = False,
) -> Response:
    estate = queries.managed_estate(session, viewer, estate_id)
    return render(
        request,
        "estate_desk/people.html.jinja",
        status=status,
        headers=NO_STORE,
        estate=estate,
        zone=ZoneInfo(queries.time_zone_of_estate(estate)),
        held=queries.people_of(session, viewer, estate),
        revoked=queries.revoked_by_viewer(session, viewer, estate, since=clock.now() - UNDO_FOR),
        roles=page.ROLES,
        typed=typed,
        problem=problem,
        name_error=name_error,
        phone_error=phone_error,
        is_known=is_known,
    )
