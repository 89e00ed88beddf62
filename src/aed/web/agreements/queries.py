"""What pages of agreements read of an estate: devices and people to choose from, and what maps show."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, or_, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Audience, Role, Viewer
from aed.accounts.role_grants import RoleGrant
from aed.accounts.roles.queries import role_grants_visible_to
from aed.accounts.visibility import visible_to
from aed.database.geometry import latitude, longitude, shape_of
from aed.planning.coverage.models import CoveragePreview
from aed.planning.coverage.schemas import PreviewResult
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.sharing.models import Agreement

_MANY: tuple[Role, ...] = (Role.RESIDENT, Role.RESPONDER)
"""Roles of so many people that a list of them is of no use."""


def devices_of(session: Session, viewer: Viewer, estate_id: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the devices of an estate that are not withdrawn: id, place and opening hours."""
    return session.execute(
        select(Device.id, Device.place_en, Device.place_zh, Device.opening_hours)
        .where(Device.estate_id == estate_id, Device.state != "withdrawn", visible_to(viewer, Device))
        .order_by(Device.id)
    ).all()


def people_to_choose(
    session: Session, viewer: Viewer, estate_id: int, *, also: Collection[int]
) -> dict[int, Person]:
    """Return people who may decide for a party, by id, in order of name.

    They are those with a role on the estate, except residents and volunteers, and `also`.

    visibility: roles that the viewer may see; `also` are representatives in agreements that they may see.
    """
    held = select(RoleGrant.person_id).where(
        RoleGrant.estate_id == estate_id,
        RoleGrant.revoked_at.is_(None),
        RoleGrant.role.not_in(_MANY),
        role_grants_visible_to(viewer),
    )
    found = session.scalars(
        select(Person)
        .where(
            or_(Person.id.in_(held), Person.id.in_(list(also))),
            Person.erased_at.is_(None),
            Person.joined_into_id.is_(None),
        )
        .order_by(Person.name, Person.id)
    )
    return {each.id: each for each in found}


@dataclass(frozen=True, slots=True)
class PlacedDevice:
    """A device of an agreement on a map, and who may use it today."""

    lat: float
    lon: float
    audience: Audience


def placed_devices(session: Session, found: Agreement) -> dict[int, PlacedDevice]:
    """Return the devices of an agreement, by id.

    visibility: for those who may read the agreement.
    """
    statement = select(
        Device.id,
        latitude(Device.position).label("lat"),
        longitude(Device.position).label("lon"),
        Device.audience,
    ).where(Device.id.in_([each.device_id for each in found.shares]))
    return {
        row.id: PlacedDevice(row.lat, row.lon, Audience(row.audience)) for row in session.execute(statement)
    }


def outline_of(session: Session, estate_id: int) -> list[list[tuple[float, float]]]:
    """Return the rings of an estate's boundary as longitude and latitude.

    visibility: for those who may read an agreement of the estate.
    """
    shape = shape_of(session.execute(select(Estate.boundary).where(Estate.id == estate_id)).scalar_one())
    return [[(x, y) for x, y, *_ in each.exterior.coords] for each in getattr(shape, "geoms", [shape])]


def preview_of(session: Session, found: Agreement) -> PreviewResult | None:
    """Return the preview on which the parties decide, if there is one.

    visibility: for those who may read the agreement.
    """
    if found.preview_id is None:
        return None
    result = session.scalar(
        select(CoveragePreview.result).where(
            CoveragePreview.id == found.preview_id,
            CoveragePreview.estate_id == found.estate_id,
            CoveragePreview.inputs_hash == found.preview_hash,
        )
    )
    return PreviewResult.model_validate(result) if result is not None else None
