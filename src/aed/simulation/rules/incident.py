"""Draw one incident: a patient at a random place and time, an ambulance, and all other random numbers.

All random numbers are drawn before anybody is asked. Every strategy gets the same ones, so that differences
between strategies come from the choice alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.random import Generator

from aed.planning.arrests import WEIGHTS_OF_HOURS
from aed.simulation.rules.assumptions import Assumptions
from aed.simulation.rules.world import World
from aed.walking.snapping import SnappedPoints
from aed.walking.streets import Floats

_SEED_OF_INCIDENTS: Final = 1


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedIncident:
    """One patient. Times count from the alert."""

    place: SnappedPoints
    """A single place."""
    at: datetime
    since_seconds: float
    has_cpr: bool
    ambulance_seconds: float
    """When the ambulance arrives."""
    ambulance_expected_seconds: float
    """When the dispatch centre expects the ambulance."""
    luck: Floats
    """For each responder, uniform in 0..1: they see, accept or come if it is below the probability."""
    answers_after_seconds: Floats
    """For each responder: the time from being asked to having answered and set off."""
    device_luck: Floats
    """For each device: it is available and works if this is below its probability."""
    floor: int
    """Floor of the patient; 0 is the ground floor."""
    responder_floors: Floats
    """Floor of each responder at that moment."""


def draw_incident(
    number: int, world: World, responders: int, numbers: Assumptions, *, seed: int
) -> SimulatedIncident:
    """Draw incident `number` of a seed, independently of all other incidents."""
    random = np.random.default_rng((seed, _SEED_OF_INCIDENTS, number))
    is_at_home = random.random() < numbers.share_at_home or not len(world.elsewhere)
    houses = world.homes if is_at_home else world.elsewhere
    place = houses.take([int(random.integers(len(houses)))])
    at = _moment(random, numbers.year, world.time_zone)
    expected = _log_normal(random, numbers.ambulance_seconds, numbers.ambulance_spread)
    return SimulatedIncident(
        place=place,
        at=at,
        since_seconds=_log_normal(random, numbers.since_seconds, numbers.since_spread),
        has_cpr=bool(random.random() < numbers.share_with_cpr),
        ambulance_seconds=_log_normal(random, expected, numbers.estimate_spread),
        ambulance_expected_seconds=expected,
        luck=random.random(responders),
        answers_after_seconds=random.exponential(numbers.answer_seconds, responders),
        device_luck=random.random(len(world.devices)),
        floor=int(random.integers(numbers.floors + 1)),
        responder_floors=random.integers(numbers.floors + 1, size=responders).astype(float),
    )


def _log_normal(random: Generator, median: float, spread: float) -> float:
    """Draw from a log-normal distribution."""
    return float(median * np.exp(spread * random.standard_normal()))


def _moment(random: Generator, year: int, time_zone: str) -> datetime:
    """Draw a random day of the year, at an hour by `WEIGHTS_OF_HOURS`."""
    days = (date(year + 1, 1, 1) - date(year, 1, 1)).days
    day = date(year, 1, 1) + timedelta(days=int(random.integers(days)))
    weights = np.array(WEIGHTS_OF_HOURS)
    hour, minute = int(random.choice(24, p=weights / weights.sum())), int(random.integers(60))
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(time_zone)).astimezone(UTC)
