"""The question and the answer of a lookup."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from aed.geo import Position
from aed.lookup.arrival import Basis, Fetch
from aed.lookup.grouping import Bringing
from aed.lookup.responders import NearbyResponder, Precision
from aed.lookup.walks import GatePassed
from aed.registry.devices.dispatchable import PatientPlace
from aed.registry.devices.reachability import HourBand, PlaceClass
from aed.registry.devices.rules import Access, AccessAt, Readiness
from aed.registry.nearby import DeviceNearby, OutOfService
from aed.walking.travel import NO_WAY, Leg, Pace
from aed.walking.way import Walk


@dataclass(frozen=True, slots=True)
class Question:
    """One lookup: a patient's place and floor, a moment, how many answers."""

    here: Position
    at: datetime
    limit: int = 5
    floor: int = 0
    counts_ground_as_one: bool | None = None
    """How storeys are counted at the patient, where the floor was given as a storey."""
    with_routes: bool = False
    responders: int = 10
    precision: Precision = Precision.CELL
    """Where responders are taken to be."""
    sent_from: PatientPlace | None = None
    """Where the patient is, for a plan: only devices that somebody may be sent for are looked for."""
    is_for_plan: bool = False
    """People come from elsewhere: what is too far to be fetched from the patient may be on their way."""


_NOT_YET = Fetch(math.inf, 0.0, 0.0, math.inf)


@dataclass(slots=True)
class NearbyDevice:
    """A device as the answer tells of it: the place, the time, and what they follow from."""

    number: int
    """Among the rows that were fetched."""
    row: DeviceNearby
    straight_metres: float
    access: AccessAt
    readiness: Readiness
    confidence: float
    """In its readiness: it fades since the last check."""
    is_usable: bool
    floors: float
    """Seconds one way on stairs and in lifts."""
    place: PlaceClass
    band: HourBand
    reachable: float
    """The chance that one can get at it: by its hours, else by the class of its place and the hour."""
    chance: float
    """That it can be reached, if no closed gate is on the way, and is ready."""
    pace: Pace
    """The estate's own, that of estates, or the general one."""
    way: Leg = NO_WAY
    """One that is not measured yet, or not within reach, is estimated."""
    fetch_seconds: float = math.inf
    expected_seconds: float = math.inf
    """What it is ranked by."""
    fetch: Fetch = _NOT_YET
    """Of those that are told."""
    basis: Basis = Basis.STRAIGHT_LINE
    is_too_far: bool = False
    """To be fetched in time (`rules.grouping`)."""
    bringing: Bringing | None = None
    """Where somebody who is with it brings it. Of those that are told."""
    is_measured: bool = True
    by_closed_gate: bool = False
    """No way leads there unless a gate is opened that is closed for this viewer."""
    gates: tuple[GatePassed, ...] = ()
    route: Walk | None = None

    @property
    def walk_metres(self) -> float:
        """One way, without waits."""
        return self.way.metres

    @property
    def is_last_resort(self) -> bool:
        """Its pads have expired and nothing else is against it."""
        return self.readiness is Readiness.PADS_EXPIRED and self.access.access is not Access.CLOSED

    @property
    def soonest_expected_seconds(self) -> float:
        """Fetched or brought."""
        brought = self.bringing.expected_seconds if self.bringing is not None else math.inf
        return min(self.expected_seconds, brought)


@dataclass(frozen=True, slots=True)
class QuarantinedDevice:
    """A device that is out of service, named so that nobody runs to it."""

    row: OutOfService
    straight_metres: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered. `devices` are usable now: those that can be there in time first, each soonest first;
    `unusable` are nearer than the last of them
    but closed or not ready; `responders` is None for a viewer who sees none."""

    question: Question
    basis: Basis
    emergency_number: str
    devices: list[NearbyDevice]
    unusable: list[NearbyDevice]
    quarantined: list[QuarantinedDevice]
    """Out of service and near, nearest first."""
    responders: list[NearbyResponder] | None
    is_complete: bool

    @property
    def in_time(self) -> list[NearbyDevice]:
        """Devices that can be at the patient in time, fetched or brought, whichever way is sooner."""
        found = [near for near in self.devices if not near.is_too_far]
        return sorted(found, key=lambda near: near.soonest_expected_seconds)

    @property
    def too_far(self) -> list[NearbyDevice]:
        """Usable devices that nobody beside the patient should leave for."""
        return [near for near in self.devices if near.is_too_far]

    @property
    def last_resort(self) -> list[NearbyDevice]:
        """Devices whose pads alone have expired, and that can be got at."""
        return [near for near in self.unusable if near.is_last_resort]
