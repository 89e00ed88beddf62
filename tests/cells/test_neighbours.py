"""A neighbour that is down, slow or lies is left out: our own answer stands, and says what is missing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

import pytest
import typer
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session
from structlog.testing import capture_logs
from typer.testing import CliRunner

from aed import clock
from aed.cells import neighbours
from aed.cells.neighbours import FAILURES_BEFORE_PAUSE, MAX_ANSWER_BYTES
from aed.cells.requests import ANSWER_HEADER, REQUEST_HEADER, sign_answer, sign_request
from aed.cells.rules import Cell
from aed.cells.table import CellTable, cell_table
from aed.cli.nearest import nearest_command
from aed.geo import Position, distance_metres
from aed.lookup.reasons import missing_cell_words
from aed.registry.devices.rules import short_number
from aed.settings import Settings
from aed.settings.cells import Cells
from aed.signatures import public_key_texts
from tests import make
from tests.apps import app_on
from tests.cells.tables import cell, keys_in, write_table
from tests.imports.servers import LONG, Source, serving
from tests.make import PATIENT, east_of
from tests.throwaway_postgres import free_port

pytestmark = pytest.mark.one_engine("asks and merges; the statements are those of each cell's own lookup")
BORDER: Final = PATIENT.lon + 0.001
WEST: Final = (118.0, 28.0, BORDER, 32.0)
EAST: Final = (BORDER, 28.0, 122.0, 32.0)
THERE: Final = east_of(PATIENT, metres=150.0)


@dataclass(frozen=True)
class Border:
    """Our cell, 33, with one device 200 m away, and a server in place of its neighbour, 34."""

    client: TestClient
    neighbour: CellTable
    """The table as the neighbour has it, whose keys sign its answers."""

    def ask(self, **given: Any) -> dict[str, Any]:
        answer = self.client.get("/v1/nearest", params={"lat": PATIENT.lat, "lon": PATIENT.lon, **given})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        codes = ", ".join(each["code"] for each in found["missing_cells"])
        assert answer.headers.get("AED-Missing-Cells", "") == codes
        return found


@contextmanager
def border(settings: Settings, address: str, *, seconds: float = 60.0) -> Iterator[Border]:
    folder = settings.signing_keys.parent
    keys = {code: public_key_texts(keys_in(folder, code)) for code in ("33", "34")}
    signed_by = write_table(
        folder / "cells.json",
        keys_in(folder, "signer"),
        cell("33", WEST, keys=keys["33"], address="http://127.0.0.1:1"),
        cell("34", EAST, keys=keys["34"], address=address),
    )

    def of(code: str) -> Settings:
        table = Cells(
            file=folder / "cells.json", code=code, signed_by=signed_by, neighbour_seconds=min(seconds, 3.0)
        )
        return settings.model_copy(update={"cells": table, "signing_keys": folder / f"{code}-keys.json"})

    neighbour = cell_table(of("34"))
    assert neighbour is not None
    with TestClient(app_on(of("33")), raise_server_exceptions=False) as client:
        yield Border(client, neighbour)


def device_there(number: int = 7, at: Position = THERE, **given: Any) -> dict[str, Any]:
    """Return a device of the neighbour, as it sends it."""
    return {
        "id": number,
        "lat": at.lat,
        "lon": at.lon,
        "floor": 0,
        "place_en": "Lobby",
        "place_zh": "大堂",
        "estate_en": None,
        "estate_zh": None,
        "access_instructions_en": None,
        "access_instructions_zh": None,
        "cabinet": "unlocked",
        "opening_hours": "24/7",
        "time_zone": "Asia/Shanghai",
        "counts_ground_as_one": True,
        "guard_phone": None,
        "has_own_pace": False,
        "straight_metres": distance_metres(PATIENT, at),
        "access": "open",
        "access_until": None,
        "is_entry_unknown": False,
        "readiness": "checked",
        "confidence": 1.0,
        "place_class": "estate",
        "hour_band": "day",
        "reachable": 0.98,
        "probability_usable": 0.93,
        "walk_metres": 200.0,
        "wait_seconds": 0.0,
        "seconds_per_metre": 0.43,
        "pick_up_seconds": 60.0,
        "floor_seconds": 0.0,
        "fetch_seconds": 120.0,
        "expected_seconds": 160.0,
        "fetch_probability": 0.93,
        "basis": "straight_line",
        "is_too_far": False,
        "is_fetch_too_far": False,
        "by_closed_gate": False,
        "gates": [],
        "bring": None,
        "route": None,
    } | given


def answer_there(*devices: Mapping[str, Any], **given: Any) -> bytes:
    content = {
        "version": 1,
        "cell": "34",
        "devices": list(devices),
        "unusable": [],
        "quarantined": [],
        "is_complete": True,
    }
    return json.dumps(content | given).encode()


def send(
    to: BaseHTTPRequestHandler, content: bytes, signature: str, *, status: int = 200, **headers: str
) -> None:
    to.send_response(status)
    to.send_header(ANSWER_HEADER, signature)
    to.send_header("Content-Length", str(len(content)))
    for name, value in headers.items():
        to.send_header(name, value)
    to.end_headers()
    to.wfile.write(content)


class Neighbour:
    """What the server does; set after the border is known, since it signs with the neighbour's keys."""

    def __init__(self) -> None:
        self.table: CellTable | None = None
        self.content = answer_there(device_there())
        self.behave: Callable[[BaseHTTPRequestHandler, Neighbour], None] = lambda to, it: it.answer(to)

    def __call__(self, to: BaseHTTPRequestHandler) -> None:
        self.behave(to, self)

    def signature(self, to: BaseHTTPRequestHandler) -> str:
        assert self.table is not None
        return sign_answer(self.table, to.headers[REQUEST_HEADER], self.content)

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        send(to, self.content, self.signature(to))


@pytest.fixture
def neighbour() -> Neighbour:
    return Neighbour()


@pytest.fixture
def source(neighbour: Neighbour) -> Iterator[Source]:
    with serving(neighbour) as found:
        yield found


@pytest.fixture
def at_border(settings: Settings, session: Session, neighbour: Neighbour, source: Source) -> Iterator[Border]:
    make.device(session, at=east_of(PATIENT, metres=-200.0))
    session.commit()
    with border(settings, source.url("")) as found:
        neighbour.table = found.neighbour
        yield found


def test_the_command_asks_the_neighbour_too(
    at_border: Border, neighbour: Neighbour, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = settings.signing_keys.parent
    for name, value in (
        ("DATABASE_URL", settings.database_url),
        ("WALKING_NETWORK", settings.walking_network),
        ("SIGNING_KEYS", folder / "33-keys.json"),
        ("CELLS__FILE", folder / "cells.json"),
        ("CELLS__CODE", "33"),
        ("CELLS__SIGNED_BY", public_key_texts(keys_in(folder, "signer"))[0]),
        ("CELLS__NEIGHBOUR_SECONDS", "3"),
    ):
        monkeypatch.setenv(f"AED_{name}", str(value))
    app = typer.Typer()
    app.command()(nearest_command)

    def run() -> str:
        done = CliRunner().invoke(app, [str(PATIENT.lat), str(PATIENT.lon)])
        assert done.exit_code == 0, done.output
        return done.output

    assert f"34 省 Province 34 34:{short_number(7)}" in run()
    neighbour.behave = lambda to, it: send(to, b"", "", status=503)
    alone = run()
    assert all(words in alone for words in missing_cell_words("Province 34", "34 省").values())
    assert short_number(7) not in alone


def test_a_neighbours_device_is_ranked_among_our_own(at_border: Border, source: Source) -> None:
    found = at_border.ask(limit=5)
    assert [each.get("cell", {}).get("number") for each in found["devices"]] == [
        f"34:{short_number(7)}",
        None,
    ]
    assert found["devices"][0]["cell"]["link"].startswith(source.url("/d/7-"))
    assert found["missing_cells"] == []
    assert len(at_border.ask(limit=1)["devices"]) == 1
    assert [each["path"].split("?")[0] for each in source.asked] == ["/v1/cells/nearest"] * 2


def test_a_neighbours_words_cannot_carry_links_of_their_own(at_border: Border, neighbour: Neighbour) -> None:
    neighbour.content = answer_there(
        device_there(
            place_zh="<script>alert(1)</script>",
            access="assisted",
            guard_phone="javascript:alert(1)",
            bring={"phone": "javascript:alert(1)", "seconds": 60.0, "expected_seconds": 90.0},
        )
    )
    found = at_border.ask()["devices"][0]
    assert found["bring"]["call"] == "tel:1"
    assert all(not each.startswith("javascript") for each in found["links"].values())
    page = at_border.client.get(
        "/", params={"lat": PATIENT.lat, "lon": PATIENT.lon}, headers={"Accept": "text/html"}
    ).text
    assert "<script>alert" not in page
    assert 'href="javascript' not in page


MANY: Final = answer_there(*(device_there(each) for each in range(1, 8)))
NAN: Final = answer_there(device_there(fetch_seconds=float("nan")))
OUTSIDE: Final = answer_there(device_there(at=east_of(PATIENT, metres=-400.0)))
LIES: Final[Mapping[str, tuple[bytes, str]]] = {
    "not JSON": (b"<html>", "JSON"),
    "not a number": (NAN, "finite number"),
    "no finite number": (answer_there(device_there(fetch_seconds=None)), "fetch_seconds"),
    "a negative time": (answer_there(device_there(expected_seconds=-1.0)), "expected_seconds"),
    "outside its outline": (OUTSIDE, "outside the cell's outline"),
    "nearer than it is": (answer_there(device_there(straight_metres=1.0)), "distance of device 7"),
    "an unknown time zone": (answer_there(device_there(time_zone="Mars/Base")), "time_zone"),
    "another cell's answer": (answer_there(device_there(), cell="35"), "cell 35"),
    "more devices than asked for": (
        MANY,
        "more devices",
    ),
    "another version": (answer_there(device_there(), version=2), "version"),
    "too large": (answer_there(device_there(), padding="x" * 10_000_000), f"{MAX_ANSWER_BYTES:,} bytes"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_neighbour_that_lies_is_left_out(at_border: Border, neighbour: Neighbour, lie: str) -> None:
    neighbour.content, reason = LIES[lie]
    assert_left_out(at_border, reason)


def test_an_answer_is_signed_by_the_neighbour_for_this_very_request(
    at_border: Border, neighbour: Neighbour, source: Source
) -> None:
    neighbour.behave = lambda to, it: send(to, it.content, "x.y.z")
    assert_left_out(at_border, "not signed")
    earlier = source.asked[-1][REQUEST_HEADER]
    neighbour.behave = lambda to, it: send(
        to, it.content, sign_answer(at_border.neighbour, earlier, it.content)
    )
    assert_left_out(at_border, "not signed")
    neighbour.behave = lambda to, it: send(to, it.content + b" ", it.signature(to))
    assert_left_out(at_border, "not signed", is_paused_after=True)


def test_a_redirect_is_not_followed(at_border: Border, neighbour: Neighbour) -> None:
    with serving(neighbour) as other:
        neighbour.behave = lambda to, it: send(
            to, b"", it.signature(to), status=302, Location=other.url("/v1/cells/nearest")
        )
        assert_left_out(at_border, "status 302")
        assert other.asked == []


def assert_left_out(border: Border, reason: str, *, is_paused_after: bool = False) -> None:
    with capture_logs() as logs:
        found = border.ask()
    assert len(found["devices"]) + len(found["too_far"]) == 1, "our own answer stands"
    assert [each["code"] for each in found["missing_cells"]] == ["34"]
    assert "34 省" in found["missing_cells"][0]["zh"]
    left_out = [each for each in logs if each["event"] == "neighbouring cell left out"]
    assert [each["cell"] for each in left_out] == ["34"]
    assert reason in left_out[0]["reason"]
    assert left_out[0]["paused"] is is_paused_after


def test_a_neighbour_that_is_down_is_not_asked_at_every_lookup(
    settings: Settings, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "PAUSE_SECONDS", 3600.0)  # a busy machine may need more than 2 s
    make.device(session, at=east_of(PATIENT, metres=-200.0))
    session.commit()
    with border(settings, f"http://127.0.0.1:{free_port()}") as found:
        for attempt in range(1, FAILURES_BEFORE_PAUSE + 1):
            assert_left_out(found, "ConnectError", is_paused_after=attempt == FAILURES_BEFORE_PAUSE)
        with capture_logs() as logs:
            assert [each["code"] for each in found.ask()["missing_cells"]] == ["34"]
        assert not [each for each in logs if each["event"] == "neighbouring cell left out"], (
            "it was not asked"
        )
        page = found.client.get(
            "/",
            params={"lat": PATIENT.lat, "lon": PATIENT.lon},
            headers={"Accept": "text/html", "Accept-Language": "zh"},
        )
        assert "暂缺34 省的 AED" in page.text


def test_a_slow_neighbour_is_not_waited_for(
    settings: Settings, session: Session, neighbour: Neighbour, source: Source
) -> None:
    make.device(session, at=east_of(PATIENT, metres=-200.0))
    session.commit()

    def drip(to: BaseHTTPRequestHandler, _it: Neighbour) -> None:
        to.send_response(200)
        to.end_headers()
        for _ in range(int(LONG * 10)):
            to.wfile.write(b" ")
            to.wfile.flush()
            time.sleep(0.1)  # a byte now and then keeps the connection alive

    neighbour.behave = drip
    with border(settings, source.url(""), seconds=0.3) as found:
        began = time.monotonic()
        assert_left_out(found, "no answer within 0.3 s")
        assert time.monotonic() - began < LONG


# --- what we answer to a neighbour ------------------------------------------------------------------------


def question() -> str:
    at = clock.now().isoformat().replace("+", "%2B")
    return f"/v1/cells/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}&at={at}&limit=5&floor=0&version=1"


def test_only_a_cell_of_the_table_may_ask(at_border: Border, session: Session, source: Source) -> None:
    ours = at_border.neighbour.other("33")
    assert ours is not None
    path = question()

    def status(path: str, token: str | None) -> int:
        headers = {REQUEST_HEADER: token} if token is not None else None
        return at_border.client.get(path, headers=headers).status_code

    def token(asked: Cell, path: str, at: datetime | None = None) -> str:
        return sign_request(at_border.neighbour, asked, method="GET", path=path, at=at or clock.now())

    assert status(path, None) == 403
    assert status(path, "x.y.z") == 403
    assert status(path, token(ours, path)) == 200
    assert status(path, token(ours, path + "0")) == 403, "signed for another path"
    assert status(path, token(at_border.neighbour.own, path)) == 403, "signed for another cell"
    assert status(path, token(ours, path, clock.now() - timedelta(minutes=6))) == 403
    assert status(path, token(ours, path, clock.now() + timedelta(minutes=6))) == 403
    assert status(path, token(ours, path, clock.now() + timedelta(minutes=4))) == 200
    assert source.asked == [], "a cell that is asked asks nobody: there are no loops"


def test_a_device_outside_our_outline_is_not_in_our_answer_to_a_neighbour(
    at_border: Border, session: Session
) -> None:
    """It would refuse the whole answer, which lacks a device at the border while an estate moves."""
    make.device(session, at=east_of(PATIENT, metres=400.0))
    session.commit()
    ours = at_border.neighbour.other("33")
    assert ours is not None
    path = question()
    token = sign_request(at_border.neighbour, ours, method="GET", path=path, at=clock.now())
    answer = at_border.client.get(path, headers={REQUEST_HEADER: token}).json()
    found = at_border.ask()
    assert len(found["devices"]) + len(found["too_far"]) == 3, "two of ours, and the neighbour's"
    assert [each["lon"] < BORDER for each in answer["devices"]] == [True]
    assert answer["is_complete"] is False


def test_a_neighbour_sees_what_a_stranger_sees(at_border: Border, session: Session) -> None:
    make.device(session, at=east_of(PATIENT, metres=-50.0), audience="dispatch")
    session.commit()
    ours, path = at_border.neighbour.other("33"), question()
    assert ours is not None
    token = sign_request(at_border.neighbour, ours, method="GET", path=path, at=clock.now())
    found = at_border.client.get(path, headers={REQUEST_HEADER: token}).json()
    assert len(found["devices"]) == 1
    assert found["devices"][0]["straight_metres"] == pytest.approx(200.0, abs=5.0)


def test_without_a_table_there_is_no_such_route(client: TestClient) -> None:
    assert client.get(question()).status_code == 404
    assert client.get("/v1/nearest", params={"lat": 30, "lon": 120}).json()["missing_cells"] == []


@pytest.mark.one_engine("reads the table of cells only")
def test_the_map_says_whose_aeds_it_shows_and_links_to_the_others(settings: Settings) -> None:
    with border(settings, "https://aed34.example.org") as ours:
        page = ours.client.get("/map", headers={"Accept-Language": "en"}).text

    assert "This map shows the AEDs of Province 33." in page
    assert 'Maps of other provinces: <a href="https://aed34.example.org/map">Province 34</a>' in page
