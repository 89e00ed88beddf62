"""Lists of an estate's manager: they import what lies in estates that they manage, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, Viewer
from aed.errors import InvalidInput, NotAllowed
from aed.imports.devices.actions import import_devices
from aed.imports.devices.preview import preview_devices
from aed.imports.formats.guess import guess_mapping
from aed.imports.formats.mapping import Mapping
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from tests import make
from tests.imports.lists import counts, reasons
from tests.make import NOW, PATIENT, east_of

FAR = east_of(PATIENT, metres=2_000)


def two_estates(session: Session) -> tuple[Estate, Estate]:
    return make.estate(session), make.estate(session, around=FAR)


def manager_of(session: Session, estate: Estate) -> Viewer:
    return make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)


def list_of(folder: Path, *, maker: str = "迈瑞") -> tuple[Path, Mapping]:
    """Write a list with a device in each of two estates, and one in none."""
    path = folder / "台账.csv"
    rows = [
        f"大堂,{PATIENT.lon},{PATIENT.lat},{maker}",
        f"会所,{FAR.lon},{FAR.lat},{maker}",
        f"公园,{PATIENT.lon - 0.1},{PATIENT.lat},{maker}",
    ]
    path.write_text("\n".join(["安装位置,经度,纬度,品牌", *rows]), encoding="utf-8")
    return path, guess_mapping(path, source="list-lake").mapping


def own_format(folder: Path) -> Path:
    path = folder / "devices.csv"
    path.write_text(f"source,source_id,lat,lon\nosm,1,{PATIENT.lat},{PATIENT.lon}\n", encoding="utf-8")
    return path


def test_a_resident_may_not_import(session: Session, tmp_path: Path) -> None:
    here, _ = two_estates(session)
    resident = make.person_with_role(session, Role.RESIDENT, estate=here)
    path, mapping = list_of(tmp_path)

    with pytest.raises(NotAllowed):
        import_devices(session, resident, path, at=NOW, mapping=mapping)
    with pytest.raises(NotAllowed):
        preview_devices(session, resident, path)


def test_a_manager_imports_what_lies_in_their_estate(session: Session, tmp_path: Path) -> None:
    here, _ = two_estates(session)
    manager = manager_of(session, here)
    path, mapping = list_of(tmp_path)

    seen = preview_devices(session, manager, path, mapping=mapping)
    report = import_devices(session, manager, path, at=NOW, mapping=mapping)

    assert (seen.rows, seen.new, len(seen.bad)) == (3, 1, 2)
    assert counts(report) == (1, 0, 0, 2)
    assert set(reasons(report).values()) == {"position: lies in no estate that you manage"}
    assert [each.estate_id for each in session.scalars(select(Device))] == [here.id]

    path, mapping = list_of(tmp_path, maker="飞利浦")
    again = preview_devices(session, manager, path, mapping=mapping)
    assert (again.new, again.changed, again.unchanged) == (0, 1, 0)
    assert counts(import_devices(session, manager, path, at=NOW, mapping=mapping)) == (0, 1, 0, 2)
    same = preview_devices(session, manager, path, mapping=mapping)
    assert (same.new, same.changed, same.unchanged) == (0, 0, 1)


def test_a_manager_may_not_change_the_list_of_another_estate(session: Session, tmp_path: Path) -> None:
    here, there = two_estates(session)
    path, mapping = list_of(tmp_path)
    import_devices(session, manager_of(session, there), path, at=NOW, mapping=mapping)
    manager = manager_of(session, here)

    with pytest.raises(InvalidInput, match="list-lake is not free"):
        import_devices(session, manager, path, at=NOW, mapping=mapping)
    other = mapping.model_copy(update={"source": "osm"})
    with pytest.raises(InvalidInput, match="begins with list-"):
        import_devices(session, manager, path, at=NOW, mapping=other)
    with pytest.raises(InvalidInput, match="Preview the list first"):
        import_devices(session, manager, own_format(tmp_path), at=NOW)


def test_a_manager_may_not_name_an_estate_in_the_list(session: Session, tmp_path: Path) -> None:
    here, there = two_estates(session)
    path, mapping = list_of(tmp_path)
    forged = mapping.model_copy(update={"constants": {"estate": there.source_id or "", "region": "CN-33"}})

    report = preview_devices(session, manager_of(session, here), path, mapping=forged)

    assert (report.good, len(report.bad)) == (0, 3)
