"""Phone numbers in answers: the guard's for people who need access, the keeper's only within the estate."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from tests import make
from tests.make import NOW, PATIENT, north_of

LOOKUP = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}&at={NOW:%Y-%m-%dT%H:%M:%SZ}"
GUARD = "+86 571 0111 2222"
KEEPER = {"name": "Wang", "phone": "+86 571 0333 4444"}


@pytest.fixture
def estate_devices(session: Session) -> dict[str, Any]:
    """Add three public devices of one estate: freely accessible, with a guard's help, and closed."""
    estate = make.estate(session, guard_phone=GUARD, neighbourhood="lane")
    at = [north_of(PATIENT, metres=metres) for metres in (10, 20, 30)]
    return {
        "free": make.device(session, of=estate, at=at[0], keeper=KEEPER).id,
        "assisted": make.device(session, of=estate, at=at[1], keeper=KEEPER, entry="assisted").id,
        "closed": make.device(
            session, of=estate, at=at[2], keeper=KEEPER, entry="assisted", opening_hours="22:00-23:00"
        ).id,
        "member": make.key(session, TokenRole.MEMBER, estate=estate),
        "neighbour": make.key(session, TokenRole.MEMBER, estate=make.estate(session, neighbourhood="lane")),
        "dispatcher": make.key(session, TokenRole.DISPATCHER, region=make.region(session)),
    }


def contacts_by_device(
    client: TestClient, headers: dict[str, str] | None = None
) -> dict[int, dict[str, str | None]]:
    answer = client.get(LOOKUP, headers=headers).json()
    return {near["id"]: near["contacts"] for near in answer["devices"] + answer["unusable_now"]}


def test_a_stranger_sees_the_guards_phone_only_where_the_guard_opens(
    session: Session, client: TestClient, estate_devices: dict[str, Any]
) -> None:
    session.commit()

    for headers in (None, estate_devices["neighbour"]):
        by_device = contacts_by_device(client, headers)
        assert by_device[estate_devices["assisted"]]["guard_phone"] == GUARD
        assert by_device[estate_devices["free"]]["guard_phone"] is None
        assert by_device[estate_devices["closed"]]["guard_phone"] is None, (
            "nobody opens the gate at this hour"
        )
        for contacts in by_device.values():
            assert contacts.get("keeper_phone") is None
            assert contacts.get("keeper_name") is None
        for kind in ("free", "assisted", "closed"):
            shown = client.get(f"/v1/devices/{estate_devices[kind]}", headers=headers).json()
            assert (shown["guard_phone"], shown["keeper"], shown["serial"]) == (None, None, None)


def test_members_of_the_estate_and_its_dispatcher_see_guard_and_keeper_at_any_hour(
    session: Session, client: TestClient, estate_devices: dict[str, Any]
) -> None:
    session.commit()

    for who in ("member", "dispatcher"):
        for contacts in contacts_by_device(client, estate_devices[who]).values():
            assert contacts == {
                "guard_phone": GUARD,
                "keeper_name": KEEPER["name"],
                "keeper_phone": KEEPER["phone"],
            }
