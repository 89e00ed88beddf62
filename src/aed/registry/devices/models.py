"""Devices, their consumables and cabinet codes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from geoalchemy2 import WKBElement, WKTElement
from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.accounts.people.models import Person
from aed.accounts.permissions import Audience
from aed.accounts.regions.models import Region
from aed.database.encryption.columns import Encrypted
from aed.database.geometry import point_type
from aed.database.types import BigIntId, Table, Versioned, enum_column
from aed.geo import Datum
from aed.registry.devices.rules import Cabinet, ConsumableKind, ConsumableState, DeviceState, EntryMode
from aed.registry.estates.models import Estate
from aed.sharing.rules import PublishedPosition


class Device(Versioned, Table):
    """A defibrillator at one place."""

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
        Index("ix_devices_serial", "serial"),
        Index("ix_devices_udi_di", "udi_di"),
        Index("ix_devices_registration_number", "registration_number"),
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
    """The coordinates as entered, in `origin_datum`."""
    place_en: Mapped[str | None] = mapped_column(Text)
    place_zh: Mapped[str | None] = mapped_column(Text)
    floor: Mapped[int] = mapped_column(default=0)
    """0 is the ground floor, -1 the one below."""
    opening_hours: Mapped[str | None] = mapped_column(Text)
    """Normalised OSM opening_hours expression; None: unknown."""
    opening_hours_raw: Mapped[str | None] = mapped_column(Text)
    """The text of the source, kept if it cannot be parsed."""
    entry: Mapped[EntryMode] = mapped_column(enum_column(EntryMode), default=EntryMode.FREE)
    access_instructions_en: Mapped[str | None] = mapped_column(Text)
    access_instructions_zh: Mapped[str | None] = mapped_column(Text)
    cabinet: Mapped[Cabinet] = mapped_column(enum_column(Cabinet), default=Cabinet.UNKNOWN)
    maker: Mapped[str | None] = mapped_column(String(100))
    model: Mapped[str | None] = mapped_column(String(100))
    serial: Mapped[str | None] = mapped_column(String(100))
    registration_number: Mapped[str | None] = mapped_column(String(100))
    """Of the product, by the authority: 医疗器械注册证号. See `registry.product_numbers`, like `udi_di`."""
    udi_di: Mapped[str | None] = mapped_column(String(100))
    """The device identifier of its UDI; a GTIN as 14 digits."""
    manufactured_on: Mapped[date | None]
    end_of_life_on: Mapped[date | None]
    """The last day on which its maker supports it; None: after the years of its policy, if any."""
    keeper_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    audience: Mapped[Audience] = mapped_column(enum_column(Audience), default=Audience.ESTATE)
    """Derived from the agreements in force, like the next five columns (`aed.sharing.rules.audience_at`).

    `aed.sharing.shares.actions.refresh_devices` keeps them in step: after each action on an agreement, and
    by the job `agreements` at `audience_changes_at`.
    """
    sharing_hours: Mapped[str | None] = mapped_column(Text)
    """The opening hours of `audience`; None: always. Outside them it is `audience_outside_hours`."""
    audience_outside_hours: Mapped[str | None] = mapped_column(String(32))
    emergency_override: Mapped[bool] = mapped_column(default=False, server_default=false())
    """A dispatch centre may have it fetched for anyone, whatever the audience."""
    published_position: Mapped[str] = mapped_column(
        String(32), default=PublishedPosition.EXACT, server_default=PublishedPosition.EXACT
    )
    agreement_id: Mapped[int | None] = mapped_column(BigIntId)
    """The agreement of parties in force; None: its audience is set like its other fields.

    Not a foreign key, which SQLite cannot add to a table with a geometry.
    """
    audience_changes_at: Mapped[datetime | None] = mapped_column(index=True)
    state: Mapped[DeviceState] = mapped_column(enum_column(DeviceState), default=DeviceState.IN_SERVICE)
    out_of_service_reason: Mapped[str | None] = mapped_column(Text)
    is_quarantined: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Kept in step with `quarantines` by upkeep; only a check ends a quarantine."""
    last_checked_on: Mapped[date | None]
    access_doubted_at: Mapped[datetime | None]
    """When a named person reported that access is not as described. Access counts as unknown until it is
    confirmed or amended."""
    silent_since: Mapped[datetime | None]
    """The last signal of its monitor, once that is too long ago. Its last check does not count meanwhile, so
    whether it is ready is unknown. Kept in step by `aed.upkeep.signals`."""
    loaner_id: Mapped[int | None] = mapped_column(BigIntId)
    """The device that stands in at its place while it is away. Not a foreign key, like `agreement_id`.

    Kept in step with `Loan`, like the next column.
    """
    stands_in_for_id: Mapped[int | None] = mapped_column(BigIntId)
    """The device that is away, whose place this one has taken."""
    origins: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    """The source of each attribute, see `origins`. Empty: all come from `source`."""

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
    """The code of a device's cabinet, for its keepers and the responder who fetches it.

    Changes are recorded in the device's history, without the code."""

    __tablename__ = "cabinet_codes"

    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(Encrypted("cabinet_codes.code"))
    set_at: Mapped[datetime]
    set_by: Mapped[str] = mapped_column(String(200))


class Loan(Versioned, Table):
    """A device that is away, and the loaner that stands in at its place until it is back."""

    __tablename__ = "loans"
    __table_args__ = (
        CheckConstraint("device_id <> loaner_id", name="two_devices"),
        CheckConstraint("(returned_at IS NULL) = (returned_by IS NULL)", name="return_is_complete"),
        Index(
            "uq_loans_device",
            "device_id",
            unique=True,
            postgresql_where=text("returned_at IS NULL"),
            sqlite_where=text("returned_at IS NULL"),
        ),
        Index(
            "uq_loans_loaner",
            "loaner_id",
            unique=True,
            postgresql_where=text("returned_at IS NULL"),
            sqlite_where=text("returned_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    """The device that is away."""
    loaner_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    """The device that stands in for it."""
    reason: Mapped[str] = mapped_column(Text)
    """Why the device is away."""
    lent_at: Mapped[datetime]
    lent_by: Mapped[str] = mapped_column(String(200))
    due_back_on: Mapped[date]
    """The last day of the loan that was agreed."""
    loaner_before: Mapped[dict[str, Any]]
    """Where the loaner was before, and why it was out of service; see `loans.PLACE_FIELDS`."""
    loaner_keeper_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    """The keeper of the loaner before."""
    returned_at: Mapped[datetime | None]
    returned_by: Mapped[str | None] = mapped_column(String(200))


class Consumable(Versioned, Table):
    """Pads or a battery, with an expiry date."""

    __tablename__ = "consumables"
    __table_args__ = (
        Index("ix_consumables_fitted", "device_id", "state", "expires_on", "kind"),
        Index(  # for the nightly job of reminders
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
