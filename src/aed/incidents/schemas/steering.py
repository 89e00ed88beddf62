"""The dispatcher's hand on an incident, in and out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.schemas import Id, Words
from aed.incidents.models import Incident, IncidentExclusion
from aed.incidents.rules.scene import AgeGroup, Hazard
from aed.incidents.schemas.incidents import IncidentOut


class HoldIn(BaseModel):
    """Whether more people are asked without a dispatcher."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"held": True}]})

    held: bool = Field(description="True: ask nobody more until false")


class AskMoreIn(BaseModel):
    """How many more are asked now. Sent again under the same key nobody is asked."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"key": "2f9a6f0e-7a53-4d4e-8b55-6f4f0b1f2a11", "people": 3}]},
    )

    key: UUID = Field(description="Made up by the caller, once for each request")
    people: int = Field(ge=1, le=20)


class RadiusIn(BaseModel):
    """How far people are looked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"metres": 2000}]})

    metres: float = Field(ge=100, le=5_000, allow_inf_nan=False, description="On the straight line")


class AgeIn(BaseModel):
    """How old the patient is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"age_group": "child"}]})

    age_group: AgeGroup


class HazardIn(BaseModel):
    """Whether people may be sent to the scene."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"hazard": "inform", "note": "Smell of gas on the stairs"}]},
    )

    hazard: Hazard
    note: Annotated[Words, Field(max_length=200)] | None = Field(
        None, description="Shown to those who are called, behind the link; never in a message"
    )


class ExclusionIn(BaseModel):
    """A person or a device that is taken out of the plan: one of the two."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"device_id": 1}]})

    person_id: Id | None = None
    device_id: Id | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.person_id is None) == (self.device_id is None):
            raise ValueError("give person_id or device_id, one of them")
        return self


class ExclusionOut(BaseModel):
    """What was taken out of a plan, and by whom."""

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


class SteeredOut(IncidentOut):
    """The incident as it stands now."""

    asked: int = Field(description="So many were called by this")
    exclusion: ExclusionOut | None = None

    @classmethod
    def after(
        cls, incident: Incident, *, asked: int, exclusion: IncidentExclusion | None = None
    ) -> SteeredOut:
        return cls(
            **IncidentOut.of(incident).model_dump(),
            asked=asked,
            exclusion=ExclusionOut.of(exclusion) if exclusion is not None else None,
        )
