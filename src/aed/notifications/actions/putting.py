"""Putting messages into the outbox, in the transaction that has the reason for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import CursorResult, update
from sqlalchemy.orm import Session

from aed.accounts.models import Person
from aed.accounts.rules.message import Message
from aed.accounts.rules.person import Language
from aed.accounts.rules.phone import e164
from aed.errors import InvalidInput, NotFound
from aed.notifications import queries
from aed.notifications.models import EndpointRow, Outgoing
from aed.notifications.rules import Channel

TAKEN_BACK: Final = "It was called off."


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told, in both languages. The subject is for channels that have one."""

    text_en: str
    text_zh: str
    subject_en: str | None = None
    subject_zh: str | None = None
    expires_at: datetime | None = None


def put(session: Session, message: Message, at: datetime, *, lane: str | None = None) -> Outgoing:
    """It is sent to that number once this transaction is committed.

    Codes for signing in have a lane of their own: they wait behind no reminder. `lane`: another one.
    """
    channel = Channel(message.channel)
    usual = f"{channel}/p{message.person_id}" + ("/secret" if message.is_secret else "")
    outgoing = Outgoing(
        person_id=message.person_id,
        channel=channel,
        recipient=message.phone,
        lane=usual if lane is None else f"{channel}/{lane}",
        language=message.language,
        text_en=message.text_en,
        text_zh=message.text_zh,
        is_secret=message.is_secret,
        created_at=at,
        due_at=at,
        expires_at=message.expires_at,
        tries=0,
    )
    session.add(outgoing)
    session.flush()
    return outgoing


def put_to_endpoint(
    session: Session,
    endpoint: EndpointRow,
    notice: Notice,
    at: datetime,
    *,
    lane: str | None = None,
    is_secret: bool = False,
) -> Outgoing:
    """The same to an endpoint: a bot, a program, a mailbox, a browser."""
    outgoing = Outgoing(
        person_id=endpoint.person_id,
        endpoint_id=endpoint.id,
        channel=endpoint.channel,
        recipient=endpoint.address if endpoint.channel is Channel.EMAIL else endpoint.name,
        lane=f"{endpoint.channel}/{f'e{endpoint.id}' if lane is None else lane}",
        language=endpoint.language,
        subject_en=notice.subject_en,
        subject_zh=notice.subject_zh,
        text_en=notice.text_en,
        text_zh=notice.text_zh,
        is_secret=is_secret,
        created_at=at,
        due_at=at,
        expires_at=notice.expires_at,
        tries=0,
    )
    session.add(outgoing)
    session.flush()
    return outgoing


def tell(
    session: Session, person_id: int, notice: Notice, at: datetime, *, country: str | None = None
) -> Sequence[Outgoing]:
    """The person is told on every way there is: the endpoints of the person's own, else by telephone.

    Empty for somebody who cannot be reached. `country` is where a number without a country code is at home;
    one that is no number goes out as it is written, and is a dead letter that says so. Raises NotFound.
    visibility: to the person alone.
    """
    person = session.get(Person, person_id)
    if person is None:
        raise NotFound(f"There is no person {person_id}.", field="person_id")
    endpoints = queries.endpoints_of(session, person_id)
    if endpoints:
        return [put_to_endpoint(session, each, notice, at) for each in endpoints]
    if not person.phone:
        return []
    message = Message(
        person_id=person.id,
        channel=person.channel,
        phone=person.phone if country is None else _rung(person.phone, country=country),
        language=Language.EN if person.language == Language.EN else Language.ZH,
        text_en=notice.text_en,
        text_zh=notice.text_zh,
        expires_at=notice.expires_at,
    )
    return [put(session, message, at)]


def call(session: Session, person_id: int, notice: Notice, at: datetime, *, lane: str, country: str) -> int:
    """The person is called on every way at once: the own endpoints, and by telephone. How many there are.

    Such messages go before all others, wait for none, and nobody keeps their text. `lane` is theirs alone:
    by it they are taken back (`take_back`). visibility: to the person alone.
    """
    person = session.get(Person, person_id)
    if person is None:
        raise NotFound(f"There is no person {person_id}.", field="person_id")
    endpoints = queries.endpoints_of(session, person_id)
    for endpoint in endpoints:
        put_to_endpoint(session, endpoint, notice, at, lane=lane, is_secret=True)
    if not person.phone:
        return len(endpoints)
    message = Message(
        person_id=person.id,
        channel=person.channel,
        phone=_rung(person.phone, country=country),
        language=Language.EN if person.language == Language.EN else Language.ZH,
        text_en=notice.text_en,
        text_zh=notice.text_zh,
        expires_at=notice.expires_at,
        is_secret=True,
    )
    put(session, message, at, lane=lane)
    return len(endpoints) + 1


def take_back(session: Session, lanes: Collection[str], at: datetime) -> int:
    """What `call` put into these lanes and was not sent yet is not sent any more; how many there were.

    One that a worker holds already is not sent either, unless it is on its way at this very moment: before
    each try the worker looks once more.
    """
    done = session.execute(
        update(Outgoing)
        .where(
            Outgoing.lane.in_([f"{channel}/{lane}" for lane in lanes for channel in Channel]),
            Outgoing.sent_at.is_(None),
            Outgoing.given_up_at.is_(None),
        )
        .values(given_up_at=at, why=TAKEN_BACK, text_en=None, text_zh=None, claim=None, claimed_until=None),
        execution_options={"synchronize_session": False},
    )
    assert isinstance(done, CursorResult)
    return int(done.rowcount)


def _rung(phone: str, *, country: str) -> str:
    try:
        return e164(phone, country=country)
    except InvalidInput:
        return phone
