"""A lookup at a border: two installations answer as one with the devices of both.

The two cells are real processes on loopback, each with a database of its own; the border is a meridian.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.database.session import open_database
from aed.geo import Position
from aed.lookup.schemas import NearestOut
from aed.registry.devices.rules import DeviceState, EntryMode
from aed.registry.estates.models import EstatePace
from aed.settings import Settings
from aed.signatures import public_key_texts
from aed.walking.file import save_network
from tests import forked, make
from tests.apps import app_on
from tests.cells.tables import cell, keys_in, write_table
from tests.commands import environment, wait_until_answered
from tests.lookup.test_exact import HOURS, MOMENTS, device_row, pads
from tests.throwaway_postgres import copy_database, drop_database, free_port
from tests.walking.grids import SOUTH_WEST, street_grid

WEST, EAST = "33", "34"
CENTRE = Position(SOUTH_WEST.lat + 0.0108, SOUTH_WEST.lon + 0.0125)
"""The middle of the streets."""
BORDER = CENTRE.lon
RADIUS = 2_500.0
"""AED_SEARCH_RADIUS_METRES of all three, so that some places have fewer devices than were asked for."""
QUESTIONS = 20
_numbers = count(1)


@dataclass(frozen=True)
class Site:
    """Two cells and, for comparison, one installation with the devices of both."""

    west: str
    east: str
    union: TestClient


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run a cell on SpatiaLite and one on PostGIS; both are asked, so that each asks the other."""
    engines = ("spatialite", "postgis")
    folder = tmp_path_factory.mktemp("cells")
    network = folder / "walking.npz"
    save_network(street_grid(1_600), network)
    with ExitStack() as stack:
        urls = [
            stack.enter_context(new_database(request, engine, folder)) for engine in (*engines, engines[0])
        ]
        fill(urls)
        ports = {WEST: free_port(), EAST: free_port()}
        keys = {code: keys_in(folder, code) for code in ports}
        boxes = {WEST: (118.0, 28.0, BORDER, 32.0), EAST: (BORDER, 28.0, 122.0, 32.0)}
        signed_by = write_table(
            folder / "cells.json",
            keys_in(folder, "signer"),
            *(
                cell(code, boxes[code], address=f"http://127.0.0.1:{port}", keys=public_key_texts(keys[code]))
                for code, port in ports.items()
            ),
        )
        addresses = [
            stack.enter_context(
                serving(
                    folder / f"{code}.log",
                    port,
                    AED_DATABASE_URL=url,
                    AED_WALKING_NETWORK=str(network),
                    AED_SEARCH_RADIUS_METRES=str(RADIUS),
                    AED_RUN_JOBS="false",
                    AED_SIGNING_KEYS=str(folder / f"{code}-keys.json"),
                    AED_CELLS__FILE=str(folder / "cells.json"),
                    AED_CELLS__CODE=code,
                    AED_CELLS__SIGNED_BY=signed_by,
                    AED_CELLS__NEIGHBOUR_SECONDS="3",
                )
            )
            for (code, port), url in zip(ports.items(), urls[:2], strict=True)
        ]
        whole = Settings(
            database_url=urls[2],
            walking_network=network,
            search_radius_metres=RADIUS,
            signing_keys=folder / "union-keys.json",
            access_log=False,
        )
        west, east = addresses
        yield Site(west, east, stack.enter_context(TestClient(app_on(whole))))


@contextmanager
def new_database(request: pytest.FixtureRequest, engine: str, folder: Path) -> Iterator[str]:
    name = f"cell_{next(_numbers)}"
    if engine == "spatialite":
        path = folder / f"{name}.sqlite"
        shutil.copyfile(request.getfixturevalue("spatialite_template"), path)
        yield f"sqlite:///{path}"
        return
    url = copy_database(request.getfixturevalue("postgis_template"), name)
    yield url
    drop_database(url)


@contextmanager
def serving(log: Path, port: int, **settings: str) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    process = forked.start(
        ["serve", "--port", str(port)], cwd=log.parent, env=environment(**settings), output=log
    )
    try:
        wait_until_answered(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=300)


def fill(urls: list[str]) -> None:
    """Register the same random devices in one of the cells, by their longitude, and in the union."""
    with ExitStack() as stack:
        sessions = []
        for url in urls:
            database = open_database(
                Settings(database_url=url, statement_timeout_ms=600_000, lock_timeout_ms=600_000)
            )
            stack.callback(database.close)
            sessions.append(stack.enter_context(database.write_sessions()))
        west, east, union = sessions
        chance = random.Random(20261201)
        for number in range(120):
            there = Position(CENTRE.lat + chance.gauss(0, 0.004), BORDER + chance.gauss(0, 0.005))
            given = device_fields(chance, number)
            for session in (west if there.lon < BORDER else east, union):
                add_device(session, there, in_estate=number % 5 == 0, **given)
        for session in sessions:
            session.commit()


def device_fields(chance: random.Random, number: int) -> dict[str, Any]:
    state = chance.choice([DeviceState.IN_SERVICE] * 9 + [DeviceState.OUT_OF_SERVICE])
    return {
        "place_en": f"{chance.choice(['Lobby', 'School gym', 'Shopping mall'])} {number}",
        "place_zh": f"位置{number}",
        "floor": chance.choice([0, 0, 0, 0, -1, 2, 9]),
        "opening_hours": chance.choice(HOURS),
        "entry": chance.choice([EntryMode.FREE, EntryMode.FREE, EntryMode.ASSISTED, EntryMode.UNKNOWN]),
        "last_checked_on": chance.choice([None, date(2026, 9, 20), date(2026, 8, 1)]),
        "audience": chance.choice(["public"] * 4 + ["estate"]),
        "state": state,
        "out_of_service_reason": "lid broken" if state is DeviceState.OUT_OF_SERVICE else None,
        "pads_expired": chance.random() < 0.15,
        "pace": chance.choice([None, None, (0.3, 25.0)]),
    }


def add_device(
    session: Session,
    there: Position,
    *,
    in_estate: bool,
    pads_expired: bool,
    pace: tuple[float, float] | None,
    **fields: Any,
) -> None:
    device = device_row(there, region_id=make.region(session).id, **fields)
    if in_estate:
        estate = make.estate(
            session, around=there, name_en="Estate", name_zh="园区", guard_phone="+8657155501234"
        )
        device.estate_id = estate.id
        if pace is not None:
            seconds_per_metre, pick_up_seconds = pace
            session.add(
                EstatePace(
                    estate_id=estate.id,
                    seconds_per_metre=seconds_per_metre,
                    pick_up_seconds=pick_up_seconds,
                    drills=10,
                )
            )
    session.add(device)
    session.flush()
    if pads_expired:
        session.add(pads(device, date(2026, 1, 1)))


NAMES = ("devices", "too_far", "last_resort", "unusable_now", "quarantined")
OF_A_CELL = {"id", "cell"}
"""Numbers differ between the cells and the union."""


def without_numbers(answer: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [{key: value for key, value in each.items() if key not in OF_A_CELL} for each in answer[name]]
        for name in NAMES
    }


def ask(address: str, question: dict[str, str | int | float]) -> dict[str, Any]:
    """Ask a cell, again while a busy machine keeps the other one from answering in time."""
    until = time.monotonic() + 300
    while True:
        answer = httpx2.get(f"{address}/v1/nearest", params=question, timeout=60)
        found: dict[str, Any] = answer.json()
        if answer.status_code == 200 and (found["missing_cells"] == [] or time.monotonic() > until):
            return found
        assert time.monotonic() < until, answer.text
        time.sleep(0.5)  # a cell that failed thrice is not asked for 2 s


def test_two_cells_give_the_answer_of_one_installation(site: Site) -> None:
    """The same devices in the same order with the same seconds, asked on both sides of the border."""
    chance = random.Random(7)
    across, fewer = 0, 0
    for _ in range(QUESTIONS):
        limit = chance.randint(1, 10)
        spread = chance.choice([0.004, 0.004, 0.02])
        question: dict[str, str | int | float] = {
            "lat": CENTRE.lat + chance.gauss(0, spread),
            "lon": BORDER + chance.gauss(0, spread),
            "at": chance.choice(MOMENTS).isoformat(),
            "limit": limit,
            "floor": chance.choice([0, 0, 3]),
            "route": chance.choice(["true", "false"]),
        }
        expected = site.union.get("/v1/nearest", params=question).json()
        for address, own in ((site.west, WEST), (site.east, EAST)):
            answer = ask(address, question)
            NearestOut.model_validate(answer)
            assert answer["missing_cells"] == []
            assert without_numbers(answer) == without_numbers(expected), question
            across += any(each.get("cell") for each in answer["devices"])
            fewer += len(answer["devices"]) + len(answer["too_far"]) < limit
            for each in (each for name in NAMES for each in answer[name]):
                is_here = (each["position"]["lon"] < BORDER) == (own == WEST)
                assert is_here == ("cell" not in each)
    assert across > QUESTIONS / 4, "the border matters in many of these questions"
    assert fewer, "and in some the radius cuts the answer"


def test_a_device_across_the_border_is_named_and_linked_with_its_cell(site: Site) -> None:
    here: dict[str, str | int | float] = {"lat": CENTRE.lat, "lon": BORDER - 0.0001, "limit": 10}
    found = ask(site.west, here)
    there = next(each for name in NAMES for each in found[name] if "cell" in each)
    assert there["cell"]["code"] == EAST
    assert there["cell"]["number"].startswith(f"34:{there['id']}-")
    assert there["cell"]["link"].startswith(f"{site.east}/d/{there['id']}-")
    assert httpx2.get(there["cell"]["link"], timeout=60, follow_redirects=True).status_code == 200

    page = httpx2.get(f"{site.west}/", params=here, headers={"Accept": "text/html"}, timeout=60).text
    assert there["cell"]["link"] in page


def test_far_from_the_border_nobody_is_asked(site: Site) -> None:
    """No device is in the radius, and the neighbour's outline is beyond it."""
    here: dict[str, str | int | float] = {"lat": CENTRE.lat, "lon": BORDER - 0.05, "limit": 10}
    found = ask(site.west, here)
    assert [each for name in NAMES for each in found[name]] == []
    assert found["missing_cells"] == []
