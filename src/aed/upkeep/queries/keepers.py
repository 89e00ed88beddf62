"""Who is to be told of a device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import batched

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.roles.models import RoleGrant
from aed.registry.devices.models import Device

_AT_ONCE = 1_000


def told_of_devices(session: Session, devices: Sequence[Device]) -> list[tuple[Person, list[Device]]]:
    """Each person once, with the devices that are theirs: the keeper's, else those of the estate's managers.

    Nobody is told of a device that has neither.
    visibility: for messages to these very people.
    """
    theirs: dict[int, list[Device]] = defaultdict(list)
    by_estate: dict[int, list[Device]] = defaultdict(list)
    for device in devices:
        if device.keeper_id is not None:
            theirs[device.keeper_id].append(device)
        elif device.estate_id is not None:
            by_estate[device.estate_id].append(device)
    for estates in batched(by_estate, _AT_ONCE):
        managers = session.execute(
            select(RoleGrant.estate_id, RoleGrant.person_id)
            .where(
                RoleGrant.estate_id.in_(estates),
                RoleGrant.role == Role.ESTATE_MANAGER,
                RoleGrant.revoked_at.is_(None),
            )
            .order_by(RoleGrant.id)
        )
        for estate_id, person_id in managers:
            if estate_id is not None:
                theirs[person_id] += by_estate[estate_id]
    found: list[tuple[Person, list[Device]]] = []
    for people in batched(theirs, _AT_ONCE):
        rows = session.scalars(select(Person).where(Person.id.in_(people)).order_by(Person.id))
        found += [(person, theirs[person.id]) for person in rows]
    return found
