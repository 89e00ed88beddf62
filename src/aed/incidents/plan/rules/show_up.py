"""Learn how many of the people who are asked come, from real calls, per region and time of day.

Each of three rates (asked -> seen -> accepted -> there) starts from a published value and moves with the
counts: `(weight * prior + happened) / (weight + counted)`, the mean of a beta distribution. The counts of all
regions are the prior of a region, and the region's are the prior of each time of day there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from aed.incidents.rules import AlertState, TimeOfDay
from aed.settings.planning import Planning

MIN_TIME_TO_ANSWER: Final = timedelta(minutes=3)
"""Silence of a person who was stopped sooner than this after being asked says nothing."""


def time_of_day(local: datetime) -> TimeOfDay:
    if local.hour >= 22 or local.hour < 6:
        return TimeOfDay.NIGHT
    if local.hour < 9:
        return TimeOfDay.MORNING
    return TimeOfDay.DAY if local.hour < 17 else TimeOfDay.EVENING


class ShowUpCounts(NamedTuple):
    """People counted at each step. `due`: of those who accepted, who should have arrived by the end."""

    asked: int = 0
    seen: int = 0
    accepted: int = 0
    due: int = 0
    there: int = 0


def sum_counts(counts: Iterable[ShowUpCounts]) -> ShowUpCounts:
    rows = list(counts)
    return ShowUpCounts(*(sum(each) for each in zip(*rows, strict=True))) if rows else ShowUpCounts()


class PastAlert(NamedTuple):
    """An alert of a closed real incident, as far as it is counted."""

    state: AlertState
    asked_at: datetime
    seen_at: datetime | None
    accepted_at: datetime | None
    there_at: datetime | None
    due_at: datetime
    ended_at: datetime | None
    over_at: datetime
    """When the ambulance arrived, or the incident was closed."""


def counts_of_alert(past: PastAlert) -> ShowUpCounts:
    """Return what one alert counts; nothing if it ended before it could tell."""
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
    """Probability of each step, given the one before."""

    seen: float
    accepted: float
    there: float


def learn_rates(
    planning: Planning, everywhere: ShowUpCounts, region: ShowUpCounts, now: ShowUpCounts, *, weight: float
) -> Planning:
    """Return the settings with the learned probabilities. `now` counts the region at this time of day."""
    rates = ShowUpRates(
        planning.probability_seen,
        planning.probability_accepted / planning.probability_seen,
        planning.probability_there / planning.probability_accepted,
    )
    if everywhere.asked == 0:
        return planning
    for each in (everywhere, region, now):
        rates = _updated_rates(rates, each, weight)
    accepted = rates.seen * rates.accepted
    return planning.model_copy(
        update={
            "probability_seen": rates.seen,
            "probability_accepted": accepted,
            "probability_there": accepted * rates.there,
        }
    )


def _updated_rates(prior: ShowUpRates, counts: ShowUpCounts, weight: float) -> ShowUpRates:
    return ShowUpRates(
        _weighted_share(prior.seen, counts.seen, counts.asked, weight),
        _weighted_share(prior.accepted, counts.accepted, counts.seen, weight),
        _weighted_share(prior.there, counts.there, counts.due, weight),
    )


def _weighted_share(prior: float, happened: int, of: int, weight: float) -> float:
    return (weight * prior + happened) / (weight + of)
