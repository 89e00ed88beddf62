"""What the page of a call shows: the task, the replies that are offered, the ways and the sentences."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from aed.geo import Position
from aed.http.map_links import route_links
from aed.incidents.alerts.queries import OthersComing
from aed.incidents.alerts.schemas import AlertDetailsOut, DeviceToFetch, PatientLocation
from aed.incidents.rules import (
    AGE_GROUP_LABELS,
    CHILD_PADS_ADVICE,
    COMING_STATES,
    AlertReply,
    AlertState,
    FetchFailure,
    StopReason,
    Task,
)
from aed.web.words import noop

REPLIES: Final[Mapping[str, str]] = {
    AlertReply.ACCEPT: noop("I am coming"),
    AlertReply.DECLINE: noop("Cannot come"),
    AlertReply.ON_THE_WAY: noop("I have set out"),
    AlertReply.THERE: noop("I am with the patient"),
    AlertReply.DEVICE_TAKEN: noop("I have the AED"),
    AlertReply.DEVICE_NOT_THERE: noop("The AED is not there"),
    AlertReply.CANNOT_OPEN: noop("I cannot open it"),
    AlertReply.DEVICE_RETURNED: noop("The AED is back in its place, unused"),
    AlertReply.DEVICE_ATTACHED: noop("Pads attached"),
    AlertReply.SHOCK_GIVEN: noop("Shock given"),
    AlertReply.HANDED_OVER: noop("Handed over to the ambulance crew"),
}
AT_THE_CABINET: Final = (AlertReply.DEVICE_TAKEN, AlertReply.DEVICE_NOT_THERE, AlertReply.CANNOT_OPEN)
CPR_STEPS: Final = (
    noop("No response and no normal breathing: start compressions."),
    noop("Phone on speaker, stay on the line with the dispatcher."),
    noop("Push on the middle of the chest, 5 to 6 cm deep, 100 to 120 a minute; let it come up fully."),
    noop("Do not stop. If you are trained: 2 breaths after every 30."),
    noop("When the AED arrives, switch it on and follow it. Nobody touches the patient during a shock."),
    noop("Swap rescuers every 2 minutes."),
)
"""European Resuscitation Council 2021, American Heart Association 2020."""
MAPS: Final[Mapping[str, str]] = {
    "amap": noop("AMap"),
    "baidu": noop("Baidu Maps"),
    "tencent": noop("Tencent Maps"),
    "apple": noop("Apple Maps"),
    "google": noop("Google Maps"),
    "osm": "OpenStreetMap",
}
_TASKS: Final = {
    Task.DIRECT: noop("Go straight to the patient"),
    Task.FETCH: noop("Fetch the AED and bring it to the patient"),
    Task.GUIDE: noop("Go to the gate or the entrance to meet the helpers, and hold the lift"),
}
_WITH_DEVICE: Final = noop("Bring the AED to the patient")
_FAILED: Final = {
    FetchFailure.NOT_THERE: noop("Recorded: the AED is not there. Go straight to the patient."),
    FetchFailure.CANNOT_OPEN: noop("Recorded: it cannot be opened. Go straight to the patient."),
}
_OVER: Final = {
    StopReason.OVER: noop("The call is over, and you are no longer needed. Thank you."),
    StopReason.CALLED_AWAY: noop(
        "This exercise is over for you: there is a real call. Open the link in your latest message."
    ),
    StopReason.COMES_ELSEWHERE: noop("You accepted another call. Open the link in your latest message."),
    StopReason.EXCLUDED: noop("The dispatcher has withdrawn this call. Please do not set out. Thank you."),
    StopReason.HAZARD: noop(
        "Do not go there: the scene is not safe. Keep away, and wait for the professionals."
    ),
}
_OFFERED: Final = {
    AlertState.ASKED: (AlertReply.ACCEPT, AlertReply.DECLINE),
    AlertState.SEEN: (AlertReply.ACCEPT, AlertReply.DECLINE),
    AlertState.ACCEPTED: (AlertReply.ON_THE_WAY, AlertReply.THERE, AlertReply.DECLINE),
    AlertState.ON_THE_WAY: (AlertReply.THERE, AlertReply.DECLINE),
    AlertState.THERE: (AlertReply.DEVICE_ATTACHED, AlertReply.SHOCK_GIVEN, AlertReply.HANDED_OVER),
    AlertState.DECLINED: (AlertReply.ACCEPT,),
    AlertState.STOPPED: (),
    AlertState.STOOD_DOWN: (AlertReply.THERE,),
}
_SHARES_LOCATION: Final = frozenset({AlertState.ACCEPTED, AlertState.ON_THE_WAY})

type Words = Mapping[str, str | None]
"""A text in both languages: {"en", "zh"}."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the device or the patient is, and links that open the way there."""

    place: Words
    storey: Words
    way_in: Words
    code: str | None
    """Of the cabinet, or of the door."""
    on_foot: Mapping[str, str]
    by_bicycle: Mapping[str, str]
    on_maps: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CallPage:
    """What the page shows beside the alert itself; sentences are in English, to be translated."""

    task: str
    minutes: int | None
    failed: str | None
    over: str
    offered: list[AlertReply]
    is_there: bool
    is_coming: bool
    shares_location: bool
    others: OthersComing
    age_group: Words | None
    child_pads: Words | None
    device: Place | None
    patient: Place | None
    version: str
    """Changes when anything that is shown does."""

    def new_key(self) -> str:
        """Return the key of one tap: a form that is sent twice counts once."""
        return str(uuid4())


def call_page(alert: AlertDetailsOut, *, others: OthersComing, stop_reason: StopReason | None) -> CallPage:
    """Return what the page shows of an alert."""
    offered = list(_OFFERED[alert.state])
    if alert.has_device and AlertReply.ON_THE_WAY in offered:
        offered.remove(AlertReply.ON_THE_WAY)
    device = alert.patient.device if alert.patient is not None else None
    pads = device.child_pads if device is not None else None
    minutes = max(1, round(alert.seconds / 60)) if alert.seconds is not None else None
    state = AlertState.ASKED if alert.state is AlertState.SEEN else alert.state
    over = _OVER[stop_reason or StopReason.OVER]
    shown = (
        state,
        alert.task,
        alert.is_over,
        over,
        alert.has_device,
        alert.has_returned_device,
        alert.fetch_failure,
        alert.notes,
        minutes,
        others,
        [(gate.id, gate.code) for gate in alert.patient.gates] if alert.patient is not None else [],
    )
    return CallPage(
        task=_WITH_DEVICE if alert.has_device else _TASKS[alert.task],
        minutes=minutes,
        failed=_FAILED[alert.fetch_failure] if alert.fetch_failure is not None else None,
        over=over,
        offered=offered,
        is_there=alert.state is AlertState.THERE,
        is_coming=alert.state in COMING_STATES,
        shares_location=not alert.is_over and alert.state in _SHARES_LOCATION,
        others=others,
        age_group=_words(AGE_GROUP_LABELS.get(alert.age_group)),
        child_pads=_words(CHILD_PADS_ADVICE[pads]) if pads is not None else None,
        device=_device(device) if device is not None else None,
        patient=_patient(alert.patient) if alert.patient is not None else None,
        version=hashlib.sha256(repr(shown).encode()).hexdigest()[:12],
    )


def _device(device: DeviceToFetch) -> Place:
    here = Position(device.position.lat, device.position.lon)
    return Place(
        place={"en": device.place_en, "zh": device.place_zh},
        storey={"en": device.storey.en, "zh": device.storey.zh},
        way_in={"en": device.access_instructions_en, "zh": device.access_instructions_zh},
        code=device.cabinet_code,
        on_foot=route_links(here, label="AED"),
        by_bicycle=route_links(here, label="AED", by_bicycle=True),
        on_maps=device.links,
    )


def _patient(patient: PatientLocation) -> Place:
    here = Position(patient.position.lat, patient.position.lon)
    return Place(
        place={"en": patient.address, "zh": patient.address},
        storey={"en": patient.storey.en, "zh": patient.storey.zh},
        way_in={},
        code=patient.door_code,
        on_foot=route_links(here, label="患者 Patient"),
        by_bicycle=route_links(here, label="患者 Patient", by_bicycle=True),
        on_maps=patient.links,
    )


def _words(pair: tuple[str, str] | None) -> Words | None:
    return {"en": pair[0], "zh": pair[1]} if pair is not None else None
