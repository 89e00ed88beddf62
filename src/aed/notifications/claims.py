"""Claim messages of the outbox, and record the outcome of each attempt."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, CursorResult, Executable, and_, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from aed.accounts.free_text import one_line
from aed.accounts.people.models import Account, Person
from aed.accounts.people.rules import Language
from aed.accounts.permissions import Viewer, require_administrator
from aed.errors import Conflict, NotFound
from aed.notifications.consents import drop_consents, return_consents, take_consents
from aed.notifications.endpoints import close_endpoint
from aed.notifications.models import EndpointRow, OutboxMessage
from aed.notifications.rules import (
    LINK_REMOVED,
    MAX_RATE_PERIOD,
    MAX_TRIES,
    RATES,
    Channel,
    Delivery,
    DeliveryFailed,
    Endpoint,
    PermanentFailure,
    TemporaryFailure,
    next_free_at,
    wait_after,
    without_links,
)

LEASE: Final = timedelta(minutes=2)
"""How long a claim lasts; a message that was not tried by then can be claimed again."""
LINK_RETENTION: Final = timedelta(days=7)
"""How long a dead message without an expiry keeps its links: it can be resent until then."""
NO_LONGER_WANTED: Final = "The message expired before it could be sent."

_WAITING: Final = (OutboxMessage.sent_at.is_(None), OutboxMessage.given_up_at.is_(None))
_SameKey = aliased(OutboxMessage)  # visibility: only an alias


def _due(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        *_WAITING,
        OutboxMessage.due_at <= at,
        _is_free(at),
    )


def _is_free(at: datetime) -> ColumnElement[bool]:
    """Select messages that are not being sent."""
    return or_(OutboxMessage.claimed_until.is_(None), OutboxMessage.claimed_until <= at)


def due_channels(session: Session, *, at: datetime) -> list[Channel]:
    """Return the channels that have messages due.

    visibility: for the worker; it answers only whether there are any.
    """
    asked = select(
        *(
            exists().where(OutboxMessage.channel == channel, *_due(at)).correlate(None).label(channel)
            for channel in Channel
        )
    )
    found = session.execute(asked).one()
    return [channel for channel, is_due in zip(Channel, found, strict=True) if is_due]


@dataclass(frozen=True, slots=True)
class _ClaimCandidate:
    id: int
    endpoint_id: int | None
    ordering_key: str | None


def claim(session: Session, *, channel: Channel, by: str, at: datetime, most: int) -> list[Delivery]:
    """Claim due messages of the channel for `by`, until LEASE has passed.

    1. Sign-in codes come first, then the messages that have been due for longest.
    2. Take the first unsent message of each ordering key; if these are fewer than `most`, also the messages
       that follow. The caller sends those with the same ordering key one after the other, and none after a
       failure.
    3. Postpone messages that would exceed the rate limit of a bot.
    4. The UPDATE is the claim. PostgreSQL skips rows that another worker is claiming; SQLite has a single
       writer.

    visibility: for the worker, which sends each message only to its recipient.
    """
    found: list[_ClaimCandidate] = []
    # A scalar, not a join: without statistics, PostgreSQL would scan the whole outbox for each message.
    first_with_key = (
        select(_SameKey.id)
        .where(
            _SameKey.ordering_key == OutboxMessage.ordering_key,
            _SameKey.sent_at.is_(None),
            _SameKey.given_up_at.is_(None),
        )
        .order_by(_SameKey.id)
        .limit(1)
        .correlate(OutboxMessage)
        .scalar_subquery()
    )
    for is_secret in (True, False):
        asked = (
            select(OutboxMessage.id, OutboxMessage.endpoint_id, OutboxMessage.ordering_key)
            .where(
                OutboxMessage.channel == channel,
                OutboxMessage.is_secret.is_(is_secret),
                *_due(at),
                or_(OutboxMessage.expires_at.is_(None), OutboxMessage.expires_at > at),
                or_(OutboxMessage.ordering_key.is_(None), OutboxMessage.id == first_with_key),
            )
            .order_by(OutboxMessage.due_at, OutboxMessage.id)
            .limit(most - len(found))
            .with_for_update(skip_locked=True)
        )
        if len(found) < most:
            found += [_ClaimCandidate(*row) for row in session.execute(asked)]
    if channel in RATES:
        found = [each for each in found if _may_be_sent(session, each, channel=channel, at=at)]
    elif 0 < len(found) < most:
        found += _followers(session, found, at=at, most=most - len(found))
    if not found:
        return []
    rows = session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id.in_([each.id for each in found]), *_due(at))
        .values(claim=by, claimed_until=at + LEASE, tries=OutboxMessage.tries + 1, tried_at=at)
        .returning(*_LETTER)
        .execution_options(synchronize_session=False)
    ).all()
    ids = {each.endpoint_id for each in found if each.endpoint_id is not None}
    endpoints = _endpoints(session, ids, at=at)
    order = {each.id: number for number, each in enumerate(found)}
    letters = []
    for row in sorted(rows, key=lambda each: order[each.id]):
        is_chinese = row.language is Language.ZH
        letters.append(
            Delivery(
                id=row.id,
                key=row.key,
                channel=row.channel,
                recipient=row.recipient,
                language=row.language,
                subject=(row.subject_zh if is_chinese else row.subject_en) or "",
                text=(row.text_zh if is_chinese else row.text_en) or "",
                created_at=row.created_at,
                expires_at=row.expires_at,
                tries=row.tries,
                endpoint=endpoints.get(row.endpoint_id),
                ordering_key=row.ordering_key,
                is_secret=row.is_secret,
                body=row.body,
            )
        )
    return letters


def is_still_wanted(session: Session, letter: Delivery, *, by: str) -> bool:
    """Return True if `by` still holds the claim, and the message was neither sent nor cancelled.

    visibility: for the worker.
    """
    asked = select(OutboxMessage.id).where(
        OutboxMessage.id == letter.id, OutboxMessage.claim == by, *_WAITING
    )
    return session.scalar(asked) is not None


_LETTER: Final = (
    OutboxMessage.id,
    OutboxMessage.key,
    OutboxMessage.channel,
    OutboxMessage.recipient,
    OutboxMessage.language,
    OutboxMessage.subject_en,
    OutboxMessage.subject_zh,
    OutboxMessage.text_en,
    OutboxMessage.text_zh,
    OutboxMessage.created_at,
    OutboxMessage.expires_at,
    OutboxMessage.tries,
    OutboxMessage.endpoint_id,
    OutboxMessage.ordering_key,
    OutboxMessage.is_secret,
    OutboxMessage.body,
)


def _endpoints(session: Session, ids: Collection[int], *, at: datetime) -> dict[int | None, Endpoint]:
    """Return the endpoints with these ids, with their addresses and valid secrets.

    visibility: for the worker.
    """
    if not ids:
        return {}
    asked = select(EndpointRow).where(EndpointRow.id.in_(ids))
    return {
        row.id: Endpoint(
            row.id, row.name, row.address, row.secret, row.old_secret_at(at), row.is_closed_when_gone
        )
        for row in session.scalars(asked)
    }


def _followers(
    session: Session, firsts: Sequence[_ClaimCandidate], *, at: datetime, most: int
) -> list[_ClaimCandidate]:
    """Return the messages due behind these with the same ordering keys, up to the first that is not due.

    visibility: for the worker.
    """
    ordering_keys = {each.ordering_key for each in firsts if each.ordering_key is not None}
    is_ready = and_(*_due(at), or_(OutboxMessage.expires_at.is_(None), OutboxMessage.expires_at > at))
    rows = session.execute(
        select(
            OutboxMessage.id,
            OutboxMessage.endpoint_id,
            OutboxMessage.ordering_key,
            is_ready.label("is_ready"),
        )
        .where(
            OutboxMessage.ordering_key.in_(ordering_keys),
            *_WAITING,
            OutboxMessage.id.not_in([each.id for each in firsts]),
        )
        .order_by(OutboxMessage.ordering_key, OutboxMessage.id)
        .limit(most)
    )
    found = []
    for row in rows:
        if not row.is_ready:
            ordering_keys.discard(row.ordering_key)
        elif row.ordering_key in ordering_keys:
            found.append(_ClaimCandidate(row.id, row.endpoint_id, row.ordering_key))
    return found


def _may_be_sent(session: Session, found: _ClaimCandidate, *, channel: Channel, at: datetime) -> bool:
    """Return True if the rate limit of the bot permits a message now; if not, postpone the message.

    visibility: for the worker.
    """
    most = max(rate.most for rate in RATES[channel])
    tried = session.scalars(
        select(OutboxMessage.tried_at)
        .where(OutboxMessage.endpoint_id == found.endpoint_id, OutboxMessage.tried_at > at - MAX_RATE_PERIOD)
        .order_by(OutboxMessage.tried_at.desc())
        .limit(most)
    ).all()
    free = next_free_at([moment for moment in tried if moment is not None], RATES[channel], at=at)
    if free > at:
        _change(session, update(OutboxMessage).where(OutboxMessage.id == found.id).values(due_at=free))
    return free <= at


# --- Outcomes of attempts -------------------------------------------------------------------------------


def sent(session: Session, letters: Sequence[Delivery], *, by: str, at: datetime) -> int:
    """Record deliveries and delete secret texts; return how many `by` still held."""
    if not letters:
        return 0
    ids = [letter.id for letter in letters]
    recorded = _change(
        session,
        update(OutboxMessage)
        .where(OutboxMessage.id.in_(ids), OutboxMessage.claim == by, *_WAITING)
        .values(sent_at=at, claim=None, claimed_until=None, reason=None),
    )
    _forget_secrets(session, ids)
    _remove_links(session, OutboxMessage.id.in_(ids), OutboxMessage.sent_at.is_not(None))
    return recorded


def failed(session: Session, letter: Delivery, error: DeliveryFailed, *, by: str, at: datetime) -> None:
    """Record a failed attempt: retry later, or give up after a permanent failure or MAX_TRIES.

    An endpoint that no longer exists is closed.
    """
    mine = update(OutboxMessage).where(OutboxMessage.id == letter.id, OutboxMessage.claim == by, *_WAITING)
    free = {"claim": None, "claimed_until": None, "reason": error.detail[:300]}
    if isinstance(error, PermanentFailure) or letter.tries >= MAX_TRIES:
        _change(session, mine.values(given_up_at=at, **free))
        if isinstance(error, PermanentFailure) and error.is_consent_gone:
            _send_by_phone(session, letter, at=at)
        elif letter.channel is Channel.WECHAT:
            return_consents(session, [letter.id])
        _forget_secrets(session, [letter.id])
        if isinstance(error, PermanentFailure) and error.is_endpoint_gone and letter.endpoint is not None:
            close_endpoint(session, letter.endpoint.id, reason=error.detail[:300], at=at)
        return
    wait = wait_after(letter.tries, random_fraction=random.random())
    if isinstance(error, TemporaryFailure) and error.wait is not None:
        wait = max(wait, error.wait)
    is_down = isinstance(error, TemporaryFailure) and error.is_channel_down
    _change(session, mine.values(due_at=at + wait, is_channel_down=is_down, **free))
    if isinstance(error, TemporaryFailure) and error.is_channel_down and letter.own_server_id is not None:
        _postpone(session, letter.own_server_id, until=at + wait)


def _send_by_phone(session: Session, letter: Delivery, *, at: datetime) -> None:
    """Forget the consents that are left, and enqueue the message to the person's own number instead.

    An alert went to the number at the same time already.
    visibility: to the person alone.
    """
    if letter.endpoint is None or letter.body is None:
        return
    drop_consents(session, letter.endpoint.id, template_id=letter.body)
    message = session.get_one(OutboxMessage, letter.id)
    person = session.get(Person, message.person_id) if message.person_id is not None else None
    account = session.get(Account, message.person_id) if message.person_id is not None else None
    if message.is_secret or person is None or account is None:
        return
    channel = Channel(person.channel)
    session.add(
        OutboxMessage(
            person_id=person.id,
            channel=channel,
            recipient=account.phone,
            ordering_key=f"{channel}/p{person.id}",
            language=message.language,
            text_en=one_line(message.text_en or ""),
            text_zh=one_line(message.text_zh or ""),
            is_secret=False,
            created_at=at,
            due_at=at,
            expires_at=message.expires_at,
            tries=0,
        )
    )
    session.flush()


def _postpone(session: Session, endpoint_id: int, *, until: datetime) -> None:
    """Postpone the other messages to the same server, so that they do not delay other recipients."""
    _change(
        session,
        update(OutboxMessage)
        .where(OutboxMessage.endpoint_id == endpoint_id, *_WAITING, OutboxMessage.due_at < until)
        .values(due_at=until),
    )


def release(session: Session, letters: Sequence[Delivery], *, by: str) -> None:
    """Release messages that were claimed and not tried."""
    if letters:
        _change(
            session,
            update(OutboxMessage)
            .where(
                OutboxMessage.id.in_([letter.id for letter in letters]), OutboxMessage.claim == by, *_WAITING
            )
            .values(claim=None, claimed_until=None, tries=OutboxMessage.tries - 1),
        )


def release_claims_of(session: Session, by: str, *, channel: Channel | None = None) -> int:
    """Release the claims of a worker that has ended, or those on a channel; return how many there were."""
    of_channel = () if channel is None else (OutboxMessage.channel == channel,)
    return _change(
        session,
        update(OutboxMessage)
        .where(OutboxMessage.claim == by, *of_channel, *_WAITING)
        .values(claim=None, claimed_until=None),
    )


def give_up_expired(session: Session, *, at: datetime) -> int:
    """Give up messages that have expired, and delete their secret texts; return how many there were.

    This includes messages that wait for their next attempt.
    visibility: for the worker.
    """
    over = session.scalars(
        select(OutboxMessage.id).where(*_WAITING, _is_free(at), OutboxMessage.expires_at <= at).limit(1000)
    ).all()
    if over:
        _change(
            session,
            update(OutboxMessage)
            .where(OutboxMessage.id.in_(over))
            .values(given_up_at=at, reason=NO_LONGER_WANTED),
        )
        return_consents(session, over)
        _forget_secrets(session, over)
        _remove_links(session, OutboxMessage.id.in_(over), OutboxMessage.given_up_at.is_not(None))
    return len(over)


def remove_dead_links(session: Session, *, at: datetime) -> int:
    """Remove the links from dead messages that expired or were given up long ago; return how many.

    Until then an administrator can resend them as they were.
    visibility: for scheduled jobs.
    """
    return _remove_links(
        session,
        OutboxMessage.given_up_at.is_not(None),
        or_(OutboxMessage.expires_at <= at, OutboxMessage.given_up_at <= at - LINK_RETENTION),
    )


def _remove_links(session: Session, *which: ColumnElement[bool]) -> int:
    """Remove links from the texts of these messages.

    visibility: what remains reveals less.
    """
    has_link = or_(
        *(
            column.like("%://%")
            for column in (OutboxMessage.text_en, OutboxMessage.text_zh, OutboxMessage.body)
        )
    )
    texts = (OutboxMessage.text_en, OutboxMessage.text_zh, OutboxMessage.body)
    rows = session.execute(select(OutboxMessage.id, *texts).where(*which, has_link).limit(1000)).all()
    changed = 0
    for row in rows:
        found = {each.key: without_links(getattr(row, each.key)) for each in texts}
        if any(found[each.key] != getattr(row, each.key) for each in texts):
            changed += _change(session, update(OutboxMessage).where(OutboxMessage.id == row.id).values(found))
    return changed


def send_now(session: Session, who: Viewer, outgoing_id: int, *, at: datetime) -> OutboxMessage:
    """Resend a dead message, with the same key, by which receivers detect duplicates.

    Raises NotFound, and Conflict for one that is not dead or whose text is forgotten.
    visibility: an administrator's.
    """
    require_administrator(who)
    found = session.get(OutboxMessage, outgoing_id, with_for_update=True)
    if found is None:
        raise NotFound("There is no message {outgoing_id}.", field="message_id", outgoing_id=outgoing_id)
    if found.given_up_at is None:
        raise Conflict("Only a failed message can be sent again. This one is waiting or was sent.")
    if found.text_en is None and found.text_zh is None and found.body is None:
        raise Conflict(
            "The text of this message was secret and has been deleted. The person must request a new one."
        )
    if any(text is not None and LINK_REMOVED in text for text in (found.text_en, found.text_zh, found.body)):
        raise Conflict("The link of this message has expired and was removed. Create a new one.")
    if found.endpoint_id is not None:
        endpoint = session.get(EndpointRow, found.endpoint_id)
        if endpoint is None or endpoint.closed_at is not None:
            raise Conflict("The endpoint of this message was removed.")
    found.given_up_at = found.expires_at = None
    found.tries, found.due_at = 0, at
    if found.channel is Channel.WECHAT and found.endpoint_id is not None:
        take_consents(session, [found.endpoint_id], found.body, at)
    session.flush()
    return found


def cancel_waiting(session: Session, who: Viewer, outgoing_id: int, *, at: datetime) -> OutboxMessage:
    """Cancel a waiting message; messages behind it are sent.

    Raises NotFound, and Conflict for one that was sent or given up, or is being sent at this moment.
    visibility: an administrator's.
    """
    require_administrator(who)
    found = session.get(OutboxMessage, outgoing_id, with_for_update=True)
    if found is None:
        raise NotFound("There is no message {outgoing_id}.", field="message_id", outgoing_id=outgoing_id)
    if found.sent_at is not None:
        raise Conflict("This message was already sent.")
    if found.given_up_at is not None:
        raise Conflict("This message already failed.")
    if found.claimed_until is not None and found.claimed_until > at:
        raise Conflict("This message is being sent. Try again in two minutes.")
    found.given_up_at, found.reason = at, f"Cancelled by {who.name}."[:300]
    found.claim = found.claimed_until = None
    session.flush()
    return_consents(session, [found.id])
    _forget_secrets(session, [found.id])
    session.refresh(found)
    return found


def _forget_secrets(session: Session, ids: Collection[int]) -> None:
    ended = or_(OutboxMessage.sent_at.is_not(None), OutboxMessage.given_up_at.is_not(None))
    _change(
        session,
        update(OutboxMessage)
        .where(OutboxMessage.id.in_(ids), OutboxMessage.is_secret, ended)
        .values(text_en=None, text_zh=None),
    )


def _change(session: Session, statement: Executable) -> int:
    done = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(done, CursorResult)
    return int(done.rowcount)
