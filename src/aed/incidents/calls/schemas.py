"""Opening, steering and correcting an incident: request and response bodies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import FreeText, Id
from aed.incidents.models import Alert, Incident, IncidentExclusion
from aed.incidents.plan.schemas import NoFetchReasonOut
from aed.incidents.rules import LIVE_STATES, MAX_AMBULANCE_SECONDS, AgeGroup, Hazard, IncidentKind, Task
from aed.incidents.schemas import IncidentOut
from aed.registry.fields import Floor, PositionIn, Room, Storey


class OpenedIncidentOut(IncidentOut):
    """The incident, and what reporting it did."""

    case_number: str | None
    is_new: bool = Field(description="False if the report joined an open incident, or was sent before")
    called: int = Field(
        description="Number of people alerted who have not declined; for a test, who would be alerted"
    )
    minutes_to_first_direct: int | None = Field(
        description="Minutes until the first person with task `direct` can be there, rounded up"
    )
    minutes_to_first_device: int | None = Field(
        description="Minutes until the first person with a device can be there, rounded up"
    )
    no_fetch_reason: NoFetchReasonOut | None = Field(
        description="Why no one fetches a device; null if someone does"
    )
    nobody_is_called: bool = Field(description="True for a test: it is planned, and no one is alerted")

    @classmethod
    def opened(
        cls,
        incident: Incident,
        alerts: Sequence[Alert],
        no_fetch_reason: NoFetchReasonOut | None,
        *,
        case_number: str | None,
        is_new: bool,
        at: datetime,
    ) -> Self:
        live = [each for each in alerts if each.state in LIVE_STATES]
        return cls(
            **IncidentOut.of(incident).model_dump(),
            case_number=case_number,
            is_new=is_new,
            called=len(live),
            minutes_to_first_direct=_minutes_to_first(live, Task.DIRECT, at),
            minutes_to_first_device=_minutes_to_first(live, Task.FETCH, at),
            no_fetch_reason=no_fetch_reason,
            nobody_is_called=incident.kind is IncidentKind.TEST,
        )


def _minutes_to_first(live: Sequence[Alert], task: Task, at: datetime) -> int | None:
    """Return whole minutes until the first arrives, by the times that may be shown."""
    moments = [each.shown_due_at for each in live if each.task is task]
    seconds = [(each - at).total_seconds() for each in moments if each is not None]
    return max(0, math.ceil(min(seconds) / 60)) if seconds else None


_LONG = Annotated[FreeText, Field(max_length=500)]
_CODE = Annotated[FreeText, Field(max_length=50)]


class LocationCorrection(BaseModel):
    """A correction of the patient's location. Fields that are left out stay."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"position": {"lat": 30.2912, "lon": 120.1007}, "floor": 5}]},
    )

    position: PositionIn | None = None
    floor: Floor | None = None
    storey: Storey | None = None
    room: Room | None = None
    address: _LONG | None = Field(None, description="Null removes it")
    door_code: _CODE | None = Field(None, description="Null removes it")

    @model_validator(mode="after")
    def _require_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give position, floor, storey, room, address or door_code")
        return self


class SplitReportIn(BaseModel):
    """What is known of the other patient beyond the report. Fields that are left out are the report's."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"floor": 2}]})

    position: PositionIn | None = None
    floor: Floor | None = None
    storey: Storey | None = None
    room: Room | None = None
    address: _LONG | None = None
    door_code: _CODE | None = None
    has_cpr: bool = Field(False, description="True if someone is doing chest compressions")
    ambulance_seconds: float | None = Field(
        None,
        ge=0,
        le=MAX_AMBULANCE_SECONDS,
        allow_inf_nan=False,
        description="Seconds until the second ambulance arrives",
    )


class HoldIn(BaseModel):
    """Whether alerting is on hold."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"held": True}]})

    held: bool = Field(description="True stops alerting more people until it is set to false")


class AskMoreIn(BaseModel):
    """How many more people to alert now. Sent again under the same key, nobody is alerted."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"key": "2f9a6f0e-7a53-4d4e-8b55-6f4f0b1f2a11", "people": 3}]},
    )

    key: UUID = Field(description="A new UUID for each request; a retry with the same key has no effect")
    people: int = Field(ge=1, le=20)


class RadiusIn(BaseModel):
    """The radius within which people are searched."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"metres": 2000}]})

    metres: float = Field(
        ge=100, le=5_000, allow_inf_nan=False, description="Search radius in metres, as the crow flies"
    )


class AgeGroupIn(BaseModel):
    """The patient's age group."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"age_group": "child"}]})

    age_group: AgeGroup


class HazardIn(BaseModel):
    """The hazard at the scene, and whether people may be sent."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"hazard": "inform", "note": "Smell of gas on the stairs"}]},
    )

    hazard: Hazard
    note: Annotated[FreeText, Field(max_length=200)] | None = Field(
        None, description="Shown to the people alerted on their alert page; never part of a text message"
    )


class ExclusionIn(BaseModel):
    """A person or a device to exclude from the plan: exactly one of them."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"device_id": 1}]})

    person_id: Id | None = None
    device_id: Id | None = None

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if (self.person_id is None) == (self.device_id is None):
            raise ValueError("give either person_id or device_id")
        return self


class ExclusionOut(BaseModel):
    """An exclusion from a plan."""

    id: Id
    person_id: Id | None
    device_id: Id | None
    excluded_at: datetime
    excluded_by: str
    lifted_at: datetime | None

    @classmethod
    def of(cls, exclusion: IncidentExclusion) -> ExclusionOut:
        lifted = exclusion.lifted_at
        return cls(
            id=exclusion.id,
            person_id=exclusion.person_id,
            device_id=exclusion.device_id,
            excluded_at=exclusion.excluded_at.astimezone(UTC),
            excluded_by=exclusion.excluded_by,
            lifted_at=lifted.astimezone(UTC) if lifted is not None else None,
        )


class SteeringResultOut(IncidentOut):
    """The incident after the change."""

    asked: int = Field(description="Number of people alerted by this change")
    exclusion: ExclusionOut | None = None

    @classmethod
    def after(
        cls, incident: Incident, *, asked: int, exclusion: IncidentExclusion | None = None
    ) -> SteeringResultOut:
        return cls(
            **IncidentOut.of(incident).model_dump(),
            asked=asked,
            exclusion=ExclusionOut.of(exclusion) if exclusion is not None else None,
        )
