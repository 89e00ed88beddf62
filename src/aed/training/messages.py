"""Notices about enrolments, enqueued in the transaction that changes the enrolment.

A rollback therefore discards its notices too, and each notice is sent only once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.database.session import SETTINGS
from aed.notifications import outbox
from aed.notifications.rules import MessageTopic
from aed.notifications.short_links import KEY_IN_PATH, short_links
from aed.training.models import Enrolment, TrainingSession
from aed.training.rules import EnrolmentNotice, LinkNotice, Occasion, notice_words, short_notice_words

LINK_LASTS: Final = timedelta(days=30)
"""How long after the session, or after the notice if that is later, the link of a notice works."""


def enrolment_path(enrolment_id: int, key: str) -> str:
    """Return the path of the page on which a person answers a notice; `key` is that of the link in it."""
    return f"/learn/enrolments/{enrolment_id}/{key}"


def notify(
    session: Session,
    enrolments: Sequence[Enrolment],
    training: TrainingSession,
    notice: EnrolmentNotice | LinkNotice,
    *,
    at: datetime,
    reason: str | None = None,
    waiting_place: int | None = None,
) -> None:
    """Notify each person in their own language; skip those without an address.

    If the public URL is configured, a notice is one short SMS with a link to the page of the enrolment, which
    says the rest and has the buttons. Otherwise it says everything itself.

    Notices expire when they are no longer useful: when an offer ends or the session begins. Notices of
    cancellation do not expire. The enrolments must be of `training`. Each person is notified of their own
    enrolment only.
    """
    public_url: str | None = session.info[SETTINGS].public_url
    if not enrolments or (public_url is None and isinstance(notice, LinkNotice)):
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
    if public_url is None:
        assert isinstance(notice, EnrolmentNotice)
        words = [notice_words(notice, occasion, until=each.offer_expires_at) for each in enrolments]
    else:
        expires_at = max(training.ends_at, at) + LINK_LASTS
        links = short_links(
            session, [(enrolment_path(each.id, KEY_IN_PATH), expires_at) for each in enrolments]
        )
        words = [
            short_notice_words(
                notice,
                occasion,
                public_url + link,
                until=each.offer_expires_at,
                waiting_place=waiting_place,
                today=at.astimezone(ZoneInfo(training.time_zone)).date(),
            )
            for each, link in zip(enrolments, links, strict=True)
        ]
    for each, (text_en, text_zh) in zip(enrolments, words, strict=True):
        message = outbox.Notice(
            text_en, text_zh, expires_at=_outdated_at(each, training, notice), topic=MessageTopic.TRAINING
        )
        outbox.notify_person(session, each.person_id, message, at, country=training.region.country)


def _outdated_at(
    enrolment: Enrolment, training: TrainingSession, notice: EnrolmentNotice | LinkNotice
) -> datetime | None:
    """Return when the notice is no longer useful; None if it always is."""
    if notice in (EnrolmentNotice.CANCELLED, LinkNotice.PASSED):  # useful even after the start
        return None
    if notice is EnrolmentNotice.CHANGED:
        return training.starts_at
    return enrolment.offer_expires_at or training.starts_at
