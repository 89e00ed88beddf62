"""Rows of files, as the program's own formats have them. Empty cells count as not given."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.schemas import Code, Name, Phone, RegionIn, TimeZone, Words
from aed.geo import Datum
from aed.registry.rules.device import Cabinet, DeviceState, Entry
from aed.registry.rules.gate import Passage
from aed.registry.schemas.fields import Day, Floor, Label, OpeningHours, Ref, Source
from aed.responders.rules import CertificateKind, PlaceKind
from aed.sharing.rules import Audience

Degrees = Annotated[float, Field(allow_inf_nan=False)]


class FileRow(BaseModel):
    """A row of a file: unknown columns are refused, empty cells dropped."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {
            name: value
            for name, value in given.items()
            if value is not None and not (isinstance(value, str) and not value.strip())
        }


class DeviceRow(FileRow):
    """One device of a devices file."""

    source: Source
    source_id: Ref
    lat: Degrees
    lon: Degrees
    datum: Datum = Datum.WGS84
    estate: Ref | None = None
    region: Code | None = None
    place_en: Words | None = None
    place_zh: Words | None = None
    floor: Floor = 0
    opening_hours: OpeningHours | None = None
    hours_as_written: Words | None = None
    entry: Entry = Entry.FREE
    how_to_get_in_en: Words | None = None
    how_to_get_in_zh: Words | None = None
    cabinet: Cabinet = Cabinet.UNKNOWN
    maker: Label | None = None
    model: Label | None = None
    serial: Label | None = None
    keeper_name: Name | None = None
    keeper_phone: Phone | None = None
    audience: Audience = Audience.ESTATE
    state: DeviceState = DeviceState.IN_SERVICE
    out_of_service_reason: Words | None = None
    pads_expire_on: Day | None = None
    battery_expires_on: Day | None = None
    last_checked_on: Day | None = None


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


class GateRow(FileRow):
    kind: Literal["gate"]
    source: Source
    source_id: Ref
    estate: Ref
    name_en: Name
    name_zh: Name
    lat: Degrees
    lon: Degrees
    datum: Datum = Datum.WGS84
    passage: Passage
    opening_hours: OpeningHours | None = None


type EstatesFileRow = Annotated[RegionRow | EstateRow | GateRow, Field(discriminator="kind")]
"""A row of an estates file: its column `kind` says which."""


class ResponderRow(FileRow):
    """One place of one person; rows of a person repeat what is the person's."""

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
    certificate_issued_on: Day | None = None
    certificate_valid_until: Day
    availability: OpeningHours | None = None
    paused_until: datetime | None = None
    place: PlaceKind
    lat: Degrees
    lon: Degrees
    datum: Datum = Datum.WGS84
    floor: Floor = 0
    place_hours: OpeningHours | None = None

    @model_validator(mode="after")
    def _whole(self) -> ResponderRow:
        if self.paused_until is not None and self.paused_until.utcoffset() is None:
            raise ValueError("paused_until needs an offset, such as 2026-12-31T00:00:00+08:00")
        return self

    def person(self) -> tuple[str | date | datetime | None, ...]:
        """What must be the same in every row of a person."""
        return (
            self.name,
            self.phone,
            self.language,
            self.region,
            self.estate,
            self.certificate_kind,
            self.certificate_issuer,
            self.certificate_number,
            self.certificate_issued_on,
            self.certificate_valid_until,
            self.availability,
            self.paused_until,
        )
