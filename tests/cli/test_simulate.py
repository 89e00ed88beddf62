"""aed simulate: the table, the chart, the figures, and inputs that can't be simulated."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from aed.simulation.rules.policies import Strategy
from tests.cli.conftest import Aed
from tests.walking.osm_files import write_osm

DEMO = Path(__file__).parents[2] / "geodata" / "demo_district"
STREETS, DEVICES = DEMO / "streets.osm.pbf", DEMO / "devices.csv"
FEW = ("--time-zone", "Asia/Shanghai", "--incidents", 15, "--responders", 40)


def test_the_demo_district_is_simulated(run: Aed, tmp_path: Path) -> None:
    picture, numbers = tmp_path / "curves.svg", tmp_path / "all.json"

    done = run("simulate", STREETS, DEVICES, *FEW, "--output", picture, "--json", numbers)

    assert done.out.startswith("15 incidents, 40 responders, ")
    for way in Strategy:
        assert done.out.count(f"  {way.value} ") == 2, "with private devices open, and closed"
    assert max(map(len, done.out.splitlines())) <= 110
    drawn = ElementTree.parse(picture).getroot()
    lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2 * (len(Strategy) + 1)
    assert all(line.get("points") for line in lines)
    strokes = {(line.get("stroke"), line.get("stroke-dasharray")) for line in lines}
    assert len({colour for colour, _ in strokes}) == len({dashes for _, dashes in strokes}) == len(lines) / 2
    found = json.loads(numbers.read_text())
    assert found["incidents"] == len(found["had_cpr"]) == 15
    assert len(found["results"]) == 2 * len(Strategy)
    for result in found["results"]:
        assert len(result["survival"]) == len(result["shock_seconds"]) == 15
        assert result["summary"]["survival"] == pytest.approx(sum(result["survival"]) / 15, abs=1e-3)


def test_each_number_is_shown_beside_that_of_the_plan_with_equal_alerts(run: Aed, tmp_path: Path) -> None:
    numbers = tmp_path / "all.json"

    few = ("--time-zone", "Asia/Shanghai", "--incidents", 6, "--responders", 40)
    done = run("simulate", STREETS, DEVICES, *few, "--equal-alerts", "--show-up", 0.1, "--json", numbers)

    for count in (5, 9, 15, 30):
        assert f"Strategies that alert about as many as split 2:1 of {count}" in done.out
    assert "Strategies that alert about as many as everyone within 1 km" in done.out
    found = json.loads(numbers.read_text())
    assert found["assumptions"]["show_up"] == 0.1
    assert all(result["gained_by_opening"] is None for result in found["results"])
    with_picture = run("simulate", STREETS, DEVICES, *few, "--equal-alerts", "--output", "x.svg", fails=True)
    assert "Leave out --equal-alerts" in with_picture.err


def test_the_same_simulation_prints_the_same_numbers(run: Aed) -> None:
    one, other = (run("simulate", STREETS, DEVICES, *FEW, "--seed", 3).out for _ in range(2))
    assert one == other
    assert run("simulate", STREETS, DEVICES, *FEW, "--seed", 4).out != one


def test_a_saved_network_gives_the_same_numbers(run: Aed, tmp_path: Path) -> None:
    saved = tmp_path / "walking.npz"
    run("walking", "build", STREETS, "--output", saved)

    with_it = run("simulate", STREETS, DEVICES, *FEW, "--network", saved).out

    assert with_it == run("simulate", STREETS, DEVICES, *FEW).out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("nowhere.osm.pbf", DEVICES), "nowhere.osm.pbf"),
        ((STREETS, "nothing.csv"), "nothing.csv"),
        ((STREETS, STREETS), "defibrillator"),
        ((DEVICES, DEVICES), "devices.csv"),
        ((STREETS, DEVICES, "--time-zone", "Middle/Earth"), "Middle/Earth"),
        ((STREETS, DEVICES, "--incidents", -1), "incident"),
        ((STREETS, DEVICES, "--responders", -1), "responder"),
        ((STREETS, DEVICES, "--asked", 0), "asked"),
        ((STREETS, DEVICES, "--waves", -4), "waves"),
        ((STREETS, DEVICES, "--private-share", 2), "0 to 1"),
        ((STREETS, DEVICES, "--ambulance-minutes", -7), "ambulance"),
        ((STREETS, DEVICES, "--bystander-cpr", 40), "share"),
        ((STREETS, DEVICES, "--network", "none.npz"), "none.npz"),
        ((STREETS, DEVICES, "--output", "curves.png"), "svg"),
    ],
    ids=lambda each: each if isinstance(each, str) else " ",
)
def test_an_impossible_simulation_is_refused_in_a_sentence(
    run: Aed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)  # output files are named relative to this folder
    given = words if "--time-zone" in words else (*words, "--time-zone", "Asia/Shanghai")
    assert reason in run("simulate", *given, fails=True).err


def test_a_map_without_homes_or_far_from_the_devices_is_refused(run: Aed, tmp_path: Path) -> None:
    street = (([1, 2], {"highway": "residential"}),)
    only_streets = write_osm(tmp_path / "streets.osm", {1: (0, 0), 2: (900, 0)}, street)
    assert "residential area" in run("simulate", only_streets, DEVICES, *FEW, fails=True).err

    corners = {1: (0, 0), 2: (900, 0), 3: (0, 50), 4: (900, 50), 5: (900, -50), 6: (0, -50)}
    house = {7: (10, 10), 8: (20, 10), 9: (20, 20)}
    around = ([3, 4, 5, 6, 3], {"landuse": "residential"})
    without_houses = write_osm(tmp_path / "bare.osm", corners, [*street, around])
    assert "building" in run("simulate", without_houses, DEVICES, *FEW, fails=True).err
    built = [*street, around, ([7, 8, 9, 7], {"building": "yes"})]
    elsewhere = write_osm(tmp_path / "elsewhere.osm", corners | house, built)
    assert "No device is near a street" in run("simulate", elsewhere, DEVICES, *FEW, fails=True).err
