"""Telling people of their enrolments, through the outbox: in the transaction in which it happens.

So whoever is told is told once, and of nothing that did not happen: what is rolled back takes its message
with it, and a job that starts again finds nothing left to tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from aed.notifications import enqueue as putting_actions
from aed.training.models import Enrolment, TrainingSession
from aed.training.rules import EnrolmentNotice, Occasion, notice_words


def notify(
    session: Session,
    enrolments: Sequence[Enrolment],
    training: TrainingSession,
    notice: EnrolmentNotice,
    *,
    at: datetime,
    why: str | None = None,
) -> None:
    """Each of these people is told, in the own language; whoever there is no way to cannot be.

    Nobody wants to hear of a place once the session has begun, nor of an offer that is over.

    Everyone may be told of the own enrolment; it is told to nobody else.
    """
    if not enrolments:
        return
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
        text_en, text_zh = notice_words(notice, occasion, until=each.offer_expires_at)
        told = putting_actions.Notice(text_en, text_zh, expires_at=_unwanted_from(each, training, notice))
        putting_actions.notify_person(session, each.person_id, told, at, country=training.region.country)


def _unwanted_from(
    enrolment: Enrolment, training: TrainingSession, notice: EnrolmentNotice
) -> datetime | None:
    if notice is EnrolmentNotice.CANCELLED:  # even afterwards, by who stood before a closed door
        return None
    if notice is EnrolmentNotice.CHANGED:
        return training.starts_at
    return enrolment.offer_expires_at or training.starts_at
