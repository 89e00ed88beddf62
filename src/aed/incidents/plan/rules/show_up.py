"""How many of those who are asked come: learned from real calls, per region and time of day.

Each of three rates (asked -> seen -> accepted -> there) starts from what was published and moves with what
was counted: `(weight * prior + happened) / (weight + counted)`, the mean of a beta distribution. What all
regions have counted is the prior of a region, and the region's is the prior of each time of day there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from aed.incidents.rules import AlertState, TimeOfDay
from aed.settings import Planning

MIN_TIME_TO_ANSWER: Final = timedelta(minutes=3)
"""Somebody who was not needed any longer sooner than this after being asked tells nothing by silence."""


def time_of_day(local: datetime) -> TimeOfDay:
    if local.hour >= 22 or local.hour < 6:
        return TimeOfDay.NIGHT
    if local.hour < 9:
        return TimeOfDay.MORNING
    return TimeOfDay.DAY if local.hour < 17 else TimeOfDay.EVENING


class ShowUpCounts(NamedTuple):
    """People counted at each step. `due`: of those who accepted, who should have been there by the end."""

    asked: int = 0
    seen: int = 0
    accepted: int = 0
    due: int = 0
    there: int = 0


def sum_counts(counts: Iterable[ShowUpCounts]) -> ShowUpCounts:
    rows = list(counts)
    return ShowUpCounts(*(sum(each) for each in zip(*rows, strict=True))) if rows else ShowUpCounts()


class PastAlert(NamedTuple):
    """One alert of a closed real incident, as far as it matters here."""

    state: AlertState
    asked_at: datetime
    seen_at: datetime | None
    accepted_at: datetime | None
    there_at: datetime | None
    due_at: datetime
    ended_at: datetime | None
    over_at: datetime
    """When the ambulance was there, or the incident was closed."""


def counts_of_alert(past: PastAlert) -> ShowUpCounts:
    """What one alert tells; nothing where it ended before it could tell."""
    until = min(past.ended_at or past.over_at, past.over_at)
    has_answered = past.accepted_at is not None or past.state is AlertState.DECLINED
    if not has_answered and past.there_at is None and until - past.asked_at < MIN_TIME_TO_ANSWER:
        return ShowUpCounts()
    has_accepted = past.accepted_at is not None
    is_there = past.there_at is not None
    is_due = has_accepted and (is_there or past.state is AlertState.DECLINED or past.due_at <= past.over_at)
    return ShowUpCounts(
        asked=1,
        seen=int(past.seen_at is not None or has_accepted),
        accepted=int(has_accepted),
        due=int(is_due),
        there=int(is_due and is_there),
    )


class ShowUpRates(NamedTuple):
    """The chance of each step, given the one before."""

    seen: float
    accepted: float
    there: float


def learn_rates(
    planning: Planning, everywhere: ShowUpCounts, region: ShowUpCounts, now: ShowUpCounts, *, weight: float
) -> Planning:
    """Return the settings with the chances that were learned: `now` is the region's at this time of day."""
    rates = ShowUpRates(
        planning.chance_seen,
        planning.chance_accepted / planning.chance_seen,
        planning.chance_there / planning.chance_accepted,
    )
    if everywhere.asked == 0:
        return planning
    for each in (everywhere, region, now):
        rates = _moved(rates, each, weight)
    accepted = rates.seen * rates.accepted
    return planning.model_copy(
        update={
            "chance_seen": rates.seen,
            "chance_accepted": accepted,
            "chance_there": accepted * rates.there,
        }
    )


def _moved(prior: ShowUpRates, counts: ShowUpCounts, weight: float) -> ShowUpRates:
    return ShowUpRates(
        _mean(prior.seen, counts.seen, counts.asked, weight),
        _mean(prior.accepted, counts.accepted, counts.seen, weight),
        _mean(prior.there, counts.there, counts.due, weight),
    )


def _mean(prior: float, happened: int, of: int, weight: float) -> float:
    return (weight * prior + happened) / (weight + of)
