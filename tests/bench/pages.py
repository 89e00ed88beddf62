"""Pages over HTTP against the JSON of the same question, on 12,000 devices, without compression.

My page shows what `/v1/me`, `/v1/people/{id}` and `/v1/people/{id}/offer` say together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from urllib.parse import urlencode

from sqlalchemy import select, text

from aed import clock
from aed.accounts.sessions import SESSION_COOKIE
from aed.database.session import open_database, transaction
from aed.geo import Position
from aed.registry.devices.models import Device
from aed.registry.holidays.actions import seed_china
from aed.responders.models import Responder
from aed.settings import Settings
from aed.upkeep.rules import short_number
from tests import make
from tests.bench.client import Line
from tests.bench.population import COLUMNS
from tests.bench.ratio import Ratio
from tests.bench.rounds import by_turns
from tests.bench.server import serving

MAX_RATIO = 3.0
SESSIONS, DEVICES = 40, 100
ROUNDS, A_ROUND = 9, 20
SHOWN_AT_ONCE = 6
"""Devices of the first page."""


def pages(environment: Mapping[str, str], url: str, places: Sequence[Position], what: str) -> Iterator[Ratio]:
    """Time each page and its JSON in alternation."""
    person_id, key, devices = _prepared(url, places[0])
    cookie = f"cookie: {SESSION_COOKIE}={key}\r\n"
    asked = [urlencode({"lat": f"{here.lat:.6f}", "lon": f"{here.lon:.6f}"}) for here in places]
    questions = {
        "/": (
            [(f"/?{each}", "") for each in asked],
            [[(f"/v1/nearest?{each}&limit={SHOWN_AT_ONCE}&responders=0", "")] for each in asked],
        ),
        "/d/{code}": (
            [(f"/d/{short_number(each)}", "") for each in devices],
            [[(f"/v1/devices/{each}", "")] for each in devices],
        ),
        "/learn": ([("/learn", "")], [[(f"/v1/sessions?limit={SESSIONS}", "")]]),
        "/me": (
            [("/me", cookie)],
            [
                [
                    (path, cookie)
                    for path in ("/v1/me", f"/v1/people/{person_id}", f"/v1/people/{person_id}/offer")
                ]
            ],
        ),
    }
    with serving(environment) as server, contextlib.closing(server.line()) as line:
        for page, (as_page, as_json) in questions.items():
            timings = by_turns(
                {
                    "page": (line.exchange, [_message(path, "text/html", more) for path, more in as_page]),
                    "JSON": (
                        lambda messages: _exchange_all(line, messages),
                        [
                            [_message(path, "application/json", more) for path, more in each]
                            for each in as_json
                        ],
                    ),
                },
                rounds=ROUNDS,
                a_round=A_ROUND,
                warm_up=A_ROUND,
            )
            shown, plain = timings["page"].micros, timings["JSON"].micros
            yield Ratio(
                f"page {page} : its JSON, {what}",
                shown / plain,
                MAX_RATIO,
                f"{shown:.0f} us : {plain:.0f} us",
            )


def _message(path: str, accept: str, more: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: bench\r\naccept: {accept}\r\n{more}\r\n".encode()


def _exchange_all(line: Line, messages: Sequence[bytes]) -> None:
    for each in messages:
        line.exchange(each)


def _prepared(url: str, here: Position) -> tuple[int, str, list[int]]:
    """Add sessions and a volunteer; return their id and session key, and devices that a stranger sees."""
    database = open_database(Settings(database_url=url))
    try:
        with transaction(database) as session:
            at = clock.now()
            if session.get_bind().dialect.name == "postgresql":  # rows were copied with their ids
                for table in COLUMNS:
                    last = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"  # noqa: S608 - own words
                    session.execute(text(last))
            seed_china(session, make.ADMINISTRATOR, at=at)
            course = make.course(session)
            for number in range(SESSIONS):
                make.training(
                    session, course, at=here, starts_at=at + timedelta(days=10 + number), planned_at=at
                )
            card = make.responder(session, at=here, valid_until=date(at.year + 2, 1, 1))
            person_id = session.get_one(Responder, card).person_id
            key = make.sign_in(session, person_id)
            public = select(Device.id).where(Device.audience == "public").order_by(Device.id).limit(DEVICES)
            return person_id, key, list(session.scalars(public))
    finally:
        database.close()
