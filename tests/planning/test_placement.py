"""Placement from the register: over HTTP, by command, and by hand-made cases."""

from __future__ import annotations

from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Audience, Role
from aed.errors import InvalidInput, NotAllowed, NotSignedIn
from aed.planning.placement.formats import out_of, xlsx_of
from aed.planning.placement.queries import place
from aed.planning.placement.schemas import PlacementIn, PlacementOut
from aed.registry.estates.models import Estate
from aed.settings import Settings
from tests import make
from tests.cli.conftest import Aed, aed, run
from tests.registry.conftest import Desk, nobody
from tests.training.test_gaps_http import client, desk

__all__ = ["aed", "client", "nobody", "run"]

MONDAY = date(2026, 9, 21)


def ask(session: Session, who: Any = make.ADMINISTRATOR, **given: Any) -> PlacementOut:
    question = PlacementIn.model_validate({"region": "CN-33", "budget": 1e6, **given})
    answer = place(session, who, question, network=None, settings=Settings(), today=MONDAY)
    return out_of(answer)


def street(session: Session, count: int = 6, *, apart: float = 150.0, **given: Any) -> list[Any]:
    """Make an estate with a row of towers."""
    estate = make.estate(session, **given)
    return [
        make.building(session, estate, at=make.east_of(make.PATIENT, metres=apart * i), floors=10)
        for i in range(count)
    ]


def test_strangers_and_residents_plan_nothing(session: Session) -> None:
    towers = street(session)
    for who, refused in (
        (ANYONE, NotSignedIn),
        (make.member(session.get_one(Estate, towers[0].estate_id)), NotAllowed),
    ):
        with pytest.raises(refused):
            ask(session, who)


def test_doing_nothing_is_the_first_line_and_gains_fall(session: Session) -> None:
    street(session)

    found = ask(session, every_building=True, max_devices=3)

    assert found.lines[0].action == "nothing"
    assert [line.rank for line in found.lines] == [0, 1, 2, 3]
    gains = [line.gain for line in found.lines[1:]]
    assert gains == sorted(gains, reverse=True)
    assert found.gap_percent <= 0.1
    assert found.greedy is not None
    assert found.greedy <= found.value <= found.bound
    assert found.lines[-1].spent == pytest.approx(3 * (13_000 + 8 * 900))


def test_opening_an_existing_device_competes_with_buying_one(session: Session) -> None:
    towers = street(session, neighbourhood="lake")
    own = session.get_one(Estate, towers[0].estate_id)
    make.device(
        session,
        of=own,
        at=make.east_of(make.PATIENT, metres=150),
        opening_hours="Mo-Fr 09:00-17:00",
        audience=Audience.ESTATE.value,
    )

    found = ask(session, every_building=True, max_devices=1, budget=7_000)

    assert found.lines[1].action == "open"
    assert found.lines[1].bands == ["day", "evening", "night", "weekend"]
    assert found.lines[1].cost_per_unit is not None


def test_neighbours_gain_from_a_device_that_is_opened_to_them(session: Session) -> None:
    here = make.estate(session, neighbourhood="lake")
    next_door = make.estate(session, around=make.east_of(make.PATIENT, metres=400), neighbourhood="lake")
    make.building(session, next_door, at=make.east_of(make.PATIENT, metres=100), floors=5)
    device = make.device(
        session, of=here, at=make.PATIENT, opening_hours="24/7", audience=Audience.ESTATE.value
    )

    found = ask(session, max_devices=1)

    assert found.lines[0].covered == 0
    assert found.lines[1].key == f"open:device-{device.id}:neighbours:hours"
    assert found.lines[1].gain > 0
    shut = ask(session, locked_out=[found.lines[1].key])
    assert shut.lines[1].key == f"open:device-{device.id}:public:hours"


def test_a_device_moves_where_more_people_live(session: Session) -> None:
    towers = street(session, 3, apart=400.0)
    estate = session.get_one(Estate, towers[0].estate_id)
    towers[1].floors = 30
    session.flush()
    device = make.device(
        session, of=estate, at=make.PATIENT, opening_hours="24/7", audience=Audience.ESTATE.value
    )

    found = ask(session, movable=[device.id], open_existing=False)

    assert [line.action for line in found.lines] == ["nothing", "move"]
    assert found.lines[1].cost == 1_500


def test_the_least_that_the_limits_cost_is_said_to_the_cent(session: Session) -> None:
    street(session, 2)
    prices = {"years": 1, "buy": 1_000.126, "upkeep_per_year": 0}
    with pytest.raises(InvalidInput) as refused:
        ask(session, every_building=True, floor_minutes=6, prices=prices, budget=10)
    assert refused.value.values["least"] == 2_000.25


def test_every_building_is_served_before_the_gain(session: Session) -> None:
    towers = street(session, 4, apart=1_000.0)
    towers[3].floors = 1
    session.flush()

    least = 4 * (13_000 + 8 * 900)
    with pytest.raises(InvalidInput, match=str(least)):
        ask(session, every_building=True, floor_minutes=6, budget=least - 1)
    assert len(ask(session, every_building=True, floor_minutes=6, budget=least).lines) == 5


def test_past_arrests_are_scored_year_by_year(session: Session) -> None:
    street(session, 2)
    arrests = [
        {"lat": make.PATIENT.lat, "lon": make.PATIENT.lon, "year": year, "ambulance_minutes": 8}
        for year in (2024, 2025, 2025)
    ]

    found = ask(
        session, objective="before_ambulance", demand="past_arrests", arrests=arrests, every_building=True
    )

    assert [(each.year, each.arrests) for each in found.held_out] == [(2024, 1), (2025, 2)]
    assert all(each.chosen_percent == 100 and each.nothing_percent == 0 for each in found.held_out)


def test_the_regions_own_incidents_count(session: Session) -> None:
    street(session, 2)
    make.incident(session)

    found = ask(session, objective="before_ambulance", demand="past_arrests", every_building=True)

    assert found.cells == 1
    assert found.lines[1].gain == pytest.approx(1.0)


def test_survivors_are_fewer_than_arrests(session: Session) -> None:
    street(session)
    arrests = ask(session, objective="before_ambulance", every_building=True)
    survivors = ask(session, objective="survivors", every_building=True)

    assert 0 < survivors.value < 0.2 * arrests.value


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"locked_in": ["buy:nowhere"]}, "no option buy:nowhere"),
        ({"movable": [999]}, "no device 999"),
        ({"candidates": [{"name": "a", "position": {"lat": 30, "lon": 120}}] * 2}, "name of its own"),
        ({"demand": "past_arrests"}, "no people at home"),
        ({"objective": "survivors", "demand": "past_arrests"}, "no buildings"),
    ],
)
def test_bad_questions_are_refused(session: Session, given: dict[str, Any], says: str) -> None:
    street(session, 1)
    with pytest.raises(InvalidInput, match=says):
        ask(session, **given)


def test_a_site_without_consent_is_left_out(session: Session) -> None:
    street(session, 1)
    site = {"name": "shop", "position": {"lat": make.PATIENT.lat, "lon": make.PATIENT.lon}}

    assert ask(session, candidates=[site]).lines[1].key == "buy:shop"
    assert ask(session, candidates=[site | {"consent": False}]).options == 0
    at_work = ask(session, candidates=[site | {"opening_hours": "Mo-Fr 09:00-17:00"}]).lines[1]
    assert at_work.bands == ["day"]


def test_over_http_the_answer_is_a_list_a_map_and_a_workbook(
    session: Session, client: TestClient, nobody: Desk
) -> None:
    towers = street(session)
    region = make.region(session)
    body = {"region": "CN-33", "budget": 60_000, "every_building": True}
    manager = desk(session, client, Role.ESTATE_MANAGER, region=region)
    of_estate = desk(
        session, client, Role.ESTATE_MANAGER, estate=session.get_one(Estate, towers[0].estate_id)
    )

    assert nobody.post("/v1/placement", body).status_code == 401
    assert of_estate.post("/v1/placement", body).status_code == 403
    answered = manager.post("/v1/placement", body)
    assert answered.status_code == 200
    lines = answered.json()["lines"]
    assert lines[0]["action"] == "nothing"
    on_map = manager.post("/v1/placement?format=geojson", body).json()
    assert [each["properties"]["key"] for each in on_map["features"]] == [line["key"] for line in lines[1:]]
    book = openpyxl.load_workbook(BytesIO(manager.post("/v1/placement?format=xlsx", body).content))
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    assert len(rows) == 1 + len(lines)
    assert rows[1][:3] == (0, "nothing", "维持现状")
    assert manager.post("/v1/placement", body | {"budget": -1}).status_code == 422


def test_the_command_prints_the_list_and_writes_files(session: Session, aed: Aed, tmp_path: Path) -> None:
    street(session)
    session.commit()
    sites = tmp_path / "sites.csv"
    sites.write_text(f"name,lat,lon,consent,power\n=shop,{make.PATIENT.lat},{make.PATIENT.lon},yes,no\n")

    printed = aed(
        "placement", "CN-33", "--budget", "60000", "--candidates", str(sites), "--every-building", warns=True
    ).out
    assert "nothing" in printed
    assert "gap" in printed
    aed(
        "placement",
        "CN-33",
        "--budget",
        "60000",
        "--candidates",
        str(sites),
        "-o",
        str(tmp_path / "a.xlsx"),
        warns=True,
    )
    rows = list(openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets[0].iter_rows(values_only=True))
    assert rows[2][2] == "'=shop"


def test_a_site_must_have_what_is_needed(session: Session) -> None:
    street(session, 1)
    place = {"lat": make.PATIENT.lat, "lon": make.PATIENT.lon}
    sites = [
        {"name": "has all", "position": place, "power": True, "signal": True, "camera": False},
        {"name": "no power", "position": place, "power": False, "signal": True},
        {"name": "unknown", "position": place, "signal": True},
        {"name": "no consent", "position": place, "power": True, "signal": True, "consent": False},
    ]

    found = ask(session, candidates=sites, site_needs=["power", "signal"], every_building=True)

    assert [line.key for line in found.lines] == [None, "buy:has all"]
    assert found.options == 1
    assert found.sites_left_out == {"power": 2, "consent": 1}
    facts = found.lines[1].site
    assert facts is not None
    assert facts.model_dump() == {
        "power": True,
        "camera": False,
        "signal": True,
        "staff": None,
        "consent": True,
    }
    rows = list(openpyxl.load_workbook(BytesIO(xlsx_of(found))).worksheets[0].iter_rows(values_only=True))
    shown = dict(zip(rows[0], rows[2], strict=True))
    assert shown["供电 power"] == "是 yes"
    assert shown["监控 camera"] == "否 no"
    assert shown["有人值守 staff"] == "未知 unknown"
    assert rows[1][rows[0].index("供电 power")] is None
    basis = list(openpyxl.load_workbook(BytesIO(xlsx_of(found))).worksheets[1].iter_rows(values_only=True))
    assert ("sites left out 未列入的地点：无供电 power", 2) in basis


def test_demand_counts_only_in_hours_with_enough_responders(session: Session) -> None:
    street(session, 2, apart=2_000.0)
    for hours in ("Mo-Su 23:00-08:00", "24/7"):
        make.responder(session, at=make.north_of(make.PATIENT, metres=100), place_hours=hours)

    everybody = ask(session, every_building=True, max_devices=2)
    with_one = ask(session, every_building=True, max_devices=2, min_responders=1)
    with_two = ask(session, every_building=True, max_devices=2, min_responders=2)
    with_three = ask(session, every_building=True, max_devices=2, min_responders=3)

    assert everybody.unattended == 0
    assert with_one.total == pytest.approx(everybody.total / 2)
    assert with_one.unattended == pytest.approx(everybody.total / 2)
    week = 0.45 * 60 + 0.85 * 15 + 0.95 * 63 + 0.7 * 30
    assert with_two.total == pytest.approx(with_one.total * 0.95 * 63 / week, rel=1e-3)
    assert with_three.total == 0
    assert len(with_three.lines) == 1
