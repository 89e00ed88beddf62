"""What is known at a moment: who could come, how soon, with which device."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, select

from aed.accounts.rules.viewer import TIMETABLE
from aed.geo import Position, distances_metres
from aed.incidents.queries.answer import NearbyDevice, Question
from aed.incidents.queries.nearest import nearest
from aed.incidents.queries.people import NearbyResponder
from aed.incidents.queries.ways import Ways
from aed.incidents.rules.arrival import estimated_walk_metres
from aed.incidents.rules.offer import Offer, Task
from aed.incidents.rules.plan import Case
from aed.incidents.rules.survival import Patient
from aed.responders.models import Responder
from aed.settings import Settings
from aed.walking.network import WalkingNetwork


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody who was asked already, as he stands now."""

    offer: Offer
    comes: bool
    """He has said so."""


def case_of(
    connection: Connection,
    patient: Patient,
    here: Position,
    *,
    floor: int,
    at: datetime,
    asked: Sequence[Asked],
    not_these: Collection[int],
    network: WalkingNetwork | None,
    settings: Settings,
) -> Case:
    """The case at that moment. `not_these`, by person, are not thought of: they are out already, or have said
    no.

    1. The lookup's own search: the soonest devices that are usable now, and whoever may be called now.
    2. From each device, with the gates as they stand, the way to each of these people.
    3. Direct: who comes answers, then walks. Fetch: to the device, the pick-up, and on to the patient.

    visibility: for the plan; it names people by number, and goes to dispatchers and into the record.
    """
    numbers = settings.planning
    question = Question(here, at, limit=numbers.devices, floor=floor, responders=numbers.people)
    found = nearest(connection, TIMETABLE, question, network=network, settings=settings)
    people = found.responders or []
    persons = _persons(connection, [each.responder_id for each in people])
    seconds = _seconds_to_devices(connection, people, found.devices, here, at, network, settings)
    offers: dict[tuple[int, int | None], Offer] = {}
    for each, to_devices in zip(people, seconds, strict=True):
        person = persons[each.responder_id]
        if person in not_these:
            continue
        for offer in _offers(person, each, to_devices, found.devices, settings):
            known = offers.get((person, offer.device_id))
            if known is None or offer.seconds < known.seconds:  # one person may be in the register twice
                offers[person, offer.device_id] = offer
    return Case(
        patient,
        tuple(sorted(offers.values(), key=lambda offer: offer.order)),
        tuple(each.offer for each in asked),
        frozenset(each.offer.person_id for each in asked if each.comes),
    )


def _persons(connection: Connection, responder_ids: Sequence[int]) -> Mapping[int, int]:
    """visibility: numbers for numbers; the search has said whom."""
    rows = connection.execute(
        select(Responder.id, Responder.person_id).where(Responder.id.in_(responder_ids))
    )
    return {row.id: row.person_id for row in rows}


def _offers(
    person: int,
    each: NearbyResponder,
    to_devices: Sequence[float],
    devices: Sequence[NearbyDevice],
    settings: Settings,
) -> list[Offer]:
    numbers, arrival = settings.planning, settings.arrival
    answers, chance = numbers.answers_after_seconds, numbers.chance_there
    found = [Offer(person, Task.DIRECT, answers + each.walk_seconds, chance)]
    for near, to_device in zip(devices, to_devices, strict=True):
        back = near.walk_metres / arrival.responder_metres_per_second + near.floors
        seconds = answers + to_device + near.pace.pick_up_seconds + back
        found.append(Offer(person, Task.FETCH, seconds, chance, near.row.id, near.fetch.chance))
    return found


def _seconds_to_devices(
    connection: Connection,
    people: Sequence[NearbyResponder],
    devices: Sequence[NearbyDevice],
    here: Position,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> list[list[float]]:
    """By person and device: from the one's place to the other, without floors at the start."""
    if not people:
        return []
    arrival, radius = settings.arrival, settings.responder_radius_metres
    lats = np.array([each.position.lat for each in people])
    lons = np.array([each.position.lon for each in people])
    straight = [distances_metres(Position(near.row.lat, near.row.lon), lats, lons) for near in devices]
    metres = [each * arrival.detour_factor for each in straight]
    start = network.start_at(here) if network is not None else None
    if network is not None and start is not None:
        within = 2 * radius * arrival.detour_factor
        ways = Ways(connection, TIMETABLE, network, here, start, at=at, numbers=arrival)
        gates, footings = ways.gates(within), network.footings(lats, lons)
        for number, near in enumerate(devices):
            reach = network.reach(
                Position(near.row.lat, near.row.lon),
                within_metres=min(within, settings.walking_reach_metres),
                closed=gates.closed,
                delays=gates.waits,
            )
            if reach is not None:
                costs = reach.costs(footings)
                metres[number] = np.where(
                    np.isfinite(costs),
                    costs,
                    [
                        estimated_walk_metres(each, arrival, at_least=reach.within_metres)
                        for each in straight[number]
                    ],
                )
    seconds = [
        each / arrival.responder_metres_per_second + near.floors
        for each, near in zip(metres, devices, strict=True)
    ]
    assert all(math.isfinite(value) for each in seconds for value in each)
    return [[float(each[person]) for each in seconds] for person in range(len(people))]
