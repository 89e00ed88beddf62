"""Incidents, calls and plans, in and out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aed.accounts.schemas import Code, Id, Words
from aed.geo import Position, map_links
from aed.incidents.models import Alert, Incident, IncidentEvent, IncidentPlan, IncidentReport
from aed.incidents.rules.incident import (
    COMES,
    LONGEST_AMBULANCE_SECONDS,
    AlertState,
    Kind,
    Outcome,
    Said,
    State,
)
from aed.incidents.rules.offer import Task
from aed.registry.schemas.fields import Floor, PositionIn, PositionOut
from aed.spatial import position_of

_LONG = Annotated[Words, Field(max_length=500)]


class PatientReportIn(BaseModel):
    """Where a patient is, as somebody tells it. Sent again under the same key it is the same report."""

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

    key: UUID = Field(description="Made up by whoever tells of it, once for each report")
    kind: Kind = Field(Kind.REAL, description="Never changed afterwards")
    position: PositionIn
    floor: Floor | None = None
    region: Code | None = Field(
        None, description="Its code, where the place is in no estate; left out: the caller's"
    )
    address: _LONG | None = Field(None, description="Beyond the gate; told to those who come")
    door_code: Annotated[Words, Field(max_length=50)] | None = None
    case_number: Annotated[Words, Field(max_length=64)] | None = Field(
        None, description="The dispatch centre's own: a second report with it is of the same case"
    )
    has_cpr: bool = Field(False, description="Somebody there is doing compressions")
    collapsed_at: AwareDatetime | None = Field(None, description="Now when left out")
    ambulance_seconds: float | None = Field(
        None,
        ge=0,
        le=LONGEST_AMBULANCE_SECONDS,
        allow_inf_nan=False,
        description="Until it is there, as the centre expects",
    )
    note: _LONG | None = None


class AmbulanceIn(BaseModel):
    """What is known of the ambulance."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"seconds": 240}]})

    seconds: float = Field(
        ge=0,
        le=LONGEST_AMBULANCE_SECONDS,
        allow_inf_nan=False,
        description="Until it is at the patient's side; 0: it is there",
    )


class SignsIn(BaseModel):
    """What is known of the patient."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"has_cpr": True}]})

    has_cpr: bool


class CloseIn(BaseModel):
    """How it ended."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"outcome": "handed_over"}]})

    outcome: Outcome
    note: _LONG | None = None


class SaidIn(BaseModel):
    """What somebody who was called says."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"said": "accept"}]})

    said: Said


class AlertOut(BaseModel):
    """One who was called, for dispatchers: by number; a name comes with having accepted."""

    id: Id
    person_id: Id
    name: str | None
    task: Task
    device_id: Id | None
    state: AlertState
    due_at: datetime = Field(description="At the patient's side, if the person comes")
    asked_at: datetime
    plan: int

    @classmethod
    def of(cls, alert: Alert, names: dict[int, str]) -> AlertOut:
        return cls(
            id=alert.id,
            person_id=alert.person_id,
            name=names.get(alert.person_id) if alert.state in COMES else None,
            task=alert.task,
            device_id=alert.device_id,
            state=alert.state,
            due_at=alert.due_at.astimezone(UTC),
            asked_at=alert.asked_at.astimezone(UTC),
            plan=alert.plan_number,
        )


class PatientReportOut(BaseModel):
    told_by: str
    told_at: datetime
    case_number: str | None
    note: str | None

    @classmethod
    def of(cls, report: IncidentReport) -> PatientReportOut:
        return cls(
            told_by=report.told_by,
            told_at=report.told_at.astimezone(UTC),
            case_number=report.case_number,
            note=report.note,
        )


class IncidentOut(BaseModel):
    """An incident as it stands."""

    id: Id
    kind: Kind
    state: State
    region: str
    estate_id: Id | None
    position: PositionOut
    floor: int
    has_cpr: bool
    collapsed_at: datetime
    opened_at: datetime
    ambulance_at: datetime
    ambulance_there_at: datetime | None
    closed_at: datetime | None
    outcome: Outcome | None

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
            has_cpr=incident.has_cpr,
            collapsed_at=incident.collapsed_at.astimezone(UTC),
            opened_at=incident.opened_at.astimezone(UTC),
            ambulance_at=incident.ambulance_at.astimezone(UTC),
            ambulance_there_at=_utc(incident.ambulance_there_at),
            closed_at=_utc(incident.closed_at),
            outcome=incident.outcome,
        )


class IncidentFull(IncidentOut):
    """With all that dispatchers see."""

    address: str | None
    door_code: str | None
    reports: list[PatientReportOut]
    alerts: list[AlertOut]

    @classmethod
    def whole(
        cls,
        incident: Incident,
        reports: Sequence[IncidentReport],
        alerts: Sequence[Alert],
        names: dict[int, str],
    ) -> IncidentFull:
        return cls(
            **IncidentOut.of(incident).model_dump(),
            address=incident.address,
            door_code=incident.door_code,
            reports=[PatientReportOut.of(each) for each in reports],
            alerts=[AlertOut.of(each, names) for each in alerts],
        )


class IncidentPage(BaseModel):
    """The newest first. More follows when `next` is not null: send it as `cursor`."""

    incidents: list[IncidentOut]
    next: str | None


class PlanOut(BaseModel):
    """A plan with all that it follows from."""

    number: int
    made_at: datetime
    because: str
    inputs: Any = Field(description="The case and the numbers; `aed incidents replay` plans from them again")
    outcome: Any = Field(description="Who is asked and what each adds; who is left, and why")

    @classmethod
    def of(cls, plan: IncidentPlan) -> PlanOut:
        return cls(
            number=plan.number,
            made_at=plan.made_at.astimezone(UTC),
            because=plan.because,
            inputs=orjson.loads(plan.inputs),
            outcome=orjson.loads(plan.outcome),
        )


class EventOut(BaseModel):
    """One entry of the record."""

    number: int
    at: datetime
    kind: str
    who: str
    said: Any
    hash: str

    @classmethod
    def of(cls, event: IncidentEvent) -> EventOut:
        return cls(
            number=event.number,
            at=event.at.astimezone(UTC),
            kind=event.kind,
            who=event.who,
            said=orjson.loads(event.said),
            hash=event.hash,
        )


class DeviceToFetch(BaseModel):
    """What to bring, and from where."""

    id: Id
    position: PositionOut
    place_en: str | None
    place_zh: str | None
    floor: int
    how_to_get_in_en: str | None
    how_to_get_in_zh: str | None
    links: dict[str, str]


class PatientsPlace(BaseModel):
    """Where the patient is: for those who have accepted."""

    position: PositionOut
    floor: int
    address: str | None
    door_code: str | None
    links: dict[str, str]
    device: DeviceToFetch | None


class AlertToldOut(BaseModel):
    """What is told to somebody who was called. The place comes with having accepted."""

    kind: Kind
    state: AlertState
    task: Task
    is_over: bool
    emergency_number: str
    estate_en: str | None
    estate_zh: str | None
    seconds: int = Field(description="From now until at the patient's side, as it is reckoned")
    patient: PatientsPlace | None

    @classmethod
    def of(cls, incident: Incident, alert: Alert, *, at: datetime) -> AlertToldOut:
        estate = incident.estate
        return cls(
            kind=incident.kind,
            state=alert.state,
            task=alert.task,
            is_over=incident.state is State.CLOSED or alert.state is AlertState.STOPPED,
            emergency_number=incident.region.emergency_number,
            estate_en=estate.name_en if estate is not None else None,
            estate_zh=estate.name_zh if estate is not None else None,
            seconds=max(0, round((alert.due_at - at).total_seconds())),
            patient=_place(incident, alert) if _may_know(incident, alert) else None,
        )


def _may_know(incident: Incident, alert: Alert) -> bool:
    return incident.state is State.OPEN and alert.state in COMES


def _place(incident: Incident, alert: Alert) -> PatientsPlace:
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
            how_to_get_in_en=alert.device.how_to_get_in_en,
            how_to_get_in_zh=alert.device.how_to_get_in_zh,
            links=map_links(there, label="AED"),
        )
    return PatientsPlace(
        position=PositionOut(lat=here.lat, lon=here.lon),
        floor=incident.floor,
        address=incident.address,
        door_code=incident.door_code,
        links=map_links(here, label="患者 Patient"),
        device=device,
    )


def _utc(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at is not None else None
