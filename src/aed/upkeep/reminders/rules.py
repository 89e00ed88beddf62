"""When somebody is reminded of what is due, who, and in which words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from aed.accounts.free_text import MAX_PLACE_CHARACTERS, quote
from aed.settings import Reminding
from aed.upkeep.due.rules import DUE_WORDS
from aed.upkeep.rules import DueKind, ReminderAnswer, ReminderLevel

EXPIRING: Final = frozenset({DueKind.PADS, DueKind.CHILD_PADS, DueKind.BATTERY})
REMINDED: Final = EXPIRING | {DueKind.CHECK, DueKind.SERVICE, DueKind.RETURN}
"""A missed glance is due again tomorrow: it stands in the list of what is due, and nobody is written to."""


@dataclass(frozen=True, slots=True)
class AnswerWords:
    """What stands on its button, and what is said to whoever taps it."""

    en: str
    zh: str
    said: tuple[str, str]
    """English, Chinese."""


ANSWERS: Final = {
    ReminderAnswer.DONE: AnswerWords(
        "Done", "已完成", ("Thank you. A check of the device will confirm it.", "谢谢，巡检设备后即可确认。")
    ),
    ReminderAnswer.NOT_ME: AnswerWords(
        "Not me", "不归我管", ("The next in charge is told.", "将转告上一级负责人。")
    ),
    ReminderAnswer.LATER: AnswerWords(
        "Later",
        "稍后",
        ("You hear nothing for a week, but on the last day.", "一周内不再提醒，到期当天除外。"),
    ),
}


def thresholds_before(matter: DueKind, by: Reminding) -> tuple[int, ...]:
    """Days before the last day on which somebody is reminded, the longest first; the last one is 0.

    What expires has to be ordered: from 90 days on. A service is booked a month ahead, a check needs a week;
    a quarantined device is late from the first day.
    """
    match matter:
        case DueKind.PADS | DueKind.CHILD_PADS | DueKind.BATTERY:
            return by.days_before
        case DueKind.SERVICE:
            return tuple(days for days in by.days_before if days <= 30)
        case DueKind.CHECK:
            return tuple(days for days in by.days_before if days <= 7)
        case DueKind.RETURN | DueKind.GLANCE:
            return (0,)


def threshold(days_left: int, before: Sequence[int], *, repeat_days: int) -> int | None:
    """The latest threshold that was passed: days before the last day, negative after it; None: too early.

    One who was not there for a month hears once, not of each threshold that went by.
    """
    if days_left < 0:
        return -(-days_left // repeat_days * repeat_days)
    return min((days for days in before if days >= days_left), default=None)


def level(days: int, by: Reminding) -> ReminderLevel:
    """Who else hears at a threshold, since nothing has happened until then."""
    if days <= by.region_from_days:
        return ReminderLevel.REGION
    return ReminderLevel.MANAGER if days <= by.manager_from_days else ReminderLevel.KEEPER


@dataclass(frozen=True, slots=True)
class Hours:
    """Of a day: from the first minute of `since` to the first of `until`."""

    since: int
    until: int


def hours_of(by: Reminding, *, own: Hours | None) -> Hours:
    """When somebody may be written to: within the own hours, where there are any."""
    return own or Hours(by.from_hour, by.until_hour)


def is_by_day(at: datetime, time_zone: str, hours: Hours) -> bool:
    """Whether people there may be written to at that moment: not at night."""
    return hours.since <= at.astimezone(ZoneInfo(time_zone)).hour < hours.until


@dataclass(frozen=True, slots=True)
class MessageLine:
    """One line of a message."""

    number: str
    """The device's short number."""
    where_en: str
    where_zh: str
    matter: DueKind
    due_on: date
    days_left: int


_LINES: Final = 5
"""So many are written out in a message; of the others it says how many."""


def message_text(
    reminded: Collection[MessageLine], *, in_all: tuple[str, str] | None = None, link: str | None
) -> tuple[str, str]:
    """One message for all that a person is to hear that day, the longest overdue first: English, Chinese.

    `in_all` counts what is open, told before or not; None where that is what the message tells.
    """
    lines = sorted(reminded, key=lambda each: (each.due_on, each.number, each.matter))
    more = len(lines) - _LINES
    en = [
        f"{each.number} {_place(each.where_en)}: {DUE_WORDS[each.matter][0]}{_when_en(each)}"
        for each in lines[:_LINES]
    ]
    zh = [
        f"{each.number} {_place(each.where_zh)}：{DUE_WORDS[each.matter][1]}{_when_zh(each)}"
        for each in lines[:_LINES]
    ]
    if more > 0:
        en.append(f"and {more} more")
        zh.append(f"另有{more}项")
    if in_all is not None:
        en.append(f"in all: {in_all[0]}")
        zh.append(f"总计：{in_all[1]}")
    if link is not None:
        en.append(f"Answer here: {link}")
        zh.append(f"回复：{link}")
    head_en, head_zh = subject(len(lines))
    return f"{head_en}. " + "; ".join(en) + ".", f"{head_zh}。" + "；".join(zh) + "。"


def _place(where: str) -> str:
    return quote(where, limit=MAX_PLACE_CHARACTERS)


def is_written_out(count: int, *, told: int) -> bool:
    """Whether a message that tells of so many things has a line for each of `count` that are open."""
    return count <= told <= _LINES


def subject(count: int) -> tuple[str, str]:
    """What stands over a message of so many things: English, Chinese."""
    return "AED: 1 thing is due" if count == 1 else f"AED: {count} things are due", f"AED：{count}项待办"


def _when_en(each: MessageLine) -> str:
    if each.matter is DueKind.RETURN:
        return f", out since {each.due_on}"
    if each.days_left < 0:
        return f", overdue since {each.due_on}"
    return ", today" if each.days_left == 0 else f" by {each.due_on}"


def _when_zh(each: MessageLine) -> str:
    if each.matter is DueKind.RETURN:
        return f"（自{each.due_on}停用）"
    if each.days_left < 0:
        return f"（{each.due_on}已逾期）"
    return "（今天到期）" if each.days_left == 0 else f"（{each.due_on}前）"
