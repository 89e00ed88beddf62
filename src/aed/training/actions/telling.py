"""Telling people of their enrolments, through the outbox: in the transaction in which it happens.

So whoever is told is told once, and of nothing that did not happen: what is rolled back takes its message
with it, and a job that starts again finds nothing left to tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.models import Person
from aed.accounts.rules.message import Message
from aed.accounts.rules.person import Language
from aed.accounts.rules.phone import e164
from aed.errors import InvalidInput
from aed.notifications import actions as outbox
from aed.training.models import Enrolment, TrainingSession
from aed.training.rules.notice import Notice, Occasion, words


def tell(
    session: Session,
    enrolments: Sequence[Enrolment],
    training: TrainingSession,
    notice: Notice,
    *,
    at: datetime,
    why: str | None = None,
) -> None:
    """Each of these people is told, in the own language; whoever left no number cannot be.

    Nobody wants to hear of a place once the session has begun, nor of an offer that is over.

    visibility: everyone may be told of the own enrolment; it is told to nobody else.
    """
    if not enrolments:
        return
    people = {
        person.id: person
        for person in session.scalars(
            select(Person).where(Person.id.in_([each.person_id for each in enrolments]))
        )
    }
    occasion = Occasion(
        training.course.name_en,
        training.course.name_zh,
        training.place_en,
        training.place_zh,
        training.starts_at,
        training.time_zone,
        why,
    )
    for each in enrolments:
        person = people[each.person_id]
        if person.phone is None:
            continue
        text_en, text_zh = words(notice, occasion, until=each.offer_expires_at)
        outbox.put(
            session,
            Message(
                person_id=person.id,
                channel=person.channel,
                phone=_rung(person.phone, country=training.region.country),
                language=Language.EN if person.language == Language.EN else Language.ZH,
                text_en=text_en,
                text_zh=text_zh,
                expires_at=_unwanted_from(each, training, notice),
            ),
            at,
        )


def _unwanted_from(enrolment: Enrolment, training: TrainingSession, notice: Notice) -> datetime | None:
    if notice is Notice.CANCELLED:  # even afterwards, by who stood before a closed door
        return None
    if notice is Notice.CHANGED:
        return training.starts_at
    return enrolment.offer_expires_at or training.starts_at


def _rung(phone: str, *, country: str) -> str:
    """As E.164; what is no number as it was written: it is the channel's to say that it does not answer."""
    try:
        return e164(phone, country=country)
    except InvalidInput:
        return phone
