"""Parameters of arrival times, of unknown hours and of drills."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

type Probability = Annotated[float, Field(gt=0, le=1)]
type ByHour = tuple[Probability, Probability, Probability, Probability]


class UnknownHours(BaseModel):
    """The probability that a device with unknown hours can be reached, by class of place.

    Four values each: by day (7-18), in the evening (18-22), at night (22-7), and on a day off
    (`aed.registry.devices.reachability`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    staffed: ByHour = Field(
        (0.8, 0.8, 0.8, 0.8), description="At a guard's post, hotel, hospital or police station"
    )
    # Assumption: staff are there, but have to be asked.
    station: ByHour = Field((0.8, 0.8, 0.3, 0.8), description="At a railway or metro station or an airport")
    # Assumption: trains run from about 6 to 23.
    school: ByHour = Field((0.7, 0.2, 0.09, 0.2), description="At a school or a university")
    shop: ByHour = Field((0.8, 0.6, 0.09, 0.7), description="In a shop, shopping centre or restaurant")
    office: ByHour = Field((0.7, 0.33, 0.09, 0.2), description="In an office, bank or factory")
    # By day an assumption. At night the 9 % that are always open (Hansen 2013, Circulation 128:2224).
    estate: ByHour = Field((0.7, 0.7, 0.5, 0.7), description="In an estate, if nothing else is known")
    # Assumption: people live there at all hours, and doors are locked at night.
    unknown: ByHour = Field((0.7, 0.33, 0.09, 0.33), description="At any other place")
    # Hansen 2013: coverage falls by 53 % outside working hours; 9 % are always open. By day an assumption.

    def of(self, place: str) -> ByHour:
        """Return the probabilities for a class of place, by its name."""
        found: ByHour = getattr(self, place)
        return found

    @cached_property
    def best(self) -> float:
        """Return the highest of all probabilities."""
        return max(max(self.of(name)) for name in type(self).model_fields)


class Arrival(BaseModel):
    """Parameters of expected times of arrival (`aed.lookup.arrival`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    reaction_seconds: float = Field(
        30.0,
        ge=0,
        description="Seconds from the call until the responder sets out; included in the speeds below",
    )
    # Assumption: Gramm 2025 and Jonsson 2020 both assume it, and neither reports it.
    responder_metres_per_second: float = Field(
        2.3,
        gt=0,
        description="Speed of a responder on foot, over `speed_over_metres` and including the reaction time",
    )
    # Jonsson 2020, Resuscitation 151:197.
    estate_metres_per_second: float = Field(1.8, gt=0, description="The same for places inside an estate")
    # Same source, over 8,000 people/km2; replaced by the estate's own drills.
    speed_over_metres: float = Field(
        600.0, gt=0, description="Length of the walk for which these speeds hold"
    )
    # The longest distance one way in Gramm 2025, where both sources agree (docs/decide/arrival-times.md).
    slow_start_seconds: float = Field(
        44.0,
        ge=0,
        description="Time for doors, crossings and finding the way on each walk of at least "
        "`slow_start_metres`",
    )
    slow_start_metres: float = Field(
        300.0, gt=0, description="Walks shorter than this take proportionally less of `slow_start_seconds`"
    )
    # Fitted to Gramm 2025: 200/400/600 m there and back took 4.05/6.62/8.62 min.
    open_cabinet_seconds: float = Field(
        30.0, ge=0, description="Time to open the cabinet and take the device"
    )
    # Assumption: 20-40 s; replaced by drills.
    detour_factor: float = Field(
        1.5,
        ge=1,
        description="Walking distance divided by straight-line distance, where there is no walking network",
    )
    # Karlsson 2021; Fan 2020 found 2.4 among podium towers.
    stairs_seconds_per_floor: float = Field(16.0, ge=0, description="Time per floor by the stairs, one way")
    # About 0.2 m/s of climb for storeys of 3 m; replaced by drills.
    lift_wait_seconds: float = Field(45.0, ge=0, description="Time to wait for the lift, get in and get out")
    lift_seconds_per_floor: float = Field(
        2.0, ge=0, description="Time per floor by the lift, used when faster than the stairs"
    )
    # Drennan 2016, CMAJ 188:413: high floors cost about 120 s in all; 40 floors are 125 s here.
    guarded_gate_seconds: float = Field(
        30.0, ge=0, description="Time for an outsider to pass a guarded gate, each time"
    )
    # The guard looks and the barrier opens; replaced by drills.
    closed_gate_seconds: float = Field(180.0, ge=0, description="Time to get a closed gate opened, each time")
    # Calling the guard and waiting for the key, used only if there is no other way; replaced by drills.
    probability_closed_gate: float = Field(
        0.5, gt=0, le=1, description="Probability that a closed gate is opened at all"
    )
    # Unknown: the same as for unknown hours.
    probability_open: float = Field(
        0.98, gt=0, le=1, description="Probability that a device is accessible when its hours say open"
    )
    probability_assisted: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Probability that a device is accessible when a person must let the responder in",
    )
    probability_entry_unknown: float = Field(
        0.85,
        gt=0,
        le=1,
        description="Probability that a device is accessible when its hours say open but access is unknown",
    )
    # Assumption: above all unknown hours, since one of the two possible failures is ruled out.
    probability_unknown: UnknownHours = Field(
        default_factory=UnknownHours,
        description="Probability that a device is accessible when its hours are unknown: day, "
        "evening, night, day off",
    )
    probability_ready_checked: float = Field(
        0.95, gt=0, le=1, description="Probability that a device works if it was checked recently"
    )
    probability_ready: float = Field(
        0.85, gt=0, le=1, description="Probability that a device works if no recent check is known"
    )
    # Audits find about 85 % ready.
    checked_within_days: int = Field(
        35, ge=1, description="Number of days within which a check counts as recent"
    )  # monthly check and grace
    probability_ready_pads_expired: float = Field(
        0.6, gt=0, le=1, description="Probability that a device works if only its pads have expired"
    )  # Unknown: gel dries slowly in a closed bag; Resuscitation Council UK: benefit outweighs risk.
    max_fetch_metres: float = Field(
        400.0, gt=0, description="Maximum distance, one way, that a bystander is sent to fetch a device"
    )  # Gramm 2025: 200 m one way were faster than the ambulance (6.9 min); 400 m took at most 8:37.
    bring_call_seconds: float = Field(
        45.0, ge=0, description="Time to phone the person beside a device, until they set out with it"
    )  # Unknown: a guard answers at once and needs the address; replaced by drills.
    failed_fetch_penalty_seconds: float = Field(
        600.0, ge=0, description="Cost of a fetch that does not bring a device"
    )
    # About the response time of an urban ambulance, which is the next chance.

    @model_validator(mode="after")
    def _known_hours_are_worth_more(self) -> Self:
        if self.probability_entry_unknown < self.probability_unknown.best:
            raise ValueError(
                "probability_entry_unknown must not be lower than any value of probability_unknown"
            )
        return self

    @model_validator(mode="after")
    def _leaves_time_to_walk(self) -> Self:
        start = self.slow_start_seconds * min(1.0, self.speed_over_metres / self.slow_start_metres)
        for name in ("responder_metres_per_second", "estate_metres_per_second"):
            if self.speed_over_metres / getattr(self, name) <= self.reaction_seconds + start:
                raise ValueError(
                    f"{name}: the walk of speed_over_metres must take longer than reaction_seconds "
                    "and slow_start_seconds together"
                )
        return self


class Drills(BaseModel):
    """Parameters of estimating the walking speed on an estate (`aed.lookup.pace`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_drills: int = Field(
        10, ge=5, le=200, description="Number of drills after which an estate's own walking pace is used"
    )
    # The estimate stays the same if two of ten drills are mistimed.
    spread_metres: float = Field(
        100.0,
        gt=0,
        description="Minimum difference between the longest and shortest walk of these drills, one way",
    )
    # Two walks of nearly the same length do not determine the speed.
    max_drills: int = Field(200, ge=5, le=1000, description="Maximum number of drills used, the latest first")
    # Estates change: a new gate, a new path.
    quickest_seconds_per_metre: float = Field(
        0.15, gt=0, description="Fastest plausible pace (0.15 s/m is 6.7 m/s)"
    )
    slowest_seconds_per_metre: float = Field(
        1.5, gt=0, description="Slowest plausible pace (1.5 s/m is 0.7 m/s)"
    )
    # From a good runner to a slow walker; an estimate outside this range measures something else.
    min_pick_up_seconds: float = Field(10.0, ge=0, description="Shortest plausible overhead")
    max_pick_up_seconds: float = Field(600.0, gt=0, description="Longest plausible overhead")

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        if self.quickest_seconds_per_metre > self.slowest_seconds_per_metre:
            raise ValueError("quickest_seconds_per_metre must not exceed slowest_seconds_per_metre")
        if self.min_pick_up_seconds > self.max_pick_up_seconds:
            raise ValueError("min_pick_up_seconds must not exceed max_pick_up_seconds")
        if self.min_drills > self.max_drills:
            raise ValueError("min_drills must not exceed max_drills")
        return self
