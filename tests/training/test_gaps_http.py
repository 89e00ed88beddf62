"""Access to the gap table over HTTP, as files and on the command line. Counts only, no names."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.database.geometry import position_of
from aed.registry.estates.models import Building, Estate
from tests import make
from tests.accounts.everyone import signed_in
from tests.cli.conftest import Aed, aed, run
from tests.make import PATIENT, north_of
from tests.registry.conftest import Desk
from tests.walking.osm_files import at, write_osm

__all__ = ["aed", "run"]

FAR = north_of(PATIENT, metres=5_000)


def staffed_estate(session: Session, *, in_region: str = "CN-33", **given: Any) -> Estate:
    """An estate of two buildings; two people can always come to the first."""
    estate = make.estate(session, in_region=in_region, **given)
    make.building(session, estate, at=PATIENT)
    make.building(session, estate, at=north_of(PATIENT, metres=180))
    for _ in range(2):
        make.responder(session, at=north_of(PATIENT, metres=-150), estate_id=estate.id, in_region=in_region)
    return estate


def desk(session: Session, client: TestClient, role: Role, **place: object) -> Desk:
    person = make.person(session)
    make.role(session, person, role, **place)  # type: ignore[arg-type] # estate=… or region=…
    headers = signed_in(session, person)
    session.commit()
    return Desk(client, headers)


@pytest.fixture
def client(client: TestClient) -> TestClient:
    """A client that uses TLS, because cookies are sent over TLS only."""
    client.base_url = client.base_url.copy_with(scheme="https")
    return client


def test_a_stranger_and_a_resident_see_no_gaps(session: Session, client: TestClient, nobody: Desk) -> None:
    estate = staffed_estate(session)
    resident = desk(session, client, Role.RESIDENT, estate=estate)
    keeper = desk(session, client, Role.KEEPER, estate=estate)
    dispatcher = desk(session, client, Role.DISPATCHER, region=make.region(session))

    assert nobody.get("/v1/gaps").status_code == 401
    for each in (resident, keeper, dispatcher):
        refused = each.get(f"/v1/gaps?estate_id={estate.id}")
        assert refused.status_code == 403
        assert "training officers" in refused.json()["detail"]


def test_those_who_run_the_training_of_an_estate_or_its_region_see_only_its_gaps(
    session: Session, client: TestClient
) -> None:
    make.region(session, "CN")
    make.region(session, "CN-33", parent="CN")
    make.region(session, "CN-44")
    here, elsewhere = staffed_estate(session), staffed_estate(session, in_region="CN-44")
    manager = desk(session, client, Role.ESTATE_MANAGER, estate=here)
    officer = desk(session, client, Role.TRAINING_OFFICER, region=make.region(session, "CN-33"))
    above = desk(session, client, Role.TRAINING_OFFICER, region=make.region(session, "CN"))
    administrator = desk(session, client, Role.ADMINISTRATOR)

    def estates_with_gaps(who: Desk, query: str = "") -> list[int]:
        answer = who.get(f"/v1/gaps{query}")
        assert answer.status_code == 200, answer.text
        return [each["estate_id"] for each in answer.json()["estates"]]

    for each in (manager, officer, above):
        assert estates_with_gaps(each) == [here.id]
        assert each.get(f"/v1/gaps?estate_id={elsewhere.id}").status_code == 404
    assert estates_with_gaps(administrator) == [here.id, elsewhere.id]
    assert estates_with_gaps(administrator, "?region=CN") == [here.id]
    assert administrator.get("/v1/gaps?region=XX").status_code == 404


def test_the_answer_has_counts_lapses_and_a_suggestion_but_no_names(
    session: Session, client: TestClient, office: Desk
) -> None:
    estate = staffed_estate(session)
    session.commit()

    answer = office.get(f"/v1/gaps?estate_id={estate.id}&target=2")

    assert answer.headers["cache-control"] == "private, no-store"
    body = answer.json()
    assert (body["target"], body["walk_seconds"], body["walk_metres"]) == (
        2,
        180.0,
        pytest.approx(259.1, abs=0.2),
    )
    (found,) = body["estates"]
    first, second = found["buildings"]
    assert first["now"] == [2] * 168
    assert second["now"] == [0] * 168, "330 m in a straight line are 495 m to walk"
    assert (first["hours_below"], second["hours_below"], found["hours_below"]) == (0, 168, 168)
    assert first["basis"] == "straight_line"
    assert found["suggestion"]["building_id"] == second["id"]
    assert "2" in found["suggestion"]["reasons_zh"][0]
    people = session.execute(select(Person.name, Person.phone)).all()
    assert len(people) >= 2
    for name, phone in people:
        assert name not in answer.text
        assert phone not in answer.text


def test_gaps_are_filtered_by_hour_and_listed_in_pages(session: Session, office: Desk) -> None:
    estates = [staffed_estate(session).id for _ in range(3)]
    session.commit()

    seen = []
    path = "/v1/gaps?limit=2&hour=30"
    while path:
        body = office.get(path).json()
        for each in body["estates"]:
            seen.append(each["estate_id"])
            assert each["buildings"][0]["now"] == [6]
        path = next((link["href"] for link in body["links"] if link["rel"] == "next"), "")

    assert seen == estates
    for wrong in ("hour=168", "target=0", "limit=51", "format=pdf", "cursor=x", "estate_id=0"):
        assert office.get(f"/v1/gaps?{wrong}").status_code == 422, wrong


def test_exported_files_have_a_row_or_a_point_for_each_building(
    session: Session, office: Desk, tmp_path: Path
) -> None:
    estate = staffed_estate(session, name_zh="=HYPERLINK(1)")
    staffed_estate(session)
    session.commit()

    table = office.get("/v1/gaps?format=csv&limit=1")
    rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
    assert 'rel="next"' in table.headers["link"]
    assert len(rows) == 2
    assert rows[0]["estate_zh"] == "'=HYPERLINK(1)"
    assert (rows[0]["now Mo 00"], rows[1]["now Su 23"], rows[1]["fewest_at"]) == ("4", "0", "Mo 00")
    assert len(rows[0]) == 15 + 2 * 168

    (tmp_path / "gaps.xlsx").write_bytes(office.get("/v1/gaps?format=xlsx").content)
    book = openpyxl.load_workbook(tmp_path / "gaps.xlsx")
    assert book.sheetnames == ["now", "after", "lapses"]
    sheet = list(book["now"].values)
    assert len(sheet) == 1 + 4
    assert sheet[1][2] == "=HYPERLINK(1)"
    assert book["now"].cell(2, 3).data_type == "s", "text, not a formula"
    assert sheet[1][15] == 4

    made = office.get(f"/v1/gaps?format=geojson&estate_id={estate.id}&hour=0")
    assert made.headers["content-type"] == "application/geo+json"
    collection = made.json()
    assert collection["type"] == "FeatureCollection"
    (first, second) = collection["features"]
    assert first["geometry"]["coordinates"] == pytest.approx([PATIENT.lon, PATIENT.lat])
    assert [each["properties"]["now"] for each in (first, second)] == [[4], [0]]


def test_the_command_prints_the_same_gaps(session: Session, aed: Aed, tmp_path: Path) -> None:
    make.region(session)
    session.commit()
    estate = staffed_estate(session)
    session.commit()

    shown = aed("gaps", "--estate", estate.id, warns=True)
    assert "Walks are estimated from straight lines" in shown.err
    assert "First-aiders that can come to the least covered building" in shown.out
    assert "建议下一场" in shown.out
    assert f"{estate.name_en}" in aed("gaps", "--region", "CN-33", warns=True).out
    assert "Mo 03:00 on" in aed("gaps", "--hour", "Mo 03", warns=True).out
    assert "Mo 03:00 on" in aed("gaps", "--hour", "周一 3", warns=True).out
    for ending in ("csv", "xlsx", "geojson", "json"):
        to = tmp_path / f"gaps.{ending}"
        assert "1 estate, 2 buildings" in aed("gaps", "--output", to, warns=True).err
        assert to.stat().st_size > 500
    written = json.loads((tmp_path / "gaps.json").read_text(encoding="utf-8"))
    assert written["buildings"][0]["now"] == [2] * 168
    assert "must end in .csv" in aed("gaps", "--output", tmp_path / "gaps.pdf", fails=True).err
    assert "such as 'Mo 03'" in aed("gaps", "--hour", "Monday", fails=True).err
    assert "such as 'Mo 03'" in aed("gaps", "--hour", "Mo 24", fails=True).err


def test_buildings_are_imported_repeatedly_from_a_map_and_a_list(
    session: Session, aed: Aed, tmp_path: Path
) -> None:
    assert (
        "No estate is registered"
        in aed("import", "buildings", "geodata/demo_district/streets.osm.pbf", fails=True).err
    )
    estate = make.estate(session, source="town", source_id="e1")
    session.commit()

    def square(east: float, first: int) -> dict[int, tuple[float, float]]:
        corners = ((0, 0), (20, 0), (20, 10), (0, 10))
        return {first + n: (east + e, float(north)) for n, (e, north) in enumerate(corners)}

    def extract(name: str, *, floors: str, with_second: bool) -> Path:
        plan = square(0, 1) | square(60, 11) | square(4_000, 21) | square(100, 31)
        tags = {"building": "apartments", "addr:housenumber": "7", "building:levels": floors}
        ways = [((1, 2, 3, 4, 1), tags), ((21, 22, 23, 24, 21), tags)]
        ways.append(((31, 32, 33, 34, 31), {"building": "garage"}))
        if with_second:
            ways.append(((11, 12, 13, 14, 11), {"building": "yes", "name": "荷花楼"}))
        doors = {2: {"entrance": "yes"}, 3: {"entrance": "main"}}
        return write_osm(tmp_path / name, plan, ways, node_tags=doors, origin=PATIENT)

    first = extract("a.osm.pbf", floors="11", with_second=True)
    assert (
        "2 new, 0 changed, 0 unchanged, 0 gone; 1 are in no estate" in aed("import", "buildings", first).out
    )
    assert "0 new, 0 changed, 2 unchanged, 0 gone" in aed("import", "buildings", first).out
    found = session.scalars(select(Building).order_by(Building.id)).all()
    assert [(each.name_en, each.name_zh, each.floors) for each in found] == [
        ("Building 7", "7幢", 11),
        ("荷花楼", "荷花楼", None),
    ]
    assert {each.estate_id for each in found} == {estate.id}
    main = at(20, 10, origin=PATIENT)
    assert position_of(found[0].position).lat == pytest.approx(main.lat, abs=2e-7), "its main entrance"
    session.rollback()
    second = extract("b.osm.pbf", floors="lots", with_second=False)
    assert "0 new, 1 changed, 0 unchanged, 1 gone" in aed("import", "buildings", second).out

    listed = tmp_path / "list.csv"
    row = f"building,town,b1,e1,Lotus,荷花,9,{PATIENT.lat},{PATIENT.lon}"
    far = f"building,town,b2,e1,Far,远,9,{FAR.lat},{FAR.lon}"
    header = "kind,source,source_id,estate,name_en,name_zh,floors,lat,lon"
    listed.write_text("\n".join([header, row, far]), encoding="utf-8")
    output = aed("import", "estates", listed).out
    assert "1 new, 0 changed, 0 unchanged, 1 set aside" in output
    assert "outside the boundary" in " ".join(output.split())
    (tmp_path / "no.osm.pbf").write_bytes(b"no map")
    assert "cannot be read" in aed("import", "buildings", tmp_path / "no.osm.pbf", fails=True).err
