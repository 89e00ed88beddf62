"""aed keys, and errors about a missing key."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx2
import pytest
from sqlalchemy.orm import Session

from aed.database.encryption.keyring import EncryptionKey, generate_key
from tests import make
from tests.cli.conftest import Aed
from tests.commands import KEY, serving
from tests.commands import aed as process

PHONE = "+8613800138000"


def test_a_wrong_or_missing_key_is_reported_in_a_sentence(
    aed: Aed, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = make.person(session, phone="138 0013 8000")
    session.commit()
    wrong = generate_key()
    monkeypatch.setenv("AED_ENCRYPTION_KEYS", wrong)
    for command in (("people", "show", person.id), ("people", "list"), ("keys", "rotate")):
        result = aed(*command, fails=True)
        assert EncryptionKey.of(KEY).id in result.err, "names the missing key"
        assert "AED_ENCRYPTION_KEYS" in result.err, "names the setting"
        assert wrong not in result.err + result.out
    assert "MISSING" in aed("keys", "show").out

    monkeypatch.setenv("AED_ENCRYPTION_KEYS", "x")
    assert "aed keys new" in aed("people", "list", fails=True).err
    monkeypatch.setenv("AED_ENCRYPTION_KEYS", "")
    if session.get_bind().dialect.name == "postgresql":
        assert "aed keys new" in aed("people", "list", fails=True).err
    else:
        assert "Restore that file" in aed("people", "list", fails=True).err


def test_encryption_keys_are_rotated_through_the_environment(
    aed: Aed, monkeypatch: pytest.MonkeyPatch
) -> None:
    aed("people", "add", "Wang", PHONE)
    made = aed("keys", "new", warns=True)
    new = made.out.strip()
    assert EncryptionKey.of(new).id in made.err
    assert new not in made.err
    assert "AED_ENCRYPTION_KEYS" in aed("keys", "new", "--first", fails=True).err

    monkeypatch.setenv("AED_ENCRYPTION_KEYS", f"{new},{KEY}")
    assert "Encrypted again" in aed("keys", "rotate").out
    monkeypatch.setenv("AED_ENCRYPTION_KEYS", new)
    assert PHONE in aed("people", "list").out
    assert "MISSING" not in aed("keys", "show").out


def test_a_server_with_a_wrong_key_does_not_start(run: Aed, tmp_path: Path, file_with_schema: Path) -> None:
    run("people", "add", "Wang", PHONE)
    result = process(
        *("serve", "--port", "0"),
        cwd=tmp_path,
        AED_DATABASE_URL=f"sqlite:///{file_with_schema}",
        AED_ENCRYPTION_KEYS=generate_key(),
    )
    assert (result.returncode, "Traceback" in result.stderr) == (1, False)
    assert EncryptionKey.of(KEY).id in result.stderr


def test_an_installation_rotates_its_key_file_while_the_server_runs(
    run: Aed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a configured key, the database creates a key file, which the server reloads."""
    here = {"AED_DATABASE_URL": f"sqlite:///{tmp_path}/aed.sqlite", "AED_ENCRYPTION_KEYS": ""}
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    run("db", "upgrade")
    file = tmp_path / "aed.keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    run("people", "add", "Wang", "138 0013 8000")
    made = run("tokens", "create", "office", "--role", "administrator").out.split()
    bearer = next(word for word in made if len(word) > 30)
    with (
        serving(tmp_path / "log", **here, AED_RUN_JOBS="false") as url,
        httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {bearer}"}) as client,
    ):
        assert client.get("/v1/people").json()["people"][0]["phone"] == PHONE
        run("keys", "new", "--first")
        assert "Encrypted again" in run("keys", "rotate").out
        assert client.get("/v1/people").json()["people"][0]["phone"] == PHONE
    first, _old = file.read_text().split()
    file.write_text(first + "\n")
    assert PHONE in run("people", "list").out

    file.rename(tmp_path / "elsewhere")
    assert "Restore that file" in run("people", "list", fails=True).err
    assert not file.exists(), "no new key file was created"


@pytest.mark.usefixtures("file_with_schema")
def test_a_backup_can_be_restored_with_its_key_and_names_it(
    run: Aed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("people", "add", "Wang", "138 0013 8000")
    run("backup", "--output", tmp_path / "b.zip")

    monkeypatch.setenv("AED_DATABASE_URL", f"sqlite:///{tmp_path}/other.sqlite")
    run("restore", tmp_path / "b.zip")
    assert PHONE in run("people", "list").out

    monkeypatch.setenv("AED_DATABASE_URL", f"sqlite:///{tmp_path}/third.sqlite")
    monkeypatch.setenv("AED_ENCRYPTION_KEYS", generate_key())
    assert EncryptionKey.of(KEY).id in run("restore", tmp_path / "b.zip", fails=True).err
    monkeypatch.setenv("AED_ENCRYPTION_KEYS", KEY)
    assert PHONE in run("people", "list").out
