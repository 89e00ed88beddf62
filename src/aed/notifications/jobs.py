"""Send the messages of the outbox, and delete old ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from queue import SimpleQueue
from typing import Final
from uuid import uuid4

import structlog
from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from aed.database.session import Database, read_session, transaction
from aed.deadlines import answer_within
from aed.errors import DatabaseUnavailable
from aed.notifications import claims
from aed.notifications.channels import Deliver
from aed.notifications.claims import LEASE
from aed.notifications.models import OutboxMessage
from aed.notifications.rules import Channel, Delivery, DeliveryFailed, TemporaryFailure

log = structlog.get_logger("aed")

BATCH: Final = 100
AT_ONCE: Final = 8
"""How many ordering keys are sent at the same time. Messages with the same key are sent one by one."""
ORDERING_KEY_SECONDS: Final = 1.0
"""After this time, the rest of an ordering key is released, so that a slow one does not delay others."""
RECORDED_WITHIN_SECONDS: Final = 0.05
"""Deliveries are recorded within this time: one that is not recorded is repeated after a crash."""
DATABASE_SECONDS: Final = 5.0
"""The deadline of each claim and each record: after it, the next attempt takes a new connection."""
_TRY_RECORDING_SECONDS: Final = LEASE.total_seconds() - DATABASE_SECONDS
"""How long to wait for a database that is gone: only this process knows what was sent."""
_STOP_BEFORE_LEASE_SECONDS: Final = 45.0
"""No attempt begins so shortly before the claim ends: it could overlap with another worker's attempt."""

type Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Sent:
    """Results of sending. Each message counts once for each attempt."""

    sent: int = 0
    postponed: int = 0
    refused: int = 0

    def __add__(self, other: Sent) -> Sent:
        return Sent(self.sent + other.sent, self.postponed + other.postponed, self.refused + other.refused)


@dataclass
class Outages:
    """Channels that are down and left alone for a while. Kept in the memory of one process."""

    first_seconds: float = 2.0
    longest_seconds: float = 60.0
    _until: dict[Channel, tuple[float, float]] = field(default_factory=dict)

    def is_over(self, channel: Channel) -> bool:
        until, _ = self._until.get(channel, (0.0, 0.0))
        return time.monotonic() >= until

    def most(self, channel: Channel) -> int:
        """Return the batch size: one message for a channel that was down."""
        return 1 if channel in self._until else BATCH

    def down(self, channel: Channel) -> None:
        _, before = self._until.get(channel, (0.0, self.first_seconds / 2))
        wait = min(before * 2, self.longest_seconds)
        self._until[channel] = (time.monotonic() + wait, wait)

    def up(self, channel: Channel) -> None:
        self._until.pop(channel, None)


def send_waiting(
    database: Database,
    now: Now,
    *,
    channels: Mapping[Channel, Deliver],
    by: str | None = None,
    goes_on: Callable[[], bool] = lambda: True,
) -> Sent:
    """Send all messages that are due now, channel by channel. Raises DatabaseUnavailable."""
    with read_session(database) as session:
        due = claims.due_channels(session, at=now())
    by, outages, sent = by or f"hand:{uuid4().hex[:12]}", Outages(), Sent()
    for channel in due:
        sent += send_channel(
            database, now, channel=channel, deliver=channels[channel], by=by, outages=outages, goes_on=goes_on
        )
    return sent


def send_channel(
    database: Database,
    now: Now,
    *,
    channel: Channel,
    deliver: Deliver,
    by: str,
    outages: Outages,
    goes_on: Callable[[], bool] = lambda: True,
) -> Sent:
    """Send the messages that are due on the channel; nothing is sent within a transaction.

    1. Claim a batch, in a transaction of its own.
    2. Deliver the messages, some at the same time.
    3. Record each outcome as soon as it is known. A delivery that could not be recorded is repeated: at least
       once, with the same idempotency key.

    Stops early if the channel is down, or if `goes_on` returns False. Raises DatabaseUnavailable within
    DATABASE_SECONDS if nothing can be claimed.
    """
    total = Sent()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"aed-{channel}") as pool:
        while goes_on() and outages.is_over(channel):
            with answer_within(DATABASE_SECONDS), transaction(database) as session:
                unwanted = claims.give_up_expired(session, at=now())
                letters = claims.claim(session, channel=channel, by=by, at=now(), most=outages.most(channel))
            if not letters:
                if unwanted:
                    continue
                break
            total += _send_batch(
                database, now, letters, deliver=deliver, by=by, pool=pool, outages=outages, goes_on=goes_on
            )
    return total


@dataclass
class _Batch:
    """Outcomes of a batch that are not recorded yet."""

    database: Database
    now: Now
    by: str
    sent: list[Delivery] = field(default_factory=list)
    failed: list[tuple[Delivery, DeliveryFailed]] = field(default_factory=list)
    untried: list[Delivery] = field(default_factory=list)

    def record(self) -> None:
        if not (self.sent or self.failed or self.untried):
            return
        until = time.monotonic() + _TRY_RECORDING_SECONDS
        while True:
            try:
                with answer_within(DATABASE_SECONDS), transaction(self.database) as session:
                    self._record(session)
            except DatabaseUnavailable:
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)  # the database may be restarting, which takes seconds
            else:
                break
        self.sent, self.failed, self.untried = [], [], []

    def _record(self, session: Session) -> None:
        at = self.now()
        recorded = claims.sent(session, self.sent, by=self.by, at=at)
        if recorded < len(self.sent):
            log.warning("message sent twice", count=len(self.sent) - recorded)
        for letter, error in self.failed:
            claims.failed(session, letter, error, by=self.by, at=at)
        claims.release(session, self.untried, by=self.by)


type _Result = DeliveryFailed | bool
"""The failure, or whether an attempt was made."""


def _send_batch(
    database: Database,
    now: Now,
    letters: Sequence[Delivery],
    *,
    deliver: Deliver,
    by: str,
    pool: ThreadPoolExecutor,
    outages: Outages,
    goes_on: Callable[[], bool],
) -> Sent:
    channel = letters[0].channel
    down: set[int | None] = set()
    """The servers that are down; None stands for the whole channel."""
    until = time.monotonic() + LEASE.total_seconds() - _STOP_BEFORE_LEASE_SECONDS
    results: SimpleQueue[tuple[Delivery, _Result]] = SimpleQueue()

    def one(letter: Delivery) -> _Result:
        if letter.own_server_id in down or time.monotonic() > until or not goes_on():
            return False
        if letter.is_secret and not _is_still_wanted(database, letter, by):
            return False
        try:
            deliver(letter, at=now())
        except DeliveryFailed as error:
            if isinstance(error, TemporaryFailure) and error.is_channel_down:
                down.add(letter.own_server_id)
            return error
        except Exception as error:  # noqa: BLE001 - logged by its type: its message may contain an address
            return _unexpected_failure(letter, error)
        return True

    def one_after_the_other(ordering_key: Sequence[Delivery]) -> None:
        """Send the messages in order; after a failure, the rest is not attempted."""
        lane_until = time.monotonic() + ORDERING_KEY_SECONDS
        is_held_up = False
        for letter in ordering_key:
            result = False if is_held_up else one(letter)
            results.put((letter, result))
            is_held_up = is_held_up or result is not True or time.monotonic() > lane_until

    total, batch, recorded_at = Sent(), _Batch(database, now, by), time.monotonic()
    with _all_recorded(batch):
        for ordering_key in _by_ordering_key(letters):
            pool.submit(one_after_the_other, ordering_key)
        for _ in letters:
            letter, result = results.get()
            match result:
                case True:
                    batch.sent.append(letter)
                    total += Sent(sent=1)
                case False:
                    batch.untried.append(letter)
                case DeliveryFailed():
                    batch.failed.append((letter, result))
                    total += Sent(postponed=1) if isinstance(result, TemporaryFailure) else Sent(refused=1)
            if time.monotonic() - recorded_at > RECORDED_WITHIN_SECONDS:
                batch.record()
                recorded_at = time.monotonic()
    if None in down:
        outages.down(channel)
        log.warning("channel unavailable", channel=str(channel))
    elif total.sent:
        outages.up(channel)
    return total


def _is_still_wanted(database: Database, letter: Delivery, by: str) -> bool:
    """Return True if the message has not been cancelled; False if the database does not answer."""
    try:
        with answer_within(DATABASE_SECONDS), read_session(database) as session:
            return claims.is_still_wanted(session, letter, by=by)
    except DatabaseUnavailable:
        return False


def _by_ordering_key(letters: Sequence[Delivery]) -> list[list[Delivery]]:
    """Group messages by ordering key, in order; a message without one is a group of its own."""
    ordering_keys: dict[str, list[Delivery]] = {}
    for letter in letters:
        ordering_keys.setdefault(letter.ordering_key or f"/{letter.id}", []).append(letter)
    return list(ordering_keys.values())


def _unexpected_failure(letter: Delivery, error: Exception) -> TemporaryFailure:
    """Log an unexpected error of a channel, without the message, and treat it as a temporary failure."""
    log.error("channel failed", channel=str(letter.channel), message=letter.id, error=type(error).__name__)
    return TemporaryFailure(f"Internal error: {type(error).__name__}.")


@contextmanager
def _all_recorded(batch: _Batch) -> Iterator[None]:
    try:
        yield
    finally:
        batch.record()


def delete_messages(database: Database, now: datetime, *, keep_days: int) -> int:
    """Delete messages that were sent or given up more than `keep_days` ago; return how many.

    visibility: for scheduled jobs.
    """
    before, forgotten = now - timedelta(days=keep_days), 0
    over = or_(OutboxMessage.sent_at <= before, OutboxMessage.given_up_at <= before)
    while True:
        with transaction(database) as session:
            ids = session.scalars(select(OutboxMessage.id).where(over).limit(1000)).all()
            if not ids:
                return forgotten
            session.execute(delete(OutboxMessage).where(OutboxMessage.id.in_(ids)))
            forgotten += len(ids)
