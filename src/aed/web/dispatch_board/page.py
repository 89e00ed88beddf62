"""What the dispatcher's board says about each running incident: states, since when, and who does what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aed.database.geometry import position_of
from aed.geo import Datum, Position, from_wgs84
from aed.incidents.live.queries import RunningIncident
from aed.incidents.models import IncidentExclusion
from aed.incidents.plan.rules.planner import NotAskedReason
from aed.incidents.plan.schemas import NotAskedOut, PlannedTaskOut, PlanOut
from aed.incidents.rules import (
    AlertReply,
    AlertState,
    FetchFailure,
    Hazard,
    IncidentKind,
    IncidentOutcome,
)
from aed.incidents.schemas import AlertOut, PatientReportOut
from aed.registry.devices.models import Device
from aed.registry.storeys import spoken_storey, storey_sign
from aed.upkeep.rules import short_number
from aed.web.labels import ALERT_STATES, ALERT_TASKS
from aed.web.words import noop

type Words = Mapping[str, str | None]
"""A text in both languages, {"en": …, "zh": …}."""

KINDS: Final = {
    IncidentKind.REAL: noop("Suspected cardiac arrest"),
    IncidentKind.EXERCISE: noop("Exercise"),
    IncidentKind.TEST: noop("Line test: nobody is called"),
}
HAZARDS: Final = {
    Hazard.INFORM: noop("Hazard at the scene: people see it before they accept"),
    Hazard.NOBODY_IS_SENT: noop("Hazard at the scene: nobody is sent"),
}
HAZARD_CHOICES: Final = {
    Hazard.NONE: noop("No hazard: people are alerted as usual"),
    Hazard.INFORM: noop("People are alerted, and warned before they accept"),
    Hazard.NOBODY_IS_SENT: noop("Nobody is sent, and everybody is called back"),
}
"""What a dispatcher can enter about a hazard at the scene."""
FAILURES: Final = {
    FetchFailure.NOT_THERE: noop("found no AED there"),
    FetchFailure.CANNOT_OPEN: noop("could not open the cabinet"),
}
REPLIES: Final = {
    AlertReply.ACCEPT: noop("Comes"),
    AlertReply.ON_THE_WAY: noop("On the way"),
    AlertReply.THERE: noop("With the patient"),
    AlertReply.DEVICE_TAKEN: noop("Has the AED"),
    AlertReply.DEVICE_NOT_THERE: noop("The AED is not there"),
    AlertReply.CANNOT_OPEN: noop("Cannot open the cabinet"),
    AlertReply.DECLINE: noop("Does not come"),
}
"""What a dispatcher can enter for a responder who telephones."""
OUTCOMES: Final = {
    IncidentOutcome.HANDED_OVER: noop("Handed over to the ambulance crew"),
    IncidentOutcome.CALLED_OFF: noop("Help is not needed"),
    IncidentOutcome.FALSE_ALARM: noop("False alarm"),
}
NOT_ASKED: Final = {
    NotAskedReason.PROMISE_MET: noop("Enough others go straight to the patient"),
    NotAskedReason.TWO_TO_THIS_DEVICE: noop("Two others are sent to this AED"),
    NotAskedReason.GAINS_TOO_LITTLE: noop("Would help too little"),
    NotAskedReason.AFTER_THE_AMBULANCE: noop("Would arrive after the ambulance"),
    NotAskedReason.WAVE_IS_FULL: noop("The wave is full; asked if too few come"),
}
GROUPS: Final[Mapping[str, tuple[str, frozenset[AlertState]]]] = {
    "there": (noop("With the patient"), frozenset({AlertState.THERE})),
    "coming": (noop("Coming"), frozenset({AlertState.ON_THE_WAY, AlertState.ACCEPTED})),
    "asked": (noop("Asked, no answer yet"), frozenset({AlertState.SEEN, AlertState.ASKED})),
    "not-coming": (
        noop("Not coming"),
        frozenset({AlertState.DECLINED, AlertState.STOPPED, AlertState.STOOD_DOWN}),
    ),
}
"""The order in which people are listed: heading and states."""
HAS_ACCEPTED: Final = GROUPS["there"][1] | GROUPS["coming"][1]


@dataclass(frozen=True, slots=True)
class PersonLine:
    """A person who was alerted; texts are in English, to be translated."""

    alert: AlertOut
    group: str
    state: str
    since: datetime
    task: str
    failure: str
    device: Words
    device_code: str

    @property
    def is_expected(self) -> bool:
        """True while an arrival time means something."""
        return self.group in ("coming", "asked")


@dataclass(frozen=True, slots=True)
class PersonGroup:
    name: str
    heading: str
    people: Sequence[PersonLine]


@dataclass(frozen=True, slots=True)
class ExclusionLine:
    exclusion_id: int
    person_id: int | None
    device: Words
    since: datetime


@dataclass(frozen=True, slots=True)
class IncidentCard:
    """A running incident on the board; texts are in English, to be translated."""

    running: RunningIncident
    kind: str
    hazard: str
    estate: Words
    storey: Words
    groups: Sequence[PersonGroup]
    refusals: int
    """How often volunteers declined or did not get the AED; the page alerts the dispatcher when it grows."""
    exclusions: Sequence[ExclusionLine]
    point: str
    """[longitude, latitude] in the map's datum, as JSON."""
    location: Mapping[str, str]
    """The location as the form shows it: position, storey, address, door_code."""

    @property
    def people(self) -> list[PersonLine]:
        return [person for group in self.groups for person in group.people]

    @property
    def devices(self) -> list[tuple[int, Words]]:
        """Devices that volunteers fetch, by id."""
        found = {each.alert.device_id: each.device for each in self.people if each.group != "not-coming"}
        return [(key, words) for key, words in found.items() if key is not None]

    def name_of(self, report: PatientReportOut) -> str:
        """Return the case number of a report or, without one, who made it."""
        return report.case_number or self.running.reporters.get(report.reported_by, report.reported_by)

    @property
    def reported_by(self) -> list[str]:
        """Case numbers and people, each once."""
        return list(dict.fromkeys(self.name_of(each) for each in self.running.shown.reports))


def cards_of(running: Sequence[RunningIncident], datum: Datum) -> list[IncidentCard]:
    """Return the incidents as the board shows them, in the same order; `datum` is that of the map."""
    return [_card(each, datum) for each in running]


def _card(running: RunningIncident, datum: Datum) -> IncidentCard:
    incident = running.incident
    counts = incident.region.counts_ground_as_one
    storey = spoken_storey(incident.floor, counts_ground_as_one=counts)
    people = [_person(each, running) for each in running.shown.alerts]
    groups = [
        PersonGroup(name, heading, found)
        for name, (heading, _) in GROUPS.items()
        if (found := [each for each in people if each.group == name])
    ]
    return IncidentCard(
        running,
        KINDS[incident.kind],
        HAZARDS.get(incident.hazard, ""),
        {"en": incident.estate.name_en, "zh": incident.estate.name_zh} if incident.estate else {},
        {"en": storey["en"], "zh": storey["zh"]},
        groups,
        sum(each.alert.state is AlertState.DECLINED or bool(each.failure) for each in people),
        [_exclusion(each, running) for each in running.exclusions],
        json.dumps(_point(Position(incident.lat, incident.lon), datum)),
        {
            "position": position_text(Position(incident.lat, incident.lon)),
            "storey": storey_sign(incident.floor, counts_ground_as_one=counts),
            "address": incident.address or "",
            "door_code": incident.door_code or "",
        },
    )


def _person(alert: AlertOut, running: RunningIncident) -> PersonLine:
    device = running.devices.get(alert.device_id or 0)
    return PersonLine(
        alert,
        next(name for name, (_, states) in GROUPS.items() if alert.state in states),
        ALERT_STATES[alert.state],
        running.state_since[alert.id],
        ALERT_TASKS[alert.task],
        FAILURES[alert.fetch_failure] if alert.fetch_failure is not None else "",
        _place(device),
        short_number(device.id) if device is not None else "",
    )


def _exclusion(exclusion: IncidentExclusion, running: RunningIncident) -> ExclusionLine:
    device = running.devices.get(exclusion.device_id or 0)
    return ExclusionLine(exclusion.id, exclusion.person_id, _place(device), exclusion.excluded_at)


def _place(device: Device | None) -> Words:
    """Return where a device is; its number if that is not known."""
    if device is None:
        return {}
    if not (device.place_en or device.place_zh):
        return {"en": short_number(device.id), "zh": short_number(device.id)}
    return {"en": device.place_en, "zh": device.place_zh}


def _point(position: Position, datum: Datum) -> list[float]:
    """Return [longitude, latitude] in a datum, as GeoJSON has it."""
    lat, lon = from_wgs84(position, datum)
    return [round(lon, 6), round(lat, 6)]


def position_text(position: Position) -> str:
    """Return a position as people type it: latitude, longitude in degrees, WGS-84."""
    return f"{position.lat:.6f}, {position.lon:.6f}"


def minutes_from(now: datetime, moment: datetime) -> str:
    """Return how far a moment is away, as minutes and seconds: `3:07`, `61:00`."""
    return minutes_text((now - moment).total_seconds())


def minutes_text(seconds: float) -> str:
    whole = round(abs(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


# --- why these people -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlanLine:
    """A person of a plan; texts are in English, to be translated."""

    person_id: int
    name: str | None
    task: str
    device: Words
    seconds: int | None
    probability_arrives: float | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Why:
    """The arithmetic of a plan, and what it looks like on the map."""

    plan: PlanOut
    lines: Sequence[tuple[str, Sequence[PlanLine]]]
    """Heading and people."""
    no_fetch: Words
    arrows: Mapping[str, Any]
    """GeoJSON in the map's datum: the patient, and a line for each way, with `answer`: accepted or open."""


def why_of(
    plan: PlanOut,
    running: RunningIncident,
    devices: Mapping[int, Device],
    areas: Mapping[int, Position],
    datum: Datum,
) -> Why:
    """Return why a plan asks these people, as far as dispatchers may see it.

    `areas` has the middle of the rough area of people by their id: ways of those whose phone does not share
    its location begin there.
    """
    names = {each.person_id: each.name for each in running.shown.alerts}

    def planned(each: PlannedTaskOut) -> PlanLine:
        return PlanLine(
            each.person_id,
            names.get(each.person_id),
            ALERT_TASKS[each.task],
            _place(devices.get(each.device_id or 0)),
            each.seconds,
            each.probability_arrives,
        )

    def left(each: NotAskedOut) -> PlanLine:
        name = names.get(each.person_id)
        return PlanLine(each.person_id, name, "", {}, each.seconds, None, NOT_ASKED[each.reason])

    parts = [
        (noop("Asked by this plan"), [planned(each) for each in plan.asked]),
        (noop("Asked before"), [planned(each) for each in plan.asked_before]),
        (noop("Not asked"), [left(each) for each in plan.left]),
    ]
    reason = plan.no_fetch_reason
    return Why(
        plan,
        [(heading, lines) for heading, lines in parts if lines],
        {"en": reason.en, "zh": reason.zh} if reason is not None else {},
        _arrows([*plan.asked_before, *plan.asked], running, devices, areas, datum),
    )


def _arrows(
    tasks: Sequence[PlannedTaskOut],
    running: RunningIncident,
    devices: Mapping[int, Device],
    areas: Mapping[int, Position],
    datum: Datum,
) -> Mapping[str, Any]:
    """Draw from the person over the AED to the patient.

    The way begins where their phone is, which is known once they have accepted, and otherwise in the middle
    of their rough area.
    """

    def feature(kind: str, name: str, type_: str, coordinates: Any, **more: str) -> dict[str, Any]:
        geometry = {"type": type_, "coordinates": coordinates}
        return {"type": "Feature", "geometry": geometry, "properties": {"kind": kind, "name": name, **more}}

    incident = running.incident
    patient = _point(Position(incident.lat, incident.lon), datum)
    found = [feature("patient", "", "Point", patient)]
    places = {each.person_id: each.place.position for each in running.shown.alerts if each.place is not None}
    coming = {each.person_id for each in running.shown.alerts if each.state in HAS_ACCEPTED}
    for task in tasks:
        way = [patient]
        if task.device_id is not None and task.device_id in devices:
            way.insert(0, _point(position_of(devices[task.device_id].position), datum))
        if (place := places.get(task.person_id)) is not None:
            way.insert(0, _point(Position(place.lat, place.lon), datum))
        elif (area := areas.get(task.person_id)) is not None:
            way.insert(0, _point(area, datum))
        if len(way) > 1:
            answer = "accepted" if task.person_id in coming else "open"
            found.append(feature(task.task.value, f"{task.person_id}", "LineString", way, answer=answer))
    return {"type": "FeatureCollection", "features": found}
