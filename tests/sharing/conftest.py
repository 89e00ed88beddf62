"""An estate, its neighbours and strangers, for read-only tests: built once per database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import Audience, TokenRole, TokenScope
from aed.accounts.tokens import create_token, revoke_token
from aed.database.session import open_database
from aed.registry.devices import actions as device_actions
from aed.registry.estates import actions as estate_actions
from aed.settings import Settings
from tests import make
from tests.apps import app_on
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of
from tests.throwaway_postgres import copy_database, drop_database

NOT_WITHDRAWN = ("in_service", "out_of_service")
STATES = (*NOT_WITHDRAWN, "withdrawn")

type Kind = tuple[str, str]
"""Audience and state of a device of the estate."""


@dataclass
class World:
    """The objects by kind, and the headers of every caller."""

    client: TestClient
    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    estates: dict[str, int] = field(default_factory=dict)
    gates: dict[str, int] = field(default_factory=dict)
    devices: dict[Kind, int] = field(default_factory=dict)
    """Devices of the estate "ours"."""
    consumables: dict[Kind, int] = field(default_factory=dict)
    street: dict[str, int] = field(default_factory=dict)
    """Devices outside any estate in the same city, by audience."""
    responder_id: int = 0
    secrets: tuple[str, ...] = ()
    """Values that only the estate and its dispatchers may read."""
    guard_phone: str = ""

    def get(self, who: str, path: str, **query: Any) -> Any:
        return self.client.get(path, params=query, headers=self.keys[who])


@pytest.fixture(scope="module", params=("spatialite", "postgis"))
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    path = tmp_path_factory.mktemp("world") / "aed.sqlite"
    if request.param == "spatialite":
        shutil.copyfile(request.getfixturevalue("spatialite_template"), path)
        url = f"sqlite:///{path}"
    else:
        url = copy_database(request.getfixturevalue("postgis_template"), "world")
    settings = Settings(database_url=url, walking_network=path.with_name("none.npz"), access_log=False)
    database = open_database(settings)
    with TestClient(app_on(settings), raise_server_exceptions=False) as client:
        made = World(client)
        with database.write_sessions.begin() as session:
            _build(session, made)
        database.close()
        yield made
    if request.param == "postgis":
        drop_database(url)


def _build(session: Session, world: World) -> None:
    province = make.region(session, "province")
    city = make.region(session, "city", parent="province")
    make.region(session, "district", parent="city")
    elsewhere = make.region(session, "elsewhere")
    world.guard_phone = "+86 571 0111 2222"
    ours = make.estate(
        session, in_region="city", neighbourhood="lane", guard_phone=world.guard_phone, name_en="Ours"
    )
    next_door = make.estate(
        session, in_region="city", neighbourhood="lane", around=east_of(PATIENT, metres=500)
    )
    other = make.estate(session, in_region="city", around=east_of(PATIENT, metres=2_000))
    alone = make.estate(session, in_region="district", around=east_of(PATIENT, metres=3_000))
    far = make.estate(session, in_region="elsewhere", around=east_of(PATIENT, metres=4_000))
    closed = make.estate(session, in_region="city", around=east_of(PATIENT, metres=6_000))
    named = {"ours": ours, "next door": next_door, "other": other, "alone": alone, "far": far}
    for name, estate in (*named.items(), ("withdrawn", closed)):
        world.estates[name] = estate.id
    middle = {"ours": 0, "next door": 500, "other": 2_000, "alone": 3_000, "far": 4_000, "withdrawn": 6_000}
    for name, estate in (*named.items(), ("withdrawn", closed)):
        world.gates[name] = make.gate(session, estate, at=east_of(PATIENT, metres=middle[name])).id
    estate_actions.withdraw_estate(session, ADMINISTRATOR, closed.id, version=closed.version, at=NOW)

    keeper = {"name": "Keeper Wang", "phone": "+86 571 0333 4444"}
    places = iter(range(10, 1_000, 10))
    for audience in Audience:
        for state in STATES:
            given: dict[str, Any] = {"serial": f"SN-{audience}-{state}", "keeper": keeper}
            if state == "out_of_service":
                given |= {"state": state, "out_of_service_reason": "Pads used"}
            device = make.device(
                session,
                of=ours,
                at=north_of(PATIENT, metres=next(places)),
                pads_expire_on=date(2027, 1, 1),
                audience=audience,
                **given,
            )
            session.expire(device, ["consumables"])
            session.refresh(device, ["consumables"])
            kind = (str(audience), state)
            world.devices[kind], world.consumables[kind] = device.id, device.consumables[0].id
            if state == "withdrawn":
                device_actions.withdraw_device(
                    session, ADMINISTRATOR, device.id, version=device.version, at=NOW
                )
    for audience in Audience:
        at = north_of(PATIENT, metres=next(places))
        world.street[str(audience)] = make.device(session, at=at, in_region="city", audience=audience).id
    world.responder_id = make.responder(session, at=north_of(PATIENT, metres=300), in_region="city")
    world.secrets = ("SN-", keeper["name"], keeper["phone"], world.guard_phone, "Responder ", "+86 100 0000")

    def key(role: TokenRole, **given: Any) -> dict[str, str]:
        return make.key(session, role, writes=True, **given)

    world.keys |= {
        "nobody": {},
        "member": key(TokenRole.MEMBER, estate=ours),
        "neighbour": key(TokenRole.MEMBER, estate=next_door),
        "stranger with a token": key(TokenRole.MEMBER, estate=other),
        "dispatcher": key(TokenRole.DISPATCHER, region=city),
        "dispatcher of the province": key(TokenRole.DISPATCHER, region=province),
        "dispatcher elsewhere": key(TokenRole.DISPATCHER, region=elsewhere),
        "administrator": key(TokenRole.ADMINISTRATOR),
        "wrong": {"Authorization": "Bearer aed_" + "x" * 43},
        "not a bearer": {"Authorization": "Basic YTpi"},
        "empty": {"Authorization": "Bearer "},
    }
    revoked = create_token(
        session, name="revoked", role=TokenRole.ADMINISTRATOR, scopes=list(TokenScope), at=NOW
    )
    revoke_token(session, name="revoked", at=NOW)
    expired = create_token(
        session,
        name="expired",
        role=TokenRole.ADMINISTRATOR,
        scopes=list(TokenScope),
        at=NOW,
        expires_at=clock.now() - timedelta(seconds=1),
    )
    world.keys["revoked"] = {"Authorization": f"Bearer {revoked}"}
    world.keys["expired"] = {"Authorization": f"Bearer {expired}"}
