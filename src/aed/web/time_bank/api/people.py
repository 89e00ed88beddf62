"""Routes of `/me/time-bank/people`: relatives, family account, heir, and who acts for whom.

People are invited by a link that they open themself: nobody can look up who has an account here.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.fields import FreeText
from aed.accounts.people.queries import names_of
from aed.accounts.permissions import Viewer
from aed.accounts.viewers import viewer_of_person
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError, InvalidInput
from aed.files.typesetting import qr_svg
from aed.http.parameters import PublicAddress, RowId
from aed.http.query import ANY_PARAMETER
from aed.notifications.short_links import KEY_IN_PATH, opens, short_link
from aed.timebank.families import actions as families
from aed.timebank.families.queries import family_account_id, members_of, named_heir_id
from aed.timebank.mandates import actions as mandates
from aed.timebank.permissions import require_person
from aed.timebank.rules import Relation
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.time_bank import queries
from aed.web.time_bank.page import RELATIONS, problem_of
from aed.web.time_bank_words import points_text
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])


class InvitationKind(StrEnum):
    """What a person who opens an invitation becomes to the person who sent it."""

    SPOUSE = "spouse"
    PARENT = "parent"
    CHILD = "child"
    FAMILY = "family"
    """A member of their family account."""
    AGENT = "agent"
    """Who uses their points for them."""


INVITATIONS: Final = {
    InvitationKind.SPOUSE: noop("My spouse"),
    InvitationKind.PARENT: noop("My mother or father"),
    InvitationKind.CHILD: noop("My child"),
    InvitationKind.FAMILY: noop("A relative who joins my family account"),
    InvitationKind.AGENT: noop("A person who orders for me with my points"),
}


class PeopleChange(StrEnum):
    """What a form of the page does."""

    CONFIRM_RELATIVE = "confirm_relative"
    END_RELATIVE = "end_relative"
    OPEN_FAMILY = "open_family"
    LEAVE_FAMILY = "leave_family"
    NAME_HEIR = "name_heir"
    END_MANDATE = "end_mandate"


InviterId = RowId
LinkKey = Annotated[str, Path(max_length=200)]


@router.get("/me/time-bank/people")
def show_people(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show the relatives, the family account, the heir and the mandates of the signed-in person."""
    if viewer.person_id is None:
        return to_sign_in("/me/time-bank/people")
    return _page(request, session, viewer)


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    *,
    status: int = 200,
    problem: str = "",
    name: str = "",
    invitation: str = "",
) -> Response:
    person_id = require_person(viewer)
    family_id = family_account_id(session, person_id)
    family, family_units = queries.family_account(session, family_id) if family_id is not None else ("", 0)
    return render(
        request,
        "time_bank/people.html.jinja",
        status=status,
        headers=NO_STORE,
        problem=problem,
        name=name,
        relatives=queries.relatives(session, person_id),
        relations=RELATIONS,
        is_in_family=family_id is not None,
        family=family,
        family_points=points_text(family_units),
        members=names_of(session, members_of(session, family_id)) if family_id is not None else {},
        heir_id=named_heir_id(session, person_id),
        mandates=queries.mandates(session, person_id, clock.now()),
        invitations={
            kind.value: words
            for kind, words in INVITATIONS.items()
            if kind is not InvitationKind.FAMILY or family_id is not None
        },
        invitation=invitation,
        invitation_code=base64.b64encode(qr_svg(invitation).encode()).decode() if invitation else "",
        days=families.INVITATION_DAYS,
    )


@router.post("/me/time-bank/people")
def change_people(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    change: Annotated[PeopleChange, Form()],
    chosen_id: Annotated[int, Form(ge=0, le=2**63 - 1)] = 0,
    name: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Confirm or end a relation, open or leave a family account, name an heir, end a mandate.

    `chosen_id` is the declaration, the heir (0: none) or the mandate.
    """
    require_person(viewer)
    at = clock.now()
    try:
        with session.begin_nested():
            match change:
                case PeopleChange.CONFIRM_RELATIVE:
                    families.confirm_relative(session, viewer, chosen_id, at=at)
                case PeopleChange.END_RELATIVE:
                    families.end_relative(session, viewer, chosen_id, at=at)
                case PeopleChange.OPEN_FAMILY:
                    families.open_family(session, viewer, name=_family_name(name), at=at)
                case PeopleChange.LEAVE_FAMILY:
                    families.leave_family(session, viewer, at=at)
                case PeopleChange.NAME_HEIR:
                    families.name_heir(session, viewer, heir_id=chosen_id or None, at=at)
                case PeopleChange.END_MANDATE:
                    mandates.revoke_mandate(session, viewer, chosen_id, at=at)
    except AedError as error:
        problem = problem_of(request, viewer, error)
        return _page(request, session, viewer, status=error.status, problem=problem, name=name)
    return RedirectResponse("/me/time-bank/people", 303)


_FREE_TEXT: Final = TypeAdapter[str](FreeText)


def _family_name(typed: str) -> str:
    """Return the name of a family account. Raises InvalidInput."""
    if not typed.strip():
        raise InvalidInput("Write a name for the family account.", field="name")
    try:
        return _FREE_TEXT.validate_python(typed)
    except ValidationError:
        raise InvalidInput(
            "The name of the family account has characters that cannot be displayed. Type it again.",
            field="name",
        ) from None


@router.post("/me/time-bank/people/invitations")
def invite_person(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    address: PublicAddress,
    kind: Annotated[InvitationKind, Form()],
) -> Response:
    """Show a link, once, which the invited person opens on their own phone within a week."""
    path = families.invitation_path(kind, require_person(viewer), KEY_IN_PATH)
    link = short_link(session, path, clock.now() + timedelta(days=families.INVITATION_DAYS))
    return _page(request, session, viewer, invitation=f"{address}{link}")


@router.get("/time-bank/invitations/{invitation_kind}/{inviter_id}/{link_key}")
def show_invitation(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    invitation_kind: InvitationKind,
    inviter_id: InviterId,
    link_key: LinkKey,
) -> Response:
    """Show who invites, and to what, with the button that accepts."""
    path = families.invitation_path(invitation_kind, inviter_id, link_key)
    if not opens(session, link_key, path, at=clock.now()):
        return render(request, "templates/no_link.html.jinja", status=410, is_expired=True)
    if viewer.person_id is None:
        return to_sign_in(f"{path}")
    return _invitation(request, session, invitation_kind, inviter_id)


def _invitation(
    request: Request,
    session: Session,
    kind: InvitationKind,
    inviter_id: int,
    *,
    status: int = 200,
    problem: str = "",
) -> Response:
    return render(
        request,
        "time_bank/invitation.html.jinja",
        status=status,
        headers=NO_STORE,
        kind=kind.value,
        inviter=names_of(session, [inviter_id]).get(inviter_id, ""),
        problem=problem,
    )


@router.post("/time-bank/invitations/{invitation_kind}/{inviter_id}/{link_key}")
def accept_invitation(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    invitation_kind: InvitationKind,
    inviter_id: InviterId,
    link_key: LinkKey,
) -> Response:
    """Accept: the one agreed by sending the link, the other by this. Accepting twice changes nothing."""
    person_id, at = require_person(viewer), clock.now()
    path = families.invitation_path(invitation_kind, inviter_id, link_key)
    if not opens(session, link_key, path, at=at):
        return render(request, "templates/no_link.html.jinja", status=410, is_expired=True)
    inviter = viewer_of_person(session, inviter_id)
    try:
        with session.begin_nested():
            if invitation_kind is InvitationKind.FAMILY:
                families.add_family_member(session, inviter, person_id=person_id, at=at)
            elif invitation_kind is InvitationKind.AGENT:
                in_force = mandates.mandates_of(session, inviter_id, at)
                if (inviter_id, person_id) not in {(each.principal_id, each.agent_id) for each in in_force}:
                    days = mandates.MAX_DAYS
                    mandates.grant_mandate(
                        session, inviter, principal_id=inviter_id, agent_id=person_id, days=days, at=at
                    )
            else:
                relation = Relation(invitation_kind.value)
                declared = families.declare_relative(
                    session, inviter, relative_id=person_id, relation=relation, at=at
                )
                families.confirm_relative(session, viewer, declared.id, at=at)
    except AedError as error:
        problem = problem_of(request, viewer, error)
        return _invitation(
            request, session, invitation_kind, inviter_id, status=error.status, problem=problem
        )
    return RedirectResponse("/me/time-bank/people", 303)
