"""Queries for the outbox and its endpoints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, column, exists, func, or_, select, table
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.database.types import UtcDateTime
from aed.errors import NotAllowed, NotFound, NotSignedIn
from aed.notifications.models import EndpointRow, OutboxMessage
from aed.notifications.rules import Channel, OutboxState, WaitingFor, WaitReason

_STATES: Final[dict[OutboxState, tuple[ColumnElement[bool], ...]]] = {
    OutboxState.WAITING: (OutboxMessage.sent_at.is_(None), OutboxMessage.given_up_at.is_(None)),
    OutboxState.SENT: (OutboxMessage.sent_at.is_not(None),),
    OutboxState.DEAD: (OutboxMessage.given_up_at.is_not(None),),
}


def require_can_see_outbox(viewer: Viewer) -> None:
    """Require a network administrator; read-only is enough. Raises NotSignedIn, NotAllowed."""
    if not viewer.is_signed_in:
        raise NotSignedIn("This requires a network administrator. Send a token, or sign in.")
    if not viewer.is_administrator:
        raise NotAllowed("Only a network administrator may see the messages of others.")


def messages(
    session: Session,
    viewer: Viewer,
    *,
    state: OutboxState | None = None,
    channel: Channel | None = None,
    limit: int,
    after_id: int = 0,
) -> Sequence[OutboxMessage]:
    """Return a page of the outbox, ordered by id.

    visibility: only for a network administrator, and without the texts.
    """
    require_can_see_outbox(viewer)
    asked = select(OutboxMessage).where(OutboxMessage.id > after_id)
    if state is not None:
        asked = asked.where(*_STATES[state])
    if channel is not None:
        asked = asked.where(OutboxMessage.channel == channel)
    return session.scalars(asked.order_by(OutboxMessage.id).limit(limit)).all()


def message(session: Session, viewer: Viewer, outgoing_id: int) -> OutboxMessage:
    """Return a message of the outbox. Raises NotFound.

    visibility: only for a network administrator, and without the texts.
    """
    require_can_see_outbox(viewer)
    found = session.get(OutboxMessage, outgoing_id)
    if found is None:
        raise NotFound("There is no message {outgoing_id}.", field="message_id", outgoing_id=outgoing_id)
    return found


def waiting_reasons(
    session: Session, rows: Sequence[OutboxMessage], *, at: datetime
) -> dict[int, WaitingFor]:
    """Return why each of these messages has not been sent, by id, without those that were sent or given up.

    1. A worker is sending it.
    2. An earlier message with the same ordering key is not sent yet.
    3. It is not due: scheduled for later, waiting for a retry, or postponed because its server is down.
    4. It is due, and no worker is active, or its channel is down; otherwise it is sent next.

    visibility: the caller has checked that the viewer is an administrator; no text is returned.
    """
    waiting = [each for each in rows if each.sent_at is None and each.given_up_at is None]
    if not waiting:
        return {}
    ordering_keys = {each.ordering_key for each in waiting if each.ordering_key is not None}
    first = {
        row[0]: row[1]
        for row in session.execute(
            select(OutboxMessage.ordering_key, func.min(OutboxMessage.id))
            .where(OutboxMessage.ordering_key.in_(ordering_keys), *_STATES[OutboxState.WAITING])
            .group_by(OutboxMessage.ordering_key)
        )
    }
    down = _down(session, {each.channel for each in waiting})
    holds = session.scalar(select(_leases.c.expires_at).where(_leases.c.name == "worker"))
    acts = holds is not None and holds > at

    def wait(row: OutboxMessage) -> WaitingFor:
        if row.claimed_until is not None and row.claimed_until > at:
            return WaitingFor(WaitReason.BEING_SENT, until=row.claimed_until)
        before = first.get(row.ordering_key, row.id) if row.ordering_key is not None else row.id
        if before < row.id:
            return WaitingFor(WaitReason.EARLIER_MESSAGE, behind_id=before)
        tried_again = down.get(_server(row))
        if row.due_at > at:
            if tried_again is not None:
                return WaitingFor(WaitReason.CHANNEL_DOWN, until=row.due_at)
            return WaitingFor(WaitReason.RETRY if row.tries else WaitReason.NOT_DUE, until=row.due_at)
        if not acts:
            return WaitingFor(WaitReason.PAUSED)
        if tried_again is not None and tried_again > at:
            return WaitingFor(WaitReason.CHANNEL_DOWN, until=tried_again)
        return WaitingFor(WaitReason.NEXT)

    return {each.id: wait(each) for each in waiting}


_leases = table("leases", column("name"), column("expires_at", UtcDateTime))  # its model is in a higher layer


def _server(row: OutboxMessage) -> tuple[Channel, int | None]:
    """Return the server that is down if this message cannot be sent; each webhook has its own."""
    return row.channel, row.endpoint_id if row.channel is Channel.WEBHOOK else None


def _down(session: Session, channels: Collection[Channel]) -> dict[tuple[Channel, int | None], datetime]:
    """Return the servers to which the last attempt failed, and when the next attempt is due.

    visibility: times only.
    """
    failed = session.scalars(
        select(OutboxMessage)
        .where(
            OutboxMessage.channel.in_(channels),
            *_STATES[OutboxState.WAITING],
            OutboxMessage.is_channel_down.is_(True),
        )
        .order_by(OutboxMessage.tried_at.desc())
        .limit(1000)
    )
    found: dict[tuple[Channel, int | None], datetime] = {}
    for row in failed:
        server = _server(row)
        if server in found or row.tried_at is None:
            continue
        sent_since = select(OutboxMessage.id).where(
            OutboxMessage.channel == row.channel, OutboxMessage.sent_at >= row.tried_at
        )
        if server[1] is not None:
            sent_since = sent_since.where(OutboxMessage.endpoint_id == server[1])
        if session.scalar(sent_since.limit(1)) is None:
            found[server] = row.due_at
    return found


@dataclass(frozen=True, slots=True)
class OutboxBacklog:
    """The state of a channel."""

    channel: Channel
    waiting: int
    oldest_due_at: datetime | None
    dead: int
    last_sent_at: datetime | None


def outbox_backlogs(session: Session, viewer: Viewer) -> list[OutboxBacklog]:
    """Return the state of every channel, including empty ones. Counted on partial indexes.

    visibility: only for a network administrator; counts.
    """
    require_can_see_outbox(viewer)
    waiting = {
        row[0]: (row[1], row[2])
        for row in session.execute(
            select(OutboxMessage.channel, func.count(), func.min(OutboxMessage.due_at))
            .where(*_STATES[OutboxState.WAITING])
            .group_by(OutboxMessage.channel)
        )
    }
    dead = {
        row[0]: row[1]
        for row in session.execute(
            select(OutboxMessage.channel, func.count())
            .where(*_STATES[OutboxState.DEAD])
            .group_by(OutboxMessage.channel)
        )
    }
    last = {
        channel: session.scalar(
            select(OutboxMessage.sent_at)
            .where(OutboxMessage.channel == channel, OutboxMessage.sent_at.is_not(None))
            .order_by(OutboxMessage.sent_at.desc())
            .limit(1)
        )
        for channel in Channel
    }
    return [
        OutboxBacklog(
            channel=channel,
            waiting=waiting.get(channel, (0, None))[0],
            oldest_due_at=waiting.get(channel, (0, None))[1],
            dead=dead.get(channel, 0),
            last_sent_at=last[channel],
        )
        for channel in Channel
    ]


def backlog(session: Session, endpoint_ids: Collection[int]) -> dict[int, tuple[int, int]]:
    """Return for each endpoint how many messages wait for it, and how many were given up.

    visibility: counts, for those who may administer the endpoint.
    """
    rows = session.execute(
        select(
            OutboxMessage.endpoint_id,
            func.count().filter(OutboxMessage.given_up_at.is_(None)),
            func.count().filter(OutboxMessage.given_up_at.is_not(None)),
        )
        .where(OutboxMessage.endpoint_id.in_(endpoint_ids), OutboxMessage.sent_at.is_(None))
        .group_by(OutboxMessage.endpoint_id)
    )
    return {each: (waiting, dead) for each, waiting, dead in rows if each is not None}


# --- Endpoints ------------------------------------------------------------------------------------------


def endpoint(session: Session, name: str) -> EndpointRow | None:
    """Return the endpoint with that name; None if there is none.

    visibility: for administrators and the owner; its address is never shown.
    """
    return session.scalar(
        select(EndpointRow).where(EndpointRow.name == name, EndpointRow.closed_at.is_(None))
    )


def open_endpoint(session: Session, viewer: Viewer, name: str) -> EndpointRow:
    """Return the open endpoint with that name. Raises NotFound.

    visibility: only for a network administrator.
    """
    require_can_see_outbox(viewer)
    found = endpoint(session, name)
    if found is None:
        raise NotFound("There is no endpoint '{name}'.", field="name", name=name)
    return found


def endpoints(
    session: Session, viewer: Viewer, *, limit: int = 1000, after_id: int = 0
) -> Sequence[EndpointRow]:
    """Return a page of the open endpoints.

    visibility: only for a network administrator.
    """
    require_can_see_outbox(viewer)
    return session.scalars(
        select(EndpointRow)
        .where(EndpointRow.id > after_id, EndpointRow.closed_at.is_(None))
        .order_by(EndpointRow.id)
        .limit(limit)
    ).all()


def reachable_people() -> ColumnElement[bool]:
    """Return a condition on people that is true if a person has a phone number or an endpoint.

    visibility: it is a predicate itself.
    """
    is_open = exists().where(EndpointRow.person_id == Person.id, EndpointRow.closed_at.is_(None))
    return or_(Person.phone.is_not(None), is_open)


def endpoints_of(session: Session, person_id: int) -> Sequence[EndpointRow]:
    """Return the open endpoints of a person.

    visibility: for messages to the person.
    """
    return session.scalars(
        select(EndpointRow)
        .where(EndpointRow.person_id == person_id, EndpointRow.closed_at.is_(None))
        .order_by(EndpointRow.id)
    ).all()


def endpoints_of_each(session: Session, person_ids: Collection[int]) -> dict[int, list[EndpointRow]]:
    """Return the open endpoints of each person.

    visibility: for messages to these people.
    """
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
