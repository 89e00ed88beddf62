"""Residents: a person asks to join an estate, and its manager confirms by a link in a message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from aed.accounts.free_text import one_line
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, Viewer, require_estate_manager
from aed.accounts.role_grants import holds_role, managers_of
from aed.accounts.roles.actions import grant_role
from aed.accounts.roles.schemas import RoleIn
from aed.accounts.sign_in.rules import DAY, AttemptLimit
from aed.accounts.sign_in.throttling import count_request
from aed.accounts.viewers import viewer_of_person
from aed.errors import Conflict, NotFound
from aed.notifications.outbox import Notice, notify_person
from aed.notifications.short_links import KEY_IN_PATH, short_link
from aed.registry.estates.models import Estate, ResidenceRequest
from aed.registry.estates.rules import EstateState

LINK_LASTS: Final = timedelta(days=14)
LIMIT: Final = AttemptLimit(3, DAY)
"""Requests of one person, each of which sends messages to managers."""


def residence_path(person_id: int, estate_id: int, manager_id: int, key: str = KEY_IN_PATH) -> str:
    """Return the page on which this manager confirms that the person lives in the estate."""
    return f"/residence/{person_id}/{estate_id}/{manager_id}/{key}"


def request_residence(session: Session, person: Person, name: str, *, public_url: str, at: datetime) -> None:
    """Ask the managers of the estate with this name to confirm that the person lives there.

    An unknown name changes nothing, and the person cannot tell: estates are not public. Raises TooBusy.
    """
    count_request(session, "residence", str(person.id), LIMIT, at)
    for estate in estates_named(session, name):
        _open_request(session, person.id, estate.id, at=at)
        for manager_id in managers_of(session, estate.id):
            path = residence_path(person.id, estate.id, manager_id)
            link = public_url + short_link(session, path, at + LINK_LASTS)
            notice = Notice(
                text_en=f"{person.name} says: I live in {estate.name_en}. Please confirm: {link}",
                text_zh=f"{person.name}申请加入{estate.name_zh}，请确认：{link}",
                subject_en="A resident to confirm",
                subject_zh="住户待确认",
                expires_at=at + LINK_LASTS,
            )
            notify_person(session, manager_id, notice, at)


def _open_request(session: Session, person_id: int, estate_id: int, *, at: datetime) -> None:
    """Put the request into the queue of the estate's desk, once.

    visibility: the person's own.
    """
    if is_confirmed(session, person_id, estate_id):
        return
    known = select(ResidenceRequest.id).where(
        ResidenceRequest.person_id == person_id,
        ResidenceRequest.estate_id == estate_id,
        ResidenceRequest.answered_at.is_(None),
    )
    if session.scalar(known) is None:
        session.add(ResidenceRequest(person_id=person_id, estate_id=estate_id, asked_at=at))
        session.flush()


def open_residence_requests(
    session: Session, viewer: Viewer, estate: Estate, *, limit: int
) -> list[tuple[ResidenceRequest, Person]]:
    """Return who says that they live in the estate and waits for an answer, the oldest first.

    Raises NotSignedIn, NotAllowed.

    visibility: for managers of the estate.
    """
    require_estate_manager(viewer, estate.id, region_id=estate.region_id)
    rows = session.execute(
        select(ResidenceRequest, Person)
        .join(Person, Person.id == ResidenceRequest.person_id)
        .where(
            ResidenceRequest.estate_id == estate.id,
            ResidenceRequest.answered_at.is_(None),
            Person.erased_at.is_(None),
            ~holds_role(ResidenceRequest.person_id, Role.RESIDENT, estate.id),
        )
        .order_by(ResidenceRequest.id)
        .limit(limit)
    )
    return [(request, person) for request, person in rows]


def decide_residence(
    session: Session, who: Viewer, estate: Estate, request_id: int, *, is_resident: bool, at: datetime
) -> None:
    """Answer a request from the desk; a second time changes nothing.

    Raises NotFound, NotSignedIn, NotAllowed.

    visibility: for managers of the estate.
    """
    require_estate_manager(who, estate.id, region_id=estate.region_id)
    found = session.get(ResidenceRequest, request_id, with_for_update=True)
    if found is None or found.estate_id != estate.id:
        raise NotFound("There is no such request.", field="request_id")
    if found.answered_at is None:
        person = session.get_one(Person, found.person_id)
        _answer(session, person, estate, who, is_resident=is_resident, at=at)


def answer_residence(
    session: Session, person: Person, estate: Estate, manager_id: int, *, is_resident: bool, at: datetime
) -> None:
    """Record the manager's answer by the link in a message, and tell the person.

    A resident stays one: the role is withdrawn elsewhere. Raises NotAllowed if the manager may no longer
    grant it.
    """
    manager: Viewer = viewer_of_person(session, manager_id)
    _answer(session, person, estate, manager, is_resident=is_resident, at=at)


def _answer(
    session: Session, person: Person, estate: Estate, manager: Viewer, *, is_resident: bool, at: datetime
) -> None:
    waiting = session.scalars(
        select(ResidenceRequest).where(  # visibility: the request that the manager answers
            ResidenceRequest.person_id == person.id,
            ResidenceRequest.estate_id == estate.id,
            ResidenceRequest.answered_at.is_(None),
        )
    )
    is_known = is_confirmed(session, person.id, estate.id)
    for each in waiting:
        each.answered_at, each.is_resident, each.answered_by = at, is_resident or is_known, manager.name
    if is_known:
        session.flush()
        return
    if is_resident:
        try:
            with session.begin_nested():
                grant_role(
                    session, manager, person.id, RoleIn(role=Role.RESIDENT, estate_id=estate.id), at=at
                )
        except Conflict:
            return
        notice = Notice(
            text_en=f"{estate.name_en} has confirmed that you live there.",
            text_zh=f"{estate.name_zh}已确认您是本园区住户。",
        )
    else:
        notice = Notice(
            text_en=f"{estate.name_en} could not confirm that you live there. Please ask its office.",
            text_zh=f"{estate.name_zh}未能确认您是本园区住户，请咨询物业服务中心。",
        )
    notify_person(session, person.id, notice, at)


def is_confirmed(session: Session, person_id: int, estate_id: int) -> bool:
    """Return True if the person is a resident of the estate.

    visibility: for the link that was sent to the estate's manager.
    """
    return bool(session.scalar(select(holds_role(person_id, Role.RESIDENT, estate_id))))


def estates_named(session: Session, name: str) -> Sequence[Estate]:
    """Return the active estates with exactly this name.

    visibility: their managers are asked; the person does not learn whether there is one.
    """
    written = one_line(name).strip()
    return session.scalars(
        select(Estate)
        .where(
            or_(Estate.name_zh == written, Estate.name_en.ilike(written.replace("%", r"\%"), escape="\\")),
            Estate.state == EstateState.ACTIVE,
        )
        .order_by(Estate.id)
        .limit(3)
    ).all()
