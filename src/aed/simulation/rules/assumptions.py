"""Assumptions about patients, bystanders, ambulances and responders, with their sources.

The chances that people see an alert, accept and come, their speed, and the effect of delay are settings of
the program (`aed.settings.planning`, `aed.settings.arrival`), which the simulation shares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import NamedTuple

from aed.errors import InvalidInput
from aed.settings import Settings
from aed.walking.travel import Pace, general_pace, opening_seconds, walk_seconds


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The numbers of a simulation. Raises InvalidInput for impossible ones."""

    share_at_home: float = 0.7
    """Share of patients in a house of a residential area; the others are in any other house. CARES: about 70
    %.
    """
    share_with_cpr: float = 0.4
    """Share of patients with somebody doing compressions already. CARES: about 40 %."""
    since_seconds: float = 120.0
    """Median time from the arrest to the alert: finding the patient, calling, answering. Unknown: about a
    minute to the call, and another until the arrest is recognised.
    """
    since_spread: float = 0.5
    """Standard deviation of its logarithm."""
    ambulance_seconds: float = 426.0
    """Median time from the alert to the patient's side: 7.1 minutes in Virginia Beach, 2017-2019 (2,330
    cardiac arrests; doi 10.5281/zenodo.4079985).
    """
    ambulance_spread: float = 0.47
    """Standard deviation of its logarithm: same source."""
    estimate_spread: float = 0.2
    """The same for the error of the dispatch centre's estimate. Unknown."""
    answer_seconds: float = 30.0
    """Mean of the exponential time from being asked to setting off. It is the reaction time that the
    program's speeds already include (`Arrival.reaction_seconds`), not in addition to it. Unknown; replaced by
    drills.
    """
    show_up: float | None = None
    """Share of people asked who really come; None: as many as the plan expects. The shares who see and accept
    it change in the same ratio: a person who accepted is as likely to come as the plan expects.
    """
    next_wave_seconds: float = 45.0
    """The plan is made again after this long, with what is known by then."""
    waves: int = 4
    """The maximum number of plans."""
    asked: int = 9
    """Number of people asked by strategies with a fixed number: of nine, six direct and three for a device.
    """
    floors: int = 0
    """Highest floor of patients and responders, uniformly distributed; devices are on the ground floor."""
    year: int = 2026
    """Year of the opening hours: the last whose Chinese holidays are known."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None:
                continue
            if not (math.isfinite(value) and value >= 0):
                raise InvalidInput(
                    "{name} must be a number that is not negative.", field=each.name, name=each.name
                )
            if each.name.startswith(("share_", "show_up")) and value > 1:
                raise InvalidInput("{name} must be a share from 0 to 1.", field=each.name, name=each.name)
        for name in ("ambulance_seconds", "answer_seconds", "next_wave_seconds", "waves", "asked"):
            if getattr(self, name) <= 0:
                raise InvalidInput("{name} must be above 0.", field=name, name=name)
        if not 1902 <= self.year <= 9000:
            raise InvalidInput("year must be from 1902 to 9000.", field="year")


class Funnel(NamedTuple):
    """Shares of people asked who see it, accept, and come."""

    seen: float
    accepted: float
    there: float


@dataclass(frozen=True, slots=True)
class Numbers:
    """All numbers of a simulation."""

    assumptions: Assumptions
    settings: Settings

    @property
    def truly(self) -> Funnel:
        """Return the true shares of people asked who see it, accept, and come."""
        planning = self.settings.planning
        ratio = 1.0
        if self.assumptions.show_up is not None:
            ratio = self.assumptions.show_up / planning.probability_there
        return Funnel(
            min(1.0, planning.probability_seen * ratio),
            min(1.0, planning.probability_accepted * ratio),
            min(1.0, planning.probability_there * ratio),
        )

    @property
    def pace(self) -> Pace:
        """Return the general pace, because a list of devices does not name estates."""
        return general_pace(self.settings.arrival)

    @property
    def opening_seconds(self) -> float:
        """Return the seconds that a fetch takes besides reacting and walking."""
        return opening_seconds(self.pace, self.settings.arrival)

    def walking_seconds(self, metres: float) -> float:
        """Return the seconds of a walk one way, without the reaction time."""
        return walk_seconds(metres, self.pace, self.settings.arrival)
