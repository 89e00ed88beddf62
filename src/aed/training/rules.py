"""Courses: how long what they entitle to is valid."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from aed.accounts.free_text import MAX_PLACE_CHARACTERS, MAX_REASON_CHARACTERS, quote


class CourseState(StrEnum):
    OFFERED = "offered"
    WITHDRAWN = "withdrawn"
    """No new sessions; what was awarded stays."""


def months_after(day: date, months: int) -> date:
    """The same day of the month so many months later, or that month's last: 31 January + 1 is 28 February."""
    year, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + year, month + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def last_valid_day(issued_on: date, validity_months: int) -> date:
    """36 months from 22 September 2026 end with 21 September 2029."""
    return months_after(issued_on, validity_months) - timedelta(days=1)


class EnrolmentState(StrEnum):
    ENROLLED = "enrolled"
    WAITING = "waiting"
    OFFERED = "offered"
    """A place was set free and is kept for the person until a moment."""
    WITHDRAWN = "withdrawn"
    """By the person, or for the person."""
    LAPSED = "lapsed"
    """A place was offered and not taken in time."""
    CANCELLED = "cancelled"
    """The session was."""
    MOVED = "moved"
    """To another session, where there is an enrolment of its own."""


HOLDS_A_PLACE: Final = (EnrolmentState.ENROLLED, EnrolmentState.OFFERED)
ACTIVE_STATES: Final = (EnrolmentState.ENROLLED, EnrolmentState.WAITING, EnrolmentState.OFFERED)
"""On the roster or its waiting list."""


class AttendanceState(StrEnum):
    ATTENDED = "attended"
    NO_SHOW = "no_show"


class MarkedBy(StrEnum):
    """How attendance became known."""

    HAND = "hand"
    LIST = "list"
    CODE = "code"
    """By the person, with the code on the trainer's screen."""


def state_on_arrival(*, capacity: int, places_held: int, waiting: int) -> EnrolmentState:
    """Nobody passes those who wait, even where a place is free."""
    if places_held < capacity and waiting == 0:
        return EnrolmentState.ENROLLED
    return EnrolmentState.WAITING


def places_to_offer(*, capacity: int, places_held: int, waiting: int) -> int:
    """How many of those who wait are offered a place now, first come first."""
    return max(0, min(capacity - places_held, waiting))


class SessionState(StrEnum):
    PLANNED = "planned"
    CANCELLED = "cancelled"
    HELD = "held"
    """Somebody attended."""


class SessionAudience(StrEnum):
    ESTATE = "estate"
    """For people of its estate."""
    PUBLIC = "public"


OFFER_LASTS: Final = timedelta(hours=24)
"""One evening and one morning to read a message and answer it."""
SIGN_IN_BEFORE: Final = timedelta(hours=2)
"""Attendance can be marked from then on: the trainer is there early, and so are some who come."""


def offer_until(at: datetime, starts_at: datetime) -> datetime | None:
    """Until when a place that is offered at `at` is kept; None: it is too late to offer one.

    A day, or half of the time that is left: so one who does not answer leaves time for the next.
    """
    if at >= starts_at:
        return None
    return min(at + OFFER_LASTS, at + (starts_at - at) / 2)


def can_sign_in(at: datetime, starts_at: datetime) -> bool:
    return at >= starts_at - SIGN_IN_BEFORE


LOOKS_BACK: Final = timedelta(days=365)
"""What is over for longer leaves the calendar, so that it does not grow for ever."""


class CalendarKind(StrEnum):
    PERSON = "person"
    """The sessions in which the person has a place, is offered one, or waits for one."""
    TRAINER = "trainer"
    """The sessions that the person gives."""
    ESTATE = "estate"
    """The sessions of the estate."""


class EnrolmentNotice(StrEnum):
    ENROLLED = "enrolled"
    OFFERED = "offered"
    """A place is kept for the person until a moment."""
    LAPSED = "lapsed"
    """It was, and was not taken."""
    MOVED = "moved"
    """To this session, from another."""
    CHANGED = "changed"
    """The session's time or place was."""
    CANCELLED = "cancelled"
    """The session was."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """The session that a notice is about, as people speak of it."""

    course_en: str
    course_zh: str
    place_en: str
    place_zh: str
    starts_at: datetime
    time_zone: str
    cancelled_why: str | None = None


def notice_words(notice: EnrolmentNotice, of: Occasion, *, until: datetime | None = None) -> tuple[str, str]:
    """English and Chinese. `until`: when an offered place goes on. Times are those of the place."""
    when = _local(of.starts_at, of.time_zone)
    course_en, course_zh, place_en, place_zh = (
        quote(each, limit=MAX_PLACE_CHARACTERS)
        for each in (of.course_en, of.course_zh, of.place_en, of.place_zh)
    )
    what_en = f"{course_en}, {when}, {place_en}"
    what_zh = f"{course_zh}（{when}，{place_zh}）"
    match notice:
        case EnrolmentNotice.ENROLLED:
            return (
                f"You have a place: {what_en}. If you cannot come, give it up for the next.",
                f"您已报上名：{what_zh}。如不能参加，请尽早取消，把名额留给下一位。",
            )
        case EnrolmentNotice.OFFERED:
            assert until is not None
            ends = _local(until, of.time_zone)
            return (
                f"A place has become free: {what_en}. It is kept for you until {ends}: "
                "accept it before then, or it goes to the next.",
                f"候补有名额了：{what_zh}。为您保留至{ends}，请在此之前确认，逾期将让给下一位。",
            )
        case EnrolmentNotice.LAPSED:
            return (
                f"The place that was kept for you was not taken in time and went on: {what_en}. "
                "You may enrol again.",
                f"为您保留的名额逾期未确认，已让给下一位：{what_zh}。您可以重新报名。",
            )
        case EnrolmentNotice.MOVED:
            return f"You have been moved. You now have: {what_en}.", f"您的报名已改到：{what_zh}。"
        case EnrolmentNotice.CHANGED:
            return (
                f"Time or place has changed. It is now: {what_en}. "
                "If you cannot come, withdraw, so that the next can.",
                f"时间或地点有变，现为：{what_zh}。如不能参加，请尽早取消，让给下一位。",
            )
        case EnrolmentNotice.CANCELLED:
            why = quote(of.cancelled_why or "", limit=MAX_REASON_CHARACTERS)
            return f"It is not held: {what_en}. {why}".rstrip(), f"本场次已取消：{what_zh}。{why}"


def _local(moment: datetime, time_zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(time_zone)):%Y-%m-%d %H:%M}"
