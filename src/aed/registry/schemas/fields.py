"""The kinds of fields that the registry's input is made of, and the record of a change."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from aed.accounts.schemas import Words
from aed.errors import InvalidInput
from aed.geo import Datum, Position, position_from
from aed.registry.models import Change
from aed.registry.rules.hours import parse_hours


def _understood_hours(value: str) -> str:
    try:
        return parse_hours(value)
    except InvalidInput as error:
        raise ValueError(error.detail) from None


def _blank_is_absent(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


OpeningHours = Annotated[
    str, Field(max_length=1000, examples=["Mo-Fr 08:30-17:30; PH off"]), AfterValidator(_understood_hours)
]
Ref = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
Source = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
Floor = Annotated[int, Field(ge=-20, le=200, description="0 is the ground floor, -1 the one below")]
Label = Annotated[Words, Field(max_length=100)]
Day = Annotated[date, Field(ge=date(1990, 1, 1), le=date(2100, 12, 31))]


class PositionIn(BaseModel):
    """Coordinates as the giver has them, with the datum that they are in."""

    model_config = ConfigDict(extra="forbid")

    lat: float = Field(allow_inf_nan=False, examples=[30.29])
    lon: float = Field(allow_inf_nan=False, examples=[120.1])
    datum: Datum = Datum.WGS84

    @model_validator(mode="after")
    def _on_earth(self) -> Self:
        try:
            self.position()
        except InvalidInput as error:
            raise ValueError(error.detail) from None
        return self

    def position(self) -> Position:
        """In WGS-84."""
        return position_from(self.lat, self.lon, self.datum)


class PositionOut(BaseModel):
    """WGS-84."""

    lat: float
    lon: float


class ChangeOut(BaseModel):
    at: datetime
    who: str
    subject: str
    subject_id: str
    fields: dict[str, Any] = Field(description="{field: [before, after]}")

    @classmethod
    def of(cls, change: Change) -> ChangeOut:
        return cls(
            at=change.at,
            who=change.who,
            subject=change.subject,
            subject_id=change.subject_id,
            fields=change.fields,
        )


Blank = BeforeValidator(_blank_is_absent)
"""For rows of files, where an empty cell means "not given"."""
