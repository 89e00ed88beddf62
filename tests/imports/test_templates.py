"""Templates over HTTP: downloaded, filled in, and imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from tests import make
from tests.imports.lists import fill_in


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_anyone_downloads_a_template_over_http_and_an_administrator_imports_it(
    client: TestClient, session: Session, tmp_path: Path, ending: str
) -> None:
    make.region(session)
    office = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()

    answer = client.get(f"/v1/templates/devices.{ending}")

    assert answer.status_code == 200
    assert f'filename="aed-devices.{ending}"' in answer.headers["content-disposition"]
    path = tmp_path / f"list.{ending}"
    path.write_bytes(answer.content)
    fill_in(path)
    taken = client.post("/v1/imports/devices", content=path.read_bytes(), headers=office)
    assert (taken.status_code, taken.json()["new"], taken.json()["set_aside"]) == (200, 1, 0), taken.text


def test_a_template_of_an_unknown_kind_is_not_found(client: TestClient) -> None:
    assert client.get("/v1/templates/devices.pdf").status_code == 422
