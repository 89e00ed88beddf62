"""Labels, codes, trust and retrievals on the command line."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.database.session import Database, transaction
from tests import make
from tests.cli.conftest import Aed


def test_a_device_gets_its_label_confirmations_and_retrievals_on_the_command_line(
    aed: Aed, database: Database, tmp_path: Path
) -> None:
    with transaction(database) as session:
        id_ = make.device(session, of=make.estate(session), pads_expire_on=date(2020, 1, 1)).id

    sheets, curve = tmp_path / "labels.pdf", tmp_path / "trust.svg"
    assert "1 label written to" in aed("labels", "--device", id_, "--output", sheets).out
    assert sheets.read_bytes().startswith(b"%PDF")
    assert "no such device" in aed("labels", "--device", id_ + 1, "--output", sheets, fails=True).err
    aed("trust", "curve", "--output", curve)
    assert "<svg" in curve.read_text()

    assert re.search(r"position +never", aed("trust", "show", id_).out)
    assert re.search(r"position +20.* 1.00", aed("trust", "confirm", id_, "position").out)
    assert "confirmed by a check" in aed("trust", "confirm", id_, "readiness", fails=True).err
    aed("trust", "confirm", id_, "hours", "--no", "--note", "closed at noon")
    assert "no_access" in aed("reports", "list").out

    assert "is asked about the device from" in aed("retrievals", "add", id_, "--reference", "120-7").out
    (number,) = re.findall(r"^ *(\d+) .*120-7", aed("retrievals", "list").out, re.M)
    assert "is set by the system" in aed("retrievals", "close", number, "checked", fails=True).err
    closed = aed("retrievals", "close", number, "used").out
    assert "已使用 used" in closed
    assert "NOT usable" in closed
    assert "There are no open retrievals" in aed("retrievals", "list").out
    assert "used" in aed("retrievals", "list", "--all").out
    assert "更换电极片逾期1台" in aed("due", "--kind", "pads").out


def test_an_administrator_sets_a_cabinet_on_the_command_line(
    aed: Aed, session: Session, client: TestClient
) -> None:
    device, office = make.device(session), make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()
    path = f"/v1/devices/{device.id}/cabinet-code"

    assert "encrypted" in aed("devices", "cabinet-code", device.id, "code=4711#").out
    assert client.get(path, headers=office).json()["code"] == "4711#"
    assert "removed" in aed("devices", "cabinet-code", device.id, "code=null").out
    assert client.get(path, headers=office).json()["code"] is None
    assert "code" in aed("devices", "cabinet-code", device.id, "cod=1", fails=True).err
