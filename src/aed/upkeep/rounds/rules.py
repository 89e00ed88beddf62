"""Rules of inspection rounds: the hours of a device on a day, and the state of a round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from aed.hours.timetable import Opening, StateSpan
from aed.upkeep.rounds.routing import NotVisitedReason, Window

WALKING_METRES_PER_SECOND: Final = 1.25
"""An adult who walks through town without hurry (assumption; traffic engineers count with 1.2 to 1.4)."""
DEFAULT_CHECK_MINUTES: Final = 5
MAX_DAYS_AHEAD: Final = 366
MAX_LATE_DAYS: Final = 30
"""Until when a check counts for a round that is not repeated."""
DAY_SECONDS: Final = 86_400
MINUTE: Final = 60

NOT_VISITED_WORDS: Final = {
    NotVisitedReason.CLOSED: ("closed during the whole round", "巡检时段内不开放"),
    NotVisitedReason.NO_WAY: ("no way on foot", "步行无法到达"),
    NotVisitedReason.HOURS_MISSED: ("cannot be reached before it closes", "关闭前无法赶到"),
    NotVisitedReason.TOO_FAR: ("too far for the round's hours", "路程过远，时段内无法往返"),
    NotVisitedReason.NO_TIME_LEFT: ("no time left beside the others", "时间不够，排不下"),
}
"""Why a device is not in a round: English, Chinese."""


class RoundState(StrEnum):
    """The state of an inspection round on a day. Derived from its day and the checks that have arrived."""

    PLANNED = "planned"
    """Its day has not come."""
    TODAY = "today"
    OVERDUE = "overdue"
    """Its day has passed, and devices are not checked."""
    WAITING = "waiting"
    """All devices were visited; checks wait for a second person's approval."""
    DONE = "done"
    MISSED = "missed"
    """It was not done before its next turn, or within MAX_LATE_DAYS."""
    CANCELLED = "cancelled"


def counts_until(day: date, every_days: int | None) -> date:
    """Return the first day on which a check no longer counts for a round."""
    return day + timedelta(days=every_days or MAX_LATE_DAYS)


def repeat_day(day: date, every_days: int, *, today: date) -> date:
    """Return the first day from `today` on at which a round is repeated."""
    turns = max(1, math.ceil((today - day).days / every_days))
    return day + timedelta(days=turns * every_days)


def round_state(
    day: date, *, today: date, left: int, waiting: int, every_days: int | None, is_cancelled: bool
) -> RoundState:
    """Return the state of a round: `left` devices have no check, `waiting` checks wait for approval."""
    if is_cancelled:
        return RoundState.CANCELLED
    if not left:
        return RoundState.WAITING if waiting else RoundState.DONE
    if day >= today:
        return RoundState.TODAY if day == today else RoundState.PLANNED
    return RoundState.OVERDUE if today < counts_until(day, every_days) else RoundState.MISSED


def reachable_windows(spans: Sequence[StateSpan]) -> tuple[Window, ...]:
    """Return when a device is not certainly closed on a day, in seconds after midnight.

    Unknown hours are not taken for closed; `are_hours_known` says so for a visit.
    """
    windows: list[Window] = []
    for start, end, state in _spans(spans):
        if state is Opening.CLOSED:
            continue
        if windows and windows[-1].closes == start:
            windows[-1] = Window(windows[-1].opens, end)
        else:
            windows.append(Window(start, end))
    return tuple(windows)


def are_hours_known(spans: Sequence[StateSpan], begins: float, leaves: float) -> bool:
    """Return whether a device is certainly open during the whole visit."""
    return all(
        state is Opening.OPEN for start, end, state in _spans(spans) if start < leaves and end > begins
    )


def _spans(spans: Sequence[StateSpan]) -> list[tuple[float, float, Opening]]:
    """Return start, end (seconds after midnight) and state of each span of a day."""
    starts = [each.minute * MINUTE for each in spans] + [DAY_SECONDS]
    return [(starts[i], starts[i + 1], each.state) for i, each in enumerate(spans)]


def local_moment(day: date, seconds: float, time_zone: str) -> datetime:
    """Return the moment of a local wall clock, in UTC."""
    local = datetime.combine(day, time(), ZoneInfo(time_zone)) + timedelta(seconds=round(seconds))
    return local.astimezone(UTC)
