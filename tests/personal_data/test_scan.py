"""Personal data appears neither in logs nor in responses to strangers.

A person with rows in every table is read, updated, imported, notified and erased, in all valid and many
invalid ways, with the program running as in production but at its most verbose log level.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from tests import make
from tests.apps import served_document
from tests.commands import serving
from tests.personal_data.world import (
    NAME,
    NOTE,
    OLD_NAME,
    OLD_PHONE,
    PHONE,
    certificate_of,
    person_with_every_row,
)
from tests.waiting import eventually

IDENTITY = "11010519491231002X"
"""An identity number typed into a field that doesn't ask for one."""
TELLING = re.compile(
    r"欧阳娜|Ouyang|\\u6b27\\u9633|1\D{0,3}3\D{0,3}9\D{0,3}0013\D{0,3}912[34]|" + f"{NOTE}|{IDENTITY[:-1]}",
    re.IGNORECASE,
)
INVENTED = {"+86 571 5550", "+44 7911 123456", "138 0013 80", "+86 138 0013 80", "+8613800138"}
"""Prefixes of the phone numbers in the documentation, which belong to no subscriber."""


def test_the_search_finds_planted_personal_data() -> None:
    for identifying in (
        NAME,
        OLD_NAME,
        PHONE,
        OLD_PHONE,
        "139-0013-9123",
        "139 0013 9124",
        IDENTITY,
        json.dumps(NAME),
    ):
        assert TELLING.search(f"x {identifying} y"), identifying


def planted(value: Any) -> Any:
    """Return an example body with personal data in every text, as people type it into wrong fields."""
    if isinstance(value, dict):
        return {name: planted(each) for name, each in value.items()}
    if isinstance(value, list):
        return [planted(each) for each in value]
    return f"{NAME} {PHONE} {IDENTITY}" if isinstance(value, str) else value


def asked(document: dict[str, Any], known: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Return each documented route: method, path with known ids filled in, and its example body."""
    found = []
    for path, item in document["paths"].items():
        where = re.sub(r"{(\w+)}", lambda name: str(known.get(name[1], 1)), path)
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            examples = document["components"]["schemas"].get(name, {}).get("examples", [{}])
            found.append((method.upper(), where, examples[0] if content else None))
    return found


@pytest.mark.parametrize("form", ["json"])
def test_no_log_and_no_answer_to_a_stranger_identifies_a_person(
    session: Session, database_url: str, tmp_path: Path, form: str
) -> None:
    """On PostGIS, only with bodies that reach the database: its errors, unlike SQLite's, quote values."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    person = person_with_every_row(session)
    estate = make.estate(session)
    office = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    neighbour = make.key(session, TokenRole.MEMBER, estate=estate)
    known = {"person_id": person.id, "number": certificate_of(session).number, "calendar": "CN", "year": 2026}
    session.commit()
    log, spool = tmp_path / "serve.log", tmp_path / "spool"
    settings = {
        "AED_DATABASE_URL": database_url,
        "AED_LOG_LEVEL": "debug",
        "AED_LOG_FORMAT": form,
        "AED_RUN_JOBS": "true",
        "AED_LIVE_SECONDS": "0.2",
        "AED_OUTBOX_SPOOL": str(spool),
        "AED_STATEMENT_TIMEOUT_MS": "120000",  # no answer depends on how busy the machine is
        "AED_LOCK_TIMEOUT_MS": "120000",
    }

    with serving(log, **settings) as url, httpx2.Client(base_url=url, timeout=60) as client:
        document = client.get("/v1/openapi.json").json()
        routes = asked(document, known)
        public = json.dumps(document, ensure_ascii=False)
        count = 0
        for method, path, body in routes:
            for headers in ({}, neighbour) if is_sqlite else (neighbour,):
                answer = client.request(method, path, json=body, headers=headers)
                if answer.status_code == 422:  # a parameter that the route doesn't know
                    here = {"lat": 30.29, "lon": 120.1}
                    answer = client.request(method, path, json=body, headers=headers, params=here)
                client.cookies.clear()
                count += 1
                public += answer.text
        wrong: tuple[dict[str, Any], ...] = (
            {"json": {"phone": PHONE, "name": [NAME], "password": 5, "code": IDENTITY}},
            {"content": f'{{"name": "{NAME}", "phone": "{PHONE}"'.encode()},
            {"content": f"name,phone\n{NAME},{PHONE}\n".encode(), "headers": {"Content-Type": "text/csv"}},
            {"params": {"cursor": PHONE, "lat": NAME, "region": IDENTITY, "bbox": PHONE}},
        )
        for method, path, body in routes:
            if path == f"/v1/people/{person.id}" and method == "DELETE":
                continue  # at the end
            for each in ({"json": planted(body)}, *(wrong if is_sqlite else ())):
                headers = {**each.get("headers", {}), **office, "If-Match": '"1"'}
                answer = client.request(method, path, **{**each, "headers": headers})
                client.cookies.clear()
                count += 1
                assert answer.status_code < 500, (method, path, answer.text)
        rows = "source,source_id,region,lat,lon,keeper_name,keeper_phone\n"
        rows += "".join(f"town,{at},CN-33,{at},120.1,{NAME},{PHONE}\n" for at in ("30.29", "here"))
        csv = {**office, "Content-Type": "text/csv"}
        assert client.post("/v1/imports/devices", content=rows.encode(), headers=csv).status_code == 200
        session.execute(text("ALTER TABLE person_changes RENAME TO person_changes_away"))
        session.commit()
        failing = client.post("/v1/people", json={"name": NAME, "phone": "139 0013 9124"}, headers=office)
        assert failing.status_code >= 500
        public += failing.text
        session.execute(text("ALTER TABLE person_changes_away RENAME TO person_changes"))
        session.execute(text("CREATE UNIQUE INDEX one_name ON people (name)"))
        session.commit()
        twice = [client.post("/v1/people", json={"name": NAME, "phone": "139 0013 9124"}, headers=office)]
        assert twice[0].status_code in (201, 409, 500)
        public += twice[0].text
        assert eventually(lambda: any(PHONE in each.read_text() for each in spool.glob("*")))
        # A new connection: the error has closed the other one.
        assert httpx2.delete(f"{url}/v1/people/{person.id}", headers=office).status_code == 204

    written = log.read_text()
    assert "O***" in public, "the holder's name is masked for people with the certificate number"
    assert count > (5 if is_sqlite else 2) * 80
    assert written.count('"path":"/v1/people') > 20, "it was looked at"
    assert "Traceback" in written
    assert "outbox" in written
    for found in TELLING.finditer(written):
        pytest.fail(f"in the log: …{written[max(0, found.start() - 200) : found.end() + 50]}…")
    for found in TELLING.finditer(public):
        pytest.fail(f"shown to a stranger: …{public[max(0, found.start() - 200) : found.end() + 50]}…")


def test_the_phone_numbers_in_the_documentation_are_fictitious() -> None:
    document = json.dumps(served_document(), ensure_ascii=False, separators=(",", ":"))
    numbers = re.findall(r'"(\+?\d[\d ()./-]{8,}\d)"', document)
    assert len(numbers) >= 4
    for number in numbers:
        is_date = re.fullmatch(r"\d{4}/\d\d/\d\d", number)
        if (not re.fullmatch(r"[\d.-]+", number) and not is_date) or re.fullmatch(r"1[3-9]\d{9}", number):
            assert any(number.startswith(each) for each in INVENTED), number
