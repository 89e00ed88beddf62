"""Checking a list over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.settings import Settings
from tests import make
from tests.imports import lists
from tests.imports.test_lint import clean_rows


@pytest.fixture
def member(session: Session) -> dict[str, str]:
    """Return the headers of a member of an estate."""
    headers = make.key(session, TokenRole.MEMBER, estate=make.estate(session))
    session.commit()
    return headers


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    rows = clean_rows(24)
    rows[3] |= {"lat": rows[3]["lon"], "lon": rows[3]["lat"]}
    return lists.table(tmp_path, *rows).read_bytes()


def test_a_stranger_may_not_lint(client: TestClient, content: bytes) -> None:
    assert client.post("/v1/lint", content=content).status_code == 401


def test_a_list_is_linted_from_the_body(client: TestClient, member: dict[str, str], content: bytes) -> None:
    answer = client.post("/v1/lint?name=town.csv", content=content, headers=member)

    assert answer.status_code == 200, answer.text
    reply = answer.json()
    assert (reply["file"], reply["rows"], reply["findings_left_out"]) == ("town.csv", 24, 0)
    assert reply["counts"] == {"error": 1, "warning": 0, "note": 0}
    assert reply["findings"][0]["where"] == "line 5"


def test_a_list_is_linted_from_a_form_with_a_mapping(client: TestClient, member: dict[str, str]) -> None:
    mapping = (
        "name: ours\ntitle: Ours\nsource: ours\nposition: {lat: breite, lon: laenge}\n"
        "id: {content: ort}\nfields: {place: ort}\n"
    )
    table = "ort;breite;laenge\nHäuschen;47.14;9.52\n".encode()
    boundary = "----x"
    parts = []
    for name, part in (("file", table), ("mapping", mapping.encode())):
        named = f'Content-Disposition: form-data; name="{name}"; filename="{name}.csv"'
        parts.append(f"--{boundary}\r\n{named}\r\n\r\n".encode() + part + b"\r\n")
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    headers = member | {"Content-Type": f"multipart/form-data; boundary={boundary}"}

    answer = client.post("/v1/lint", content=body, headers=headers)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["file"], answer.json()["format"], answer.json()["rows"]) == ("file.csv", "ours", 1)


def test_a_file_that_is_not_a_list_is_refused_in_a_sentence(
    client: TestClient, member: dict[str, str]
) -> None:
    for body in (b"", b"<html></html>", b"\x00\xff", b'{"error": "no"}'):
        answer = client.post("/v1/lint", content=body, headers=member)
        assert answer.status_code == 422, answer.text
        assert answer.json()["detail"].endswith((".", "no"))
    headers = member | {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/v1/lint", content=b"nothing", headers=headers).status_code == 422


def test_only_an_administrator_may_compare_with_the_register(
    client: TestClient, session: Session, member: dict[str, str], content: bytes
) -> None:
    headers = make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()

    assert client.post("/v1/lint?register=true", content=content, headers=member).status_code == 403
    answer = client.post("/v1/lint?register=true", content=content, headers=headers)
    assert answer.status_code == 200, answer.text


def test_a_list_may_be_larger_than_other_bodies_up_to_a_limit(
    client_on: Callable[[Settings], TestClient], settings: Settings, member: dict[str, str], content: bytes
) -> None:
    small = {"body_limit_bytes": 100, "lint_limit_bytes": len(content)}
    client = client_on(settings.model_copy(update=small))

    assert client.post("/v1/lint", content=content, headers=member).status_code == 200
    refused = client.post("/v1/lint", content=content + b" ", headers=member)
    assert refused.status_code == 413
    assert str(len(content)) in json.loads(refused.content)["detail"]
