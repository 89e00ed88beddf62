"""Undo the last change of a device, by the person who made it, for a short time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.visibility import visible_to
from aed.errors import Conflict, NotFound
from aed.registry.changes import RegistryChange, changes_of
from aed.registry.devices import queries as device_queries
from aed.registry.devices.actions import amend_device
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.registry.devices.schemas import DeviceAmend

UNDO_FOR: Final = timedelta(minutes=15)
UNDOABLE: Final = frozenset(
    {
        "place_en",
        "place_zh",
        "opening_hours",
        "entry",
        "access_instructions_en",
        "access_instructions_zh",
        "keeper_id",
        "state",
        "out_of_service_reason",
        "maker",
        "model",
        "serial",
        "registration_number",
        "udi_di",
        "manufactured_on",
        "end_of_life_on",
    }
)
"""Fields of a device whose earlier value an amendment sets again."""
_NEWEST: Final = 1_000
"""How many of the newest changes of the register are looked through."""


def undoable_changes(
    session: Session, viewer: Viewer, *, estate_id: int, at: datetime
) -> list[tuple[RegistryChange, Device]]:
    """Return the viewer's own changes of the estate's devices that they can undo, newest first."""
    newest = select(RegistryChange.id).order_by(RegistryChange.id.desc()).limit(_NEWEST).subquery()
    rows = session.scalars(
        select(RegistryChange)
        .join(newest, newest.c.id == RegistryChange.id)
        .where(RegistryChange.subject == "devices", RegistryChange.at > at - UNDO_FOR)
        .order_by(RegistryChange.id.desc())
    )
    last: dict[int, RegistryChange] = {}
    for each in rows:
        last.setdefault(int(each.subject_id), each)
    own = {id_: each for id_, each in last.items() if each.who == viewer.name and is_undoable(each.fields)}
    devices = session.scalars(
        select(Device).where(Device.id.in_(own), Device.estate_id == estate_id, visible_to(viewer, Device))
    )
    by_id = {each.id: each for each in devices}
    return [(change, by_id[id_]) for id_, change in own.items() if id_ in by_id]


def is_undoable(fields: Mapping[str, Any]) -> bool:
    """Return whether a change is one of values that can be set again; a withdrawal is not."""
    is_withdrawal = fields.get("state", [None, None])[1] == DeviceState.WITHDRAWN
    return bool(fields) and set(fields) <= UNDOABLE and not is_withdrawal


def undo_change(session: Session, who: Viewer, device_id: int, change_id: int, *, at: datetime) -> Device:
    """Set the values before a change again, as an amendment of its own. A second time changes nothing.

    Raises NotFound for a change of another person, of another device or before UNDO_FOR, and Conflict if the
    device was changed since; and what `amend_device` raises.

    visibility: the viewer's own change of a device that they may see.
    """
    device = device_queries.device(session, who, device_id, for_update=True)
    changes = changes_of(session, subject="devices", subject_id=str(device.id), limit=50)
    wanted = next((each for each in changes if each.id == change_id), None)
    if (
        wanted is None
        or wanted.who != who.name
        or wanted.at <= at - UNDO_FOR
        or not is_undoable(wanted.fields)
    ):
        raise NotFound("This change cannot be undone: only you can do so, for 15 minutes.", field="change_id")
    last = changes[0]
    if last.id != wanted.id:
        if last.who == who.name and _reversed(last.fields) == wanted.fields:
            return device
        raise Conflict("This AED was changed since. Nothing was undone.", field="change_id")
    change = DeviceAmend.model_validate(_values_before(session, wanted.fields))
    return amend_device(session, who, device.id, change, version=device.version, at=at)


def _reversed(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: [now, before] for name, (before, now) in fields.items()}


def _values_before(session: Session, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values before a change as the amendment takes them.

    visibility: the keeper was one of a device that the viewer manages.
    """
    values = {name: before for name, (before, _) in fields.items()}
    if "keeper_id" in values:
        keeper_id = values.pop("keeper_id")
        keeper = session.get_one(Person, keeper_id) if keeper_id is not None else None
        values["keeper"] = {"name": keeper.name, "phone": keeper.phone} if keeper is not None else None
    if "state" in values:
        values.setdefault("out_of_service_reason", None)
    return values
