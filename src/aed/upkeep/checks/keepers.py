"""Keepers whom the register names: what they may check, and whose number opens an account.

The number in a list is a claim. Only a code that was sent to it proves whose it is.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Account, Person
from aed.accounts.people.queries import account_of, people_by_phone
from aed.accounts.people.rules import e164
from aed.accounts.permissions import Viewer
from aed.accounts.role_grants import RoleGrant
from aed.errors import InvalidInput
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.upkeep.labels.queries import labelled_device
from aed.upkeep.permissions import require_check_allowed
from aed.upkeep.rules import CheckKind


def keeper_to_register(session: Session, phone: str, *, country: str) -> Person | None:
    """Return the keeper of a device for whom the holder of this E.164 number may open an account, or None.

    People with an account or a role are left out: a code must not give more than the right to check. Lists
    may write one person in several ways; the first entry becomes the account.

    visibility: sign-in sends a code to the number, and opens the account once the code is proved.
    """
    same_number = [each.id for each in people_by_phone(session, phone, country=country)]
    if not same_number:
        return None
    keeps_one = (
        select(Device.id).where(Device.keeper_id == Person.id, Device.state != DeviceState.WITHDRAWN).exists()
    )
    has_account = select(Account.person_id).where(Account.person_id == Person.id).exists()
    has_role = (
        select(RoleGrant.id).where(RoleGrant.person_id == Person.id, RoleGrant.revoked_at.is_(None)).exists()
    )
    return session.scalar(
        select(Person)
        .where(Person.id.in_(same_number), keeps_one, ~has_account, ~has_role)
        .order_by(Person.id)
        .limit(1)
    )


def is_keeper(session: Session, viewer: Viewer, device: Device) -> bool:
    """Return whether the register names the viewer as the device's keeper, by entry or by proved number.

    The device was read with its keeper and region.
    """
    if viewer.person_id is None or device.keeper_id is None:
        return False
    if device.keeper_id == viewer.person_id:
        return True
    account = account_of(session, viewer.person_id)
    if account is None:
        return False
    same_number = people_by_phone(session, account.phone, country=device.region.country)
    return device.keeper_id in {each.id for each in same_number}


def keeper_number(session: Session, device_id: int) -> str | None:
    """Return the E.164 number of the keeper whom the register names, or None.

    visibility: a secret; only for a browser that has proved this number before.
    """
    found = labelled_device(session, device_id)
    if found is None or found.keeper is None or not found.keeper.phone:
        return None
    try:
        return e164(found.keeper.phone, country=found.region.country)
    except InvalidInput:
        return None


def device_to_check(
    session: Session, viewer: Viewer, device_id: int, kind: CheckKind, *, for_update: bool = False
) -> Device:
    """Return a device that the viewer may check: as its keeper, or by a role at its estate or region.

    A keeper may check their devices even if nobody outside the estate may see them. Raises NotFound if the
    viewer may neither keep nor see it, else NotSignedIn or NotAllowed.

    visibility: for the keeper and those who may see the device.
    """
    if viewer.person_id is not None:
        found = labelled_device(session, device_id, for_update=for_update)
        if found is not None and is_keeper(session, viewer, found):
            return found
    device = device_queries.device(session, viewer, device_id, for_update=for_update)
    require_check_allowed(viewer, kind, device.estate_id, device.region_id)
    return device
