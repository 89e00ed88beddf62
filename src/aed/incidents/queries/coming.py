"""What is known at a moment: who could come, how soon, with which device."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from aed.accounts.rules.viewer import TIMETABLE
from aed.geo import Position, distances_metres
from aed.incidents.queries.answer import NearbyDevice, Question
from aed.incidents.queries.guiding import Saved, saved_by_a_guide
from aed.incidents.queries.nearest import nearest
from aed.incidents.queries.people import NearbyResponder
from aed.incidents.queries.ways import Ways
from aed.incidents.rules.offer import Offer, Task
from aed.incidents.rules.plan import Case
from aed.incidents.rules.survival import Patient
from aed.settings import Settings
from aed.walking.network import WalkingNetwork


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody who was asked already, as he stands now."""

    offer: Offer
    comes: bool
    """He has said so."""


MOST_LOOKED_AT: Final = 1_000
"""People: no plan looks through more, busy ones included."""
_FEW_GUIDES: Final = 5
"""One is asked at a time; the first of these may be asked for something else."""


@dataclass(frozen=True, slots=True)
class Guides:
    """Who could open the gates of the estate in which the patient is, whoever is asked first in front."""

    estate_id: int
    people: Sequence[int]


def case_of(
    connection: Connection,
    patient: Patient,
    here: Position,
    *,
    floor: int,
    at: datetime,
    asked: Sequence[Asked],
    not_these: Collection[int],
    guides: Guides | None = None,
    network: WalkingNetwork | None,
    settings: Settings,
) -> Case:
    """The case at that moment. `not_these`, by person, are not thought of: they are out already, or have said
    no.

    1. The lookup's own search: the soonest devices that are usable now, and whoever may be called now.
    2. From each device, with the gates as they stand, the way to each of these people.
    3. Direct: who comes answers, then walks. Fetch: to the device, the pick-up, and on to the patient.
    4. Where the patient is in an estate, what is saved on each of these ways when somebody guides.

    visibility: for the plan; it names people by number, and goes to dispatchers and into the record.
    """
    numbers = settings.planning
    # As many free people are thought of, however many of the nearest are out already.
    looked_at = min(numbers.people + len(not_these), MOST_LOOKED_AT)
    question = Question(here, at, limit=numbers.devices, floor=floor, responders=looked_at)
    found = nearest(connection, TIMETABLE, question, network=network, settings=settings)
    people = [each for each in found.responders or [] if each.person_id not in not_these][: numbers.people]
    seconds = _seconds_to_devices(connection, people, found.devices, patient, here, at, network, settings)
    saved = Saved([0.0] * len(people), [0.0] * len(found.devices), 0.0)
    if guides is not None:
        saved = saved_by_a_guide(
            connection,
            guides.estate_id,
            here,
            floor=floor,
            people=[each.position for each in people],
            devices=[Position(near.row.lat, near.row.lon) for near in found.devices],
            at=at,
            network=network,
            settings=settings,
        )
    offers: dict[tuple[int, int | None], Offer] = {}
    for each, to_devices, saves in zip(people, seconds, saved.people, strict=True):
        person = each.person_id
        if person in not_these:
            continue
        for offer in _offers(person, each, to_devices, found.devices, saves, saved.devices, settings):
            known = offers.get((person, offer.device_id))
            if known is None or offer.seconds < known.seconds:  # one person may be in the register twice
                offers[person, offer.device_id] = offer
    return Case(
        patient,
        tuple(sorted(offers.values(), key=lambda offer: offer.order)),
        tuple(each.offer for each in asked),
        frozenset(each.offer.person_id for each in asked if each.comes),
        _guides(guides, not_these, settings),
        saved.ambulance,
    )


def _guides(guides: Guides | None, not_these: Collection[int], settings: Settings) -> tuple[Offer, ...]:
    if guides is None:
        return ()
    numbers = settings.planning
    seconds = numbers.answers_after_seconds + numbers.guide_seconds
    free = [person for person in guides.people if person not in not_these]
    return tuple(Offer(each, Task.GUIDE, seconds, numbers.chance_there) for each in free[:_FEW_GUIDES])


def _offers(
    person: int,
    each: NearbyResponder,
    to_devices: Sequence[float],
    devices: Sequence[NearbyDevice],
    saves: float,
    saved_from_devices: Sequence[float],
    settings: Settings,
) -> list[Offer]:
    numbers = settings.planning
    answers, chance = numbers.answers_after_seconds, numbers.chance_there
    found = [Offer(person, Task.DIRECT, answers + each.walk_seconds, chance, saved=saves)]
    for near, to_device, saved in zip(devices, to_devices, saved_from_devices, strict=True):
        if math.isfinite(to_device):
            seconds = answers + to_device + _from_device(near, settings)
            found.append(Offer(person, Task.FETCH, seconds, chance, near.row.id, near.fetch.chance, saved))
    return found


def _from_device(near: NearbyDevice, settings: Settings) -> float:
    """Seconds for the pick-up, and on to the patient."""
    return (
        near.pace.pick_up_seconds
        + near.walk_metres / settings.arrival.responder_metres_per_second
        + near.floors
    )


def _seconds_to_devices(
    connection: Connection,
    people: Sequence[NearbyResponder],
    devices: Sequence[NearbyDevice],
    patient: Patient,
    here: Position,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> list[list[float]]:
    """By person and device: from the one's place to the other, without floors at the start. Infinite where
    the device would come after the ambulance: no farther need anybody look for a way."""
    if not people:
        return []
    arrival = settings.arrival
    speed = arrival.responder_metres_per_second
    lats = np.array([each.position.lat for each in people])
    lons = np.array([each.position.lon for each in people])
    spare = patient.ambulance_seconds - settings.planning.answers_after_seconds
    rooms = [spare - _from_device(near, settings) - near.floors for near in devices]
    within = max(rooms, default=0.0) * speed
    start = network.start_at(here) if network is not None and within > 0 else None
    gates, footings = None, None
    if network is not None and start is not None:
        ways = Ways(connection, TIMETABLE, network, here, start, at=at, numbers=arrival)
        gates, footings = (
            ways.gates(within + max(near.walk_metres for near in devices)),
            network.footings(lats, lons),
        )
    seconds: list[NDArray[np.float64]] = []
    for near, room in zip(devices, rooms, strict=True):
        there = Position(near.row.lat, near.row.lon)
        metres = np.full(len(people), np.inf)
        if room > 0:
            reach = None
            if network is not None and gates is not None:
                reach = network.reach(
                    there, within_metres=room * speed, closed=gates.closed, delays=gates.waits
                )
            if reach is not None and footings is not None:
                metres = reach.costs(footings)
            else:
                metres = distances_metres(there, lats, lons) * arrival.detour_factor
        seconds.append(np.where(metres <= room * speed, metres / speed + near.floors, np.inf))
    return [[float(each[person]) for each in seconds] for person in range(len(people))]
