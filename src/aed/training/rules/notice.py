"""What the people of a roster are told, in both languages: one notice for each thing that happens to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from aed.accounts.free_text import MAX_PLACE_CHARACTERS, MAX_REASON_CHARACTERS, quote


class Notice(StrEnum):
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


def words(notice: Notice, of: Occasion, *, until: datetime | None = None) -> tuple[str, str]:
    """English and Chinese. `until`: when an offered place goes on. Times are those of the place."""
    when = _local(of.starts_at, of.time_zone)
    course_en, course_zh, place_en, place_zh = (
        quote(each, limit=MAX_PLACE_CHARACTERS)
        for each in (of.course_en, of.course_zh, of.place_en, of.place_zh)
    )
    what_en = f"{course_en}, {when}, {place_en}"
    what_zh = f"{course_zh}（{when}，{place_zh}）"
    match notice:
        case Notice.ENROLLED:
            return (
                f"You have a place: {what_en}. If you cannot come, give it up for the next.",
                f"您已报上名：{what_zh}。如不能参加，请尽早取消，把名额留给下一位。",
            )
        case Notice.OFFERED:
            assert until is not None
            ends = _local(until, of.time_zone)
            return (
                f"A place has become free: {what_en}. It is kept for you until {ends}: "
                "accept it before then, or it goes to the next.",
                f"候补有名额了：{what_zh}。为您保留至{ends}，请在此之前确认，逾期将让给下一位。",
            )
        case Notice.LAPSED:
            return (
                f"The place that was kept for you was not taken in time and went on: {what_en}. "
                "You may enrol again.",
                f"为您保留的名额逾期未确认，已让给下一位：{what_zh}。您可以重新报名。",
            )
        case Notice.MOVED:
            return f"You have been moved. You now have: {what_en}.", f"您的报名已改到：{what_zh}。"
        case Notice.CHANGED:
            return (
                f"Time or place has changed. It is now: {what_en}. "
                "If you cannot come, withdraw, so that the next can.",
                f"时间或地点有变，现为：{what_zh}。如不能参加，请尽早取消，让给下一位。",
            )
        case Notice.CANCELLED:
            why = quote(of.cancelled_why or "", limit=MAX_REASON_CHARACTERS)
            return f"It is not held: {what_en}. {why}".rstrip(), f"本场次已取消：{what_zh}。{why}"


def _local(moment: datetime, time_zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(time_zone)):%Y-%m-%d %H:%M}"
