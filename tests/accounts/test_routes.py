"""Every route with every kind of caller, compared with the table `routes.txt`.

A cell is `yes`, or the status of the refusal: 401, 403, 404. A route without a row fails. A route whose
response depends on the body has a row for each body, with a name in brackets.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Session

from aed import clock
from aed.database import dependencies
from aed.database import session as db
from aed.database.session import Database, open_database
from aed.incidents.cap.api import EXAMPLE
from aed.incidents.cap.writing import written
from aed.settings import Settings
from aed.settings.messages import WebPush
from tests import make
from tests.accounts import everyone
from tests.accounts.everyone import PASSWORD, PHONE, Everyone
from tests.apps import app_on, served_document
from tests.make import PATIENT
from tests.throwaway_postgres import copy_database, drop_database

pytestmark = pytest.mark.slow

TABLE = Path(__file__).with_name("routes.txt")
NOT_OURS = {"/v1/openapi.json", "/docs", "/docs/start.js", "/docs/{name}", "/static/{version}/{name:path}"}
"""Documentation pages and static files, the same for every caller."""
BY_KEY = (
    "POST /v1/agreements/by-link/",
    "POST /v1/sign-in",
    "PUT /v1/reminders/",
    "POST /reminders/",
    "POST /a/",
    "POST /v1/alerts/",
    "PUT /v1/alerts/",
)
"""Routes without a cookie: they require what a person types, or the key in a message."""
SIGNED = (
    "POST /v1/cells/erasures",
    "POST /v1/cells/links",
    "POST /v1/centres/{centre}/messages",
    "POST /v1/devices/{device_id}/signals",
    "POST /v1/signal-sources/{signal_source}/messages",
)
"""Routes of programs and devices with secrets of their own, which use no cookie."""
ANSWERS = ("yes", "401", "403", "404")
OTHERS = "everyone else"
QUERIES = {
    "GET /v1/nearest": {"lat": "30.29", "lon": "120.1"},
    "GET /v1/cells/nearest": {"lat": "30.29", "lon": "120.1", "at": "2026-10-01T02:00:00Z", "limit": "5"},
    "GET /map/devices": {"bbox": "120,30.2,120.2,30.4"},
    "GET /map/outlines": {"bbox": "120,30.2,120.2,30.4"},
    "POST /v1/imports/devices": {"dry_run": "true"},  # it runs in its own transaction
    "POST /v1/imports/issuer-roster": {"dry_run": "true", "issuer_id": "issuer_id"},
    "POST /v1/imports/responders": {"dry_run": "true"},
    "GET /v1/calendar.ics": {"key": "nobody's"},
    "POST /v1/photos": {"check": "check_key"},
    "GET /v1/labels.pdf": {"device_id": "device_id"},
    "GET /v1/statistics": {"year": "2026"},
    "GET /v1/time-bank/goods": {"region": "CN-33"},
    "GET /v1/regions/{region}/service-report": {"from": "2026-01-01", "until": "2026-12-31"},
    "GET /v1/regions/{region}/service-report.{ending}": {"from": "2026-01-01", "until": "2026-12-31"},
    "GET /v1/statistics/cases": {"year": "2026"},
}
LIST: dict[str, Any] = {
    "content": b"source,source_id,region,lat,lon,place_en\ntown,1,CN-33,30.29,120.1,Lobby\n",
    "headers": {"Content-Type": "text/csv"},
}
A_KEY = "00000000-0000-4000-8000-000000000001"
ROUNDS: dict[str, Any] = {
    "json": {
        "estate_id": "estate_id",
        "inspector_ids": [1],
        "day": str(clock.now().date() + timedelta(days=2)),
        "start": {"lat": 30.29, "lon": 120.1},
    }
}
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/rounds": ROUNDS,
    "POST /v1/rounds/preview": ROUNDS,
    "POST /estates/{estate_id}/coverage": {"data": {"audience": "public"}},
    "POST /certificates/{declaration_id}": {"data": {"answer": "no"}},
    "POST /board": {"data": {"place": ""}},
    "POST /board/{incident_id}": {"data": {"do": "hold"}},
    "POST /demo": {"data": {"part": "dispatcher"}},
    "POST /learn/enrolments/{enrolment_id}": {"data": {"change": "withdraw"}},
    "POST /learn/enrolments/{enrolment_id}/{link_key}": {"data": {"change": "withdraw"}},
    "POST /me/time-bank/volunteer": {"data": {"estate_id": "1"}},
    "POST /me/time-bank/service": {"data": {"key": A_KEY, "source": "other"}},
    "POST /me/time-bank/orders/{order_id}/review": {"data": {"is_received": "yes"}},
    "PUT /v1/time-bank/heir": {"json": {"heir_id": None}},
    "POST /me/time-bank/orders": {"data": {"goods_id": "999999", "key": A_KEY}},
    "POST /desk/{estate_id}/devices/{device_id}": {"data": {"do": "preview"}},
    "POST /desk/{estate_id}/devices/{device_id}/signal-token": {"data": {"do": "make"}},
    "POST /desk/{estate_id}/devices/{device_id}/loan": {"data": {"do": "return"}},
    "POST /v1/devices/{device_id}/loan": {
        "json": {"loaner_id": "other_device_id", "due_back_on": "2099-12-31", "reason": "Repair"}
    },
    "POST /desk/{estate_id}/devices": {"data": {"do": "labels", "device": "1-1"}},
    "POST /desk/{estate_id}/queue": {"data": {"item": "nothing"}},
    "POST /desk/{estate_id}/people": {"data": {"name": "Wu Min", "phone": "138 0013 2999", "role": "keeper"}},
    "POST /time-bank/appeals/{appeal_id}": {"data": {"vote": "grant", "reason": "The guard saw it"}},
    "POST /time-bank/appeals/{appeal_id}/panel": {"data": {"party": "service_centre", "phone": PHONE}},
    "POST /time-bank/goods": {"data": {"estate_id": "1"}},
    "POST /time-bank/sponsors": {"data": {"region": "CN-33", "name": "Baker", "budget": "5"}},
    "POST /time-bank/sponsors/{sponsor_id}": {"data": {"budget": "100000"}},
    "POST /time-bank/proofs/{proof_request_id}": {"data": {"answer": "decline", "words": "Another time"}},
    "POST /time-bank/rules": {"data": {"region": "CN-33"}},
    "POST /time-bank/records/{record_id}": {"data": {"decision": "dispute", "reason": "Two patrols at once"}},
    "POST /me/time-bank/give": {"data": {"key": A_KEY, "to": "care_pool", "points": "many"}},
    "POST /me/time-bank/people": {"data": {"change": "open_family", "name": "Wang"}},
    "POST /me/time-bank/people/invitations": {"data": {"kind": "spouse"}},
    "POST /me/time-bank/services/offers/{offer_id}/requests": {"data": {"key": A_KEY}},
    "POST /me/time-bank/services/exchanges/{exchange_id}": {"data": {"change": "cancel"}},
    "POST /me/time-bank/proofs": {
        "data": {
            "key": A_KEY,
            "purpose": "School",
            "recipient": "School",
            "from_on": "2026-01-01",
            "until_on": "2026-12-31",
        }
    },
    "POST /v1/cells/links": {"json": {"key": "0123456789abcdef01234567", "message": "ended"}},
    "POST /v1/cells/erasures": {"json": {"key": "0123456789abcdef01234567"}},
    "POST /me/offer/pause": {"data": {"days": "1"}},
    "POST /residence/{person_id}/{estate_id}/{manager_id}/{link_key}": {"data": {"answer": "no"}},
    "POST /v1/sign-in": {"json": {"phone": PHONE, "password": PASSWORD}},
    "POST /v1/sign-in/token": {"json": {"phone": PHONE, "password": PASSWORD}},
    "POST /a/{alert_key}": {"data": {"reply": "seen"}},
    "POST /reminders/{message_key}": {"data": {"reminder_id": "1", "answer": "later"}},
    "POST /report": {"data": {"words": "x" * 300}},
    "POST /v1/lint": LIST,
    "POST /v1/imports/devices": LIST,
    "POST /v1/imports/devices/preview": LIST,
    "POST /v1/imports/issuer-roster": {
        "content": "姓名,证书编号,课程,有效期至\n王小明,RC-1,CPR,2028-05-31\n".encode(),
        "headers": {"Content-Type": "text/csv"},
    },
    "POST /v1/imports/responders": LIST,
    "POST /v1/centres/{centre}/messages": {"json": {"type": "signs", "data": {}}},
    "POST /v1/signal-sources/{signal_source}/messages": {"json": {}},
    "POST /v1/cap": {
        "content": re.sub("<sent>.*</sent>", f"<sent>{written(clock.now())}</sent>", EXAMPLE),
        "headers": {"Content-Type": "application/cap+xml"},
    },
    "POST /v1/sessions/{session_id}/roster": {"content": b"enrolment\n99999\n"},
    "POST /v1/issuers/{issuer_id}/batches/{issuer_batch_id}/answer": {
        "content": "序号,证书编号,退回原因\n1,RC-1,\n".encode(),
        "headers": {"Content-Type": "text/csv"},
    },
    "POST /issuer-batches/{issuer_id}": {"data": {"reference": "2030-04", "session": "1"}},
    "POST /issuer-batches/{issuer_id}/{issuer_batch_id}": {
        "files": {"file": ("answer.csv", "序号,证书编号,退回原因\n".encode(), "text/csv")}
    },
    "POST /training/{session_id}/identity/{enrolment_id}": {"data": {"holder_id": "1"}},
    "POST /v1/calendars (a person's)": {"json": {"kind": "person"}},
    "POST /v1/devices/{device_id}/merge": {"json": {"other_id": "other_device_id"}},
    "POST /v1/devices (of the estate)": {
        "json": {"estate_id": "estate_id", "position": {"lat": 30.29, "lon": 120.1}, "audience": "public"}
    },
    "POST /v1/estates (of no neighbourhood)": {
        "json": {"region": "CN-33", "name_en": "Court", "name_zh": "苑", "boundary": make.square(PATIENT)}
    },
    "POST /v1/people (a resident)": {
        "json": {
            "name": "Li Wei",
            "phone": "+86 138 0013 8009",
            "role": {"role": "resident", "estate_id": "estate_id"},
        }
    },
    "POST /v1/issuers (whose lists are believed unseen)": {
        "json": {
            "code": "believed",
            "name_en": "Believed",
            "name_zh": "信",
            "kind": "red_cross",
            "region": "CN-33",
            "verified_by": "nothing",
            "trust_in_lists": "verified",
        }
    },
    "POST /v1/people/{person_id}/roles (keeper)": {"json": {"role": "keeper", "estate_id": "estate_id"}},
    "POST /v1/photos": {"content": make.jpeg(), "headers": {"Content-Type": "image/jpeg"}},
    "POST /v1/policies (of the estate)": {
        "json": {"estate_id": "estate_id", "maker": "Heartline", "name_en": "Weekly", "name_zh": "每周"}
    },
    "POST /v1/devices/{device_id}/checks (a glance)": {
        "json": {"key": "0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a11", "kind": "glance"}
    },
    "POST /v1/devices/{device_id}/checks (a service)": {
        "json": {"key": "0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a12", "kind": "service"}
    },
    "POST /v1/retrievals": {
        "json": {"key": "5f0c8a52-7a8e-4f0f-b7d5-0a0d9c1b7a31", "device_id": "device_id"}
    },
    "POST /v1/devices/{device_id}/reports (it was used)": {"json": {"kind": "used"}},
    "POST /v1/time-bank/gifts": {
        "json": {"person_id": "person_id", "points": 1, "key": "0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a16"}
    },
    "POST /v1/time-bank/goods": {
        "json": {
            "estate_id": "estate_id",
            "sponsor_id": "sponsor_id",
            "name_en": "Rice",
            "name_zh": "大米",
            "points": 1,
            "stock": 1,
        }
    },
    "POST /v1/time-bank/mandates": {"json": {"principal_id": "person_id", "agent_id": "other_person_id"}},
    "POST /v1/time-bank/orders": {
        "json": {
            "goods_id": "goods_id",
            "quantity": 1,
            "key": "0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a19",
            "acting_for": "person_id",
        }
    },
    "POST /v1/time-bank/priority": {"json": {"person_id": "person_id", "group": "over_80"}},
    "POST /v1/time-bank/groups": {"json": {"estate_id": "estate_id", "name": "Team"}},
    "POST /v1/time-bank/inheritances": {"json": {"person_id": "person_id", "died_on": "2026-09-22"}},
    "POST /v1/time-bank/inheritances/{inheritance_id}/claim": {"json": {"heir_id": "person_id"}},
    "POST /v1/people/{person_id}/roles (administrator)": {"json": {"role": "administrator"}},
}
"""Bodies for routes whose documented example isn't enough, or whose response depends on the body."""


def table(people: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the table: {route: {caller: cell}}. Lines that begin with # are comments."""
    return _parsed(TABLE, tuple(people))


@cache
def _parsed(path: Path, people: tuple[str, ...]) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    others: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            route = line.strip()
            assert route not in rows, f"{route} has two rows"
            rows[route] = {}
            continue
        answer, _, named = line.partition(":")
        assert answer.strip() in ANSWERS, line
        for who in (each.strip() for each in named.split(",")):
            assert who not in rows[route], f"{route}: {who} twice"
            if who == OTHERS:
                assert route not in others, f"{route}: {OTHERS} twice"
                others[route] = answer.strip()
            else:
                rows[route][who] = answer.strip()
    for route, answer in others.items():
        assert answer != "yes" or not {"403", "404"} & set(rows[route].values()), f"{route}: name who may"
        rows[route] = dict.fromkeys(people, answer) | rows[route]
    return rows


def as_table(found: Mapping[str, Mapping[str, str]]) -> str:
    """Format the table: the most common answer (or refusal) of a row becomes the cell of all others."""
    lines = []
    for route, row in found.items():
        count = Counter(row.values())
        if count["403"] or count["404"]:
            del count["yes"]
        commonest = max(count, key=lambda answer: count[answer])
        lines.append(route)
        for answer in ANSWERS:
            named = [who for who, cell in row.items() if cell == answer and answer != commonest]
            if answer == commonest:
                named = [OTHERS]
            if named:
                lines.append(f"    {answer}: {', '.join(named)}")
        lines.append("")
    return "\n".join(lines)


def mounted(routes: Any, prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Yield "METHOD path" of every mounted route, and whether the API's documentation has it."""
    for route in routes:
        if (inner := getattr(route, "original_router", None)) is not None:
            yield from mounted(inner.routes, prefix + route.include_context.prefix)
        elif prefix + route.path not in NOT_OURS:
            for method in route.methods - {"HEAD", "OPTIONS"}:
                yield f"{method} {prefix}{route.path}", route.include_in_schema


def routes_of(app: FastAPI) -> set[str]:
    """Return "METHOD path" of every mounted route, documented or not."""
    return {name for name, _ in mounted(app.routes)}


def pages_of(app: FastAPI) -> set[str]:
    """Return the routes that the API's documentation leaves out: those of web pages."""
    return {name for name, is_documented in mounted(app.routes) if not is_documented}


@pytest.fixture(scope="module", params=("spatialite", "postgis"))
def asking(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[TestClient, Everyone]]:
    """Yield the app with its own data; each request is rolled back after its response."""
    path = tmp_path_factory.mktemp("routes") / "aed.sqlite"
    if request.param == "spatialite":
        shutil.copyfile(request.getfixturevalue("spatialite_template"), path)
        url = f"sqlite:///{path}"
    else:
        url = copy_database(request.getfixturevalue("postgis_template"), "routes")
    settings = Settings(
        database_url=url,
        walking_network=path.with_name("none.npz"),
        basemap=path.with_name("basemap.pmtiles"),
        access_log=False,
        web_push=WebPush(private_key=SecretStr("A" * 42 + "E")),
    )
    shutil.copyfile(Path(__file__).parents[2] / "src/aed/cli/demo_district/basemap.pmtiles", settings.basemap)
    database = open_database(settings)
    with database.write_sessions.begin() as session:
        made = everyone.build(session)
    database.close()
    app = app_on(settings)
    with (
        pytest.MonkeyPatch.context() as patch,
        TestClient(app, base_url="https://testserver", raise_server_exceptions=False) as client,
    ):
        patch.setattr(dependencies, "transaction", rolled_back)  # so each cell finds the same data
        yield client, made
    if request.param == "postgis":
        drop_database(url)


@contextmanager
def rolled_back(database: Database) -> Iterator[Session]:
    """Roll back after the block in place of committing."""
    with db.translate_database_errors(), database.write_sessions() as session:
        yield session
        session.flush()
        session.rollback()


def answered(client: TestClient, made: Everyone, document: dict[str, Any], route: str, who: str) -> str:
    """Send the request as this caller; return the cell. Errors in the request itself count as yes."""
    method, path = route.partition(" (")[0].split(" ", 1)
    headers = dict(made.headers[who])
    sent: dict[str, Any] = {}
    operation = document["paths"].get(path, {}).get(method.lower())
    if operation is None:  # a page, whose forms say where they come from
        headers["Sec-Fetch-Site"] = "same-origin"
    body = operation.get("requestBody") if operation is not None else None
    if route in BODIES:
        sent |= BODIES[route]
        if "json" in sent:
            sent["json"] = _with_ids(sent["json"], made)
        headers |= sent.pop("headers", {})
    elif body is not None:
        schema = body["content"]["application/json"]["schema"]
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        sent["json"] = schema["examples"][0]
    if method in ("PATCH", "PUT", "DELETE"):
        headers["If-Match"] = '"1"'
    where = path.format(**made.known)
    query = _with_ids(QUERIES.get(route), made)
    answer = client.request(
        method, where, params=query, headers=headers, follow_redirects=False, **sent
    )  # the target of a redirect has its own row
    client.cookies.clear()
    assert answer.status_code < 500, (route, who, answer.text)
    assert answer.status_code != 429, (route, who, "the test itself asks too much")
    return str(answer.status_code) if answer.status_code in (401, 403, 404) else "yes"


def _with_ids(body: Any, made: Everyone) -> Any:
    """Replace placeholder names in a body by the ids of objects in the data."""
    if isinstance(body, dict):
        return {name: _with_ids(value, made) for name, value in body.items()}
    return made.known.get(body, body) if isinstance(body, str) else body


@pytest.mark.one_engine("routes and their documentation are the same on both")
def test_every_route_has_a_row_in_the_permission_table_and_every_row_a_route(
    asking: tuple[TestClient, Everyone],
) -> None:
    client, made = asking
    app = client.app
    assert isinstance(app, FastAPI)

    rows = table(made.headers)
    listed = {route.partition(" (")[0] for route in rows}
    assert routes_of(app) == listed, f"give each route its row in {TABLE.name}, and read every cell of it"
    documented = {
        f"{method.upper()} {path}" for path, item in served_document()["paths"].items() for method in item
    }
    assert documented | pages_of(app) == listed
    assert set(BODIES) <= set(rows)
    for route, row in rows.items():
        assert set(row) == set(made.headers), route


SAMPLED = pytest.mark.one_engine("who may do what is decided before the database is asked: a sample will do")
ROWS = [
    pytest.param(route, marks=[SAMPLED] if number % 10 else [])
    for number, route in enumerate(sorted(table(()), key=lambda each: each.split(" ", 1)[::-1]))
]


@pytest.mark.parametrize("route", ROWS)
def test_every_cell_of_the_permission_table_is_true(asking: tuple[TestClient, Everyone], route: str) -> None:
    """Each row of the table; a failure shows the difference and the corrected row."""
    client, made = asking
    app = client.app
    assert isinstance(app, FastAPI)
    document = served_document()
    expected = table(made.headers)[route]
    found: dict[str, str] = {}
    for who in made.headers:
        found[who] = answered(client, made, document, route, who)
        if "sign-in" in route:  # it has its own transactions, and ends earlier sessions
            with app.state.database.write_sessions.begin() as session:
                session.execute(text("DELETE FROM sign_in_attempts"))
                session.execute(text("UPDATE sign_ins SET ended_at = NULL"))
    differs = [f"{who}: {cell}, not {expected[who]}" for who, cell in found.items() if cell != expected[who]]
    assert not differs, "\n".join([*differs, "", "As the app has it:", "", as_table({route: found})])


@pytest.mark.one_engine("the request is refused before the route asks the database for anything")
def test_no_route_changes_anything_for_a_browser_without_a_csrf_token(
    asking: tuple[TestClient, Everyone],
) -> None:
    """A form on another site sends only the cookie.

    Forms of this site's pages are recognised by what the browser says of their origin.

    Routes that require a secret need no CSRF token: sign-in, and answers with the key in a message.
    """
    client, made = asking
    app = client.app
    assert isinstance(app, FastAPI)
    cookie = {"Cookie": made.headers["administrator"]["Cookie"], "If-Match": '"1"'}
    changing = [route for route in routes_of(app) if not route.startswith("GET ")]

    for route in sorted(changing):
        if route.startswith(BY_KEY):
            continue
        if route in SIGNED:
            continue
        method, path = route.split(" ", 1)
        body: dict[str, object] | None = None if method == "DELETE" else {}
        answer = client.request(method, path.format(**made.known), headers=cookie, json=body)
        assert answer.status_code == 403, (route, answer.text)
        needed = "from the page of this site" if route in pages_of(app) else "csrf_token"
        assert needed in answer.json()["detail"], route
    assert len(changing) >= 20


def test_the_permission_table_is_read_back_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {
        "GET /a": {"nobody": "401", "one": "yes", "two": "yes", "three": "404"},
        "PUT /b": {"nobody": "403", "one": "403", "two": "403", "three": "403"},
    }
    (tmp_path / "t.txt").write_text("# a remark\n" + as_table(rows), encoding="utf-8")
    monkeypatch.setattr("tests.accounts.test_routes.TABLE", tmp_path / "t.txt")

    assert table(["nobody", "one", "two", "three"]) == rows
