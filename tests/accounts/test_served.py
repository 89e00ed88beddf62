"""Sign-in with `aed serve` as a process: request a code, send it by a scheduled job, read it, sign in."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import orjson
import pytest
from sqlalchemy.orm import Session

from aed.accounts.sessions import SESSION_COOKIE
from tests import make
from tests.commands import serving
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.mark.one_engine("a process and its spool")
def test_a_spooled_code_signs_in(session: Session, database_url: str, tmp_path: Path) -> None:
    person = make.person(session, phone="138 0013 8000", language="en")
    session.commit()
    spool = tmp_path / "outbox"
    settings = {
        "AED_DATABASE_URL": database_url,
        "AED_RUN_JOBS": "true",
        "AED_OUTBOX_SPOOL": str(spool),
        "AED_LOCK_TIMEOUT_MS": "120000",  # jobs write, too: on a busy machine a request waits for them
    }

    with (
        serving(tmp_path / "serve.log", **settings) as url,
        httpx2.Client(base_url=url, timeout=300) as client,
    ):
        assert client.post("/v1/sign-in/code", json={"phone": "13800138000"}).status_code == 202
        assert eventually(lambda: bool(list(spool.glob("*.jsonl"))))
        (written,) = spool.glob("*.jsonl")
        spooled = orjson.loads(written.read_bytes())
        found = re.search(r"\b\d{6}\b", spooled["text"])
        assert found is not None
        signed_in = client.post("/v1/sign-in", json={"phone": "13800138000", "code": found.group()})
        assert signed_in.status_code == 200
        client.cookies.clear()
        key = signed_in.headers["set-cookie"].split("=", 1)[1].split(";")[0]
        me = client.get("/v1/me", headers={"Cookie": f"{SESSION_COOKIE}={key}"}).json()
        assert me["person_id"] == person.id

    assert found.group() not in (tmp_path / "serve.log").read_text()
