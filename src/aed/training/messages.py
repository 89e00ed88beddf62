"""Notices about enrolments, enqueued in the transaction that changes the enrolment.

A rollback therefore discards its notices too, and each notice is sent only once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from aed.notifications import outbox
from aed.training.models import Enrolment, TrainingSession
from aed.training.rules import EnrolmentNotice, Occasion, notice_words


def notify(
    session: Session,
    enrolments: Sequence[Enrolment],
    training: TrainingSession,
    notice: EnrolmentNotice,
    *,
    at: datetime,
    reason: str | None = None,
) -> None:
    """Notify each person in their own language; skip those without an address.

    Notices expire when they are no longer useful: when an offer ends or the session begins. Notices of
    cancellation do not expire. The enrolments must be of `training`. Each person is notified of their own
    enrolment only.
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
        reason,
    )
    for each in enrolments:
        text_en, text_zh = notice_words(notice, occasion, until=each.offer_expires_at)
        message = outbox.Notice(text_en, text_zh, expires_at=_unwanted_from(each, training, notice))
        outbox.notify_person(session, each.person_id, message, at, country=training.region.country)


def _unwanted_from(
    enrolment: Enrolment, training: TrainingSession, notice: EnrolmentNotice
) -> datetime | None:
    """Return when the notice is no longer useful; None if it always is."""
    if notice is EnrolmentNotice.CANCELLED:  # useful even after the start
        return None
    if notice is EnrolmentNotice.CHANGED:
        return training.starts_at
    return enrolment.offer_expires_at or training.starts_at
