"""An estate moves to another cell: exact, encrypted, the same file twice changes nothing, labels follow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from aed.accounts.permissions import ANYONE
from aed.cells.table import CellTable, cell_table
from aed.cli.cells import cells
from aed.database.geometry import position_of, shape_of
from aed.database.session import open_database
from aed.database.types import Table
from aed.errors import AedError, Conflict, InvalidInput, NotAllowed, NotSignedIn
from aed.geo import Position
from aed.registry.devices.cabinet_codes import set_cabinet_code
from aed.registry.devices.models import CabinetCode, Consumable, Device
from aed.registry.devices.rules import ConsumableKind, DeviceState, short_number
from aed.registry.estates.gate_codes import set_gate_code
from aed.registry.estates.models import Building, Estate, EstatePace, Gate, GateCode
from aed.registry.estates.rules import EstateState
from aed.settings import Settings
from aed.settings.cells import Cells
from aed.signatures import encryption_key_texts, public_key_texts
from aed.transfers.actions import export_estate, import_estate, release_estate
from aed.transfers.models import ImportedRow, MovedDevice
from aed.transfers.queries import references
from aed.transfers.rules import CARRIED, STAYS
from aed.upkeep.models import Check, Quarantine
from tests import make
from tests.apps import app_on
from tests.cells.tables import cell, keys_in, write_table
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of
from tests.throwaway_postgres import copy_database, drop_database

CODE = "2580#"
WEST = (118.0, 28.0, 119.0, 32.0)
EAST = (119.0, 28.0, 122.0, 32.0)
"""The estate is here: the table has been changed before."""


@dataclass(frozen=True)
class Move:
    """An old cell, 33, and a new one, 34, on the other engine."""

    old: Session
    new: Session
    old_table: CellTable
    new_table: CellTable
    old_settings: Settings
    new_settings: Settings

    def export(self, estate: Estate, *, minutes: int = 0, with_keepers: bool = True) -> bytes:
        made = export_estate(
            self.old,
            ADMINISTRATOR,
            estate.id,
            table=self.old_table,
            to="34",
            with_keepers=with_keepers,
            at=NOW + timedelta(minutes=minutes),
        )
        return made.content

    def take(self, content: bytes, **given: Any) -> Any:
        return import_estate(self.new, ADMINISTRATOR, content, table=self.new_table, at=NOW, **given)

    def release(self, receipt: bytes) -> int:
        return release_estate(self.old, ADMINISTRATOR, receipt, table=self.old_table, at=NOW)[1]


@pytest.fixture
def move(
    request: pytest.FixtureRequest, session: Session, settings: Settings, tmp_path: Path
) -> Iterator[Move]:
    """Move from each engine to the other one."""
    keys = {code: keys_in(tmp_path, code) for code in ("33", "34")}
    signed_by = write_table(
        tmp_path / "cells.json",
        keys_in(tmp_path, "signer"),
        *(
            cell(
                code,
                box,
                keys=public_key_texts(keys[code]),
                encryption_key=encryption_key_texts(keys[code])[0],
            )
            for code, box in (("33", WEST), ("34", EAST))
        ),
    )

    def of(code: str, url: str) -> Settings:
        table = Cells(file=tmp_path / "cells.json", code=code, signed_by=signed_by)
        return settings.model_copy(
            update={"database_url": url, "cells": table, "signing_keys": tmp_path / f"{code}-keys.json"}
        )

    is_postgis = settings.database_url.startswith("postgresql")
    if is_postgis:
        path = tmp_path / "new.sqlite"
        shutil.copyfile(request.getfixturevalue("spatialite_template"), path)
        url = f"sqlite:///{path}"
    else:
        url = copy_database(request.getfixturevalue("postgis_template"), "transfer")
    old, new = of("33", settings.database_url), of("34", url)
    database = open_database(new)
    tables = [cell_table(old), cell_table(new)]
    try:
        with database.write_sessions() as there:
            make.region(there)
            there.commit()
            assert tables[0] is not None
            assert tables[1] is not None
            yield Move(session, there, tables[0], tables[1], old, new)
    finally:
        database.close()
        if not is_postgis:
            drop_database(url)


def whole_estate(session: Session) -> tuple[Estate, list[Device]]:
    """Register an estate with something of everything that travels."""
    make.estate(session, around=north_of(PATIENT, metres=5_000))  # so that numbers differ between the cells
    estate = make.estate(session, name_en="Lake View", name_zh="湖景园", guard_phone="+8657155501234")
    session.add(EstatePace(estate_id=estate.id, seconds_per_metre=0.31, pick_up_seconds=22.5, drills=7))
    make.building(session, estate, at=PATIENT, name_en="Block 3", floors=18)
    gate = make.gate(session, estate, at=east_of(PATIENT, metres=90), opening_hours="06:00-22:00")
    set_gate_code(session, ADMINISTRATOR, gate.id, CODE, at=NOW)
    lobby = make.device(session, at=PATIENT, of=estate, place_en="Lobby", serial="A-1", opening_hours="24/7")
    gym = make.device(session, at=north_of(PATIENT, metres=30), of=estate, floor=-1)
    lobby.keeper_id = make.person(session).id
    session.flush()
    set_cabinet_code(session, ADMINISTRATOR, lobby.id, "4711#", at=NOW)
    session.add(
        Consumable(device_id=lobby.id, kind=ConsumableKind.PADS, lot="L7", expires_on=date(2028, 5, 1))
    )
    make.policy(session, of=estate, check_days=30)
    make.check(session, of=lobby)
    make.check(session, of=gym, answers={"status_light": False})
    session.commit()
    return estate, [lobby, gym]


def content_of(session: Session, model: type[Table], *left_out: str) -> list[dict[str, Any]]:
    """Return the rows of a table without numbers, versions, and what the receiving cell sets."""
    session.expire_all()
    ignored = {"id", "version", "region_id", "estate_id", "device_id", "gate_id", *left_out}
    rows = []
    for row in session.scalars(select(model).order_by(*model.__table__.primary_key)):
        found = {column.name: getattr(row, column.name) for column in model.__table__.columns}
        if "position" in found:
            found["position"] = position_of(found["position"])
        if "boundary" in found:
            found["boundary"] = shape_of(found["boundary"]).wkt
        rows.append({name: value for name, value in found.items() if name not in ignored})
    return rows


def test_only_an_administrator_exports_imports_or_releases(move: Move) -> None:
    estate, _ = whole_estate(move.old)
    for who in (ANYONE, make.member(estate)):
        with pytest.raises((NotAllowed, NotSignedIn)):
            export_estate(move.old, who, estate.id, table=move.old_table, to="34", with_keepers=False, at=NOW)
        with pytest.raises((NotAllowed, NotSignedIn)):
            import_estate(move.new, who, move.export(estate), table=move.new_table, at=NOW)
        with pytest.raises((NotAllowed, NotSignedIn)):
            release_estate(move.old, who, b"{}", table=move.old_table, at=NOW)


def test_an_estate_moves_exactly_and_its_labels_lead_to_the_new_cell(move: Move) -> None:
    """Export, import, import again, a check in between, import, release, release again."""
    estate, devices = whole_estate(move.old)
    labels = {each.id: short_number(each.id) for each in devices}
    lobby_id, _ = labels
    first = move.export(estate)
    for secret in (CODE, "4711#", "Lobby", "+86"):
        assert secret.encode() not in first
    done = move.take(first)
    move.new.commit()
    assert done.created > 10
    again = move.take(first)
    assert (again.created, again.changed, again.deleted, again.receipt) == (0, 0, 0, done.receipt)
    assert not move.new.dirty
    there = move.new.get_one(Estate, done.estate_id)
    assert (there.name_zh, there.id != estate.id) == ("湖景园", True)

    make.check(move.old, of=devices[0], at=NOW + timedelta(hours=1))
    move.old.commit()
    with pytest.raises(Conflict, match="has changed since it was exported"):
        move.release(done.receipt)
    move.old.rollback()
    second = move.export(estate, minutes=90)
    newer = move.take(second)
    move.new.commit()
    assert newer.created == 1
    with pytest.raises(Conflict, match="older than the one"):
        move.take(first)
    move.new.rollback()

    same = ((EstatePace,), (Building,), (Gate,), (GateCode, "set_by"), (CabinetCode, "set_by"), (Consumable,))
    for model, *left_out in same:
        assert content_of(move.new, model, *left_out) == content_of(move.old, model, *left_out), model
        assert content_of(move.new, model), model
    ours = content_of(move.old, Device, "keeper_id", "origins")
    assert content_of(move.new, Device, "keeper_id", "origins") == ours
    answered = ("policy_id", "by_id", "by_name")
    assert content_of(move.new, Check, *answered) == content_of(move.old, Check, *answered)
    assert all(each.by_name.startswith("33/") for each in move.new.scalars(select(Check)))
    assert {each.policy_id for each in move.new.scalars(select(Check))} != {None}
    came_from = [each.fields.get("moved_from") for each in make.changes(move.new, "devices")]
    assert [None, f"33:{lobby_id}"] in came_from
    kept = move.new.scalars(select(Device).where(Device.keeper_id.is_not(None))).one()
    numbers = {
        each.number_there: each.number_here
        for each in move.new.scalars(select(ImportedRow).where(ImportedRow.table_name == "devices"))
    }
    assert numbers[lobby_id] == kept.id
    by_check = content_of(move.new, Quarantine, "by_check_id", "lifted_by_check_id")
    assert by_check == content_of(move.old, Quarantine, "by_check_id", "lifted_by_check_id")
    assert by_check

    with TestClient(app_on(move.old_settings), follow_redirects=False) as client:
        for page in ("", "/report"):
            assert client.get(f"/d/{labels[lobby_id]}{page}").status_code == 200
        assert move.release(newer.receipt) == 2
        move.old.commit()
        assert move.release(newer.receipt) == 0
        for number, label in labels.items():
            for page in ("", "/check", "/report"):
                led = client.get(f"/d/{label}{page}")
                link = f"https://aed34.example.org/d/{short_number(numbers[number])}{page}"
                assert (led.status_code, led.headers["location"]) == (303, link)
        here = {"lat": PATIENT.lat, "lon": PATIENT.lon}
        found = client.get("/v1/nearest", params=here).json()
        assert [found[name] for name in ("devices", "too_far", "unusable_now", "quarantined")] == [[]] * 4
    unreachable = {"database_url": "postgresql+psycopg://nobody@127.0.0.1:1/none"}
    with TestClient(app_on(move.old_settings.model_copy(update=unreachable))) as client:
        assert 'href="tel:120"' in client.get(f"/d/{labels[lobby_id]}").text
        assert client.get(f"/d/{labels[lobby_id]}/report").status_code == 200
    assert move.old.get_one(Estate, estate.id).state is EstateState.WITHDRAWN
    states = {each.state for each in move.old.scalars(select(Device))}
    assert states == {DeviceState.WITHDRAWN}
    assert len(move.old.scalars(select(MovedDevice)).all()) == 2


@pytest.mark.one_engine("the actions are tested on both")
def test_the_commands_move_an_estate(move: Move, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    estate, _ = whole_estate(move.old)
    run, file, receipt = CliRunner(), tmp_path / "estate.json", tmp_path / "receipt.json"

    def work_in(settings: Settings) -> None:
        for name, value in (
            ("DATABASE_URL", settings.database_url),
            ("SIGNING_KEYS", settings.signing_keys),
            ("CELLS__FILE", settings.cells.file),
            ("CELLS__CODE", settings.cells.code),
            ("CELLS__SIGNED_BY", settings.cells.signed_by),
        ):
            monkeypatch.setenv(f"AED_{name}", str(value))

    def aed(settings: Settings, *arguments: str) -> str:
        work_in(settings)
        done = run.invoke(cells, arguments)
        assert done.exit_code == 0, done.output
        return done.output

    work_in(move.old_settings)
    # A process of its own, which imports no more than the command needs.
    command = [sys.executable, "-m", "aed", "cells", "export-estate", str(estate.id), str(file), "--to", "34"]
    exported = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "buildings" in exported
    assert "agreements are concluded again" in exported
    assert "rows created" in aed(move.new_settings, "import-estate", str(file), str(receipt))
    assert "0 rows created" in aed(move.new_settings, "import-estate", str(file), str(receipt))
    assert "2 AEDs withdrawn here" in aed(move.old_settings, "release-estate", str(receipt))
    monkeypatch.delenv("AED_CELLS__FILE")
    refused = run.invoke(cells, ["release-estate", str(receipt)])
    assert "AED_CELLS__FILE is not set" in str(refused.exception)


@pytest.mark.one_engine("refused before anything is read or written")
def test_a_file_that_is_damaged_foreign_or_of_another_version_is_refused_in_a_sentence(move: Move) -> None:
    estate, _ = whole_estate(move.old)
    whole = json.loads(move.export(estate))

    def refusal(change: dict[str, Any]) -> str:
        with pytest.raises(InvalidInput) as refused:
            move.take(json.dumps(whole | change).encode())
        return refused.value.detail

    assert "version 2" in refusal({"version": 2})
    assert "for cell 33" in refusal({"to_cell": "33"})
    assert "no other cell" in refusal({"from_cell": "99"})
    assert "no other cell" in refusal({"from_cell": "34"})
    assert "fields of this release (colour)" in refusal({"colour": "red"})
    for name, value in (("estate", 77), ("content", whole["content"][:-4] + "AAAA"), ("region", "CN-1")):
        assert "damaged" in refusal({name: value}), name
    for content in (b"", json.dumps(whole).encode()[:-90], b"[]"):
        with pytest.raises(InvalidInput, match="must be a whole aed-estate file"):
            move.take(content)
    with pytest.raises(InvalidInput, match="must be a whole aed-estate-receipt file"):
        move.release(json.dumps(whole).encode())
    assert move.new.scalars(select(Estate)).all() == []


@pytest.mark.one_engine("the same statements as those of a whole move")
def test_what_was_changed_in_both_cells_is_not_overwritten(move: Move) -> None:
    estate, devices = whole_estate(move.old)
    done = move.take(move.export(estate))
    theirs = move.new.scalars(select(Device).where(Device.place_en == "Lobby")).one()
    theirs.place_en = "Main lobby"
    move.new.commit()
    devices[1].place_en = "Gym"
    set_gate_code(move.old, ADMINISTRATOR, move.old.scalars(select(Gate.id)).one(), None, at=NOW)
    move.old.commit()
    later = move.take(move.export(estate, minutes=1))
    move.new.commit()
    assert (later.estate_id, later.changed, later.deleted) == (done.estate_id, 1, 1)
    assert sorted(content["place_en"] or "" for content in content_of(move.new, Device)) == [
        "Gym",
        "Main lobby",
    ]
    devices[0].place_en = "Hall"
    move.old.commit()
    with pytest.raises(Conflict, match="changed in both cells"):
        move.take(move.export(estate, minutes=2))


@pytest.mark.one_engine("the same statements as those of a whole move")
def test_keepers_travel_only_when_asked_for_and_outsiders_stay_outside(move: Move) -> None:
    estate, devices = whole_estate(move.old)
    move.take(move.export(estate, with_keepers=False))
    assert {each.keeper_id for each in move.new.scalars(select(Device))} == {None}
    move.new.rollback()

    devices[0].position = make.device(move.old, at=Position(30.0, 118.5)).position
    move.old.commit()
    with pytest.raises(InvalidInput, match="outside the outline of cell 34"):
        move.take(move.export(estate, minutes=1))


def test_a_row_that_a_list_has_brought_into_both_cells_is_named(move: Move) -> None:
    estate, _ = whole_estate(move.old)
    other = make.estate(move.new)
    other.source, other.source_id = estate.source, estate.source_id
    move.new.commit()
    with pytest.raises(AedError, match="has brought"):
        move.take(move.export(estate))


def test_every_table_of_estates_and_devices_travels_or_stays_for_a_reason() -> None:
    of_transfers = {"imported_estates", "moved_devices"}
    about = {name for name in Table.metadata.tables if references(name)} - of_transfers
    carried = {each.name for each in CARRIED}
    assert about - carried == set(STAYS)
    assert not carried & set(STAYS)
