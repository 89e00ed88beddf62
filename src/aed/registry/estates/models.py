"""Estates, their gates and buildings, and the pace of fetches there."""

from __future__ import annotations

from geoalchemy2 import WKBElement, WKTElement
from sqlalchemy import CheckConstraint, Double, ForeignKey, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.accounts.regions import Region
from aed.database.geometry import area_type, point_type
from aed.database.types import BigIntId, Table, Versioned, enum_column
from aed.registry.estates.rules import EstateState, GateState, Passage


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
    state: Mapped[EstateState] = mapped_column(enum_column(EstateState), default=EstateState.ACTIVE)
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
    state: Mapped[GateState] = mapped_column(enum_column(GateState), default=GateState.ACTIVE)

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
