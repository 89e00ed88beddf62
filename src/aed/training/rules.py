"""Rules of training: states, certificate validity, places and offers, and the texts of notices."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from aed.accounts.free_text import MAX_PLACE_CHARACTERS, MAX_REASON_CHARACTERS, fit_name, quote
from aed.hours.dates import months_after


class CourseState(StrEnum):
    """Whether new sessions of a course can be planned."""

    OFFERED = "offered"
    WITHDRAWN = "withdrawn"
    """No new sessions. Certificates that were awarded stay valid."""


class BatchRowState(StrEnum):
    """What an issuer made of a result."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """With a reason; it is in the next batch again."""


THEORY: Final = "theory"
"""The code of the theory test among the parts of an assessment."""
FULL_SCORE: Final = 100


def last_valid_day(issued_on: date, validity_months: int) -> date:
    """Return the last day of validity.

    A certificate issued on 22 September 2026 for 36 months is valid until 21 September 2029.
    """
    return months_after(issued_on, validity_months) - timedelta(days=1)


class EnrolmentState(StrEnum):
    """The state of an enrolment."""

    ENROLLED = "enrolled"
    WAITING = "waiting"
    OFFERED = "offered"
    """A free place is reserved for the person until `offer_expires_at`."""
    WITHDRAWN = "withdrawn"
    """Withdrawn by the person or on their behalf."""
    LAPSED = "lapsed"
    """An offered place was not accepted in time."""
    CANCELLED = "cancelled"
    """The session was cancelled."""
    MOVED = "moved"
    """The person moved to another session, in which they have a separate enrolment."""


HOLDS_A_PLACE: Final = (EnrolmentState.ENROLLED, EnrolmentState.OFFERED)
ACTIVE_STATES: Final = (EnrolmentState.ENROLLED, EnrolmentState.WAITING, EnrolmentState.OFFERED)
"""On the roster or the waiting list."""


class AttendanceState(StrEnum):
    """Whether a person attended."""

    ATTENDED = "attended"
    NO_SHOW = "no_show"


class MarkedBy(StrEnum):
    """How attendance was recorded."""

    HAND = "hand"
    LIST = "list"
    CODE = "code"
    """By the person, with the code on the trainer's screen."""


def state_on_arrival(*, capacity: int, places_held: int, waiting: int) -> EnrolmentState:
    """Return the state of a new enrolment. While people wait, new arrivals wait too, even if a place is
    free.
    """
    if places_held < capacity and waiting == 0:
        return EnrolmentState.ENROLLED
    return EnrolmentState.WAITING


def places_to_offer(*, capacity: int, places_held: int, waiting: int) -> int:
    """Return how many places to offer to the waiting list now."""
    return max(0, min(capacity - places_held, waiting))


class SessionState(StrEnum):
    """The state of a session."""

    PLANNED = "planned"
    CANCELLED = "cancelled"
    HELD = "held"
    """At least one person attended."""


class SessionAudience(StrEnum):
    """Who can enrol in a session."""

    ESTATE = "estate"
    """Only people of its estate."""
    PUBLIC = "public"


OFFER_LASTS: Final = timedelta(hours=24)
"""Long enough to include an evening and a morning in which to read the message and reply."""
SIGN_IN_BEFORE: Final = timedelta(hours=2)
"""How long before the start attendance can be recorded: trainers and some participants arrive early."""


def offer_until(at: datetime, starts_at: datetime) -> datetime | None:
    """Return when an offer made at `at` expires; None if the session has begun.

    An offer lasts 24 hours, or half of the remaining time if that is shorter, to leave time for the next
    person.
    """
    if at >= starts_at:
        return None
    return min(at + OFFER_LASTS, at + (starts_at - at) / 2)


def can_sign_in(at: datetime, starts_at: datetime) -> bool:
    """Return True from two hours before the start of the session."""
    return at >= starts_at - SIGN_IN_BEFORE


class EnrolmentNotice(StrEnum):
    """Notices about an enrolment."""

    ENROLLED = "enrolled"
    OFFERED = "offered"
    """A place is reserved for the person for a limited time."""
    LAPSED = "lapsed"
    """The reserved place was not accepted in time."""
    MOVED = "moved"
    """The person was moved to this session from another."""
    CHANGED = "changed"
    """The time or place of the session changed."""
    CANCELLED = "cancelled"
    """The session was cancelled."""
    REMINDER = "reminder"
    """The session is tomorrow, or within two hours."""


class LinkNotice(StrEnum):
    """Notices that are sent only if they can hold a link, since there is nothing to do without one."""

    WAITING = "waiting"
    """The person is on the waiting list."""
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Occasion:
    """The session that a notice is about, as texts for the message."""

    course_en: str
    course_zh: str
    place_en: str
    place_zh: str
    starts_at: datetime
    time_zone: str
    cancelled_why: str | None = None


def notice_words(notice: EnrolmentNotice, of: Occasion, *, until: datetime | None = None) -> tuple[str, str]:
    """Return the notice in English and in Chinese.

    `until` is when an offer expires. Times are in the time zone of the session.
    """
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
                f"You are enrolled: {what_en}. If you cannot come, please cancel so that the next "
                "person gets the place.",
                f"您已报上名：{what_zh}。如不能参加，请尽早取消，把名额留给下一位。",
            )
        case EnrolmentNotice.OFFERED:
            assert until is not None
            ends = _local(until, of.time_zone)
            return (
                f"A place is free: {what_en}. It is reserved for you until {ends}. Accept it "
                "before then; after that it is offered to the next person.",
                f"候补有名额了：{what_zh}。为您保留至{ends}，请在此之前确认，逾期将让给下一位。",
            )
        case EnrolmentNotice.LAPSED:
            return (
                "You did not accept the reserved place in time, and it was offered to the next "
                f"person: {what_en}. You can enrol again.",
                f"为您保留的名额逾期未确认，已让给下一位：{what_zh}。您可以重新报名。",
            )
        case EnrolmentNotice.MOVED:
            return f"Your enrolment was moved to: {what_en}.", f"您的报名已改到：{what_zh}。"
        case EnrolmentNotice.CHANGED:
            return (
                f"The time or place has changed to: {what_en}. If you cannot come, please cancel "
                "so that the next person gets the place.",
                f"时间或地点有变，现为：{what_zh}。如不能参加，请尽早取消，让给下一位。",
            )
        case EnrolmentNotice.CANCELLED:
            reason = quote(of.cancelled_why or "", limit=MAX_REASON_CHARACTERS)
            return (
                f"The session was cancelled: {what_en}. {reason}".rstrip(),
                f"本场次已取消：{what_zh}。{reason}",
            )
        case EnrolmentNotice.REMINDER:
            return (
                f"Reminder: {what_en}. If you cannot come, please cancel.",
                f"培训提醒：{what_zh}。如不能参加，请尽早取消。",
            )


class ReminderTime(StrEnum):
    """When people are reminded of a session."""

    DAY_BEFORE = "day"
    """From 24 hours before, by day."""
    HOURS_BEFORE = "hours"
    """From two hours before."""


REMIND_FROM: Final = timedelta(hours=24)
REMIND_AGAIN_FROM: Final = timedelta(hours=2)
REMIND_BETWEEN_HOURS: Final = (8, 21)


def reminder_time(at: datetime, starts_at: datetime, time_zone: str) -> ReminderTime | None:
    """Return which reminder of a session is due at `at`; None for none, and for the first one at night."""
    if not starts_at - REMIND_FROM <= at < starts_at:
        return None
    if at >= starts_at - REMIND_AGAIN_FROM:
        return ReminderTime.HOURS_BEFORE
    first, last = REMIND_BETWEEN_HOURS
    return ReminderTime.DAY_BEFORE if first <= at.astimezone(ZoneInfo(time_zone)).hour < last else None


def short_notice_words(
    notice: EnrolmentNotice | LinkNotice,
    of: Occasion,
    link: str,
    *,
    until: datetime | None = None,
    waiting_place: int | None = None,
    today: date | None = None,
) -> tuple[str, str]:
    """Return the notice with a link to the page that says more, in English and in Chinese.

    Each is one SMS, if the link has at most 38 characters: names are cut to the room that is left. `until` is
    when an offer expires, `today` the local day on which a reminder is sent.
    """
    zone = ZoneInfo(of.time_zone)
    starts = of.starts_at.astimezone(zone)
    when_en, when_zh = f"{starts:%Y-%m-%d %H:%M}", f"{starts.month}月{starts.day}日{starts:%H:%M}"
    course = (of.course_en, of.course_zh)
    match notice:
        case EnrolmentNotice.ENROLLED:
            head, tail = (f"You are enrolled: {when_en} ", f"报名成功：{when_zh}"), _DETAILS_OR_CANCEL
        case LinkNotice.WAITING:
            head = (
                f"You are number {waiting_place} on the waiting list: {when_en} ",
                f"候补第{waiting_place}位：{when_zh}",
            )
            tail = _DETAILS_OR_CANCEL
        case EnrolmentNotice.OFFERED:
            assert until is not None
            ends = until.astimezone(zone)
            head = (
                f"A place is free. Accept it by {ends:%Y-%m-%d %H:%M}: {when_en} ",
                f"有名额了，{ends.day}日{ends:%H:%M}前请确认：{when_zh}",
            )
            tail = (". Accept or decline: ", " ")
        case EnrolmentNotice.LAPSED:
            head = (f"Your place was not accepted in time: {when_en} ", f"名额已逾期让出：{when_zh}")
            tail = (". Enrol again: ", "。重新报名：")
        case EnrolmentNotice.MOVED:
            head, tail = (f"You were moved to: {when_en} ", f"报名已改到{when_zh}"), _DETAILS_OR_CANCEL
        case EnrolmentNotice.CHANGED:
            head = (f"Time or place has changed: {when_en} ", f"时间或地点有变：{when_zh}")
            tail = _DETAILS_OR_CANCEL
        case EnrolmentNotice.CANCELLED:
            head, tail = (
                (f"Cancelled: {when_en} ", f"场次已取消：{when_zh}"),
                (". Other sessions: ", "。改报："),
            )
        case EnrolmentNotice.REMINDER:
            days = (starts.date() - today).days if today is not None else -1
            day_en, day_zh = {0: ("Today", "今天"), 1: ("Tomorrow", "明天")}.get(
                days, (f"{starts:%Y-%m-%d}", f"{starts.month}月{starts.day}日")
            )
            head = (f"{day_en} at {starts:%H:%M}: first-aid training, ", f"{day_zh}{starts:%H:%M}急救培训，")
            course = (of.place_en, of.place_zh)
            tail = (". Cannot come? Please cancel: ", "。不能来请取消：")
        case LinkNotice.PASSED:
            head, tail = (
                ("You passed: ", "恭喜通过考核："),
                (". Your result and certificate: ", "。成绩与证书："),
            )
    return fit_name(head[0], course[0], tail[0] + link), fit_name(head[1], course[1], tail[1] + link)


class BookingReason(StrEnum):
    """Why a person should book a session."""

    EXPIRY = "expiry"
    """Their certificate expires soon."""
    PRACTICE = "practice"
    """They have not practised for longer than the course says."""


def booking_words(
    reason: BookingReason, link: str, *, since: date, next_at: datetime | None, time_zone: str
) -> tuple[str, str]:
    """Return the advice to book a session, in English and in Chinese, each one SMS.

    `since` is the last day of validity, or the day of the last practice; `next_at` the start of the session
    that the link leads to.
    """
    day_zh = f"{since.year}年{since.month}月{since.day}日"
    match reason:
        case BookingReason.EXPIRY:
            en, zh = f"Your first-aid certificate expires on {since}.", f"急救证书{day_zh}到期。"
        case BookingReason.PRACTICE:
            en, zh = f"You last practised first aid on {since}.", f"上次急救练习是{day_zh}。"
    if next_at is None:
        return f"{en} Book a session: {link}", f"{zh}预约培训：{link}"
    starts = next_at.astimezone(ZoneInfo(time_zone))
    return (
        f"{en} Next session {starts:%Y-%m-%d %H:%M}, book: {link}",
        f"{zh}{starts.month}月{starts.day}日可复训：{link}",
    )


_DETAILS_OR_CANCEL: Final = (". Details or cancel: ", "。详情或取消：")


def _local(moment: datetime, time_zone: str) -> str:
    """Format a moment in the given time zone."""
    return f"{moment.astimezone(ZoneInfo(time_zone)):%Y-%m-%d %H:%M}"


_SHOWN: Final = re.compile(r"[A-Z]{0,3}[0-9*]{3,28}[0-9X*]")


def identity_number(text: str) -> str | None:
    """Return an identity number without spaces and hyphens; None if it is not one."""
    bare = "".join(unicodedata.normalize("NFKC", text).upper().split()).replace("-", "")
    return bare if _SHOWN.fullmatch(bare) else None
