"""Gifts, donations, groups and inheritances in requests and responses."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id, Name
from aed.timebank.models import Inheritance
from aed.timebank.schemas import Key, Points


class GiftIn(BaseModel):
    """Points for a relative."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"person_id": 1, "points": 1, "key": "0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a14"}]
        },
    )

    person_id: Id
    points: Points
    key: Key


class DonationIn(BaseModel):
    """Points for a pool or a group."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"to": "care_pool", "points": 1, "key": "0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a15"}]
        },
    )

    to: Annotated[str, Field(pattern=r"^(care_pool|region_pool|[1-9][0-9]{0,17})$")] = Field(
        description="`care_pool`, `region_pool`, or the id of the account of a group or an estate"
    )
    points: Points
    key: Key
    from_account_id: Id | None = Field(
        None, description="For managers: a group, an estate or a sponsor that donates. Default: your own"
    )


class GroupIn(BaseModel):
    """A group's account to open."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"estate_id": 1, "name": "急救志愿服务队"}]}
    )

    estate_id: Id
    name: Name


class DeathIn(BaseModel):
    """The death of a holder of points."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"person_id": 1, "died_on": "2026-09-22"}]}
    )

    person_id: Id
    died_on: date = Field(ge=date(1990, 1, 1), le=date(2100, 12, 31))


class ClaimIn(BaseModel):
    """The heir of points."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"heir_id": 1}]})

    heir_id: Id


class InheritanceOut(BaseModel):
    """The points of a person who died, and who has them."""

    id: int
    person_id: int
    died_on: date
    named_heir_id: int | None = Field(description="The heir whom the person had named")
    heir_id: int | None = Field(description="null: nobody has claimed, or the region's pool has them")
    settled_at: datetime | None

    @classmethod
    def of(cls, found: Inheritance, *, named_heir_id: int | None) -> Self:
        return cls(
            id=found.id,
            person_id=found.person_id,
            died_on=found.died_on,
            named_heir_id=named_heir_id,
            heir_id=found.heir_id,
            settled_at=found.settled_at,
        )


class InheritancePage(BaseModel):
    """A page of inheritances."""

    inheritances: list[InheritanceOut]
    next: str | None = Field(None, description="Cursor of the next page, if there is one")
