"""Imports of the demo district, and of published lists where available."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Audience
from aed.imports.devices.actions import import_devices
from aed.imports.responders import import_responders
from aed.registry.changes import RegistryChange
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate, Gate
from aed.responders.models import Responder, ResponderPlace
from tests import make
from tests.imports import lists
from tests.imports.lists import DISTRICT, SHARED, counts
from tests.make import ADMINISTRATOR, NOW


def published(path: str) -> Path:
    found = SHARED / path
    if not found.is_file():
        pytest.skip(f"the published list {found} is not here")
    return found


def count(session: Session, kind: type) -> int:
    return session.scalar(select(func.count()).select_from(kind)) or 0


def test_the_demo_district_is_imported_twice(session: Session) -> None:
    estates, devices, people = (
        DISTRICT / name for name in ("estates.geojson", "devices.csv", "responders.csv")
    )
    assert counts(lists.estates(session, estates)) == (50, 0, 0, 0)
    assert counts(import_devices(session, ADMINISTRATOR, devices, at=NOW)) == (42, 0, 0, 0)
    assert counts(import_responders(session, ADMINISTRATOR, people, at=NOW)) == (60, 0, 0, 0)
    session.commit()
    held = {kind: count(session, kind) for kind in (Estate, Gate, Device, Responder, ResponderPlace)}
    assert list(held.values()) == [12, 35, 42, 60, 76]
    changes = count(session, RegistryChange)

    assert counts(lists.estates(session, estates)) == (0, 0, 50, 0)
    assert counts(import_devices(session, ADMINISTRATOR, devices, at=NOW)) == (0, 0, 42, 0)
    assert counts(import_responders(session, ADMINISTRATOR, people, at=NOW)) == (0, 0, 60, 0)
    session.commit()
    assert {kind: count(session, kind) for kind in held} == held
    assert count(session, RegistryChange) == changes


@pytest.mark.parametrize(
    ("path", "code", "devices", "not_understood_at_most"),
    [
        ("liechtenstein/liechtenstein_aeds.geojson", "LI", 148, 10),
        ("poland/aed_poland.geojson", "PL", 575, 15),
    ],
)
def test_a_country_from_openstreetmap_is_imported_twice(
    session: Session, path: str, code: str, devices: int, not_understood_at_most: int
) -> None:
    found = published(path)
    zone = {"LI": "Europe/Vaduz", "PL": "Europe/Warsaw"}[code]
    make.region(session, code, country=code, time_zone=zone, emergency_number="112", holiday_calendar=None)

    first = import_devices(session, ADMINISTRATOR, found, at=NOW, region=code)
    session.commit()
    again = import_devices(session, ADMINISTRATOR, found, at=NOW, region=code)
    session.commit()

    assert counts(first) == (devices, 0, 0, 0)
    assert counts(again) == (0, 0, devices, 0)
    assert first.hours_not_understood <= not_understood_at_most
    changes = select(func.count(RegistryChange.id)).where(RegistryChange.subject == "devices")
    assert session.scalar(changes) == devices
    audiences = set(session.scalars(select(Device.audience).distinct()))
    assert audiences == {Audience.PUBLIC, Audience.DISPATCH}


@pytest.mark.parametrize("order", [("csv", "geojson"), ("geojson", "csv")], ids="-".join)
def test_the_two_files_of_poland_are_one_register(session: Session, order: tuple[str, str]) -> None:
    make.region(session, "PL", country="PL", time_zone="Europe/Warsaw", holiday_calendar=None)
    first, second = (published(f"poland/aed_poland.{ending}") for ending in order)

    taken = import_devices(session, ADMINISTRATOR, first, at=NOW, region="PL")
    session.commit()
    again = import_devices(session, ADMINISTRATOR, second, at=NOW, region="PL")
    session.commit()

    assert counts(taken) == (575, 0, 0, 0)
    assert counts(again) == (0, 0, 575, 0)
    assert (again.gone, again.waiting, again.conflicting) == ([], 0, 0)
    assert (
        session.scalar(select(func.count(RegistryChange.id)).where(RegistryChange.subject == "devices"))
        == 575
    )
