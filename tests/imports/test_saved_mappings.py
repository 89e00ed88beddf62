"""Mappings of lists, saved with a name: for an estate, a region, or the whole network."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Role, Viewer
from aed.errors import ChangedMeanwhile, Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.imports.formats.guess import guess_mapping
from aed.imports.formats.mapping import Mapping
from aed.imports.models import SavedMapping
from aed.imports.saved_mappings import actions
from aed.imports.saved_mappings.actions import MappingPlace
from aed.registry.estates.models import Estate
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of


def list_of(folder: Path, headings: str = "安装位置,经度,纬度,品牌") -> Path:
    path = folder / "台账.csv"
    path.write_text(f"{headings}\n大堂,{PATIENT.lon},{PATIENT.lat},迈瑞\n", encoding="utf-8")
    return path


def mapping_of(folder: Path) -> Mapping:
    return guess_mapping(list_of(folder), source="list-lake").mapping


def place_of(estate: Estate) -> MappingPlace:
    return MappingPlace(estate.id, None, estate.name_en, estate.name_zh)


def saved_for(session: Session, who: Viewer, folder: Path, estate: Estate, name: str) -> SavedMapping:
    return actions.save_mapping(session, who, mapping_of(folder), name=name, place=place_of(estate), at=NOW)


def names(session: Session, who: Viewer) -> list[str]:
    return [each.name for each in actions.saved_mappings(session, who)]


def test_an_estates_mapping_is_for_those_who_import_there(session: Session, tmp_path: Path) -> None:
    here, there = make.estate(session), make.estate(session, around=east_of(PATIENT, metres=2_000))
    manager, other = (
        make.person_with_role(session, Role.ESTATE_MANAGER, estate=each) for each in (here, there)
    )
    above = make.person_with_role(session, Role.ADMINISTRATOR, region=make.region(session))
    resident = make.person_with_role(session, Role.RESIDENT, estate=here)
    saved = saved_for(session, manager, tmp_path, here, "湖畔台账")
    actions.save_mapping(
        session, ADMINISTRATOR, mapping_of(tmp_path), name="公司模板", place=actions.NETWORK, at=NOW
    )

    with pytest.raises(NotSignedIn):
        actions.saved_mappings(session, ANYONE)
    with pytest.raises(NotAllowed):
        actions.saved_mappings(session, resident)
    assert names(session, other) == ["公司模板"]
    with pytest.raises(NotFound):
        actions.delete_mapping(session, other, saved.id)
    with pytest.raises(NotAllowed):
        saved_for(session, other, tmp_path, here, "x")
    assert sorted(names(session, manager)) == sorted(["公司模板", "湖畔台账"])
    assert sorted(names(session, above)) == sorted(["公司模板", "湖畔台账"])
    with pytest.raises(NotAllowed, match="administrator of the network"):
        actions.delete_mapping(session, manager, actions.mapping_named(session, manager, "公司模板").id)

    actions.rename_mapping(session, manager, saved.id, name=" 湖畔  2027 ", version=1)
    with pytest.raises(ChangedMeanwhile):
        actions.rename_mapping(session, manager, saved.id, name="other", version=1)
    assert actions.mapping_of(actions.mapping_named(session, above, "湖畔 2027")).source == "list-lake"
    actions.delete_mapping(session, above, saved.id)
    assert names(session, manager) == ["公司模板"]


def test_a_name_is_unique_in_its_place_and_on_one_line(session: Session, tmp_path: Path) -> None:
    here, there = make.estate(session), make.estate(session, around=east_of(PATIENT, metres=2_000))
    saved_for(session, make.person_with_role(session, Role.ESTATE_MANAGER, estate=here), tmp_path, here, "a")
    other = make.person_with_role(session, Role.ESTATE_MANAGER, estate=there)
    saved_for(session, other, tmp_path, there, "a")

    with pytest.raises(Conflict, match="already"):
        saved_for(session, other, tmp_path, there, "a")
    for name in ("", " ", "x" * 61, "a\nb", "a\0b"):
        with pytest.raises(InvalidInput, match="1 to 60"):
            saved_for(session, other, tmp_path, there, name)
    with pytest.raises(Conflict, match="2 saved mappings"):
        actions.mapping_named(session, ADMINISTRATOR, "a")
    with pytest.raises(NotFound, match="Saved mappings: a"):
        actions.mapping_named(session, other, "b")


def test_a_list_with_all_columns_of_one_saved_mapping_is_read_by_it(session: Session, tmp_path: Path) -> None:
    here = make.estate(session)
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=here)
    saved = saved_for(session, manager, tmp_path, here, "a")

    assert actions.mapping_for(session, manager, list_of(tmp_path)) == saved
    assert actions.mapping_for(session, manager, list_of(tmp_path, "安装位置,经度,纬度,型号")) is None
    saved_for(session, manager, tmp_path, here, "b")
    assert actions.mapping_for(session, manager, list_of(tmp_path)) is None


# --- Over HTTP ---


def signed_in(session: Session, role: Role, estate: Estate) -> dict[str, str]:
    """Return the headers of a new person with that role."""
    person = make.person(session)
    make.role(session, person, role, estate=estate)
    return {"Authorization": f"Bearer {make.sign_in(session, person.id, bearer=True)}"}


def test_a_program_saves_reads_renames_and_deletes_mappings(client: TestClient, session: Session) -> None:
    here, there = make.estate(session), make.estate(session, around=east_of(PATIENT, metres=2_000))
    manager, other = (signed_in(session, Role.ESTATE_MANAGER, each) for each in (here, there))
    resident = signed_in(session, Role.RESIDENT, here)
    text = make.saved_mapping(session, of=there, name="Theirs").mapping
    session.commit()
    new = {"name": "Quarterly", "mapping": text, "estate_id": here.id}
    where = "/v1/list-mappings"

    assert client.get(where).status_code == 401
    assert client.get(where, headers=resident).status_code == 403
    assert client.post(where, json=new, headers=other).status_code == 403
    assert client.post(where, json=new | {"region_id": 1}, headers=manager).status_code == 422
    for wrong in ({"mapping": "a: ["}, {"mapping": ""}, {"name": "a\0b"}, {"name": " "}):
        assert client.post(where, json=new | wrong, headers=manager).status_code == 422, wrong

    saved = client.post(where, json=new, headers=manager)
    assert saved.status_code == 201, saved.text
    one = saved.headers["Location"]
    assert client.post(where, json=new, headers=manager).status_code == 409
    assert [each["name"] for each in client.get(where, headers=manager).json()] == ["Quarterly"]
    assert client.get(one, headers=other).status_code == 404
    found = client.get(one, headers=manager)
    assert (found.json()["estate_id"], found.json()["may_change"]) == (here.id, True)
    etag = {"If-Match": found.headers["ETag"]}
    renamed = {"name": "Yearly"}
    assert client.patch(one, json=renamed, headers=manager).status_code == 428
    assert client.patch(one, json=renamed, headers=manager | etag).json()["name"] == "Yearly"
    assert client.patch(one, json=renamed, headers=manager | etag).status_code == 412
    assert client.delete(one, headers=other).status_code == 404
    assert client.delete(one, headers=manager).status_code == 204
    assert client.get(one, headers=manager).status_code == 404
