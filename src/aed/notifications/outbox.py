"""Enqueue messages in the outbox, in the transaction that gives rise to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session, class_mapper

from aed.accounts.free_text import one_line
from aed.accounts.people.models import Person
from aed.accounts.people.rules import Language, PersonMessage, e164
from aed.accounts.permissions import Viewer, require_administrator
from aed.database.bulk import insert_many
from aed.database.session import not_after_wall_clock
from aed.errors import InvalidInput, NotFound
from aed.notifications import consents, queries
from aed.notifications.models import EndpointRow, OutboxMessage
from aed.notifications.rules import Channel, MessageTopic

CANCELLED: Final = "The message was cancelled."


@dataclass(frozen=True, slots=True)
class Notice:
    """A text in both languages. The subject is for channels that have one."""

    text_en: str
    text_zh: str
    subject_en: str | None = None
    subject_zh: str | None = None
    expires_at: datetime | None = None
    topic: MessageTopic = MessageTopic.OTHER


def enqueue(session: Session, message: PersonMessage, at: datetime) -> OutboxMessage:
    """Enqueue an SMS or a voice call; the worker sends it after commit.

    Sign-in codes have an ordering key of their own, so that they never wait behind a reminder.
    """
    recipient = f"p{message.person_id}" if message.person_id is not None else f"n{uuid4().hex}"
    ordering_key = recipient + ("/secret" if message.is_secret else "")
    outgoing = _to_number(session, message, at, ordering_key=ordering_key)
    session.add(outgoing)
    session.flush()
    return outgoing


def enqueue_to_endpoint(
    session: Session, endpoint: EndpointRow, notice: Notice, at: datetime
) -> OutboxMessage:
    """Enqueue a message to an endpoint: a bot, a webhook, a mailbox or a browser."""
    outgoing = _to_endpoint(session, endpoint, notice, at, ordering_key=f"e{endpoint.id}", is_secret=False)
    session.add(outgoing)
    session.flush()
    return outgoing


def send_test(session: Session, who: Viewer, name: str, *, at: datetime) -> OutboxMessage:
    """Enqueue a test message for the endpoint of that name. Raises NotFound, NotAllowed."""
    require_administrator(who)
    notice = Notice(
        subject_en="Test of the AED network",
        subject_zh="AED 网络测试",
        text_en="This is a test. Messages of the AED network arrive here.",
        text_zh="这是一条测试消息：AED 网络的通知可以送达此处。",
    )
    return enqueue_to_endpoint(session, queries.open_endpoint(session, who, name), notice, at)


def enqueue_body(
    session: Session, endpoint: EndpointRow, body: str, at: datetime, *, ordering_key: str
) -> OutboxMessage:
    """Enqueue JSON for a webhook, sent as it is, in the order of `ordering_key`.

    It is not secret: an administrator can resend it after it was given up.
    """
    outgoing = OutboxMessage(
        person_id=endpoint.person_id,
        endpoint_id=endpoint.id,
        channel=endpoint.channel,
        recipient=endpoint.name,
        ordering_key=f"{endpoint.channel}/{ordering_key}",
        language=endpoint.language,
        body=body,
        is_secret=False,
        created_at=at,
        due_at=not_after_wall_clock(session, at),
        tries=0,
    )
    session.add(outgoing)
    session.flush()
    return outgoing


def _to_number(session: Session, message: PersonMessage, at: datetime, *, ordering_key: str) -> OutboxMessage:
    channel = Channel(message.channel)
    return OutboxMessage(
        person_id=message.person_id,
        channel=channel,
        recipient=message.phone,
        ordering_key=f"{channel}/{ordering_key}",
        language=message.language,
        text_en=one_line(message.text_en),
        text_zh=one_line(message.text_zh),
        is_secret=message.is_secret,
        created_at=at,
        due_at=not_after_wall_clock(session, at),
        expires_at=message.expires_at,
        tries=0,
    )


def _to_endpoint(
    session: Session,
    endpoint: EndpointRow,
    notice: Notice,
    at: datetime,
    *,
    ordering_key: str,
    is_secret: bool,
) -> OutboxMessage:
    return OutboxMessage(
        person_id=endpoint.person_id,
        endpoint_id=endpoint.id,
        channel=endpoint.channel,
        recipient=endpoint.address if endpoint.channel is Channel.EMAIL else endpoint.name,
        ordering_key=f"{endpoint.channel}/{ordering_key}",
        language=endpoint.language,
        subject_en=notice.subject_en,
        subject_zh=notice.subject_zh,
        text_en=notice.text_en,
        text_zh=notice.text_zh,
        body=consents.template_of(session, notice.topic) if endpoint.channel is Channel.WECHAT else None,
        is_secret=is_secret,
        created_at=at,
        due_at=not_after_wall_clock(session, at),
        expires_at=notice.expires_at,
        tries=0,
    )


def notify_person(
    session: Session, person_id: int, notice: Notice, at: datetime, *, country: str | None = None
) -> Sequence[OutboxMessage]:
    """Notify a person through all their own endpoints, or else by phone; return the messages.

    WeChat counts only while a consent to such a message is left, which it takes. Returns an empty list if the
    person cannot be reached. `country` is assumed for a number without a country
    code; an invalid number is enqueued as written, and fails with a reason. Raises NotFound.
    visibility: to the person alone.
    """
    person = session.get(Person, person_id)
    if person is None:
        raise NotFound("There is no person {person_id}.", field="person_id", person_id=person_id)
    endpoints = consents.permitted(session, queries.endpoints_of(session, person_id), notice.topic, at)
    made = _messages_to(session, person, endpoints, notice, at, country=country)
    session.add_all(made)
    session.flush()
    return made


def notify_people(session: Session, notices: Mapping[int, Notice], at: datetime) -> set[int]:
    """Notify each person as `notify_person` does, each with their own notice; return who was reached.

    Takes three statements, however many people there are, and one more for each topic if some use WeChat.
    visibility: to these people alone.
    """
    people = session.scalars(select(Person).where(Person.id.in_(notices)).order_by(Person.id)).all()
    endpoints = queries.endpoints_of_each(session, notices)
    usable_ids = set[int]()
    for topic in sorted({each.topic for each in notices.values()}):
        asked = [each for id_, found in endpoints.items() if notices[id_].topic is topic for each in found]
        usable_ids |= {each.id for each in consents.permitted(session, asked, topic, at)}
    made = []
    for person in people:
        usable = [each for each in endpoints.get(person.id, ()) if each.id in usable_ids]
        made += _messages_to(session, person, usable, notices[person.id], at, country=None)
    insert_many(session, OutboxMessage, [_as_row(each) for each in made])
    return {each.person_id for each in made if each.person_id is not None}


def _messages_to(
    session: Session,
    person: Person,
    endpoints: Sequence[EndpointRow],
    notice: Notice,
    at: datetime,
    *,
    country: str | None,
) -> list[OutboxMessage]:
    """Return the messages to a person's usable endpoints, or else the one to their phone, if there is any."""
    if endpoints:
        return [
            _to_endpoint(session, each, notice, at, ordering_key=f"e{each.id}", is_secret=False)
            for each in endpoints
        ]
    if not person.phone:
        return []
    message = PersonMessage(
        person_id=person.id,
        channel=person.channel,
        phone=person.phone if country is None else _phone_number(person.phone, country=country),
        language=Language.EN if person.language == Language.EN else Language.ZH,
        text_en=notice.text_en,
        text_zh=notice.text_zh,
        expires_at=notice.expires_at,
    )
    return [_to_number(session, message, at, ordering_key=f"p{person.id}")]


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """An alert to one person. Its ordering key is unique to the alert: it is cancelled by that key."""

    person_id: int
    ordering_key: str
    notice: Notice
    country: str
    """ISO 3166-1 alpha-2 country of a number without a country code."""


def alert_people(session: Session, calls: Sequence[AlertMessage], at: datetime) -> set[int]:
    """Alert people through their endpoints and their phone at once; return the ids of those not reachable.

    Takes three statements, however many people there are, and one more if some of them use WeChat. Alerts
    are sent before all other messages, and their texts are deleted once they are sent.
    visibility: to these people alone.
    """
    ids = [each.person_id for each in calls]
    people = {each.id: each for each in session.scalars(select(Person).where(Person.id.in_(ids)))}
    endpoints = queries.endpoints_of_each(session, ids)
    usable = consents.permitted(
        session, [each for found in endpoints.values() for each in found], MessageTopic.CALL, at
    )
    usable_ids = {each.id for each in usable}
    unreachable, made = set(ids), []
    for each in calls:
        person = people.get(each.person_id)
        for endpoint in endpoints.get(each.person_id, ()):
            if endpoint.id not in usable_ids:
                continue
            notice = replace(each.notice, topic=MessageTopic.CALL)
            made.append(
                _to_endpoint(session, endpoint, notice, at, ordering_key=each.ordering_key, is_secret=True)
            )
        if person is not None and person.phone:
            message = PersonMessage(
                person_id=person.id,
                channel=person.channel,
                phone=_phone_number(person.phone, country=each.country),
                language=Language.EN if person.language == Language.EN else Language.ZH,
                text_en=each.notice.text_en,
                text_zh=each.notice.text_zh,
                expires_at=each.notice.expires_at,
                is_secret=True,
            )
            made.append(_to_number(session, message, at, ordering_key=each.ordering_key))
    insert_many(session, OutboxMessage, [_as_row(each) for each in made])
    return unreachable - {each.person_id for each in made if each.person_id is not None}


def _as_row(outgoing: OutboxMessage) -> dict[str, object]:
    """Return the message as a row for a bulk insert, which is three times as fast as the session for ten."""
    return {name: getattr(outgoing, name) for name in _COLUMNS} | {"key": uuid4().hex}


_COLUMNS: Final = tuple(
    each.key for each in class_mapper(OutboxMessage).column_attrs if each.key not in ("id", "is_channel_down")
)


def cancel(session: Session, ordering_keys: Collection[str], at: datetime) -> int:
    """Cancel unsent messages of `alert_people` by their ordering keys; return how many there were.

    A message that a worker has claimed is cancelled too, unless it is being sent at this moment: the worker
    checks once more before each attempt.
    """
    done = session.execute(
        update(OutboxMessage)
        .where(
            OutboxMessage.ordering_key.in_(
                [f"{channel}/{ordering_key}" for ordering_key in ordering_keys for channel in Channel]
            ),
            OutboxMessage.sent_at.is_(None),
            OutboxMessage.given_up_at.is_(None),
        )
        .values(given_up_at=at, reason=CANCELLED, text_en=None, text_zh=None, claim=None, claimed_until=None)
        .returning(OutboxMessage.id, OutboxMessage.channel),
        execution_options={"synchronize_session": False},
    ).all()
    in_wechat = [row.id for row in done if row.channel is Channel.WECHAT]
    if in_wechat:
        consents.return_consents(session, in_wechat)
    return len(done)


def _phone_number(phone: str, *, country: str) -> str:
    try:
        return e164(phone, country=country)
    except InvalidInput:
        return phone
