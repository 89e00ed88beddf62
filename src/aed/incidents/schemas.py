"""Request and response bodies that all features of incidents share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aed.accounts.fields import Code, FreeText, Id
from aed.geo import Position
from aed.incidents.models import Alert, AlertLocation, Incident, IncidentEvent, IncidentReport
from aed.incidents.rules import (
    COMING_STATES,
    MAX_AMBULANCE_SECONDS,
    AgeGroup,
    AlertReply,
    AlertState,
    FetchFailure,
    Hazard,
    IncidentKind,
    IncidentOutcome,
    IncidentState,
    Task,
)
from aed.registry.estates.gate_codes import GateAndCodeOut
from aed.registry.fields import Floor, PositionIn, PositionOut, Room, Storey, StoreyOut
from aed.responders.rules import cell_middle

_LONG = Annotated[FreeText, Field(max_length=500)]


class PatientReportIn(BaseModel):
    """A report of a patient. Sent again under the same key, it is the same report."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "key": "7d0a8f2e-8d3b-4b63-9c0e-2f9f2a5f6a10",
                    "position": {"lat": 30.2901, "lon": 120.1003},
                    "floor": 4,
                    "address": "Building 3, stairs 2, flat 501",
                    "case_number": "2026-112-0047",
                    "ambulance_seconds": 540,
                }
            ]
        },
    )

    key: UUID = Field(
        description="A new UUID for each report; a retry with the same key returns the same incident"
    )
    kind: IncidentKind = Field(IncidentKind.REAL, description="Kind of incident; it cannot be changed later")
    position: PositionIn
    floor: Floor | None = None
    storey: Storey | None = None
    room: Room | None = None
    region: Code | None = Field(
        None,
        description="Region code, needed only if the position is in no estate; default: the caller's region",
    )
    address: _LONG | None = Field(
        None, description="Code of the door beyond the gate; shown only to people who accept"
    )
    door_code: Annotated[FreeText, Field(max_length=50)] | None = None
    case_number: Annotated[FreeText, Field(max_length=64)] | None = Field(
        None,
        description="The dispatch centre's case number; reports with the same number are about the same case",
    )
    has_cpr: bool = Field(False, description="True if someone is doing chest compressions")
    collapsed_at: AwareDatetime | None = Field(None, description="When the patient collapsed; default: now")
    ambulance_seconds: float | None = Field(
        None,
        ge=0,
        le=MAX_AMBULANCE_SECONDS,
        allow_inf_nan=False,
        description="Seconds until the ambulance arrives, as the centre expects",
    )
    age_group: AgeGroup = Field(
        AgeGroup.UNKNOWN, description="Age group of the patient; decides whether child pads are needed"
    )
    hazard: Hazard = Field(Hazard.NONE, description="Whether people may be sent there")
    is_another_patient: bool = Field(
        False, description="For dispatchers: True never joins this report to an incident nearby"
    )
    note: _LONG | None = None


class AmbulanceIn(BaseModel):
    """When the ambulance arrives."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"seconds": 240}]})

    seconds: float = Field(
        ge=0,
        le=MAX_AMBULANCE_SECONDS,
        allow_inf_nan=False,
        description="Seconds until the ambulance is at the patient's side; 0 if it has arrived",
    )


class SignsIn(BaseModel):
    """What is known of the patient."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"has_cpr": True}]})

    has_cpr: bool


class CloseIn(BaseModel):
    """How the incident ended."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"outcome": "handed_over"}]})

    outcome: IncidentOutcome
    note: _LONG | None = None


class AlertReplyIn(BaseModel):
    """The reply of a person who was alerted."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"reply": "device_taken", "key": "2f9f2a5f-8d3b-4b63-9c0e-6a107d0a8f2e"}]
        },
    )

    reply: AlertReply = Field(
        description="The reply; at the cabinet device_taken, device_not_there or cannot_open, afterwards "
        "device_returned"
    )
    key: UUID | None = Field(
        None, description="A new UUID for each tap; a reply that is sent again with the same key counts once"
    )


class AlertLocationOut(BaseModel):
    """The latest location of a person who comes: exact for a day, then the centre of their cell."""

    alert: Id
    position: PositionOut
    is_exact: bool
    at: datetime
    due_at: datetime = Field(
        description="When the person is expected at the patient's side, computed from their latest location"
    )

    @classmethod
    def of(cls, place: AlertLocation, alert: Alert) -> AlertLocationOut:
        here = cell_middle(place.cell)
        if place.lat is not None and place.lon is not None:
            here = Position(place.lat, place.lon)
        return cls(
            alert=alert.id,
            position=PositionOut(lat=here.lat, lon=here.lon),
            is_exact=place.lat is not None,
            at=place.at.astimezone(UTC),
            due_at=alert.due_at.astimezone(UTC),
        )


class AlertOut(BaseModel):
    """An alert, for dispatchers. The name is shown once the person has accepted."""

    id: Id
    person_id: Id
    name: str | None
    task: Task
    device_id: Id | None
    has_device: bool = Field(description="The person reported it")
    fetch_failure: FetchFailure | None = Field(
        description="Why the person could not fetch the device; since then their task is `direct`"
    )
    failed_device_id: Id | None
    state: AlertState
    due_at: datetime | None = Field(
        description="When the person is expected at the patient's side; until they accept, computed from the "
        "centre of their cell"
    )
    asked_at: datetime
    plan: int
    place: AlertLocationOut | None = Field(
        description="Latest location of the person's phone, if it was shared"
    )

    @classmethod
    def of(cls, alert: Alert, names: Mapping[int, str], places: Mapping[int, AlertLocation]) -> AlertOut:
        place = places.get(alert.id)
        return cls(
            id=alert.id,
            person_id=alert.person_id,
            name=names.get(alert.person_id) if alert.state in COMING_STATES else None,
            task=alert.task,
            device_id=alert.device_id,
            has_device=alert.device_taken_at is not None and alert.device_returned_at is None,
            fetch_failure=alert.fetch_failure,
            failed_device_id=alert.out_device_id if alert.fetch_failure is not None else None,
            state=alert.state,
            due_at=_utc(alert.shown_due_at),
            asked_at=alert.asked_at.astimezone(UTC),
            plan=alert.plan_number,
            place=AlertLocationOut.of(place, alert) if place is not None else None,
        )


class PatientReportOut(BaseModel):
    id: Id
    reported_by: str
    reported_at: datetime
    case_number: str | None
    note: str | None

    @classmethod
    def of(cls, report: IncidentReport) -> PatientReportOut:
        return cls(
            id=report.id,
            reported_by=report.reported_by,
            reported_at=report.reported_at.astimezone(UTC),
            case_number=report.case_number,
            note=report.note,
        )


class IncidentOut(BaseModel):
    """An incident."""

    id: Id
    kind: IncidentKind
    state: IncidentState
    region: str
    estate_id: Id | None
    position: PositionOut
    floor: int
    storey: StoreyOut
    has_cpr: bool
    collapsed_at: datetime
    opened_at: datetime
    ambulance_at: datetime
    ambulance_there_at: datetime | None
    closed_at: datetime | None
    outcome: IncidentOutcome | None
    # Answers of earlier releases are kept, and have none of these.
    is_confirmed: bool = Field(
        True, description="True once a dispatcher has reported or updated the incident"
    )
    is_held: bool = Field(False, description="True while alerting is on hold until a dispatcher resumes it")
    place_corrected_at: datetime | None = None
    radius_metres: float | None = Field(
        None, description="Search radius in metres; null if the default of the settings applies"
    )
    age_group: AgeGroup = AgeGroup.UNKNOWN
    hazard: Hazard = Hazard.NONE

    @classmethod
    def of(cls, incident: Incident) -> IncidentOut:
        return cls(
            id=incident.id,
            kind=incident.kind,
            state=incident.state,
            region=incident.region.code,
            estate_id=incident.estate_id,
            position=PositionOut(lat=incident.lat, lon=incident.lon),
            floor=incident.floor,
            storey=StoreyOut.of(incident.floor, incident.region),
            has_cpr=incident.has_cpr,
            collapsed_at=incident.collapsed_at.astimezone(UTC),
            opened_at=incident.opened_at.astimezone(UTC),
            ambulance_at=incident.ambulance_at.astimezone(UTC),
            ambulance_there_at=_utc(incident.ambulance_there_at),
            closed_at=_utc(incident.closed_at),
            outcome=incident.outcome,
            is_confirmed=incident.confirmed_at is not None,
            is_held=incident.calling_held_at is not None,
            place_corrected_at=_utc(incident.place_corrected_at),
            radius_metres=incident.radius_metres,
            age_group=incident.age_group,
            hazard=incident.hazard,
        )


class IncidentFull(IncidentOut):
    """An incident with everything that dispatchers see."""

    address: str | None
    door_code: str | None
    hazard_note: str | None
    reports: list[PatientReportOut]
    alerts: list[AlertOut]
    gates: list[GateAndCodeOut] = Field(
        description="Gates of the estate that have a code; empty once the incident is over"
    )

    @classmethod
    def whole(
        cls,
        incident: Incident,
        reports: Sequence[IncidentReport],
        alerts: Sequence[Alert],
        names: Mapping[int, str],
        places: Mapping[int, AlertLocation],
        gates: Sequence[GateAndCodeOut],
    ) -> IncidentFull:
        return cls(
            **IncidentOut.of(incident).model_dump(),
            address=incident.address,
            door_code=incident.door_code,
            hazard_note=incident.hazard_note,
            reports=[PatientReportOut.of(each) for each in reports],
            alerts=[AlertOut.of(each, names, places) for each in alerts],
            gates=list(gates) if incident.state is IncidentState.OPEN else [],
        )


class IncidentPage(BaseModel):
    """Incidents, newest first. If `next` is not null, send it as `cursor` for the next page."""

    incidents: list[IncidentOut]
    next: str | None


class RecordEntryOut(BaseModel):
    """An entry of an incident's record."""

    number: int
    at: datetime
    kind: str
    who: str
    payload: Any
    hash: str

    @classmethod
    def of(cls, event: IncidentEvent) -> RecordEntryOut:
        return cls(
            number=event.number,
            at=event.at.astimezone(UTC),
            kind=event.kind,
            who=event.who,
            payload=orjson.loads(event.payload),
            hash=event.hash,
        )


class BoardEntryOut(BaseModel):
    """An entry of a record, with its incident."""

    incident: Id
    region: str
    incident_kind: IncidentKind
    entry: RecordEntryOut

    @classmethod
    def of(cls, event: IncidentEvent, incident: Incident) -> BoardEntryOut:
        return cls(
            incident=incident.id,
            region=incident.region.code,
            incident_kind=incident.kind,
            entry=RecordEntryOut.of(event),
        )


def _utc(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at is not None else None
