"""Types of the fields of the register's schemas."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from aed.accounts.fields import FreeText
from aed.accounts.regions.models import Region
from aed.errors import InvalidInput
from aed.geo import Datum, Position, position_from
from aed.hours.evaluation import parse_hours
from aed.registry.product_numbers import normalise_registration_number, normalise_udi_di
from aed.registry.storeys import spoken_storey, storey_words


def _understood_hours(value: str) -> str:
    try:
        return parse_hours(value)
    except InvalidInput as error:
        raise ValueError(error.detail) from None


def _without_separators(value: object) -> object:
    """Remove what scanners of GS1 codes send between two elements (FNC1, U+001D)."""
    return value.replace("\x1d", " ") if isinstance(value, str) else value


def _understood_udi_di(value: str) -> str:
    try:
        return normalise_udi_di(value)
    except InvalidInput as error:
        raise ValueError(error.detail) from None


def _understood_registration_number(value: str) -> str:
    try:
        return normalise_registration_number(value)
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
Floor = Annotated[
    int,
    Field(
        ge=-20,
        le=200,
        description="Floor number; 0 is the ground floor, so 3楼 in China is 2. Alternatively send `storey`",
    ),
]
Storey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=20,
        description="Storey as people there name it: 3, 3楼, B1, -1, 地下一层, G. The region defines how "
        "storeys are counted",
        examples=["3楼"],
    ),
]
Room = Annotated[
    str,
    Field(
        min_length=1,
        max_length=20,
        description="Room number; without its last two digits it names the storey: 301 is on storey 3",
        examples=["301室"],
    ),
]
Label = Annotated[FreeText, Field(max_length=100)]
UdiDi = Annotated[
    FreeText,
    BeforeValidator(_without_separators),
    Field(
        max_length=300,
        description="Device identifier of the UDI, such as the 14 digits after (01), or the whole code",
        examples=["06901234567892"],
    ),
    AfterValidator(_understood_udi_di),
]
RegistrationNumber = Annotated[
    FreeText,
    Field(
        max_length=300,
        description="Registration number of the product at the authority: 医疗器械注册证号",
        examples=["国械注准20213080123"],
    ),
    AfterValidator(_understood_registration_number),
]
Day = Annotated[date, Field(ge=date(1990, 1, 1), le=date(2100, 12, 31))]


class PositionIn(BaseModel):
    """Coordinates as entered, with their datum."""

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
        """Return the position in WGS-84."""
        return position_from(self.lat, self.lon, self.datum)


class StoreyOut(BaseModel):
    """A floor as the place names it, with the API's number: `3楼（floor 2）`."""

    en: str
    zh: str

    @classmethod
    def of(cls, floor: int, region: Region) -> StoreyOut:
        return cls(**storey_words(floor, counts_ground_as_one=region.counts_ground_as_one))

    @classmethod
    def spoken(cls, floor: int, region: Region) -> StoreyOut:
        """Return a floor for people on their way: as the place names it, without the API's number."""
        return cls(**spoken_storey(floor, counts_ground_as_one=region.counts_ground_as_one))


class PositionOut(BaseModel):
    """A position in WGS-84."""

    lat: float
    lon: float


Blank = BeforeValidator(_blank_is_absent)
"""For rows of files, where an empty cell means that no value is given."""


class Link(BaseModel):
    """A link to a related resource, such as the next page."""

    rel: str
    href: str
