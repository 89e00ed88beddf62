"""The question and the answer of a lookup."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from aed.geo import Position
from aed.incidents.queries.people import NearbyResponder, Precision
from aed.incidents.queries.ways import GatePassed
from aed.incidents.rules.arrival import Basis, Fetch
from aed.registry.queries import DeviceNearby
from aed.registry.queries.sending import SentFrom
from aed.registry.rules.device import AccessAt, Readiness
from aed.registry.rules.reachability import HourBand, PlaceClass
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
    sent_from: SentFrom | None = None
    """Where the patient is, for a plan: only devices that somebody may be sent for are looked for."""


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
    is_measured: bool = True
    by_closed_gate: bool = False
    """No way leads there unless a gate is opened that is closed for this viewer."""
    gates: tuple[GatePassed, ...] = ()
    route: Walk | None = None

    @property
    def walk_metres(self) -> float:
        """One way, without waits."""
        return self.way.metres


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered. `devices` are usable now, soonest first; `unusable` are nearer than the last of them
    but closed or not ready; `responders` is None for a viewer who sees none."""

    question: Question
    basis: Basis
    emergency_number: str
    devices: list[NearbyDevice]
    unusable: list[NearbyDevice]
    responders: list[NearbyResponder] | None
    is_complete: bool
