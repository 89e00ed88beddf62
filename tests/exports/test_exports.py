"""Exports: they contain only what the viewer may see, and are read back without loss."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.database.session import Database, open_database, read_session
from aed.errors import NotSignedIn
from aed.exports.api import files as exports_api
from aed.exports.api.files import ExportResponse
from aed.exports.formats.tables import COLUMNS
from aed.exports.formats.writing import chosen, exported
from aed.exports.queries import EVERYTHING, devices, every_device
from aed.exports.rules import ExportFormat
from aed.imports.devices.actions import import_devices
from aed.imports.estates import import_estates
from aed.registry.devices import actions as device_actions
from aed.registry.devices.models import Device
from aed.registry.devices.rules import ConsumableKind
from aed.registry.devices.schemas import ConsumableIn
from aed.registry.estates.models import Estate
from aed.settings import Settings
from tests import forked, make
from tests.cases import each_case
from tests.examples import examples
from tests.exports.conftest import Gdal, serving
from tests.make import ADMINISTRATOR, ANYONE, NOW, PATIENT, east_of, north_of

SERIAL, KEEPER, PHONE, GUARD = "SN-4711", "Keeper Wang", "+86 571 0333 4444", "+86 571 0111 2222"
SECRETS = (SERIAL, KEEPER, PHONE, GUARD)
PUBLIC, HIDDEN = "The open lobby", "The hidden stair"
OWN = (ExportFormat.CSV, ExportFormat.XLSX, ExportFormat.GEOJSON)
READ_BACK = (*OWN, ExportFormat.KML, ExportFormat.GEOPACKAGE)
OF_DEVICES = [form for form in ExportFormat if form is not ExportFormat.ESTATES]


def _register(session: Session) -> Estate:
    """Add a public and a hidden device of an estate, each with a keeper and a serial number."""
    estate = make.estate(session, guard_phone=GUARD, name_en="Our Garden")
    keeper = {"name": KEEPER, "phone": PHONE}
    make.device(session, of=estate, place_en=PUBLIC, serial=SERIAL, keeper=keeper, audience="public")
    make.device(
        session,
        of=estate,
        at=north_of(PATIENT, metres=40),
        place_en=HIDDEN,
        serial=SERIAL,
        keeper=keeper,
        audience="estate",
    )
    make.gate(session, estate, at=PATIENT, name_en="South Gate")
    return estate


def _text(form: ExportFormat, body: bytes, folder: Path) -> str:
    """Return all text of a file, extracted from its container format."""
    if form is ExportFormat.XLSX:
        from python_calamine import CalamineWorkbook

        return str(CalamineWorkbook.from_filelike(io.BytesIO(body)).get_sheet_by_index(0).to_python())
    if form is ExportFormat.GEOPACKAGE:
        return body.decode("utf-8", errors="replace")
    return body.decode("utf-8-sig")


# --- permissions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", OF_DEVICES)
def test_a_stranger_exports_public_devices_without_serials_and_keepers(
    session: Session, client: TestClient, tmp_path: Path, form: ExportFormat
) -> None:
    _register(session)
    session.commit()

    answer = client.get(f"/v1/export/{form}")

    assert answer.status_code == 200
    text = _text(form, answer.content, tmp_path)
    assert PUBLIC in text
    assert HIDDEN not in text
    assert not [secret for secret in SECRETS if secret in text]
    assert "Our Garden" not in text


@pytest.mark.parametrize("form", OF_DEVICES)
def test_a_member_exports_estate_devices_with_serials_and_a_neighbour_does_not(
    session: Session, client: TestClient, tmp_path: Path, form: ExportFormat
) -> None:
    ours = _register(session)
    other = make.estate(session, around=east_of(PATIENT, metres=2_000))
    member, elsewhere = (make.key(session, TokenRole.MEMBER, estate=each) for each in (ours, other))
    session.commit()

    inside = _text(form, client.get(f"/v1/export/{form}", headers=member).content, tmp_path)
    outside = _text(form, client.get(f"/v1/export/{form}", headers=elsewhere).content, tmp_path)

    assert (HIDDEN in inside) is (form is not ExportFormat.OSM_CHANGE)  # a public map has only public devices
    assert (SERIAL in inside) is (form is not ExportFormat.OSM_CHANGE and form is not ExportFormat.JAPAN)
    assert (KEEPER in inside) is (form in (*OWN, ExportFormat.KML, ExportFormat.GEOPACKAGE))
    assert PUBLIC in outside
    assert HIDDEN not in outside
    assert not [secret for secret in SECRETS if secret in outside]


def test_estates_and_gates_are_exported_for_those_who_may_see_them(
    session: Session, client: TestClient
) -> None:
    ours = _register(session)
    other = make.estate(session, around=east_of(PATIENT, metres=2_000), name_en="Their Garden")
    member = make.key(session, TokenRole.MEMBER, estate=ours)
    dispatcher = make.key(session, TokenRole.DISPATCHER, region=make.region(session, "CN-44"))
    session.commit()

    assert client.get("/v1/export/estates").status_code == 401
    assert GUARD not in client.get("/v1/export/estates", headers=dispatcher).text
    known = client.get("/v1/export/estates", headers=member).json()["features"]
    named = {(each["properties"]["kind"], each["properties"]["name_en"]) for each in known}
    assert ("estate", "Our Garden") in named
    assert ("gate", "South Gate") in named
    assert not [name for _kind, name in named if name == other.name_en]


def test_an_unknown_token_exports_nothing(client: TestClient) -> None:
    answer = client.get("/v1/export/csv", headers={"Authorization": "Bearer aed_" + "x" * 43})

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_only_an_administrator_exports_withdrawn_devices(session: Session, client: TestClient) -> None:
    gone = make.device(session, place_en="Gone")
    device_actions.withdraw_device(session, ADMINISTRATOR, gone.id, version=gone.version, at=NOW)
    key = make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()

    assert "Gone" not in client.get("/v1/export/csv").text
    assert "withdrawn" in client.get("/v1/export/csv", headers=key).text


# --- filters --------------------------------------------------------------------------------------------


def _places(answer: Any) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {row["place_en"] for row in csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))}


def test_an_export_is_filtered_by_box_and_by_region_with_its_descendants(
    session: Session, client: TestClient
) -> None:
    make.region(session, "province")
    make.region(session, "city", parent="province")
    make.region(session, "elsewhere")
    make.device(session, in_region="city", place_en="a")
    make.device(session, in_region="elsewhere", place_en="b", at=east_of(PATIENT, metres=5_000))
    session.commit()

    assert _places(client.get("/v1/export/csv")) == {"a", "b"}
    assert _places(client.get("/v1/export/csv?region=province")) == {"a"}
    assert _places(client.get("/v1/export/csv?bbox=120.09,30.28,120.11,30.30")) == {"a"}
    assert _places(client.get("/v1/export/csv?bbox=120.11,30.28,120.09,30.30")) == {"b"}  # the long way round


@each_case(
    ("path", "status", "field"),
    [
        ("/v1/export/csv?bbox=1,2,3", 422, "bbox"),
        ("/v1/export/csv?bbox=nan,0,1,1", 422, "bbox"),
        ("/v1/export/csv?bbox=0,9,1,1", 422, "bbox"),
        ("/v1/export/csv?region=nowhere", 404, "region"),
        ("/v1/export/pdf", 422, "format"),
    ],
)
def test_an_invalid_request_is_refused_in_a_sentence(
    client: TestClient, path: str, status: int, field: str
) -> None:
    answer = client.get(path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field


@pytest.mark.parametrize("form", OF_DEVICES)
def test_an_empty_register_exports_a_valid_file(client: TestClient, form: ExportFormat) -> None:
    answer = client.get(f"/v1/export/{form}")

    assert answer.status_code == 200
    assert answer.content


def test_a_third_simultaneous_export_waits(client: TestClient) -> None:
    with exports_api._places, exports_api._places:
        answer = client.get("/v1/export/csv")
        assert answer.status_code == 429
        assert answer.json()["detail"].startswith("2 exports are running")
    for _ in range(exports_api.AT_ONCE + 1):
        assert client.get("/v1/export/csv").status_code == 200


def test_an_export_holds_one_page_in_memory(session: Session, database: Database) -> None:
    for number in range(7):
        make.device(session, source="list", source_id=str(number))
    session.commit()

    pages = every_device(database, ANYONE, EVERYTHING, at_once=3)

    assert [[device.row.source_id for device in page] for page in pages] == [
        ["0", "1", "2"],
        ["3", "4", "5"],
        ["6"],
    ]


# --- export and import ----------------------------------------------------------------------------------


def _full_register(session: Session) -> None:
    """Add devices with every field filled, with values that are awkward in some format."""
    make.region(session, "CN-33")
    ours = make.estate(session, source="list", source_id="e1")
    make.gate(session, ours, at=PATIENT, source="other-list", source_id="g1")
    full = make.device(
        session,
        of=ours,
        source="another",
        source_id="1",
        position={"lat": 30.287_654_321_012_34, "lon": 120.104_567_890_123_4, "datum": "gcj02"},
        place_en='=HYPERLINK("http://x","y"), "the" lobby\nby the stairs',
        place_zh="'大堂；－1",
        floor=-2,
        opening_hours="Mo-Fr 08:30-17:30; PH off",
        opening_hours_raw="8.30 – 17.30",
        entry="assisted",
        access_instructions_en="@guard <ask> & wait",
        access_instructions_zh="\u3000请问门岗",
        cabinet="alarmed",
        maker="+Maker",
        model="-2",
        serial="0012",
        registration_number="国械注准20213080123",
        udi_di="06901234567892",
        manufactured_on=date(2021, 3, 1),
        end_of_life_on=date(2031, 2, 28),
        keeper={"name": "=Wang", "phone": "+86 571 0333 4444"},
        audience="neighbours",
        state="out_of_service",
        out_of_service_reason="pads used",
        last_checked_on=date(2026, 2, 28),
    )
    for kind in ConsumableKind:
        new = ConsumableIn(kind=kind, expires_on=date(2028, 5, 31))
        device_actions.fit_consumable(session, ADMINISTRATOR, full.id, new, at=NOW)
    make.device(
        session, source="list", source_id="2", opening_hours=None, opening_hours_raw="ask", entry="unknown"
    )
    make.device(
        session, source="list", source_id="_x0041_", place_en="_x0041_ 1e5", place_zh="007", model="TRUE"
    )
    make.device(session, source="osm", source_id="node/5", at=north_of(PATIENT, metres=1 / 3))
    gone = make.device(session, source="list", source_id="3")
    device_actions.withdraw_device(session, ADMINISTRATOR, gone.id, version=gone.version, at=NOW)


def _whole(database: Database, form: ExportFormat) -> bytes:
    return b"".join(exported(database, ADMINISTRATOR, form, EVERYTHING, at=NOW))


def _rows(database: Database) -> list[list[str]]:
    """Return the rows of the registry, sorted."""
    text = _whole(database, ExportFormat.CSV).decode("utf-8-sig")
    return sorted(csv.reader(io.StringIO(text, newline="")))


@pytest.fixture
def empty(tmp_path: Path, spatialite_template: Path) -> Iterator[Database]:
    """Yield another, empty registry."""
    path = shutil.copyfile(spatialite_template, tmp_path / "empty.sqlite")
    database = open_database(Settings(database_url=f"sqlite:///{path}"))
    yield database
    database.close()


@pytest.mark.parametrize("form", READ_BACK)
def test_the_whole_register_is_exported_and_imported_unchanged(
    session: Session, database: Database, empty: Database, tmp_path: Path, form: ExportFormat
) -> None:
    _full_register(session)
    session.commit()
    estates, devices = tmp_path / "estates.geojson", tmp_path / f"devices.{form}"
    estates.write_bytes(_whole(database, ExportFormat.ESTATES))
    devices.write_bytes(_whole(database, form))

    with empty.write_sessions.begin() as other:
        report = import_estates(other, ADMINISTRATOR, estates, at=NOW)
        assert report.bad == []
        report = import_devices(other, ADMINISTRATOR, devices, at=NOW)
        assert report.bad == []

    assert _rows(empty) == _rows(database)
    assert json.loads(_whole(empty, ExportFormat.ESTATES)) == json.loads(
        _whole(database, ExportFormat.ESTATES)
    )
    with empty.write_sessions.begin() as other:
        again = import_devices(other, ADMINISTRATOR, devices, at=NOW)
    assert (again.new, again.changed, again.bad) == (0, 0, [])


_WORDS = st.text(
    st.characters(
        exclude_categories=["Cs"], exclude_characters=[chr(n) for n in range(32) if n not in (9, 10)]
    ),
    max_size=30,
).map(str.strip)


@pytest.mark.parametrize("form", OWN)
def test_any_text_is_exported_and_imported_unchanged(
    tmp_path_factory: pytest.TempPathFactory, spatialite_template: Path, form: ExportFormat
) -> None:
    folder = tmp_path_factory.mktemp("words")
    for name in ("there.sqlite", "back.sqlite"):
        shutil.copyfile(spatialite_template, folder / name)
    there = open_database(Settings(database_url=f"sqlite:///{folder / 'there.sqlite'}"))
    back = open_database(Settings(database_url=f"sqlite:///{folder / 'back.sqlite'}"))
    for each in (there, back):
        with each.write_sessions.begin() as session:
            make.region(session)
    with there.write_sessions.begin() as session:
        device_id = make.device(session, source="list", source_id="1").id
    file = folder / f"devices.{form}"

    @trying(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        _WORDS.filter(bool),
        _WORDS.filter(bool),
        st.floats(-89, 89, allow_nan=False),
        st.floats(-180, 180, allow_nan=False),
    )
    def goes_and_comes(place: str, model: str, lat: float, lon: float) -> None:
        with there.write_sessions.begin() as session:
            device = session.get(Device, device_id)  # visibility: a test's own
            assert device is not None
            device.place_en, device.model = place, model[:100].strip()
            device.origin_lat, device.origin_lon = lat, lon
        file.write_bytes(_whole(there, form))
        with back.write_sessions.begin() as session:
            report = import_devices(session, ADMINISTRATOR, file, at=NOW)
            assert report.bad == []
        with back.read_sessions() as session:
            found = session.scalars(select(Device)).one()
            assert (found.place_en, found.model) == (place, model[:100].strip())
            assert (found.origin_lat, found.origin_lon) == (lat, lon)

    goes_and_comes()
    there.close()
    back.close()


def test_every_column_of_a_devices_file_is_written(session: Session, database: Database) -> None:
    make.device(session)
    session.commit()

    assert _rows(database)[-1] == COLUMNS or COLUMNS in _rows(database)


# --- external formats -----------------------------------------------------------------------------------


def test_exports_in_the_own_format_have_the_storey_beside_the_floor(
    session: Session, database: Database
) -> None:
    make.region(session, "GB-ENG", country="GB", time_zone="Europe/London", holiday_calendar=None)
    for in_region in ("CN-33", "GB-ENG"):
        make.device(session, in_region=in_region, source="list", source_id=in_region, floor=2)
    session.commit()

    rows = list(csv.DictReader(io.StringIO(_whole(database, ExportFormat.CSV).decode("utf-8-sig"))))

    shown = {row["source_id"]: (row["floor"], row["storey"]) for row in rows}
    assert shown == {"CN-33": ("2", "3F"), "GB-ENG": ("2", "2F")}


def test_an_osm_change_modifies_known_elements_and_creates_the_rest(
    session: Session, database: Database
) -> None:
    make.device(session, source="osm", source_id="node/42", place_en='A "lobby" <b>', floor=2)
    make.device(session, source="osm", source_id="way/7")
    ours = make.device(session, source="list", source_id="1", entry="assisted")
    make.device(session, source="list", source_id="2", audience="estate", place_en=HIDDEN)
    session.commit()

    whole = _whole(database, ExportFormat.OSM_CHANGE).decode()
    root = ElementTree.fromstring(whole)

    assert "must review" in whole
    assert HIDDEN not in whole
    modified = {node.get("id"): node for node in root.findall("modify/node")}
    created = {node.get("id"): node for node in root.findall("create/node")}
    assert set(modified) == {"42"}
    assert set(created) == {str(-ours.id)}
    assert modified["42"].get("version") is None
    tags = {tag.get("k"): tag.get("v") for tag in modified["42"]}
    assert tags["emergency"] == "defibrillator"
    assert tags["defibrillator:location"] == 'A "lobby" <b>'
    assert tags["level"] == "2"
    assert "<!-- way/7 is omitted" in whole


def test_geodae_days_and_times_are_written_in_its_vocabulary(session: Session, database: Database) -> None:
    for hours in ("24/7", "Mo-Fr 08:00-18:00", "Mo-Fr 08:00-18:00; PH off", None):
        make.device(session, opening_hours=hours, opening_hours_raw=None if hours else "sur demande")
    session.commit()

    text = _whole(database, ExportFormat.GEODAE).decode()
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))

    assert [(row["c_disp_j"], row["c_disp_h"], row["c_disp_complt"]) for row in rows] == [
        ("{7j/7}", "{24h/24}", ""),
        ("{lundi,mardi,mercredi,jeudi,vendredi}", "{non renseigné}", "Mo-Fr 08:00-18:00"),
        ("", "{non renseigné}", "Mo-Fr 08:00-18:00; PH off"),
        ("", "{non renseigné}", "sur demande"),
    ]


def test_geodae_has_the_udi_and_the_date_of_a_combined_cartridge_and_an_import_reads_them(
    session: Session, database: Database, empty: Database, tmp_path: Path
) -> None:
    device = make.device(session, opening_hours="24/7", maker="ZOLL", model="AED 3", udi_di="06901234567892")
    day = date(2028, 5, 31)
    new = ConsumableIn(kind=ConsumableKind.CARTRIDGE, expires_on=day)
    device_actions.fit_consumable(session, ADMINISTRATOR, device.id, new, at=NOW)
    session.commit()
    file = tmp_path / "geodae.csv"
    file.write_bytes(_whole(database, ExportFormat.GEODAE))

    with empty.write_sessions.begin() as other:
        make.region(other)
        report = import_devices(other, ADMINISTRATOR, file, at=NOW, region=device.region.code)
    assert report.bad == []
    with read_session(empty) as other:
        (read,) = devices(other, ADMINISTRATOR, EVERYTHING, after_id=0, limit=2)
    assert (read.row.maker, read.row.model, read.row.udi_di) == ("ZOLL", "AED 3", "06901234567892")
    assert (read.pads_expire_on, read.battery_expires_on) == (day, day), "it has no combined cartridges"


def test_features_of_ogc_api_are_imported_with_their_numbers_and_dates(
    session: Session, database: Database, empty: Database, client: TestClient, tmp_path: Path
) -> None:
    _full_register(session)
    key = make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()
    estates, features = tmp_path / "estates.geojson", tmp_path / "items.geojson"
    estates.write_bytes(_whole(database, ExportFormat.ESTATES))
    features.write_bytes(client.get("/ogc/collections/devices/items", headers=key).content)

    with empty.write_sessions.begin() as other:
        import_estates(other, ADMINISTRATOR, estates, at=NOW)
        report = import_devices(other, ADMINISTRATOR, features, at=NOW)
    assert report.bad == []
    own_position = {COLUMNS.index(name) for name in ("lat", "lon", "datum")}
    there, back = (
        [[cell for place, cell in enumerate(row) if place not in own_position] for row in _rows(each)]
        for each in (database, empty)
    )
    assert sorted(there) == sorted(back)


def test_japans_schema_has_its_39_columns(session: Session, database: Database) -> None:
    make.device(session, opening_hours="Mo-Fr 08:00-18:00", floor=1, place_zh="市民会館")
    session.commit()

    text = _whole(database, ExportFormat.JAPAN).decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))

    assert len(row) == 39
    assert (row["名称"], row["設置位置"]) == ("市民会館", "2階")
    assert (row["利用可能曜日"], row["開始時間"], row["終了時間"]) == ("月火水木金", "08:00", "18:00")


@pytest.mark.parametrize("form", [ExportFormat.KML, ExportFormat.GEOPACKAGE, ExportFormat.GEOJSON])
def test_gdal_reads_the_exports(
    session: Session, database: Database, tmp_path: Path, gdal: Gdal, form: ExportFormat
) -> None:
    for number in range(5):
        make.device(
            session, at=east_of(PATIENT, metres=100.0 * number), place_zh=f"<大堂> & {number}\x0b"[:-1]
        )
    session.commit()
    file = tmp_path / f"devices.{form}"
    file.write_bytes(_whole(database, form))

    output = gdal("ogrinfo", "-so", "-al", file)

    assert "Feature Count: 5" in output
    assert "Extent: (120.100000, 30.290000)" in output
    assert "<大堂> & 4" in gdal("ogrinfo", "-al", file)


# --- the command ----------------------------------------------------------------------------------------


@pytest.fixture
def aed(database_url: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        settings = {**os.environ, "AED_DATABASE_URL": database_url, "COLUMNS": "100"}
        return forked.run(arguments, cwd=tmp_path, env=settings)

    return run


def test_the_command_exports_public_data_by_default(
    session: Session, aed: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    _register(session)
    session.commit()

    stranger = aed("export", "csv")
    assert PUBLIC in stranger.stdout
    assert HIDDEN not in stranger.stdout
    assert KEEPER not in stranger.stdout
    everything = aed("export", "csv", "--output", "out.csv", "--as", "administrator")
    assert everything.returncode == 0, everything.stderr
    assert KEEPER in (tmp_path / "out.csv").read_text(encoding="utf-8-sig")
    assert [path.name for path in tmp_path.glob(".*unfinished")] == []


def test_the_command_reports_errors_in_a_sentence(
    aed: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    kept = tmp_path / "out.csv"
    kept.write_text("as it was")

    for wrong in (["--bbox", "1,2"], ["--region", "nowhere"], ["--as", "nobody"]):
        done = aed("export", "csv", "--output", "out.csv", *wrong)
        assert done.returncode == 1
        assert done.stderr.startswith("aed: ")
        assert "Traceback" not in done.stderr
    assert kept.read_text() == "as it was"


def test_a_stranger_may_not_export_estates_from_python_either(database: Database) -> None:
    with pytest.raises(NotSignedIn):
        exported(database, ANYONE, ExportFormat.ESTATES, chosen(database, bbox=None, region=None), at=NOW)


def test_an_interrupted_download_releases_its_slot() -> None:
    """Over a real connection: the file would never end."""
    endless = FastAPI()

    @endless.get("/", response_class=ExportResponse)
    def forever() -> ExportResponse:
        assert exports_api._places.acquire(blocking=False)
        return ExportResponse([], itertools.repeat(b"x" * 65_536), media_type="text/csv", headers={})

    with serving(endless) as address:
        for _ in range(exports_api.AT_ONCE + 1):
            with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as line:
                line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert line.recv(1_000).startswith(b"HTTP/1.1 200")
            for _ in range(exports_api.AT_ONCE):
                assert exports_api._places.acquire(timeout=10)
            for _ in range(exports_api.AT_ONCE):
                exports_api._places.release()
