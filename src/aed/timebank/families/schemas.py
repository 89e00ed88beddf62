"""Relatives and family accounts in requests and responses."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id, Name
from aed.timebank.models import Relative
from aed.timebank.rules import Relation
from aed.timebank.schemas import Key, Points


class RelativeIn(BaseModel):
    """A relative to declare."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"relative_id": 1, "relation": "parent"}]}
    )

    relative_id: Id
    relation: Relation


class RelativeOut(BaseModel):
    """A declaration: `relative_id` is the `relation` of `person_id`."""

    id: int
    person_id: int
    relative_id: int
    relation: Relation
    confirmed_at: datetime | None

    @classmethod
    def of(cls, found: Relative) -> Self:
        return cls(
            id=found.id,
            person_id=found.person_id,
            relative_id=found.relative_id,
            relation=found.relation,
            confirmed_at=found.confirmed_at,
        )


class RelativeList(BaseModel):
    """Declarations by and about a person."""

    relatives: list[RelativeOut]


class HeirIn(BaseModel):
    """The relative to whom one's points are to go."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"heir_id": 1}]})

    heir_id: Id | None = Field(description="A confirmed relative; null: nobody")


class FamilyIn(BaseModel):
    """A family account to open."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "王家"}]})

    name: Name


class FamilyMemberIn(BaseModel):
    """A relative to invite."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"person_id": 1}]})

    person_id: Id


class FamilyInvitationOut(BaseModel):
    """A link for the relative, who accepts on the page that it opens."""

    url: str = Field(examples=["https://aed.example.org/l/2fJk8wXqPz3M"])
    expires_at: datetime


class FamilyOut(BaseModel):
    """A family account and its members."""

    account_id: int
    member_ids: list[int]


class FamilyDepositIn(BaseModel):
    """Own points for the family account."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"points": 1, "key": "0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a13"}]},
    )

    points: Points
    key: Key
