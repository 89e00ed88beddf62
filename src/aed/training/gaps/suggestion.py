"""Where and when to hold the next session so that it improves an estate's coverage most.

    lifted(slot) = sum over buildings b and hours h below the target of
                   P(Poisson(more[b, h]) >= missing[b, h])

`more` is the expected number of additional people for building `b` in hour `h` after a session in that slot:
the expected new responders, times the share of the estate's buildings from which people reach `b` in time (it
is not known where the learners live), times the share of people free in the slot who are there in that hour.
Slots in which fewer people are free yield fewer responders. The best slot lifts the most building-hours.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aed.training.gaps.rules import BuildingGaps, Expectation, Floats, Lapse, Suggestion, presence
from aed.training.gaps.week import DAYS_EN, DAYS_ZH, HOURS, CalendarWeek

STARTS: Final = (9, 14, 18)
"""Morning, afternoon and evening; each leaves room for a course of four hours."""
COURSE_HOURS: Final = 4
LEAD_DAYS: Final = 14
"""Time for people to hear of a session and enrol."""

_HOUR: Final = np.arange(HOURS) % 24
_IS_WEEKEND: Final = np.arange(HOURS) >= 5 * 24
_IS_NIGHT: Final = (_HOUR < 6) | (_HOUR >= 22)
_PARTS: Final[tuple[tuple[NDArray[np.bool_], str, str], ...]] = (
    (_IS_NIGHT, "at night", "夜间"),
    (~_IS_NIGHT & _IS_WEEKEND, "at weekends by day", "周末白天"),
    (~_IS_NIGHT & ~_IS_WEEKEND & (_HOUR >= 18), "on weekday evenings", "工作日傍晚"),
    (~_IS_NIGHT & ~_IS_WEEKEND & (_HOUR < 18), "on weekdays by day", "工作日白天"),
)


@dataclass(frozen=True, slots=True, eq=False)
class NearbyPeople:
    """Input of `suggest` for one estate."""

    estate_id: int
    week: CalendarWeek
    buildings: Sequence[BuildingGaps]
    near: Floats
    """For each building, the share of the estate's buildings within walking distance, itself included."""
    states: NDArray[np.uint8]
    """HourStates of the people nearby; shape (people, 168)."""
    lapses: Sequence[Lapse]


def suggest(
    around: NearbyPeople, usual: Expectation, *, target: int, today: date, holidays: Collection[date] = ()
) -> Suggestion | None:
    """Return the most useful session; None if no building misses the target in any hour.

    1. Score each slot of the week by the building-hours that it is expected to lift to the target. The first
       of equal slots wins.
    2. Hold the session near the building with the largest gap, on the first such weekday at least two weeks
       ahead that is not a holiday.
    """
    after = np.array([each.after for each in around.buildings])
    missing = np.ceil(np.maximum(0.0, target - after) - 1e-9).astype(np.int64)
    if not missing.any():
        return None
    places = max(1, round(usual.places))
    slots = [day * 24 + start for day in range(7) for start in STARTS]
    free = presence(around.states)
    turnout = np.array([free[slot : slot + COURSE_HOURS].min() for slot in slots])
    comes_of_it = places * usual.responders_a_place * turnout / turnout.max()
    lifts = [
        _expected_cells_closed(
            missing, responders * around.near[:, None] * presence(around.states, among_those_there_at=slot)
        )
        for slot, responders in zip(slots, comes_of_it, strict=True)
    ]
    best = int(np.argmax(np.round(lifts, 6)))
    most_missed = around.buildings[int(missing.sum(axis=1).argmax())]
    responders = float(comes_of_it[best])
    starts_on = _first_day(today + timedelta(days=LEAD_DAYS), slots[best] // 24, holidays)
    reasons_en, reasons_zh = _reasons(
        around, missing > 0, most_missed, slots[best], places, responders, lifts[best], target
    )
    return Suggestion(
        estate_id=around.estate_id,
        building_id=most_missed.building_id,
        starts_on=starts_on,
        hour=slots[best],
        places=places,
        expected_responders=responders,
        hours_lifted=lifts[best],
        reasons_en=reasons_en,
        reasons_zh=reasons_zh,
    )


def _expected_cells_closed(missing: NDArray[np.int64], more: Floats) -> float:
    """Return the expected number of cells whose gap is closed when Poisson(more) people are added to each."""
    below = missing > 0
    wanted, mean = missing[below], more[below]
    term = np.exp(-mean)
    fewer = term.copy()  # P(N <= k - 1), as far as k has come
    reached = np.zeros_like(mean)
    for k in range(1, int(wanted.max(initial=0)) + 1):
        at = wanted == k
        reached[at] = 1.0 - fewer[at]
        term = term * mean / k
        fewer = fewer + term
    return float(np.maximum(reached, 0.0).sum())


def _first_day(earliest: date, weekday: int, holidays: Collection[date]) -> date:
    """Return the first day with that weekday, not before `earliest`, that is not a holiday."""
    day = earliest + timedelta(days=(weekday - earliest.weekday()) % 7)
    while day in holidays:
        day += timedelta(days=7)
    return day


def _reasons(
    around: NearbyPeople,
    below: NDArray[np.bool_],
    most_missed: BuildingGaps,
    slot: int,
    places: int,
    responders: float,
    lifted: float,
    target: int,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the reasons for the suggestion as sentences, in English and in Chinese."""
    cells = int(below.sum())
    part = max(_PARTS, key=lambda each: int(below[:, each[0]].sum()))
    in_part = int(below[:, part[0]].sum())
    day, start = divmod(slot, 24)
    said_en = [
        f"In {cells} of {below.size} building-hours of the week, fewer than {target} "
        f"people are expected to arrive in time, {in_part} of them {part[1]}. The largest "
        f"gap is at {most_missed.name_en}."
    ]
    said_zh = [
        f"一周{below.size}个楼栋时段中，有{cells}个预计能及时赶到的不足{target}人，"
        f"其中{in_part}个在{part[2]}；"
        f"缺口最大的是{most_missed.name_zh}。"
    ]
    if lapses := sum(each.count for each in around.lapses):
        last = max(each.valid_until for each in around.lapses)
        said_en.append(f"{lapses} certificates of this estate expire by {last}.")
        said_zh.append(f"本园区有{lapses}张证书将在{last}或之前到期。")
    said_en.append(
        f"A session with {places} places on {DAYS_EN[day]} at {start:02}:00 is expected "
        f"to add {responders:.1f} responders and to bring {lifted:.0f} building-hours to "
        f"{target}. No other time would add more."
    )
    said_zh.append(
        f"在{DAYS_ZH[day]}{start:02}:00开一场{places}人的课，预计新增{responders:.1f}名急救志愿者，使{lifted:.0f}个楼栋时段达到{target}人，效果优于其他时间。"
    )
    return tuple(said_en), tuple(said_zh)
