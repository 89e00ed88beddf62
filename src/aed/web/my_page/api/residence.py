"""Routes: I live in this estate, and its manager who confirms it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep
from aed.accounts.masking import mask_phone
from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Person
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import PublicAddress, RowId
from aed.http.query import ANY_PARAMETER
from aed.notifications.short_links import opens
from aed.registry.estates import residence
from aed.registry.estates.models import Estate
from aed.web.form_fields import Text
from aed.web.my_page.queries import person_of
from aed.web.render import NO_STORE, render

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

PersonId = RowId
EstateId = RowId
LinkKey = Annotated[str, Path(max_length=200)]


@router.post("/me/estate")
def ask_to_join_estate(
    session: WriteSession, viewer: FormViewerDep, address: PublicAddress, name: Text = ""
) -> Response:
    """Ask the managers of an estate to confirm that the person lives there."""
    person, _account = people_queries.person(session, viewer, person_of(viewer))
    residence.request_residence(session, person, name, public_url=address, at=clock.now())
    return RedirectResponse("/me?asked=1#estate", 303)


@router.get("/residence/{person_id}/{estate_id}/{manager_id}/{link_key}")
def show_residence(
    request: Request,
    session: ReadSession,
    person_id: PersonId,
    estate_id: EstateId,
    manager_id: PersonId,
    link_key: LinkKey,
) -> Response:
    """Show the manager who wants to join the estate, with two buttons."""
    if not _is_residence_link(session, person_id, estate_id, manager_id, link_key):
        return render(request, "templates/no_link.html.jinja", status=410, is_expired=True)
    return _residence(request, session, person_id, estate_id, step="ask")


@router.post("/residence/{person_id}/{estate_id}/{manager_id}/{link_key}")
def answer_residence(
    request: Request,
    session: WriteSession,
    _form: FormViewerDep,
    person_id: PersonId,
    estate_id: EstateId,
    manager_id: PersonId,
    link_key: LinkKey,
    answer: Annotated[Literal["yes", "no"], Form()],
) -> Response:
    """Record the manager's answer.

    visibility: the link names the person and the estate, and was sent to the estate's manager.
    """
    if not _is_residence_link(session, person_id, estate_id, manager_id, link_key):
        return render(request, "templates/no_link.html.jinja", status=410, is_expired=True)
    person, estate = session.get_one(Person, person_id), session.get_one(Estate, estate_id)
    is_resident, at = answer == "yes", clock.now()
    residence.answer_residence(session, person, estate, manager_id, is_resident=is_resident, at=at)
    return _residence(request, session, person_id, estate_id, step=answer)


def _is_residence_link(
    session: Session, person_id: int, estate_id: int, manager_id: int, link_key: str
) -> bool:
    """Return True for the link that was sent about this person, unless their data has been erased since.

    visibility: returns nothing else.
    """
    path = residence.residence_path(person_id, estate_id, manager_id, link_key)
    if not opens(session, link_key, path, at=clock.now()):
        return False
    return session.get_one(Person, person_id).erased_at is None


def _residence(request: Request, session: Session, person_id: int, estate_id: int, *, step: str) -> Response:
    """Show the question or its answer to the manager.

    visibility: only for the link that was sent to the estate's manager; the phone number is masked.
    """
    person, estate = session.get_one(Person, person_id), session.get_one(Estate, estate_id)
    return render(
        request,
        "my_page/residence.html.jinja",
        headers=NO_STORE,
        step="yes" if residence.is_confirmed(session, person_id, estate_id) else step,
        name=person.name,
        phone=mask_phone(person.phone or ""),
        estate={"en": estate.name_en, "zh": estate.name_zh},
    )
