"""Undo of what the desk's form of a device holds."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session
from tests import make
from tests.make import NOW

from aed.accounts.permissions import Role
from aed.errors import NotFound
from aed.registry.changes import changes_of
from aed.registry.devices.actions import amend_device
from aed.registry.devices.schemas import DeviceAmend
from aed.registry.devices.undo import undo_change, undoable_changes

NEW: dict[str, Any] = {
    "maker": "Pebblebeat",
    "serial": "PB-2",
    "registration_number": "国械注准20203080002",
    "udi_di": "06901234567892",
    "manufactured_on": "2024-05-01",
    "end_of_life_on": "2034-05-01",
}


def test_numbers_and_dates_of_a_device_are_undone_by_who_changed_them(session: Session) -> None:
    estate = make.estate(session)
    device = make.device(session, of=estate, maker="Heartline", end_of_life_on="2031-01-31")
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    other = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    change = DeviceAmend.model_validate(NEW)
    amend_device(session, manager, device.id, change, version=device.version, at=NOW)
    (last, *_) = changes_of(session, subject="devices", subject_id=str(device.id))

    later = NOW + timedelta(minutes=5)
    assert undoable_changes(session, other, estate_id=estate.id, at=later) == []
    with pytest.raises(NotFound):
        undo_change(session, other, device.id, last.id, at=later)
    assert undoable_changes(session, manager, estate_id=estate.id, at=later) == [(last, device)]
    undo_change(session, manager, device.id, last.id, at=later)

    assert (device.maker, device.end_of_life_on) == ("Heartline", date(2031, 1, 31))
    assert [device.serial, device.registration_number, device.udi_di, device.manufactured_on] == [None] * 4
