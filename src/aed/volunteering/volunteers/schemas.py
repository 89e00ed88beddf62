"""Schemas of volunteers in requests and responses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import Id
from aed.volunteering.models import Volunteer
from aed.volunteering.rules import IdType

VolunteerNumber = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
IdNumber = Annotated[str, Field(min_length=4, max_length=40, pattern=r"^[A-Za-z0-9()-]+$")]


class VolunteerIn(BaseModel):
    """A person joins the team of an estate. Identity and number are optional; papers need them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"estate_id": 1, "number": "330106000123", "birth_year": 1958}]},
    )

    estate_id: Id
    building_id: Id | None = None
    number: VolunteerNumber | None = Field(None, description="志愿者编号 of the national system")
    birth_year: int | None = Field(None, ge=1900, le=2100)
    id_type: IdType | None = None
    id_number: IdNumber | None = Field(None, description="Stored encrypted; shown only on certificates")

    @model_validator(mode="after")
    def _require_complete(self) -> Self:
        if (self.id_type is None) != (self.id_number is None):
            raise ValueError("give id_type and id_number together")
        return self


class VolunteerOut(BaseModel):
    """A volunteer. The identity number is masked."""

    person_id: Id
    name: str
    estate_id: Id
    building_id: Id | None
    number: str | None
    birth_year: int | None
    id_type: IdType | None
    id_number: str | None = Field(description="Its last four characters", examples=["****1234"])
    registered_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, volunteer: Volunteer) -> VolunteerOut:
        return cls(
            person_id=volunteer.person_id,
            name=volunteer.person.name,
            estate_id=volunteer.estate_id,
            building_id=volunteer.building_id,
            number=volunteer.number,
            birth_year=volunteer.birth_year,
            id_type=volunteer.id_type,
            id_number=f"****{volunteer.id_number[-4:]}" if volunteer.id_number else None,
            registered_at=volunteer.registered_at,
            ended_at=volunteer.ended_at,
        )


class VolunteerPage(BaseModel):
    """A page of volunteers, in order of the person's id."""

    volunteers: list[VolunteerOut]
    next: str | None = Field(description="The cursor of the next page")


class LeadBuildingsIn(BaseModel):
    """The buildings whose volunteers' service a lead confirms."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"building_ids": []}]})

    building_ids: list[Id] = Field(max_length=200)


class LeadBuildingsOut(BaseModel):
    person_id: Id
    word: str = Field(description="What leads are called here", examples=["里长"])
    building_ids: list[Id]
