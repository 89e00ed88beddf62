"""What is taken to be so of patients, bystanders, ambulances and responders, with where it comes from.

How many of those who are asked see it, accept and come, how fast they walk and what a delay costs are
settings of the program (`aed.settings.Planning`, `Arrival`, `Survival`), and the same here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

from aed.errors import InvalidInput
from aed.settings import Settings
from aed.walking.travel import Pace, general_pace, opening_seconds, walk_seconds

WEIGHTS_OF_HOURS: Final = (
    *(0.20, 0.17, 0.14, 0.14, 0.15, 0.20),
    *(0.26, 0.32, 0.36, 0.37, 0.36, 0.35),
    *(0.34, 0.34, 0.33, 0.33, 0.33, 0.34),
    *(0.34, 0.32, 0.30, 0.28, 0.26, 0.23),
)
"""How often hearts stop, by hour of the day.

Brooks 2010, Resuscitation 81:175 (9,667 cases): against 0-6 h, 2.02 times as many at 6-12, 2.01 at 12-18,
1.73 at 18-24. Within each six hours the shape is ours: up to a peak at 8 to 11 as in Bagai 2013, Circulation
128:2595, and without jumps from one part of the day to the next.
"""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The numbers of a simulation. Raises InvalidInput for what cannot be meant."""

    share_at_home: float = 0.7
    """Of patients, in a house of a residential area; the others in any other house. CARES: about 70 %."""
    share_with_cpr: float = 0.4
    """Of patients, where somebody does compressions already. CARES: about 40 %."""
    since_seconds: float = 120.0
    """Median, from the arrest to the alert: finding the patient, ringing, answering. Not known: about a
    minute to the call and one until the arrest is recognised."""
    since_spread: float = 0.5
    """Standard deviation of its logarithm."""
    ambulance_seconds: float = 426.0
    """Median, from the alert to the patient's side: 7.1 minutes in Virginia Beach, 2017-2019 (2,330 cardiac
    arrests; doi 10.5281/zenodo.4079985)."""
    ambulance_spread: float = 0.47
    """Standard deviation of its logarithm: same source."""
    estimate_spread: float = 0.2
    """The same of the error with which a dispatch centre knows it beforehand. Not known."""
    answer_seconds: float = 30.0
    """Mean, exponential, from being asked to having answered and set off: the reaction that the speeds of the
    program hold already (`Arrival.reaction_seconds`), nothing on top. Not known; drills replace it."""
    show_up: float | None = None
    """Of those asked, how many truly come; None: as many as the plan believes. Fewer accept, and fewer
    see it, in the same ratio: whoever has accepted is as likely to come as the plan believes."""
    next_wave_seconds: float = 45.0
    """After so long the plan is made again with what is known by then."""
    waves: int = 4
    """So many times at most."""
    asked: int = 9
    """So many are asked by the ways that always ask as many: of nine, six direct and three for a device."""
    floors: int = 0
    """The highest floor on which patients and responders are, any as likely as another; devices hang on the
    ground floor."""
    year: int = 2026
    """Whose days and hours of opening: the last whose Chinese holidays are known."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None:
                continue
            if not (math.isfinite(value) and value >= 0):
                raise InvalidInput(f"{each.name} is a number that is not below 0.", field=each.name)
            if each.name.startswith(("share_", "show_up")) and value > 1:
                raise InvalidInput(f"{each.name} is a share, from 0 to 1.", field=each.name)
        for name in ("ambulance_seconds", "answer_seconds", "next_wave_seconds", "waves", "asked"):
            if getattr(self, name) <= 0:
                raise InvalidInput(f"{name} must be above 0.", field=name)
        if not 1902 <= self.year <= 9000:
            raise InvalidInput("year is one from 1902 to 9000.", field="year")


class Funnel(NamedTuple):
    """Of those who are asked: the shares who see it, accept, and come."""

    seen: float
    accepted: float
    there: float


@dataclass(frozen=True, slots=True)
class Numbers:
    """All numbers that a simulation goes by."""

    assumptions: Assumptions
    settings: Settings

    @property
    def truly(self) -> Funnel:
        """How many of those who are asked truly see it, accept, and come."""
        planning = self.settings.planning
        ratio = 1.0
        if self.assumptions.show_up is not None:
            ratio = self.assumptions.show_up / planning.chance_there
        return Funnel(
            min(1.0, planning.chance_seen * ratio),
            min(1.0, planning.chance_accepted * ratio),
            min(1.0, planning.chance_there * ratio),
        )

    @property
    def pace(self) -> Pace:
        """A list of devices says nothing of estates: the general one."""
        return general_pace(self.settings.arrival)

    @property
    def opening_seconds(self) -> float:
        """What a fetch takes besides reacting and walking."""
        return opening_seconds(self.pace, self.settings.arrival)

    def walking_seconds(self, metres: float) -> float:
        """One way on foot, without the reaction before it."""
        return walk_seconds(metres, self.pace, self.settings.arrival)
