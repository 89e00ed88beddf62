"""Rows of files in the project's own formats. Empty cells count as missing."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from aed.accounts.fields import Code, FreeText, Name, Phone, TimeZone
from aed.accounts.permissions import Audience
from aed.accounts.regions.schemas import RegionIn
from aed.geo import Datum, Position, position_from
from aed.imports.rules import day_written
from aed.registry.devices.rules import Cabinet, DeviceState, EntryMode
from aed.registry.estates.rules import Passage
from aed.registry.fields import (
    Day,
    Floor,
    Label,
    OpeningHours,
    Ref,
    RegistrationNumber,
    Source,
    Storey,
    UdiDi,
)
from aed.responders.rules import CertificateKind, CertificateTrust, PlaceKind


def _written_as_a_date(given: object) -> object:
    if isinstance(given, str) and re.fullmatch(r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*", given):
        return given
    raise ValueError("must be a date such as 2027-05-31")


def _written_by_a_person(given: object) -> object:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError("must be a date such as 2027-05-31")
    found = day_written(str(given))
    if isinstance(found, str):
        raise ValueError(found)
    return found


def _written_as_a_moment(given: object) -> object:
    if isinstance(given, str) and re.match(r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", given):
        return given
    raise ValueError("must be a date and time with an offset, such as 2026-12-31T00:00:00+08:00")


Degrees = Annotated[float, Field(allow_inf_nan=False)]
FileDay = Annotated[Day, BeforeValidator(_written_as_a_date)]
"""A day; numbers are rejected."""
RosterDay = Annotated[Day, BeforeValidator(_written_by_a_person)]
"""A day in any unambiguous style, for rosters that are filled in by hand."""
FileMoment = Annotated[datetime, BeforeValidator(_written_as_a_moment)]


class FileRow(BaseModel):
    """A row of a file: unknown columns are rejected, empty cells dropped."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {
            name: str(value).lower() if isinstance(value, bool) else value  # true is not 1
            for name, value in given.items()
            if value is not None and not (isinstance(value, str) and not value.strip())
        }


class PlacedRow(FileRow):
    """A row with a position."""

    lat: Degrees
    lon: Degrees
    datum: Datum = Datum.WGS84

    def position(self) -> Position:
        """Return the position in WGS-84. Raises InvalidInput naming lat or lon."""
        return position_from(self.lat, self.lon, self.datum)


class DeviceRow(PlacedRow):
    """A device in a devices file."""

    source: Source
    source_id: Ref
    estate: Ref | None = None
    estate_source: Source | None = None
    """The source of the id in `estate`; by default the row's own `source`."""
    region: Code | None = None
    place_en: FreeText | None = None
    place_zh: FreeText | None = None
    floor: Floor = 0
    storey: Storey | None = None
    opening_hours: OpeningHours | None = None
    opening_hours_raw: FreeText | None = None
    entry: EntryMode = EntryMode.FREE
    access_instructions_en: FreeText | None = None
    access_instructions_zh: FreeText | None = None
    cabinet: Cabinet = Cabinet.UNKNOWN
    maker: Label | None = None
    model: Label | None = None
    serial: Label | None = None
    registration_number: RegistrationNumber | None = None
    udi_di: UdiDi | None = None
    manufactured_on: FileDay | None = None
    end_of_life_on: FileDay | None = None
    keeper_name: Name | None = None
    keeper_phone: Phone | None = None
    audience: Audience = Audience.ESTATE
    state: DeviceState = DeviceState.IN_SERVICE
    out_of_service_reason: FreeText | None = None
    pads_expire_on: FileDay | None = None
    child_pads_expire_on: FileDay | None = None
    battery_expires_on: FileDay | None = None
    cartridge_expires_on: FileDay | None = None
    last_checked_on: FileDay | None = None


class RegionRow(FileRow, RegionIn):
    kind: Literal["region"]


class EstateRow(FileRow):
    kind: Literal["estate"]
    source: Source
    source_id: Ref
    name_en: Name
    name_zh: Name
    region: Code
    neighbourhood: Code | None = None
    time_zone: TimeZone | None = None
    guard_phone: Phone | None = None
    boundary: dict[str, Any]


class GateRow(PlacedRow):
    kind: Literal["gate"]
    source: Source
    source_id: Ref
    estate: Ref
    estate_source: Source | None = None
    name_en: Name
    name_zh: Name
    passage: Passage
    opening_hours: OpeningHours | None = None


class BuildingRow(PlacedRow):
    kind: Literal["building"]
    source: Source
    source_id: Ref
    estate: Ref
    estate_source: Source | None = None
    name_en: Name
    name_zh: Name
    floors: Annotated[int, Field(ge=1, le=200)] | None = None


type EstatesFileRow = Annotated[RegionRow | EstateRow | GateRow | BuildingRow, Field(discriminator="kind")]
"""A row of an estates file, distinguished by its column `kind`."""


class ResponderRef(FileRow):
    """The reference to a person of a list."""

    model_config = ConfigDict(frozen=True)

    source: Source
    source_id: Ref


class ResponderRow(PlacedRow):
    """A place of a person; all rows of a person repeat the person's own columns."""

    source: Source
    source_id: Ref
    name: Name
    phone: Phone | None = None
    language: Literal["zh", "en"] = "zh"
    region: Code
    estate: Ref | None = None
    certificate_kind: CertificateKind
    certificate_issuer: Name
    certificate_number: Label | None = None
    certificate_issued_on: RosterDay | None = None
    certificate_valid_until: RosterDay
    certificate_trust: CertificateTrust | None = None
    """How far the certificate is trusted; by default, as far as its issuer is for lists."""
    availability: OpeningHours | None = None
    paused_until: FileMoment | None = None
    place: PlaceKind
    floor: Floor = 0
    place_hours: OpeningHours | None = None

    @model_validator(mode="after")
    def _check_pause(self) -> ResponderRow:
        if self.paused_until is not None and self.paused_until.utcoffset() is None:
            raise ValueError("paused_until must have an offset, such as 2026-12-31T00:00:00+08:00")
        return self

    def disagreeing(self, other: ResponderRow) -> str | None:
        """Return the first of the person's columns in which another row differs, or None."""
        for name in PERSON_COLUMNS:
            if getattr(self, name) != getattr(other, name):
                return name
        return None


PERSON_COLUMNS = (
    "name",
    "phone",
    "language",
    "region",
    "estate",
    "certificate_kind",
    "certificate_issuer",
    "certificate_number",
    "certificate_issued_on",
    "certificate_valid_until",
    "certificate_trust",
    "availability",
    "paused_until",
)
"""Columns that must be equal in every row of a person."""


def columns(*rows: type[FileRow]) -> list[str]:
    """Return the columns that a file of such rows may have."""
    return list(dict.fromkeys(name for row in rows for name in row.model_fields))


def needed_columns(row: type[FileRow]) -> list[str]:
    return [name for name, field in row.model_fields.items() if field.is_required()]
