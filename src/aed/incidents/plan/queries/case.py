"""Read what is known at a moment: who could come, how soon, with which device."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import SCHEDULER
from aed.geo import Position, distance_metres, distances_metres
from aed.incidents.models import Incident, IncidentExclusion
from aed.incidents.plan.queries.guides import GuideSavings, available_guides, guide_savings
from aed.incidents.plan.rules.offers import TaskOffer, shown_seconds
from aed.incidents.plan.rules.planner import PlanCase
from aed.incidents.plan.rules.survival import Patient
from aed.incidents.rules import IncidentKind, Task, ambulance_seconds
from aed.lookup.answer import answer_lookup
from aed.lookup.arrival import estimated_walk_metres
from aed.lookup.candidates import NearbyDevice
from aed.lookup.places import Buildings, Spot
from aed.lookup.question import LookupQuestion, Precision
from aed.lookup.responders import NearbyResponder
from aed.lookup.walks import WalksFromPatient
from aed.registry.devices.dispatchable import PatientPlace, patient_place
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from aed.walking.travel import NO_WAY, Leg, direct_seconds, fetch_seconds, leg_seconds, max_cost_metres


@dataclass(frozen=True, slots=True)
class AskedPerson:
    """A person who was asked already, as of now."""

    offer: TaskOffer
    comes: bool
    """The person has accepted."""


MAX_PEOPLE_SEARCHED: Final = 1_000
"""The most people that a plan searches, busy ones included."""
_MAX_GUIDES: Final = 5
"""One guide is asked at a time; the first of these may be asked for something else."""


@dataclass(frozen=True, slots=True)
class EstateGuides:
    """People who could open the gates of the patient's estate, in order of preference."""

    estate_id: int
    people: Sequence[int]


def build_case(
    connection: Connection,
    patient: Patient,
    here: Position,
    *,
    floor: int,
    at: datetime,
    asked: Sequence[AskedPerson],
    excluded_people: Collection[int],
    excluded_devices: Collection[int] = (),
    sent_from: PatientPlace | None = None,
    guides: EstateGuides | None = None,
    precision: Precision = Precision.EXACT,
    network: WalkingNetwork | None,
    settings: Settings,
) -> PlanCase:
    """Build the case at that moment: every task that a person could be given.

    `excluded_people` (person ids) are busy or have declined; `excluded_devices` were excluded by a
    dispatcher. `sent_from` limits the search to devices that may be fetched from there; None: all. With
    `Precision.CELL` people are taken to be at the centres of their cells, so that whom the plan asks reveals
    no more than the cell; each offer has the seconds that may be shown in either case.

    1. Run the lookup: the soonest devices that are usable now, and people who may be called now.
    2. From each device, with the gates as they are now, compute the walk to each of these people.
    3. Direct: the person reacts and walks. Fetch: they walk to the device, open the cabinet, and go on to the
       patient. The times are those of `aed.walking.travel`, from receipt of the call; answering adds nothing.
    4. If the patient is in an estate, compute what a guide saves on each of these ways.

    visibility: for the plan; it names people by id, and goes to dispatchers and into the record.
    """
    numbers = settings.planning
    # As many free people are thought of, however many of the nearest are out already.
    looked_at = min(numbers.people + len(excluded_people), MAX_PEOPLE_SEARCHED)
    question = LookupQuestion(
        here,
        at,
        limit=numbers.devices + len(excluded_devices),
        floor=floor,
        responders=looked_at,
        sent_from=sent_from,
        precision=precision,
        is_for_plan=True,
    )
    found = answer_lookup(connection, SCHEDULER, question, network=network, settings=settings)
    devices = [each for each in found.devices if each.row.id not in excluded_devices][: numbers.devices]
    if not any(_is_in_reach(near, patient, settings) for near in devices):
        # Pads past their date: only while there is nothing else.
        devices += [each for each in found.last_resort if each.row.id not in excluded_devices]
    people = [each for each in found.responders or [] if each.person_id not in excluded_people][
        : numbers.people
    ]
    exact = [Spot(each.position, each.floor) for each in people]
    cells = [Spot(each.cell_centre, 0) for each in people]
    seconds, shown = (
        _seconds_to_devices(connection, spots, devices, patient, here, at, network, settings)
        for spots in (exact, cells)
    )
    saved = GuideSavings([0.0] * len(people), [0.0] * len(devices), 0.0)
    if guides is not None:
        saved = guide_savings(
            connection,
            guides.estate_id,
            here,
            floor=floor,
            people=[each.position for each in people],
            devices=[Position(near.row.lat, near.row.lon) for near in devices],
            at=at,
            network=network,
            settings=settings,
        )
    offers: dict[tuple[int, int | None], TaskOffer] = {}
    for each, to_devices, shown_to, saves in zip(people, seconds, shown, saved.people, strict=True):
        person = each.person_id
        if person in excluded_people:
            continue
        for offer in _offers(person, each, to_devices, shown_to, devices, saves, saved.devices, settings):
            known = offers.get((person, offer.device_id))
            if known is None or offer.seconds < known.seconds:  # one person may be in the register twice
                offers[person, offer.device_id] = offer
    return PlanCase(
        patient,
        tuple(sorted(offers.values(), key=lambda offer: offer.order)),
        tuple(each.offer for each in asked),
        frozenset(each.offer.person_id for each in asked if each.comes),
        _guides(guides, excluded_people, settings),
        saved.ambulance,
        devices_usable=len(devices),
        devices_unusable=len(found.unusable),
    )


def _is_in_reach(near: NearbyDevice, patient: Patient, settings: Settings) -> bool:
    """True if a person who stands beside the device now would bring it before the ambulance."""
    return fetch_seconds(0.0, _to_patient(near, settings), near.pace) < patient.ambulance_seconds


def _guides(
    guides: EstateGuides | None, excluded_people: Collection[int], settings: Settings
) -> tuple[TaskOffer, ...]:
    if guides is None:
        return ()
    numbers = settings.planning
    seconds = direct_seconds(numbers.guide_seconds, settings.arrival)
    free = [person for person in guides.people if person not in excluded_people]
    return tuple(
        TaskOffer(each, Task.GUIDE, seconds, numbers.probability_there, shown_seconds=seconds)
        for each in free[:_MAX_GUIDES]
    )


def _offers(
    person: int,
    each: NearbyResponder,
    to_devices: Sequence[float],
    shown_to_devices: Sequence[float],
    devices: Sequence[NearbyDevice],
    saves: float,
    saved_from_devices: Sequence[float],
    settings: Settings,
) -> list[TaskOffer]:
    probability_arrives = settings.planning.probability_there
    found = [
        TaskOffer(
            person,
            Task.DIRECT,
            each.direct_seconds,
            probability_arrives,
            saved=saves,
            shown_seconds=each.shown_seconds,
        )
    ]
    ways = zip(devices, to_devices, shown_to_devices, saved_from_devices, strict=True)
    for near, to_device, shown_to_device, saved in ways:
        if math.isinf(to_device):
            continue
        if math.isinf(shown_to_device):  # from the centre of the cell it comes after the ambulance
            there = Position(near.row.lat, near.row.lon)
            way = Leg(estimated_walk_metres(distance_metres(there, each.cell_centre), settings.arrival))
            shown_to_device = leg_seconds(way, near.floors, near.pace, settings.arrival)
        on, pace = _to_patient(near, settings), near.pace
        found.append(
            TaskOffer(
                person,
                Task.FETCH,
                fetch_seconds(to_device, on, pace),
                probability_arrives,
                near.row.id,
                near.fetch.probability_usable,
                saved,
                fetch_seconds(shown_to_device, on, pace),
            )
        )
    return found


def _to_patient(near: NearbyDevice, settings: Settings) -> float:
    """Return the seconds from the device to the patient."""
    return leg_seconds(near.way, near.floors, near.pace, settings.arrival)


def _seconds_to_devices(
    connection: Connection,
    people: Sequence[Spot],
    devices: Sequence[NearbyDevice],
    patient: Patient,
    here: Position,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> list[list[float]]:
    """Return the seconds from each person to each device, floors included.

    Infinite if the device would come after the ambulance: no longer walk needs to be searched.
    """
    if not people:
        return []
    arrival = settings.arrival
    lats = np.array([each.position.lat for each in people])
    lons = np.array([each.position.lon for each in people])
    rooms = [
        patient.ambulance_seconds - fetch_seconds(0.0, _to_patient(near, settings), near.pace)
        for near in devices
    ]
    within = [max_cost_metres(room, near.pace, arrival) for near, room in zip(devices, rooms, strict=True)]
    farthest = max(within, default=0.0)
    start = network.start_at(here) if network is not None and farthest > 0 else None
    ways = None
    if network is not None and start is not None:
        ways = WalksFromPatient(connection, SCHEDULER, network, here, start, at=at, numbers=arrival)
        ways.look_for_gates(farthest + max(near.walk_metres for near in devices))
    snapped_points = network.snap(lats, lons) if network is not None and ways is not None else None
    buildings = Buildings(connection, arrival)
    seconds: list[list[float]] = []
    for near, room, metres in zip(devices, rooms, within, strict=True):
        there = Position(near.row.lat, near.row.lon)
        legs: list[Leg] | None = [NO_WAY] * len(people)
        if room > 0:
            legs = (
                ways.legs_from(there, snapped_points, within_metres=metres)
                if ways and snapped_points
                else None
            )
        if legs is None:
            straight = distances_metres(there, lats, lons).tolist()
            legs = [Leg(estimated_walk_metres(each, arrival)) for each in straight]
        to_device = [
            leg_seconds(
                leg,
                buildings.floor_seconds(each, Spot(there, near.row.floor)),
                near.pace,
                arrival,
            )
            if leg is not NO_WAY
            else math.inf
            for each, leg in zip(people, legs, strict=True)
        ]
        seconds.append([each if each <= room else math.inf for each in to_device])
    return [[each[person] for each in seconds] for person in range(len(people))]


def build_case_of_incident(
    session: Session,
    incident: Incident,
    *,
    at: datetime,
    asked: Sequence[AskedPerson],
    excluded_people: Collection[int],
    network: WalkingNetwork | None,
    settings: Settings,
) -> PlanCase:
    """Build the case of an incident that was read with its estate.

    1. Leave out people and devices that a dispatcher has excluded, beside `excluded_people`.
    2. Search people within the radius that a dispatcher has set, if any.
    3. Use only devices that may be fetched from there.
    4. Use exact locations only for real incidents. Tests and exercises, which anybody may open repeatedly,
       take everybody to be at the centre of their cell (docs/decide/responder-privacy.md).

    visibility: for the plan.
    """
    guides = None
    if incident.estate_id is not None:
        guides = EstateGuides(incident.estate_id, available_guides(session, incident.estate_id, at=at))
    # Exclusions come by a dispatcher's hand: there are none before the first plan.
    excluded = exclusions(session, incident.id) if incident.version > 1 else []
    not_people = {each.person_id for each in excluded if each.person_id is not None}
    if incident.radius_metres is not None:
        settings = settings.model_copy(update={"responder_radius_metres": incident.radius_metres})
    seconds = ambulance_seconds(incident.ambulance_at, at, settings.planning)
    since = max(0.0, (at - incident.collapsed_at).total_seconds())
    return build_case(
        session.connection(),
        Patient(since, seconds, incident.has_cpr),
        Position(incident.lat, incident.lon),
        floor=incident.floor,
        at=at,
        asked=asked,
        excluded_people={*excluded_people, *not_people},
        excluded_devices={each.device_id for each in excluded if each.device_id is not None},
        sent_from=patient_place(session, incident.estate),
        guides=guides,
        precision=Precision.EXACT if incident.kind is IncidentKind.REAL else Precision.CELL,
        network=network,
        settings=settings,
    )


def arrival_seconds_by_offer(
    session: Session,
    incident: Incident,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> dict[tuple[int, int | None], tuple[float, float]]:
    """Return how soon each person could be at the patient, by (person, device): (exact seconds, shown
    seconds).

    visibility: for the arrival times of people whom the plan has alerted.
    """
    case = build_case_of_incident(
        session, incident, at=at, asked=(), excluded_people=(), network=network, settings=settings
    )
    return {(each.person_id, each.device_id): (each.seconds, shown_seconds(each)) for each in case.offers}


def exclusions(session: Session, incident_id: int) -> Sequence[IncidentExclusion]:
    """List the current exclusions. visibility: of an incident that the caller has found."""
    return session.scalars(
        select(IncidentExclusion)
        .where(IncidentExclusion.incident_id == incident_id, IncidentExclusion.lifted_at.is_(None))
        .order_by(IncidentExclusion.id)
    ).all()
