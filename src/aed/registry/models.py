"""Estates, gates, buildings, devices, consumables, holiday calendars, and the record of every change."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from geoalchemy2 import WKBElement, WKTElement
from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.accounts.models import Person, Region
from aed.accounts.rules.sharing_ladder import Audience
from aed.database.encryption.columns import Encrypted
from aed.database.geometry import area_type, point_type
from aed.database.types import BigIntId, Table, Versioned, enum_column
from aed.geo import Datum
from aed.hours.holiday_calendar import DayKind
from aed.registry.rules.device import Cabinet, ConsumableKind, ConsumableState, DeviceState, Entry
from aed.registry.rules.estate import EstateState
from aed.registry.rules.gate import GateState, Passage


class HolidayCalendar(Versioned, Table):
    """Which days are holidays and which weekend days are worked, for the years it holds."""

    __tablename__ = "holiday_calendars"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)


class HolidayYear(Table):
    """A year that a calendar holds completely. Without this row the year is unknown, not free of holidays."""

    __tablename__ = "holiday_years"

    calendar_name: Mapped[str] = mapped_column(ForeignKey("holiday_calendars.name"), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class HolidayDay(Table):
    """One special day."""

    __tablename__ = "holiday_days"

    calendar_name: Mapped[str] = mapped_column(ForeignKey("holiday_calendars.name"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[DayKind] = mapped_column(enum_column(DayKind))


class HolidayCalendarNotice(Table):
    """A threshold before a calendar's end that administrators were told of: each is told once."""

    __tablename__ = "holiday_calendar_notices"

    calendar_name: Mapped[str] = mapped_column(ForeignKey("holiday_calendars.name"), primary_key=True)
    ends_on: Mapped[date] = mapped_column(primary_key=True)
    threshold_days: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    told_at: Mapped[datetime]


class Estate(Versioned, Table):
    """A managed compound with a boundary, gates and an operator."""

    __tablename__ = "estates"
    __table_args__ = (UniqueConstraint("source", "source_id"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    source: Mapped[str] = mapped_column(String(64))
    source_id: Mapped[str] = mapped_column(String(128))
    name_en: Mapped[str] = mapped_column(String(200))
    name_zh: Mapped[str] = mapped_column(String(200))
    neighbourhood: Mapped[str | None] = mapped_column(String(64), index=True)
    """Estates with the same word share with each other."""
    time_zone: Mapped[str | None] = mapped_column(String(64))
    """None: the region's."""
    guard_phone: Mapped[str | None] = mapped_column(String(32))
    boundary: Mapped[WKBElement | WKTElement] = mapped_column(area_type())
    state: Mapped[EstateState] = mapped_column(enum_column(EstateState), default=EstateState.STANDING)
    emergency_override: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether its devices may be fetched for a patient of any estate, whatever is agreed on each device.

    Off unless the estate's manager says so: a step of the ladder is a promise to the owner, and a stranger
    before a gate that is not opened costs the patient minutes.
    """

    region: Mapped[Region] = relationship(lazy="raise")


class EstatePace(Table):
    """How fast a device is fetched at an estate, where enough drills have said so.

    Written by `aed.incidents.drills.actions` with each drill; the lookup reckons with it.
    """

    __tablename__ = "estate_paces"

    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), primary_key=True, autoincrement=False)
    seconds_per_metre: Mapped[float] = mapped_column(Double, index=True)
    """Of the way there and back. Indexed, as the next: the lookup asks for the least of all."""
    pick_up_seconds: Mapped[float] = mapped_column(Double, index=True)
    """What a fetch takes besides walking."""
    drills: Mapped[int]


class Gate(Versioned, Table):
    """A way through an estate's boundary."""

    __tablename__ = "gates"
    __table_args__ = (UniqueConstraint("source", "source_id"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), index=True)
    source: Mapped[str] = mapped_column(String(64))
    source_id: Mapped[str] = mapped_column(String(128))
    name_en: Mapped[str] = mapped_column(String(200))
    name_zh: Mapped[str] = mapped_column(String(200))
    position: Mapped[WKBElement | WKTElement] = mapped_column(point_type())
    passage: Mapped[Passage] = mapped_column(enum_column(Passage))
    opening_hours: Mapped[str | None] = mapped_column(Text)
    state: Mapped[GateState] = mapped_column(enum_column(GateState), default=GateState.STANDING)

    estate: Mapped[Estate] = relationship(lazy="raise")


class Building(Table):
    """A house of an estate, where people live or work.

    Taken from a map or a list again and again, so it has no history: what they no longer hold is gone.
    """

    __tablename__ = "buildings"
    __table_args__ = (
        UniqueConstraint("source", "source_id"),
        CheckConstraint("floors BETWEEN 1 AND 200", name="floors"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), index=True)
    source: Mapped[str] = mapped_column(String(64))
    source_id: Mapped[str] = mapped_column(String(128))
    name_en: Mapped[str] = mapped_column(String(200))
    name_zh: Mapped[str] = mapped_column(String(200))
    floors: Mapped[int | None]
    """Above the ground, the ground floor counted; None: not known."""
    position: Mapped[WKBElement | WKTElement] = mapped_column(point_type())
    """WGS-84: its entrance, where that is known."""


class Device(Versioned, Table):
    """One defibrillator in one place."""

    __tablename__ = "devices"
    __table_args__ = (
        UniqueConstraint("source", "source_id"),
        CheckConstraint(
            "(state = 'out_of_service') = (out_of_service_reason IS NOT NULL)",
            name="reason_when_out_of_service",
        ),
        CheckConstraint("floor BETWEEN -20 AND 200", name="floor_of_a_building"),
        Index("ix_devices_region_id", "region_id"),
        Index("ix_devices_estate_id", "estate_id"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"))
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"))
    source: Mapped[str] = mapped_column(String(64))
    source_id: Mapped[str] = mapped_column(String(128))
    position: Mapped[WKBElement | WKTElement] = mapped_column(point_type())
    """WGS-84."""
    origin_datum: Mapped[Datum] = mapped_column(enum_column(Datum))
    origin_lat: Mapped[float]
    origin_lon: Mapped[float]
    """What was given, in the datum it was given in."""
    place_en: Mapped[str | None] = mapped_column(Text)
    place_zh: Mapped[str | None] = mapped_column(Text)
    floor: Mapped[int] = mapped_column(default=0)
    """0 is the ground floor, -1 the one below."""
    opening_hours: Mapped[str | None] = mapped_column(Text)
    """Normalised OSM expression; None: not known."""
    hours_as_written: Mapped[str | None] = mapped_column(Text)
    """What the source says, kept when it is not (yet) understood."""
    entry: Mapped[Entry] = mapped_column(enum_column(Entry), default=Entry.FREE)
    how_to_get_in_en: Mapped[str | None] = mapped_column(Text)
    how_to_get_in_zh: Mapped[str | None] = mapped_column(Text)
    cabinet: Mapped[Cabinet] = mapped_column(enum_column(Cabinet), default=Cabinet.UNKNOWN)
    maker: Mapped[str | None] = mapped_column(String(100))
    model: Mapped[str | None] = mapped_column(String(100))
    serial: Mapped[str | None] = mapped_column(String(100))
    keeper_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    audience: Mapped[Audience] = mapped_column(enum_column(Audience), default=Audience.ESTATE)
    state: Mapped[DeviceState] = mapped_column(enum_column(DeviceState), default=DeviceState.IN_SERVICE)
    out_of_service_reason: Mapped[str | None] = mapped_column(Text)
    is_quarantined: Mapped[bool] = mapped_column(default=False, server_default=false())
    """By upkeep, which keeps it in step with its quarantines: only a check brings the device back."""
    last_checked_on: Mapped[date | None]
    access_doubted_at: Mapped[datetime | None]
    """When somebody by name found that one does not get in as described: until that is confirmed or amended,
    access is unknown."""
    origins: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    """Which source each attribute comes from, and when: see `rules.origin`. Empty: all from `source`."""

    keeper: Mapped[Person | None] = relationship(lazy="raise")
    estate: Mapped[Estate | None] = relationship(lazy="raise")
    region: Mapped[Region] = relationship(lazy="raise")
    consumables: Mapped[list[Consumable]] = relationship(
        lazy="raise",
        order_by="Consumable.expires_on",
        viewonly=True,
        primaryjoin="and_(Consumable.device_id == Device.id, Consumable.state == 'fitted')",
    )


class CabinetCode(Table):
    """What opens the cabinet of a device: for its keepers, and for who fetches it. Its history is that of the
    device, without the code."""

    __tablename__ = "cabinet_codes"

    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(Encrypted("cabinet_codes.code"))
    set_at: Mapped[datetime]
    set_by: Mapped[str] = mapped_column(String(200))


class Consumable(Versioned, Table):
    """Pads or a battery: what expires."""

    __tablename__ = "consumables"
    __table_args__ = (
        Index("ix_consumables_fitted", "device_id", "state", "expires_on", "kind"),
        Index(  # what the nightly sweep for reminders reads
            "ix_consumables_expiring",
            "expires_on",
            "device_id",
            "kind",
            postgresql_where=text("state = 'fitted'"),
            sqlite_where=text("state = 'fitted'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    kind: Mapped[ConsumableKind] = mapped_column(enum_column(ConsumableKind))
    lot: Mapped[str | None] = mapped_column(String(100))
    expires_on: Mapped[date]
    state: Mapped[ConsumableState] = mapped_column(
        enum_column(ConsumableState), default=ConsumableState.FITTED
    )


class Change(Table):
    """One change of one row: who, when, what it was and what it became. Never amended, never deleted."""

    __tablename__ = "changes"
    __table_args__ = (Index("ix_changes_subject", "subject", "subject_id"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    subject: Mapped[str] = mapped_column(String(32))
    """The table's name."""
    subject_id: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(200))
    fields: Mapped[dict[str, Any]]
    """{field: [before, after]}; before is null in the first change of a row."""
