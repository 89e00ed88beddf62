"""Reading the outbox and its endpoints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session

from aed.accounts.models import Person
from aed.accounts.rules import Viewer
from aed.errors import NotAllowed, NotFound, NotSignedIn
from aed.notifications.models import EndpointRow, Outgoing
from aed.notifications.rules import Channel, OutboxState

_STATES: Final[dict[OutboxState, tuple[ColumnElement[bool], ...]]] = {
    OutboxState.WAITING: (Outgoing.sent_at.is_(None), Outgoing.given_up_at.is_(None)),
    OutboxState.SENT: (Outgoing.sent_at.is_not(None),),
    OutboxState.DEAD: (Outgoing.given_up_at.is_not(None),),
}


def may_see_the_outbox(viewer: Viewer) -> None:
    """Passes for a network administrator, who may only read too. Raises NotSignedIn, NotAllowed."""
    if not viewer.is_signed_in:
        raise NotSignedIn("This is for network administrators: send a token, or sign in.")
    if not viewer.is_administrator:
        raise NotAllowed("Only a network administrator sees what is sent to whom.")


def messages(
    session: Session,
    viewer: Viewer,
    *,
    state: OutboxState | None = None,
    channel: Channel | None = None,
    limit: int,
    after_id: int = 0,
) -> Sequence[Outgoing]:
    """A page of the outbox in order of id.

    visibility: only for a network administrator, and without the texts.
    """
    may_see_the_outbox(viewer)
    asked = select(Outgoing).where(Outgoing.id > after_id)
    if state is not None:
        asked = asked.where(*_STATES[state])
    if channel is not None:
        asked = asked.where(Outgoing.channel == channel)
    return session.scalars(asked.order_by(Outgoing.id).limit(limit)).all()


def message(session: Session, viewer: Viewer, outgoing_id: int) -> Outgoing:
    """visibility: only for a network administrator, and without the texts."""
    may_see_the_outbox(viewer)
    found = session.get(Outgoing, outgoing_id)
    if found is None:
        raise NotFound(f"There is no message {outgoing_id}.", field="message_id")
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """How a channel stands."""

    channel: Channel
    waiting: int
    oldest_due_at: datetime | None
    dead: int
    last_sent_at: datetime | None


def standings(session: Session, viewer: Viewer) -> list[Standing]:
    """How each channel stands, those with nothing in the outbox too. Counted on partial indexes.

    visibility: only for a network administrator; counts.
    """
    may_see_the_outbox(viewer)
    waiting = {
        row[0]: (row[1], row[2])
        for row in session.execute(
            select(Outgoing.channel, func.count(), func.min(Outgoing.due_at))
            .where(*_STATES[OutboxState.WAITING])
            .group_by(Outgoing.channel)
        )
    }
    dead = {
        row[0]: row[1]
        for row in session.execute(
            select(Outgoing.channel, func.count())
            .where(*_STATES[OutboxState.DEAD])
            .group_by(Outgoing.channel)
        )
    }
    last = {
        channel: session.scalar(
            select(Outgoing.sent_at)
            .where(Outgoing.channel == channel, Outgoing.sent_at.is_not(None))
            .order_by(Outgoing.sent_at.desc())
            .limit(1)
        )
        for channel in Channel
    }
    return [
        Standing(
            channel=channel,
            waiting=waiting.get(channel, (0, None))[0],
            oldest_due_at=waiting.get(channel, (0, None))[1],
            dead=dead.get(channel, 0),
            last_sent_at=last[channel],
        )
        for channel in Channel
    ]


def backlog(session: Session, endpoint_ids: Collection[int]) -> dict[int, tuple[int, int]]:
    """By endpoint how many messages wait for it, and how many were given up.

    visibility: counts, for whoever administers the endpoint.
    """
    rows = session.execute(
        select(
            Outgoing.endpoint_id,
            func.count().filter(Outgoing.given_up_at.is_(None)),
            func.count().filter(Outgoing.given_up_at.is_not(None)),
        )
        .where(Outgoing.endpoint_id.in_(endpoint_ids), Outgoing.sent_at.is_(None))
        .group_by(Outgoing.endpoint_id)
    )
    return {each: (waiting, dead) for each, waiting, dead in rows if each is not None}


# --- endpoints ------------------------------------------------------------------------------------------


def endpoint(session: Session, name: str) -> EndpointRow | None:
    """visibility: for whoever administers it or names its own; its address is shown to nobody."""
    return session.scalar(
        select(EndpointRow).where(EndpointRow.name == name, EndpointRow.closed_at.is_(None))
    )


def open_endpoint(session: Session, viewer: Viewer, name: str) -> EndpointRow:
    """The endpoint of that name. Raises NotFound.

    visibility: only for a network administrator.
    """
    may_see_the_outbox(viewer)
    found = endpoint(session, name)
    if found is None:
        raise NotFound(f"There is no endpoint '{name}'.", field="name")
    return found


def endpoints(
    session: Session, viewer: Viewer, *, limit: int = 1000, after_id: int = 0
) -> Sequence[EndpointRow]:
    """A page of the endpoints that are open.

    visibility: only for a network administrator.
    """
    may_see_the_outbox(viewer)
    return session.scalars(
        select(EndpointRow)
        .where(EndpointRow.id > after_id, EndpointRow.closed_at.is_(None))
        .order_by(EndpointRow.id)
        .limit(limit)
    ).all()


def can_be_told() -> ColumnElement[bool]:
    """Whether there is any way to a person, in a statement on people.

    visibility: it is a predicate itself.
    """
    is_open = exists().where(EndpointRow.person_id == Person.id, EndpointRow.closed_at.is_(None))
    return or_(Person.phone.is_not(None), is_open)


def endpoints_of(session: Session, person_id: int) -> Sequence[EndpointRow]:
    """visibility: for what is told to the person."""
    return session.scalars(
        select(EndpointRow)
        .where(EndpointRow.person_id == person_id, EndpointRow.closed_at.is_(None))
        .order_by(EndpointRow.id)
    ).all()


def endpoints_of_each(session: Session, person_ids: Collection[int]) -> dict[int, list[EndpointRow]]:
    """By person. visibility: for what is told to these people."""
    found: dict[int, list[EndpointRow]] = defaultdict(list)
    rows = session.scalars(
        select(EndpointRow)
        .where(EndpointRow.person_id.in_(person_ids), EndpointRow.closed_at.is_(None))
        .order_by(EndpointRow.id)
    )
    for row in rows:
        if row.person_id is not None:
            found[row.person_id].append(row)
    return found
