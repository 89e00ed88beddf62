"""Rules of reminders: thresholds, escalation levels, hours and message texts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from aed.accounts.free_text import MAX_PLACE_CHARACTERS, fit_name, quote
from aed.settings.upkeep import Reminding
from aed.upkeep.due.rules import DUE_WORDS
from aed.upkeep.rules import DueKind, ReminderAnswer, ReminderLevel

EXPIRING: Final = frozenset({DueKind.PADS, DueKind.CHILD_PADS, DueKind.BATTERY, DueKind.CARTRIDGE})
REMINDED: Final = EXPIRING | {
    DueKind.CHECK,
    DueKind.SERVICE,
    DueKind.RETURN,
    DueKind.END_OF_LIFE,
    DueKind.LOAN,
}
"""What people are reminded of. Glances are left out: a missed one is due again the next day."""


@dataclass(frozen=True, slots=True)
class AnswerWords:
    """The text of an answer button, and the reply shown after it is tapped."""

    en: str
    zh: str
    thanks: tuple[str, str]
    """English, Chinese."""


ANSWERS: Final = {
    ReminderAnswer.DONE: AnswerWords(
        "Done", "已完成", ("Thank you. A check of the device will confirm it.", "谢谢，巡检设备后即可确认。")
    ),
    ReminderAnswer.NOT_ME: AnswerWords(
        "Not my job", "不归我管", ("The next person in charge will be notified.", "将转告上一级负责人。")
    ),
    ReminderAnswer.LATER: AnswerWords(
        "Later",
        "稍后",
        ("You will not be reminded for a week, except on the due date.", "一周内不再提醒，到期当天除外。"),
    ),
}


def thresholds_before(due_kind: DueKind, by: Reminding) -> tuple[int, ...]:
    """Return the days before the due date at which to remind, the longest first; the last is 0.

    Consumables and new devices have to be ordered, so their reminders start earliest (by default 90 days). A
    service is booked a month ahead; a check and the return of a loaner need a week.
    A quarantined device is due at once.
    """
    match due_kind:
        case DueKind.PADS | DueKind.CHILD_PADS | DueKind.BATTERY | DueKind.CARTRIDGE | DueKind.END_OF_LIFE:
            return by.days_before
        case DueKind.SERVICE:
            return tuple(days for days in by.days_before if days <= 30)
        case DueKind.CHECK | DueKind.LOAN:
            return tuple(days for days in by.days_before if days <= 7)
        case DueKind.RETURN | DueKind.GLANCE:
            return (0,)


def threshold(days_left: int, before: Sequence[int], *, repeat_days: int) -> int | None:
    """Return the latest threshold passed: days before the due date, negative after it; None if too early.

    Earlier thresholds that were missed are skipped, so one reminder is sent instead of several.
    """
    if days_left < 0:
        return -(-days_left // repeat_days * repeat_days)
    return min((days for days in before if days >= days_left), default=None)


def level(days: int, by: Reminding) -> ReminderLevel:
    """Return the level to which a reminder escalates at this threshold."""
    if days <= by.region_from_days:
        return ReminderLevel.REGION
    return ReminderLevel.MANAGER if days <= by.manager_from_days else ReminderLevel.KEEPER


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of a day, from the start of hour `since` up to the start of hour `until`."""

    since: int
    until: int


def hours_of(by: Reminding, *, own: Hours | None) -> Hours:
    """Return the hours in which a person may be notified: their own, or else the network's."""
    return own or Hours(by.from_hour, by.until_hour)


def is_by_day(at: datetime, time_zone: str, hours: Hours) -> bool:
    """Return whether the local hour lies within `hours`."""
    return hours.since <= at.astimezone(ZoneInfo(time_zone)).hour < hours.until


@dataclass(frozen=True, slots=True)
class MessageLine:
    """One line of a reminder message."""

    number: str
    """The device's short number."""
    where_en: str
    where_zh: str
    due_kind: DueKind
    due_on: date
    days_left: int


_LINES: Final = 5
"""Maximum number of lines in a message; the rest are counted."""


def message_text(
    reminded: Collection[MessageLine], *, in_all: tuple[str, str] | None = None, link: str | None
) -> tuple[str, str]:
    """Return the text of a person's daily message, the longest overdue first: English, Chinese.

    With a link it is one SMS, which names the first task; the page behind the link lists the others. Without
    one it lists them itself. `in_all` is a summary of all open reminders, or None if the message lists all.
    """
    lines = sorted(reminded, key=lambda each: (each.due_on, each.number, each.due_kind))
    if link is not None:
        return _one_sms(lines[0], len(lines), link)
    more = len(lines) - _LINES
    en = [
        f"{each.number} {_place(each.where_en)}: {DUE_WORDS[each.due_kind][0]}{_when_en(each)}"
        for each in lines[:_LINES]
    ]
    zh = [
        f"{each.number} {_place(each.where_zh)}：{DUE_WORDS[each.due_kind][1]}{_when_zh(each)}"
        for each in lines[:_LINES]
    ]
    if more > 0:
        en.append(f"and {more} more")
        zh.append(f"另有{more}项")
    if in_all is not None:
        en.append(f"total: {in_all[0]}")
        zh.append(f"总计：{in_all[1]}")
    head_en, head_zh = subject(len(lines))
    return f"{head_en}. " + "; ".join(en) + ".", f"{head_zh}。" + "；".join(zh) + "。"


def _one_sms(first: MessageLine, count: int, link: str) -> tuple[str, str]:
    """Return the first task, the number of tasks, and the link; the place is cut to what fits."""
    what_en, what_zh = DUE_WORDS[first.due_kind]
    all_en, all_zh = (f" ({count} tasks)", f"等{count}项") if count > 1 else ("", "")
    day = first.due_on
    when_zh = "今天" if first.days_left == 0 else f"{day.month}月{day.day}日前"
    if first.days_left < 0 or first.due_kind is DueKind.RETURN:
        when_zh = "" if first.due_kind is DueKind.RETURN else "已逾期，"
    return (
        fit_name(
            f"AED {first.number} ", first.where_en, f": {what_en}{_when_en(first)}{all_en}. Answer: {link}"
        ),
        fit_name(f"AED {first.number} ", first.where_zh, f"：{when_zh}{what_zh}{all_zh} {link}"),
    )


def _place(where: str) -> str:
    """Return a place shortened and made safe for a message."""
    return quote(where, limit=MAX_PLACE_CHARACTERS)


def is_written_out(count: int, *, listed: int) -> bool:
    """Return whether a message with `listed` reminders lists all of the `count` open ones."""
    return count <= listed <= _LINES


def subject(count: int) -> tuple[str, str]:
    """Return the subject of a message with `count` reminders: English, Chinese."""
    return "AED: 1 task is due" if count == 1 else f"AED: {count} tasks are due", f"AED：{count}项待办"


def _when_en(each: MessageLine) -> str:
    """Return when a task is due, in English."""
    if each.due_kind is DueKind.RETURN:
        return f", out of service since {each.due_on}"
    if each.days_left < 0:
        return f", overdue since {each.due_on}"
    return ", today" if each.days_left == 0 else f" by {each.due_on}"


def _when_zh(each: MessageLine) -> str:
    """Return when a task is due, in Chinese."""
    if each.due_kind is DueKind.RETURN:
        return f"（自{each.due_on}停用）"
    if each.days_left < 0:
        return f"（{each.due_on}已逾期）"
    return "（今天到期）" if each.days_left == 0 else f"（{each.due_on}前）"
