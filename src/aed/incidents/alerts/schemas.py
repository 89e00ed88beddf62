"""Request and response bodies of alerts, for people who were alerted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from aed.accounts.fields import Id
from aed.database.geometry import position_of
from aed.geo import Position
from aed.http.map_links import map_links
from aed.incidents.models import Alert, Incident
from aed.incidents.rules import (
    COMING_STATES,
    NEEDS_CHILD_PADS,
    AgeGroup,
    AlertState,
    ChildPads,
    FetchFailure,
    Hazard,
    IncidentKind,
    IncidentState,
    Task,
)
from aed.registry.estates.gate_codes import GateAndCodeOut
from aed.registry.fields import PositionOut, StoreyOut
from aed.responders.schemas import PhoneLocationIn


class AlertLocationIn(PhoneLocationIn):
    """Location of a person who comes."""


class DeviceToFetch(BaseModel):
    """The device to fetch, and where it is."""

    id: Id
    position: PositionOut
    place_en: str | None
    place_zh: str | None
    floor: int
    storey: StoreyOut
    access_instructions_en: str | None
    access_instructions_zh: str | None
    cabinet_code: str | None
    child_pads: ChildPads | None = Field(
        None, description="Whether the device has child pads; null if the patient is not a child"
    )
    links: dict[str, str]


class PatientLocation(BaseModel):
    """Where the patient is; for people who have accepted."""

    position: PositionOut
    floor: int
    storey: StoreyOut
    address: str | None
    door_code: str | None
    links: dict[str, str]
    device: DeviceToFetch | None
    gates: list[GateAndCodeOut] = Field(
        default=[], description="Gates with a code, of the patient's estate and of the AED's"
    )


class AlertDetailsOut(BaseModel):
    """An alert as the person sees it. The patient's location is included once they have accepted."""

    kind: IncidentKind
    state: AlertState
    task: Task
    is_over: bool
    is_stood_down: bool = Field(
        description="True if enough other people are coming, so this person is not needed"
    )
    has_device: bool = Field(description="True if the person has reported taking the device")
    has_returned_device: bool
    fetch_failure: FetchFailure | None = Field(
        description="Why the person could not fetch the device; since then their task is `direct`"
    )
    emergency_number: str
    estate_en: str | None
    estate_zh: str | None
    hazard: Hazard = Field(description="Danger at the scene; `hazard_note` describes it")
    hazard_note: str | None
    age_group: AgeGroup
    place_corrected_at: datetime | None = Field(
        description="When the patient's location was last corrected; null if it was not"
    )
    notes: str = Field(description="Digest of hazard, age group and location; changes when any of them does")
    seconds: int | None = Field(
        description="Estimated seconds from now until the person is at the patient's side; null once they "
        "are there or not needed"
    )
    patient: PatientLocation | None

    @classmethod
    def of(
        cls,
        incident: Incident,
        alert: Alert,
        *,
        cabinet_code: str | None = None,
        child_pads: ChildPads = ChildPads.NOT_KNOWN,
        gates: Sequence[GateAndCodeOut] = (),
        at: datetime,
    ) -> AlertDetailsOut:
        estate = incident.estate
        is_over = incident.state is IncidentState.CLOSED or alert.state is AlertState.STOPPED
        is_expected = not is_over and alert.state not in (AlertState.THERE, AlertState.STOOD_DOWN)
        return cls(
            kind=incident.kind,
            state=alert.state,
            task=alert.task,
            is_over=is_over,
            is_stood_down=not is_over and alert.state is AlertState.STOOD_DOWN,
            has_device=alert.device_taken_at is not None and alert.device_returned_at is None,
            has_returned_device=alert.device_returned_at is not None,
            fetch_failure=alert.fetch_failure,
            emergency_number=incident.region.emergency_number,
            estate_en=estate.name_en if estate is not None else None,
            estate_zh=estate.name_zh if estate is not None else None,
            hazard=incident.hazard,
            hazard_note=incident.hazard_note if incident.hazard is not Hazard.NONE else None,
            age_group=incident.age_group,
            place_corrected_at=incident.place_corrected_at,
            notes=_notes(incident),
            seconds=max(0, round((alert.due_at - at).total_seconds())) if is_expected else None,
            patient=_place(incident, alert, cabinet_code, child_pads, gates)
            if can_see_patient(incident, alert)
            else None,
        )


def _notes(incident: Incident) -> str:
    moved = incident.place_corrected_at.timestamp() if incident.place_corrected_at is not None else 0
    shown = (incident.hazard, incident.hazard_note or "", incident.age_group, moved)
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:12]


def can_see_patient(incident: Incident, alert: Alert) -> bool:
    """Return whether the person is shown where the patient is, and codes: while they come."""
    return incident.state is IncidentState.OPEN and alert.state in COMING_STATES


def _place(
    incident: Incident,
    alert: Alert,
    cabinet_code: str | None,
    child_pads: ChildPads,
    gates: Sequence[GateAndCodeOut],
) -> PatientLocation:
    here = Position(incident.lat, incident.lon)
    device = None
    if alert.device is not None:
        there = position_of(alert.device.position)
        device = DeviceToFetch(
            id=alert.device.id,
            position=PositionOut(lat=there.lat, lon=there.lon),
            place_en=alert.device.place_en,
            place_zh=alert.device.place_zh,
            floor=alert.device.floor,
            storey=StoreyOut.spoken(alert.device.floor, incident.region),
            access_instructions_en=alert.device.access_instructions_en,
            access_instructions_zh=alert.device.access_instructions_zh,
            cabinet_code=cabinet_code,
            child_pads=child_pads if incident.age_group in NEEDS_CHILD_PADS else None,
            links=map_links(there, label="AED"),
        )
    return PatientLocation(
        position=PositionOut(lat=here.lat, lon=here.lon),
        floor=incident.floor,
        storey=StoreyOut.spoken(incident.floor, incident.region),
        address=incident.address,
        door_code=incident.door_code,
        links=map_links(here, label="患者 Patient"),
        device=device,
        gates=list(gates),
    )
