"""Mandates and priority in requests and responses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id
from aed.timebank.mandates.models import Mandate
from aed.timebank.rules import PriorityGroup


class MandateIn(BaseModel):
    """A mandate to record."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"principal_id": 1, "agent_id": 2, "days": 90}]}
    )

    principal_id: Id = Field(description="Whose points are used")
    agent_id: Id = Field(description="Who uses them for that person")
    days: Annotated[int, Field(ge=1, le=366)] = 366


class MandateOut(BaseModel):
    """A mandate in force."""

    id: int
    principal_id: int
    agent_id: int
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, found: Mandate) -> Self:
        return cls(
            id=found.id,
            principal_id=found.principal_id,
            agent_id=found.agent_id,
            starts_at=found.starts_at,
            ends_at=found.ends_at,
        )


class MandateList(BaseModel):
    """Mandates in force, by and for a person."""

    mandates: list[MandateOut]


class PriorityIn(BaseModel):
    """A person whom goods are kept for at first."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"person_id": 1, "group": "over_80"}]}
    )

    person_id: Id
    group: PriorityGroup


class PriorityOut(BaseModel):
    """The groups of a person."""

    person_id: int
    groups: list[PriorityGroup]
