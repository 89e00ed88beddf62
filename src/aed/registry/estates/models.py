"""Estates, their gates and buildings, and the pace of fetches there."""

from __future__ import annotations

from datetime import datetime

from geoalchemy2 import WKBElement, WKTElement
from sqlalchemy import (
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.accounts.regions.models import Region
from aed.database.encryption.columns import Encrypted
from aed.database.geometry import area_type, point_type
from aed.database.types import BigIntId, Table, Versioned, enum_column
from aed.registry.estates.rules import EstateState, GateState, Passage


class Estate(Versioned, Table):
    """A managed compound (小区) with a boundary, gates and an operator."""

    __tablename__ = "estates"
    __table_args__ = (UniqueConstraint("source", "source_id"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    source: Mapped[str] = mapped_column(String(64))
    source_id: Mapped[str] = mapped_column(String(128))
    name_en: Mapped[str] = mapped_column(String(200))
    name_zh: Mapped[str] = mapped_column(String(200))
    neighbourhood: Mapped[str | None] = mapped_column(String(64), index=True)
    """Estates of the same neighbourhood share devices with each other."""
    time_zone: Mapped[str | None] = mapped_column(String(64))
    """None: the region's."""
    guard_phone: Mapped[str | None] = mapped_column(String(32))
    boundary: Mapped[WKBElement | WKTElement] = mapped_column(area_type())
    state: Mapped[EstateState] = mapped_column(enum_column(EstateState), default=EstateState.ACTIVE)
    emergency_override: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Its devices may be fetched for a patient of any estate, whatever their audience.

    Off unless the estate's manager enables it: the audience is a promise to the owner, and a responder at a
    closed gate costs the patient minutes.
    """

    region: Mapped[Region] = relationship(lazy="raise")


class ResidenceRequest(Table):
    """A person says that they live in the estate; its manager confirms or refuses."""

    __tablename__ = "residence_requests"
    __table_args__ = (
        CheckConstraint("(answered_at IS NULL) = (is_resident IS NULL)", name="answered"),
        Index(
            "uq_residence_requests_open",
            "estate_id",
            "person_id",
            unique=True,
            postgresql_where=text("answered_at IS NULL"),
            sqlite_where=text("answered_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"))
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    is_resident: Mapped[bool | None]
    answered_by: Mapped[str | None] = mapped_column(String(200))


class SavedFilter(Table):
    """A filter of the estate's list of devices that a person saved under a name, for themselves."""

    __tablename__ = "saved_filters"
    __table_args__ = (UniqueConstraint("person_id", "estate_id", "name"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), index=True)
    name: Mapped[str] = mapped_column(String(40))
    query: Mapped[str] = mapped_column(String(500))
    """The query of the page's address, such as `shown=overdue&q=lobby`."""
    saved_at: Mapped[datetime]


class EstatePace(Table):
    """How fast devices are fetched at an estate, estimated from its drills.

    Updated by `aed.incidents.drills.actions` with each drill; used by the lookup.
    """

    __tablename__ = "estate_paces"

    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), primary_key=True, autoincrement=False)
    seconds_per_metre: Mapped[float] = mapped_column(Double, index=True)
    """For the walk there and back. Indexed, like the next column, since the lookup reads the minimum."""
    pick_up_seconds: Mapped[float] = mapped_column(Double, index=True)
    """The time of a fetch besides walking."""
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
    state: Mapped[GateState] = mapped_column(enum_column(GateState), default=GateState.ACTIVE)

    estate: Mapped[Estate] = relationship(lazy="raise")


class GateCode(Table):
    """The code of a gate, for the keepers of the estate and people who are sent there.

    Changes are recorded in the gate's history, without the code."""

    __tablename__ = "gate_codes"

    gate_id: Mapped[int] = mapped_column(ForeignKey("gates.id"), primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(Encrypted("gate_codes.code"))
    set_at: Mapped[datetime]
    set_by: Mapped[str] = mapped_column(String(200))


class Building(Table):
    """A building of an estate.

    Imported repeatedly from a map or a list, so it has no history: buildings that these no longer list are
    deleted.
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
    """Storeys above ground including the ground floor; None: unknown."""
    position: Mapped[WKBElement | WKTElement] = mapped_column(point_type())
    """WGS-84: its entrance, if known."""
