"""aed tokens: keys are shown once, stored nowhere, and void once revoked."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from aed.database.session import Database
from aed.settings import Settings
from tests import make
from tests.cli.conftest import Aed


def whoami(client: TestClient, key: str) -> tuple[int, str | None]:
    answered = client.get("/v1/me", headers={"Authorization": f"Bearer {key}"})
    return answered.status_code, answered.json().get("role")


def test_a_token_is_accepted_until_it_is_revoked(
    aed: Aed, settings: Settings, client_on: Callable[[Settings], TestClient]
) -> None:
    key = aed("tokens", "create", "desk", "--role", "administrator", "--scope", "read").out.strip()
    client = client_on(settings)
    assert whoami(client, key) == (200, "administrator")

    assert aed("tokens", "revoke", "desk").out == "desk is revoked.\n"

    assert whoami(client, key)[0] == 401
    assert "revoked" in aed("tokens", "list").out
    aed("tokens", "revoke", "desk")  # revoking again changes nothing
    assert whoami(client, key)[0] == 401


def test_a_key_is_shown_once_and_not_stored(aed: Aed, database: Database, tmp_path: Path) -> None:
    key = aed("tokens", "create", "desk", "--role", "administrator", "--days", "30").out.strip()

    assert re.fullmatch(r"aed_[\w-]{43}", key)
    listed = aed("tokens", "list").out
    assert "desk" in listed
    assert key not in listed
    with database.read_sessions() as session:
        (row,) = session.execute(text("SELECT * FROM tokens")).all()
    assert key not in str(tuple(row))
    if database.engine.dialect.name == "sqlite":
        files = [file for file in tmp_path.iterdir() if file.name.startswith("aed.sqlite")]
        assert files
        assert not any(key.encode() in file.read_bytes() for file in files)


def test_a_long_key_stays_on_one_line_on_a_narrow_screen(aed: Aed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert len(aed("tokens", "create", "desk", "--role", "administrator").out.splitlines()) == 1


def test_a_member_has_an_estate_and_a_dispatcher_a_region(aed: Aed, database: Database) -> None:
    with database.write_sessions.begin() as session:
        estate = make.estate(session).id
    aed("tokens", "create", "hall", "--role", "member", "--estate", estate)
    aed("tokens", "create", "centre", "--role", "dispatcher", "--region", "CN-33")
    listed = aed("tokens", "list").out
    assert "hall" in listed
    assert "centre" in listed


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("create desk --role member", "name an estate"),
        ("create desk --role member --estate 999", "estate is unknown"),
        ("create desk --role dispatcher", "name a region"),
        ("create desk --role dispatcher --region XX", "There is no region 'XX'"),
        ("create desk --role administrator --estate 1", "name an estate"),
        ("revoke nobody", "no token named 'nobody'"),
    ],
)
def test_an_invalid_token_is_refused_in_a_sentence(aed: Aed, words: str, says: str) -> None:
    assert says in aed("tokens", *words.split(), fails=True).err


def test_the_name_of_a_token_is_unique_and_printable(aed: Aed) -> None:
    aed("tokens", "create", "desk", "--role", "administrator")
    assert "already" in aed("tokens", "create", "desk", "--role", "administrator", fails=True).err
    for name in ("", "  ", "x" * 101, "a\x1bb", "\udcff"):
        aed("tokens", "create", name, "--role", "administrator", fails=True)
