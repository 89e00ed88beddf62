"""Devices and people of an estate, to choose from in the form of an agreement."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, or_, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, Viewer
from aed.accounts.role_grants import RoleGrant
from aed.accounts.roles.queries import role_grants_visible_to
from aed.accounts.visibility import visible_to
from aed.registry.devices.models import Device

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
