"""Regions: a tree of provinces and cities above estates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, String, column, select, table, text, true
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.orm.attributes import instance_state

from aed.accounts import regions as accounts_regions
from aed.accounts.fields import Code, Id, Name, TimeZone
from aed.accounts.trust import CertificateTrust
from aed.database.types import BigIntId, Table, Versioned, enum_column
from aed.errors import InvalidInput, NotFound

COUNTRIES_WITH_GROUND_AS_ONE: Final = frozenset({"CN", "TW", "JP", "KR", "US", "CA", "RU", "NO"})


def counts_ground_as_one(country: str) -> bool:
    """Return True if the ground floor is storey 1 by default in that country. (Hong Kong counts from G.)"""
    return country in COUNTRIES_WITH_GROUND_AS_ONE


class Region(Versioned, Table):
    """A province or city, in a tree above estates. Roles on a region cover all below it."""

    __tablename__ = "regions"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name_en: Mapped[str] = mapped_column(String(200))
    name_zh: Mapped[str] = mapped_column(String(200))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"), index=True)
    country: Mapped[str] = mapped_column(String(2))
    """ISO 3166-1 alpha-2."""
    time_zone: Mapped[str] = mapped_column(String(64))
    emergency_number: Mapped[str] = mapped_column(String(16))
    counts_ground_as_one: Mapped[bool] = mapped_column(default=True, server_default=true())
    """Whether the ground floor is storey 1 there (China), or the one above is (most of Europe). Floors in
    the database count from 0 everywhere."""
    holiday_calendar: Mapped[str | None] = mapped_column(ForeignKey("holiday_calendars.name"))
    trust_needed: Mapped[CertificateTrust | None] = mapped_column(
        enum_column(CertificateTrust, name="trust_needed")
    )
    """The trust that a certificate needs before its holder is alerted; None: as in the region above, or
    `verified`.
    """
    needs_second_factor: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Administrators and dispatchers here and below must give a second factor when they sign in."""
    trust_in_force: Mapped[CertificateTrust] = mapped_column(
        enum_column(CertificateTrust, name="trust_in_force"),
        default=CertificateTrust.VERIFIED,
        server_default=text("'verified'"),
    )
    """The effective `trust_needed`, stored so that the lookup need not climb the tree. Kept in step by
    `put_region`, which alone changes the tree."""


class RegionIn(BaseModel):
    """A region to add or to amend."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    name_en: Name
    name_zh: Name
    parent: Code | None = None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    time_zone: TimeZone
    emergency_number: Annotated[str, Field(pattern=r"^[0-9]{2,8}$")]
    holiday_calendar: Code | None = None
    counts_ground_as_one: bool | None = Field(
        None,
        description="Whether people call the ground floor storey 1; left out for a new region: as is common "
        "in its country",
    )
    trust_needed: CertificateTrust | None = Field(
        None,
        description="How far a certificate must be believed before its holder is called; left out: as in the "
        "region above, verified where there is none",
    )

    needs_second_factor: bool = Field(
        False, description="Administrators and dispatchers here and below give a second factor to sign in"
    )


class RegionOut(RegionIn):
    id: Id
    counts_ground_as_one: bool
    trust_in_force: CertificateTrust = Field(description="What the region says, else one above")
    version: int


_estates = table("estates", column("id"), column("neighbourhood"), column("region_id"))


def regions_below(session: Session, region_id: int) -> tuple[int, ...]:
    """Return the ids of the region and of every region below it."""
    below = select(Region.id).where(Region.id == region_id).cte("below", recursive=True)
    below = below.union_all(select(Region.id).join(below, Region.parent_id == below.c.id))
    return tuple(session.scalars(select(below.c.id).order_by(below.c.id)))


def estates_sharing(session: Session, *estate_ids: int) -> tuple[int, ...]:
    """Return the estates and those of their neighbourhoods. (Their model is on a higher layer.)

    visibility: predicates are built from it; it returns only ids.
    """
    here = select(_estates.c.neighbourhood).where(_estates.c.id.in_(estate_ids))
    neighbours = select(_estates.c.id).where(_estates.c.neighbourhood.in_(here))
    return tuple(sorted({*estate_ids, *session.scalars(neighbours)}))


def region_of_estate(session: Session, estate_id: int) -> int:
    """Return the region id of an estate. Raises NotFound.

    visibility: for granting roles, by people who know the estate's id; it returns only the region's id.
    """
    found: int | None = session.scalar(select(_estates.c.region_id).where(_estates.c.id == estate_id))
    if found is None:
        raise NotFound(f"There is no estate {estate_id}.", field="estate_id")
    return found


def region_by_code(session: Session, code: str) -> Region:
    """Return the region with this code. Raises NotFound, which lists the known codes."""
    region = session.scalar(select(Region).where(Region.code == code))
    if region is None:
        known = list(session.scalars(select(Region.code).order_by(Region.code).limit(20)))
        names = ", ".join(known) or "none yet: aed regions put"
        raise NotFound(f"There is no region '{code}'. Known: {names}.", field="region")
    return region


def regions(session: Session) -> Sequence[Region]:
    return session.scalars(select(Region).order_by(Region.code)).all()


def codes_of_regions(session: Session, region_ids: Iterable[int]) -> dict[int, str]:
    statement = select(Region.id, Region.code).where(Region.id.in_(set(region_ids)))
    return {row.id: row.code for row in session.execute(statement)}


def put_region(session: Session, region: RegionIn) -> tuple[Region, bool | None]:
    """Create or amend the region with that code; return it, and True if new, False if changed, else None.

    Fields that are not given stay unchanged.
    """
    parent = accounts_regions.region_by_code(session, region.parent) if region.parent else None
    found = session.scalar(select(Region).where(Region.code == region.code))
    is_new = found is None
    if found is None:
        found = Region(code=region.code)
        session.add(found)
    elif parent is not None and parent.id in accounts_regions.regions_below(session, found.id):
        raise InvalidInput("A region cannot lie below itself.", field="parent")
    found.name_en, found.name_zh = region.name_en, region.name_zh
    if "parent" in region.model_fields_set:
        found.parent_id = parent.id if parent else None
    if "holiday_calendar" in region.model_fields_set:
        found.holiday_calendar = region.holiday_calendar
    if region.counts_ground_as_one is not None:
        found.counts_ground_as_one = region.counts_ground_as_one
    elif is_new:
        found.counts_ground_as_one = counts_ground_as_one(region.country)
    found.country, found.time_zone = region.country, region.time_zone
    found.emergency_number = region.emergency_number
    if "trust_needed" in region.model_fields_set:
        found.trust_needed = region.trust_needed
    if "needs_second_factor" in region.model_fields_set:
        found.needs_second_factor = region.needs_second_factor
    has_moved = is_new or bool(is_amended(found, "parent_id", "trust_needed"))
    has_changed = session.is_modified(found)
    try:
        session.flush()
    except IntegrityError:
        raise InvalidInput(
            f"There is no holiday calendar '{region.holiday_calendar}'.", field="holiday_calendar"
        ) from None
    if has_moved:
        keep_trust_in_step(session)
    return found, is_new or (False if has_changed else None)


def is_amended(region: Region, *names: str) -> bool:
    """Return True if one of these columns differs from the database."""
    state = instance_state(region)
    return any(state.attrs[name].history.has_changes() for name in names)


_IN_STEP: Final = text(
    "WITH RECURSIVE tree (id, trust) AS ("
    "SELECT id, coalesce(trust_needed, 'verified') FROM regions WHERE parent_id IS NULL UNION ALL "
    "SELECT regions.id, coalesce(regions.trust_needed, tree.trust) "
    "FROM regions JOIN tree ON regions.parent_id = tree.id) "
    "UPDATE regions SET trust_in_force = (SELECT tree.trust FROM tree WHERE tree.id = regions.id) "
    "WHERE trust_in_force <> (SELECT tree.trust FROM tree WHERE tree.id = regions.id)"
)


def keep_trust_in_step(session: Session) -> None:
    """Set `trust_in_force` of every region to its `trust_needed`, or that of the nearest region above."""
    session.execute(_IN_STEP)
    for region in session.identity_map.values():
        if isinstance(region, Region):
            session.expire(region, ["trust_in_force"])
