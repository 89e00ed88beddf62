"""aed people, aed roles: from an empty database to an administrator who can sign in."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.settings import Settings
from tests import make
from tests.cli.conftest import Aed

PASSWORD = "four words are enough"


def id_in(output: str) -> str:
    found = re.search(r"\d+", output)
    assert found is not None, output
    return found.group()


def set_password(aed: Aed, monkeypatch: pytest.MonkeyPatch, person: str, given: str, **how: bool) -> str:
    """Set a password from standard input, as a script would."""
    monkeypatch.setattr("sys.stdin", io.StringIO(given + "\n"))
    result = aed("people", "set-password", person, **how)
    assert given not in result.out + result.err
    return result.out + result.err


def test_a_new_installation_gets_its_first_administrator(
    aed: Aed,
    session: Session,
    settings: Settings,
    client_on: Callable[[Settings], TestClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    person = id_in(aed("people", "add", "王芳", "138 0013 8000").out)
    aed("roles", "grant", person, "administrator")
    set_password(aed, monkeypatch, person, PASSWORD)

    client = client_on(settings)
    client.base_url = "https://testserver"
    signed_in = client.post("/v1/sign-in", json={"phone": "13800138000", "password": PASSWORD})
    assert signed_in.status_code == 200
    assert client.get("/v1/me").json()["role"] == "administrator"

    assert aed("people", "sign-out", person).out == "Sessions ended: 1.\n"
    assert client.get("/v1/me").json()["role"] == "anyone"


def test_a_person_can_be_given_by_their_sign_in_number(
    aed: Aed, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.person(session)  # from a list: has the first id and no account
    session.commit()
    aed("people", "add", "王芳", "138 0013 8000")

    aed("roles", "grant", "+86 138 0013 8000", "administrator")
    set_password(aed, monkeypatch, "13800138000", PASSWORD)

    shown = aed("people", "show", "138 0013 8000").out
    assert "王芳" in shown
    assert "administrator" in shown
    assert "by password or code" in shown
    assert "Nobody signs in" in aed("people", "show", "138 0013 8001", fails=True).err


def test_a_number_without_a_country_code_is_read_in_the_country_of_the_region(
    aed: Aed, session: Session
) -> None:
    make.region(session, "JP-12", country="JP", holiday_calendar=None)
    session.commit()

    person = id_in(aed("people", "add", "Sato", "090-1234-5678", "--region", "JP-12", "--language", "en").out)

    shown = aed("people", "show", person).out
    assert "+819012345678" in shown
    assert "by code" in shown
    aed("people", "amend", person, "name=Sato Hanako", "channel=voice")
    shown = aed("people", "show", person).out
    assert "Sato → Sato Hanako" in shown
    assert "voice" in shown
    assert "Sato Hanako" in aed("people", "list").out


def test_a_role_is_granted_listed_and_revoked(aed: Aed, session: Session) -> None:
    estate = make.estate(session).id
    session.commit()
    person = id_in(aed("people", "add", "王芳", "138 0013 8000").out)

    grant = id_in(aed("roles", "grant", person, "keeper", "--estate", estate).out)
    assert f"estate {estate}" in aed("roles", "list", "--estate", estate).out
    assert "dispatcher" in aed("roles", "grant", person, "dispatcher", "--region", "CN-33").out
    assert "dispatcher" in aed("roles", "list", "--region", "CN-33").out

    aed("roles", "revoke", grant)
    assert "keeper" not in aed("roles", "list", "--person", person).out
    assert "keeper" in aed("roles", "list", "--person", person, "--revoked").out
    assert "keeper" in aed("people", "show", person).out


def test_an_invalid_command_is_refused_in_one_sentence(
    aed: Aed, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.estate(session)
    session.commit()
    person = id_in(aed("people", "add", "王芳", "138 0013 8000").out)

    assert "digits" in aed("people", "add", "李伟", "nobody", fails=True).err
    assert "already" in aed("people", "add", "李伟", "+86 13800138000", fails=True).err
    assert "no region 'XX'" in aed("people", "add", "李伟", "138 0013 8001", "--region", "XX", fails=True).err
    assert "granted on" in aed("roles", "grant", person, "resident", "--region", "CN-33", fails=True).err
    assert "granted on" in aed("roles", "grant", person, "lead", fails=True).err
    assert "no estate 99" in aed("roles", "grant", person, "resident", "--estate", 99, fails=True).err
    assert "no role 99" in aed("roles", "revoke", 99, fails=True).err
    assert "no person 99" in aed("people", "show", 99, fails=True).err
    assert "10 to 200" in set_password(aed, monkeypatch, person, "short", fails=True)
