"""Request and response bodies of phone locations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

import h3.api.basic_int as h3
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from aed.geo import Datum
from aed.responders.rules import MAX_ACCURACY_METRES, LiveLocation

Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class PhoneLocationIn(BaseModel):
    """The location of a phone."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"lat": 30.29, "lon": 120.1, "datum": "wgs84", "accuracy_metres": 12}]
        },
    )

    lat: float
    lon: float
    datum: Datum = Datum.WGS84
    accuracy_metres: float | None = Field(
        None,
        gt=0,
        le=MAX_ACCURACY_METRES,
        description="How far off it may be; vaguer than this says too little",
    )
    at: Moment | None = Field(None, description="When the phone was there; left out: now")


class LiveLocationIn(PhoneLocationIn):
    """The location of a phone on duty, of which only the cell is stored."""


class StoredLocationOut(BaseModel):
    cell: str = Field(description="H3 index")
    at: datetime
    expires_at: datetime


class LiveLocationOut(BaseModel):
    """The stored location of your phone and its expiry, or null."""

    held: StoredLocationOut | None

    @classmethod
    def of(cls, place: LiveLocation | None) -> Self:
        if place is None:
            return cls(held=None)
        return cls(
            held=StoredLocationOut(
                cell=h3.int_to_str(place.cell),
                at=place.at,
                expires_at=place.expires_at,
            )
        )
