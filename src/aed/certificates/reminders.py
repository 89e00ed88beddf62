"""Suggest a session to people whose certificate expires, or who have not practised for long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import batched
from typing import Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import SCHEDULER
from aed.accounts.regions.models import Region
from aed.certificates.awards.queries import to_refresh
from aed.certificates.rules import Refresher
from aed.database.session import SETTINGS
from aed.notifications.outbox import Notice, notify_person
from aed.notifications.rules import MessageTopic
from aed.notifications.short_links import short_links
from aed.responders.models import Certificate, Responder
from aed.responders.rules import CertificateKind
from aed.training.models import Course
from aed.training.reminders.actions import claim
from aed.training.reminders.queries import next_session, offered_courses, people_booked
from aed.training.rules import BookingReason, booking_words

THRESHOLD_DAYS: Final = (30, 60, 90)
LINK_LASTS: Final = timedelta(days=90)
BATCH_SIZE: Final = 500
"""People who are looked up together; each batch takes a handful of statements."""


class Expiring(NamedTuple):
    """A person's last certificate of one kind, which expires soon."""

    person_id: int
    kind: CertificateKind
    valid_until: date


def expiring(session: Session, *, today: date, within_days: int) -> Sequence[Expiring]:
    """Return the last certificates of a kind that expire within that many days, soonest first.

    visibility: for the scheduler, which notifies each person of their own.
    """
    last = func.max(Certificate.valid_until)
    found = session.execute(
        select(Responder.person_id, Certificate.kind, last)
        .join(Responder, Responder.id == Certificate.responder_id)
        .where(Certificate.revoked_at.is_(None), Responder.joined_into_id.is_(None))
        .group_by(Responder.person_id, Certificate.kind)
        .having(last.between(today, today + timedelta(days=within_days)))
        .order_by(last, Responder.person_id)
    )
    return [Expiring(*row) for row in found]


def countries(session: Session, person_ids: Sequence[int]) -> dict[int, str]:
    """Return the country of the region in which each person is a responder.

    visibility: for the scheduler, which needs it to complete phone numbers.
    """
    found = session.execute(
        select(Responder.person_id, Region.country)
        .join(Region, Region.id == Responder.region_id)
        .where(Responder.person_id.in_(person_ids))
    )
    return {each.person_id: each.country for each in found}


@dataclass(frozen=True, slots=True)
class _Suggestion:
    """A person to advise, and why. `key` says so once."""

    key: str
    person_id: int
    since: date


def remind_of_certificates(session: Session, now: datetime) -> int:
    """Notify people 90, 60 and 30 days before a certificate expires, with a session to book.

    Returns how many were notified. Run by the scheduler, by day. Each threshold is notified once; who is
    booked already is left alone. A certificate that was entered late gets the nearest threshold only.
    """
    today = now.date()
    by_kind: dict[str, list[_Suggestion]] = defaultdict(list)
    for person_id, kind, valid_until in expiring(session, today=today, within_days=max(THRESHOLD_DAYS)):
        left = (valid_until - today).days
        threshold = next(days for days in THRESHOLD_DAYS if left <= days)
        key = f"certificate:{person_id}:{kind}:{valid_until}:{threshold}"
        by_kind[kind].append(_Suggestion(key, person_id, valid_until))
    courses = offered_courses(session)
    return sum(
        _suggest(
            session,
            found,
            [each for each in courses if each.certificate_kind == kind],
            BookingReason.EXPIRY,
            now=now,
        )
        for kind, found in by_kind.items()
    )


def remind_to_practise(session: Session, now: datetime) -> int:
    """Notify people who have not practised for as long as their course says, with a session to book.

    Returns how many were notified: once for each time that they practised.
    """
    by_course: dict[str, list[_Suggestion]] = defaultdict(list)
    for each in to_refresh(session, SCHEDULER, today=now.date()):
        if each.refresher is Refresher.DUE:
            key = f"practice:{each.person_id}:{each.course}:{each.practised_on}"
            by_course[each.course].append(_Suggestion(key, each.person_id, each.practised_on))
    courses = {each.code: each for each in offered_courses(session)}
    return sum(
        _suggest(session, found, [courses[code]], BookingReason.PRACTICE, now=now)
        for code, found in by_course.items()
        if code in courses
    )


def _suggest(
    session: Session,
    found: Iterable[_Suggestion],
    courses: Sequence[Course],
    reason: BookingReason,
    *,
    now: datetime,
) -> int:
    """Notify each person once, except those who are booked for one of the courses. Needs the public URL."""
    public_url: str | None = session.info[SETTINGS].public_url
    if public_url is None:  # nothing could be booked by the message
        return 0
    course_ids: Collection[int] = [each.id for each in courses]
    training = next_session(session, course_ids, at=now)
    if training is not None:
        path, next_at, time_zone = f"/learn/sessions/{training.id}", training.starts_at, training.time_zone
    else:
        path, next_at, time_zone = "/learn", None, "UTC"
        if len(courses) == 1:
            path += f"?course={courses[0].code}"
    notified = 0
    for batch in batched(found, BATCH_SIZE):
        booked = people_booked(session, [each.person_id for each in batch], course_ids, at=now)
        wanted = [each for each in batch if each.person_id not in booked]
        claimed = claim(session, {each.key: each.person_id for each in wanted}, at=now)
        due = [each for each in wanted if each.key in claimed]
        links = short_links(session, [(path, now + LINK_LASTS)] * len(due)) if due else []
        country_of = countries(session, [each.person_id for each in due])
        for each, link in zip(due, links, strict=True):
            en, zh = booking_words(
                reason, public_url + link, since=each.since, next_at=next_at, time_zone=time_zone
            )
            notice = Notice(en, zh, expires_at=now + timedelta(days=7), topic=MessageTopic.TRAINING)
            sent = notify_person(session, each.person_id, notice, now, country=country_of.get(each.person_id))
            notified += bool(sent)
    return notified
