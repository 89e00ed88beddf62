"""Rules of due dates, which are derived from policies, checks and consumables and never stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from aed.hours.dates import months_after
from aed.upkeep.rules import DueKind

DUE_WORDS: Final = {
    DueKind.GLANCE: ("check the status light", "查看指示灯"),
    DueKind.CHECK: ("check", "巡检"),
    DueKind.SERVICE: ("service", "维保"),
    DueKind.PADS: ("replace pads", "更换电极片"),
    DueKind.CHILD_PADS: ("replace child pads", "更换儿童电极片"),
    DueKind.BATTERY: ("replace battery", "更换电池"),
    DueKind.CARTRIDGE: ("replace combined cartridge", "更换电极电池盒"),
    DueKind.RETURN: ("return to service", "恢复使用"),
    DueKind.END_OF_LIFE: ("replace AED", "更换整机"),
    DueKind.LOAN: ("return loaner", "归还备用机"),
}
CALENDAR_KINDS: Final = tuple(each for each in DueKind if each is not DueKind.GLANCE)
"""Daily glances are left out of calendars."""


@dataclass(frozen=True, slots=True)
class Due:
    """A task on a device, due on `due_on` at the latest, a date in the device's time zone."""

    device_id: int
    due_kind: DueKind
    due_on: date

    def overdue_days(self, today: date) -> int:
        """Return the number of days by which it is overdue, or 0."""
        return max(0, (today - self.due_on).days)


def next_by_days(last: date | None, every_days: int, *, since: date) -> date:
    """Return when a task repeated every `every_days` days is next due: on `since` if it was never done."""
    return since if last is None else last + timedelta(days=every_days)


def next_by_months(last: date | None, every_months: int, *, since: date) -> date:
    """Return when a task repeated every `every_months` months is next due.

    If it was never done, counts from `since`, the day of registration, because a new device comes serviced.
    """
    return months_after(last or since, every_months)


def end_of_life(
    end_of_life_on: date | None, *, manufactured_on: date | None, life_years: int | None
) -> date | None:
    """Return the last day of a device's service life: its own date, or by its policy; None: not known."""
    if end_of_life_on is not None or manufactured_on is None or life_years is None:
        return end_of_life_on
    return months_after(manufactured_on, 12 * life_years)


def first_not_due(before: date, every_months: int) -> date:
    """Return the first day since which a task repeated every `every_months` months is not due before a day.

    That is the earliest date whose `next_by_months` is on or after `before`.
    """
    found = months_after(before, -every_months)
    while months_after(found - timedelta(days=1), every_months) >= before:
        found -= timedelta(days=1)
    while months_after(found, every_months) < before:
        found += timedelta(days=1)
    return found


def in_one_line(late: Mapping[DueKind, int], soon: Mapping[DueKind, int]) -> tuple[str, str]:
    """Return a sentence with the number of devices overdue and due, by kind: English, Chinese."""
    if not any(late.values()) and not any(soon.values()):
        return "Nothing is due.", "暂无到期事项。"
    en, zh = counted(late, soon)
    return f"AED: {en}.", f"AED：{zh}。"


def counted(late: Mapping[DueKind, int], soon: Mapping[DueKind, int]) -> tuple[str, str]:
    """Return the number of devices overdue and due, by kind, the most overdue first: English, Chinese."""
    late, soon = Counter(late), Counter(soon)
    due_kinds = sorted(DUE_WORDS, key=lambda due_kind: (-late[due_kind], -soon[due_kind]))
    parts_en, parts_zh = [], []
    for due_kind in due_kinds:
        en, zh = DUE_WORDS[due_kind]
        if late[due_kind]:
            parts_en.append(
                f"{en}: {late[due_kind]} overdue" + (f", {soon[due_kind]} due" if soon[due_kind] else "")
            )
            parts_zh.append(
                f"{zh}逾期{late[due_kind]}台" + (f"、到期{soon[due_kind]}台" if soon[due_kind] else "")
            )
        elif soon[due_kind]:
            parts_en.append(f"{en}: {soon[due_kind]} due")
            parts_zh.append(f"{zh}到期{soon[due_kind]}台")
    return "; ".join(parts_en), "；".join(parts_zh)
