"""Find who may open the estate's gates and hold the lift, and what that saves people who come."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from sqlalchemy import Connection, false, func, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import SCHEDULER, Role
from aed.accounts.regions.models import Region
from aed.accounts.role_grants import RoleGrant
from aed.database.boxes import window_around
from aed.geo import Position
from aed.hours.evaluation import Opening, hours_at
from aed.incidents.plan.rules.offers import gate_wait_seconds
from aed.lookup.walks import BESIDE_THE_STREET_METRES, WalksFromPatient, passing_of
from aed.notifications.queries import reachable_people
from aed.registry.estates.models import Estate
from aed.registry.holidays import queries as holiday_queries
from aed.registry.nearby import GateNearby, gates_around
from aed.responders.models import Consent, Responder
from aed.responders.rules import ConsentKind, ResponderState
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from aed.walking.travel import Leg, floor_seconds, general_pace, leg_seconds

_ESTATE_METRES: Final = 1_500.0
"""No gate of an estate is farther than this from any place in it."""


_ROLES: Final = (Role.LEAD, Role.KEEPER, Role.ESTATE_MANAGER)
"""In order of preference."""


def available_guides(session: Session, estate_id: int, *, at: datetime) -> list[int]:
    """Return the ids of people who may be asked to guide there now, in order of preference.

    Only people who agreed to be called, have not declared to be under 18, are not paused, and are not outside
    the hours that they gave.

    visibility: for the alert to one of them.
    """
    consent = select(Consent.person_id).where(
        Consent.kind == ConsentKind.BEING_CALLED, Consent.withdrawn_at.is_(None)
    )
    minors = select(Responder.person_id).where(Responder.of_age.is_(false()))
    rows = session.execute(
        select(RoleGrant.person_id, RoleGrant.role, RoleGrant.id)
        .join(Person, Person.id == RoleGrant.person_id)
        .where(
            RoleGrant.estate_id == estate_id,
            RoleGrant.revoked_at.is_(None),
            RoleGrant.role.in_(_ROLES),
            RoleGrant.person_id.in_(consent),
            RoleGrant.person_id.not_in(minors),
            reachable_people(),
        )
    )
    ordered = sorted((_ROLES.index(role), id_, person_id) for person_id, role, id_ in rows)
    people = list(dict.fromkeys(person_id for _, _, person_id in ordered))
    away = _paused_or_away(session, people, at)
    return [person_id for person_id in people if person_id not in away]


def _paused_or_away(session: Session, person_ids: Collection[int], at: datetime) -> set[int]:
    """Return which of these are paused, or outside the hours that they gave. visibility: as
    `available_guides`.
    """
    rows = session.execute(
        select(
            Responder.person_id,
            Responder.paused_until,
            Responder.availability,
            func.coalesce(Estate.time_zone, Region.time_zone),
            Region.holiday_calendar,
        )
        .join(Region, Region.id == Responder.region_id)
        .outerjoin(Estate, Estate.id == Responder.estate_id)
        .where(
            Responder.person_id.in_(person_ids),
            Responder.state == ResponderState.ACTIVE,
            Responder.joined_into_id.is_(None),
        )
    )
    away = set()
    for person_id, paused_until, hours, time_zone, calendar_name in rows:
        calendar = (
            holiday_queries.holiday_calendar(session, calendar_name) if calendar_name is not None else None
        )
        state = hours_at(hours, at, time_zone=time_zone, calendar=calendar).state
        if state is Opening.CLOSED or (paused_until is not None and paused_until > at):
            away.add(person_id)
    return away


class GuideSavings(NamedTuple):
    """Seconds that a guide saves on each way to the patient."""

    people: list[float]
    devices: list[float]
    """From each device on."""
    ambulance: float


def guide_savings(
    connection: Connection,
    estate_id: int,
    here: Position,
    *,
    floor: int,
    people: Sequence[Position],
    devices: Sequence[Position],
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> GuideSavings:
    """Compute what a guide saves.

    1. The lift, held, if the patient is high enough to take it.
    2. The walks to the patient with the gates as they are now, less those with the estate's gates open.
    3. The crew takes the gate with the shortest wait; without registered gates it is taken to be guarded, as
       in managed estates.

    visibility: seconds, for the plan.
    """
    arrival = settings.arrival
    held = settings.planning.lift_held_seconds
    lift = floor_seconds(floor, arrival) - floor_seconds(floor, arrival, lift_held_seconds=held)
    around = window_around(here, _ESTATE_METRES + BESIDE_THE_STREET_METRES)
    gates = gates_around(connection.dialect).fetch(connection, around)
    own = [gate for gate in gates if gate.estate_id == estate_id]
    waits = [gate_wait_seconds(passing_of(connection, gate, SCHEDULER, at), arrival) for gate in own]
    crew = lift + min(waits, default=arrival.guarded_gate_seconds)
    places = [*people, *devices]
    saved = [lift] * len(places)
    if network is not None and places and any(waits):
        for number, seconds in enumerate(
            _saved_at_gates(connection, estate_id, here, places, at, network, gates, settings)
        ):
            saved[number] += seconds
    return GuideSavings(saved[: len(people)], saved[len(people) :], crew)


def _saved_at_gates(
    connection: Connection,
    estate_id: int,
    here: Position,
    places: Sequence[Position],
    at: datetime,
    network: WalkingNetwork,
    gates: Sequence[GateNearby],
    settings: Settings,
) -> list[float]:
    """Return what is saved from each place; 0 if no walk is known. visibility: as `guide_savings`."""
    start = network.start_at(here)
    if start is None:
        return [0.0] * len(places)
    ways = WalksFromPatient(
        connection,
        SCHEDULER,
        network,
        here,
        start,
        at=at,
        numbers=settings.arrival,
        gates=gates,
        gates_within_metres=_ESTATE_METRES,
    )
    ways.widen(_ESTATE_METRES)
    snapped_points = ways.snap(
        np.array([each.lat for each in places]), np.array([each.lon for each in places])
    )
    guided = ways.legs_if_guided(snapped_points, estate_id)
    if guided is None:
        return [0.0] * len(places)
    return [
        _saved_seconds(now, then, settings)
        for now, then in zip(ways.legs(snapped_points), guided, strict=True)
    ]


def _saved_seconds(now: Leg, then: Leg, settings: Settings) -> float:
    """Return how much sooner a person is there; 0 if no walk is known. The pace matters little."""
    if math.isinf(now.metres) or math.isinf(then.metres):
        return 0.0
    arrival, pace = settings.arrival, general_pace(settings.arrival)
    return max(0.0, leg_seconds(now, 0.0, pace, arrival) - leg_seconds(then, 0.0, pace, arrival))
