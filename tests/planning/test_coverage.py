"""Previews of a step: by hand, against the lookup, over HTTP and by command."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import Audience, Role
from aed.accounts.regions.models import Region
from aed.database.session import Database
from aed.errors import InvalidInput
from aed.geo import Position
from aed.lookup.answer import answer_lookup
from aed.lookup.question import LookupQuestion
from aed.planning.bands import HOURS, Band, band_at, hours_of_week
from aed.planning.coverage import previewing
from aed.planning.coverage.actions import preview_out
from aed.planning.coverage.computing import ProposedStep, patterns_of
from aed.planning.coverage.formats import preview_pdf
from aed.planning.coverage.jobs import compute_region_previews
from aed.planning.coverage.models import RegionPreview
from aed.planning.coverage.regional import preview_region
from aed.planning.coverage.rules import BAND_BY_HOUR, Pattern
from aed.planning.coverage.schemas import PreviewResult, RegionResult, RegionStepIn, StepIn
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate
from aed.registry.estates.rules import Passage
from aed.settings import Settings
from tests import make
from tests.cli.conftest import Aed, aed, run
from tests.make import ADMINISTRATOR, PATIENT, east_of, north_of
from tests.registry.conftest import Desk, nobody
from tests.training.test_gaps_http import client, desk
from tests.walking.grids import grid_position, street_grid

__all__ = ["aed", "client", "nobody", "run"]

MONDAY = date(2026, 9, 14)


def computed(session: Session, estate: Estate, network: Any = None, **step: Any) -> previewing.Computed:
    return previewing.compute(
        session,
        ADMINISTRATOR,
        estate_queries.estate(session, ADMINISTRATOR, estate.id),
        StepIn.model_validate({"audience": "neighbours", **step}),
        network=network,
        settings=Settings(),
        monday=MONDAY,
    )


def preview(session: Session, estate: Estate, network: Any = None, **step: Any) -> PreviewResult:
    return computed(session, estate, network, **step).result


def gains(found: PreviewResult, minutes: int = 5) -> dict[str, tuple[float, float]]:
    return {
        each.band.value: (gain.residents, gain.outsiders)
        for each in found.bands
        for gain in each.gains
        if gain.minutes == minutes
    }


def two_estates(session: Session) -> tuple[Estate, Estate]:
    """Make two estates side by side: one with a device, the other with a house of 21 people beside it."""
    here = make.estate(session, neighbourhood="lake")
    there = make.estate(session, around=east_of(PATIENT, metres=400), neighbourhood="lake")
    make.building(session, here, at=PATIENT, floors=2)
    make.building(session, there, at=east_of(PATIENT, metres=100), floors=2)
    make.device(session, of=here, at=PATIENT, audience="estate")
    return here, there


def test_neighbours_gain_at_night_what_is_opened_at_night(session: Session) -> None:
    here, _ = two_estates(session)

    found = preview(session, here, hours="Mo-Su 23:00-08:00")

    assert gains(found) == {"day": (0, 0), "evening": (0, 0), "night": (0, 21), "weekend": (0, 0)}
    night = found.bands[2]
    assert night.band is Band.NIGHT
    assert night.arrests.low < night.arrests.middle < night.arrests.high
    assert found.year.survivors_larsen.high < found.year.device_first.high < found.year.arrests.high


def test_residents_lose_nothing_and_gain_nothing_from_their_own_step(session: Session) -> None:
    here, _ = two_estates(session)

    found = preview(session, here, audience="public")

    assert all(residents == 0 for residents, _ in gains(found).values())
    own = next(door for door in found.doors if door.is_own)
    assert own.before == own.after == [1, 1, 1, 1]
    other = next(door for door in found.doors if not door.is_own)
    assert (other.before, other.after) == ([0, 0, 0, 0], [1, 1, 1, 1])


def test_residents_would_gain_from_neighbours_that_follow(session: Session) -> None:
    here, there = two_estates(session)
    make.building(session, here, at=east_of(PATIENT, metres=190), floors=2)
    make.device(session, of=there, at=east_of(PATIENT, metres=300), audience="estate")

    found = preview(session, here)

    assert found.reciprocity.by_own == 21
    assert found.reciprocity.by_others_today == 0
    assert found.reciprocity.if_neighbours_follow == 21
    assert found.reciprocity.neighbours == 1


def test_high_floors_gain_less(session: Session) -> None:
    here, there = two_estates(session)
    make.building(session, there, at=east_of(PATIENT, metres=90), floors=40)

    tall = gains(preview(session, here))["day"][1]

    assert 21 < tall < 21 + 420


def test_a_gate_that_is_opened_shortens_the_way(session: Session) -> None:
    network = street_grid(400, seed=3)
    middle = grid_position(400, 0.5, 0.5)
    here = make.estate(session, around=middle, neighbourhood="lake")
    there = make.estate(session, around=east_of(middle, metres=500), neighbourhood="lake")
    make.device(session, of=here, at=middle, audience="estate")
    for metres in range(30, 240, 15):
        make.building(session, there, at=east_of(middle, metres=metres), floors=3)
    gates = [
        make.gate(session, here, at=make.north_of(east_of(middle, metres=dx), metres=dy), passage="residents")
        for dx, dy in ((25, 0), (-25, 0), (0, 25), (0, -25))
    ]

    shut = gains(preview(session, here, network))
    opened = preview(
        session, here, network, gates=[{"gate_id": each.id, "passage": "guarded"} for each in gates]
    )

    assert gains(opened)["day"][1] >= shut["day"][1]
    assert sum(use.strangers.middle for band in opened.bands for use in band.gates) >= 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_floor_times_equal_those_of_the_lookup(session: Session, seed: int) -> None:
    """The seconds of each floor in an hour are those of the lookup for a resident there."""
    random = np.random.default_rng(seed)
    network, settings = street_grid(900, seed=seed), Settings()
    middle = grid_position(900, 0.5, 0.5)

    def near(metres: float) -> Position:
        north, east = random.uniform(-metres, metres, 2)
        return north_of(east_of(middle, metres=float(east)), metres=float(north))

    estates = [
        make.estate(session, around=place, neighbourhood="lake")
        for place in (middle, east_of(middle, metres=420))
    ]
    for number, estate in enumerate(estates):
        centre = 420.0 * number
        for _ in range(2):
            at = east_of(near(150), metres=centre)
            make.device(
                session,
                of=estate,
                at=at,
                floor=int(random.integers(0, 3)),
                opening_hours=str(random.choice(["24/7", "Mo-Fr 08:00-18:00"])),
                audience=str(random.choice(["estate", "neighbours"])),
            )
            hours = str(random.choice(["06:00-23:00", "24/7"]))
            make.gate(
                session, estate, at=at, passage=str(random.choice(["guarded", "open"])), opening_hours=hours
            )
        for _ in range(5):
            make.building(session, estate, at=east_of(near(190), metres=centre), floors=4)
    kept: dict[str, Any] = {}

    def spy(step: ProposedStep) -> list[Pattern]:
        kept["world"], kept["patterns"] = step.world, patterns_of(step)
        found: list[Pattern] = kept["patterns"]
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(previewing, "patterns_of", spy)
        preview(session, estates[0], network)
    world = kept["world"]
    moments = hours_of_week(MONDAY, "Asia/Shanghai")
    compared = 0
    for hour in (2, 14, 6 * 24 + 15):
        pattern = next(each for each in kept["patterns"] if hour in each.hours)
        for cell in range(0, len(world.cell_door), 3):
            building = world.buildings[world.cell_door[cell]]
            of = next(each for each in estates if each.id == building.estate_id)
            viewer = make.member(of, *(each for each in estates if each is not of))
            question = LookupQuestion(
                here=Position(building.lat, building.lon),
                at=moments[hour],
                limit=10,
                floor=int(world.cell_floor[cell]),
            )
            answer = answer_lookup(session.connection(), viewer, question, network=network, settings=settings)
            on_foot = [
                each.fetch_seconds
                for each in answer.devices
                if not each.by_closed_gate
                and math.isfinite(each.fetch_seconds)
                and each.basis == "walking_network"
            ]
            soonest = min(on_foot, default=math.inf)
            mine = float(pattern.before[cell])
            if math.isfinite(mine) and mine < 390:
                assert mine == pytest.approx(soonest, abs=0.5), (hour, building, world.cell_floor[cell])
                compared += 1
            else:
                assert soonest > 300
    assert compared > 10


def test_the_same_inputs_have_the_same_hash_and_result(session: Session) -> None:
    here, there = two_estates(session)

    one, other = computed(session, here), computed(session, here)
    assert (one.inputs_hash, one.result) == (other.inputs_hash, other.result)
    make.building(session, there, at=east_of(PATIENT, metres=90))
    assert computed(session, here).inputs_hash != one.inputs_hash


def test_gates_and_streets_are_inputs(session: Session) -> None:
    network, same, other = (street_grid(400, seed=seed) for seed in (3, 3, 4))
    middle = grid_position(400, 0.5, 0.5)
    here = make.estate(session, around=middle, neighbourhood="lake")
    there = make.estate(session, around=east_of(middle, metres=500), neighbourhood="lake")
    make.device(session, of=here, at=middle, audience="estate")
    make.building(session, there, at=east_of(middle, metres=100), floors=3)
    gate = make.gate(session, there, at=east_of(middle, metres=310))

    first = computed(session, here, network)
    again = computed(session, here, same)
    assert again.inputs_hash == first.inputs_hash
    assert again.result.model_dump_json() == first.result.model_dump_json()
    hashes = [first.inputs_hash]

    def changed(network: Any, **step: Any) -> bool:
        hashes.append(computed(session, here, network, **step).inputs_hash)
        return hashes.count(hashes[-1]) == 1

    assert changed(other)
    assert changed(None)
    gate.opening_hours = "06:00-23:00"
    session.flush()
    assert changed(network)
    gate.passage = Passage.RESIDENTS
    session.flush()
    assert changed(network)
    make.gate(session, here, at=north_of(middle, metres=60))
    assert changed(network)
    there.neighbourhood = "hill"
    session.flush()
    assert changed(network)
    there.neighbourhood = "lake"
    here.name_en = "Another name"
    session.flush()
    assert not changed(network)


def test_the_calendar_of_the_week_is_an_input(session: Session) -> None:
    here, _ = two_estates(session)
    ordinary = computed(session, here).inputs_hash

    region = session.get_one(Region, here.region_id)
    region.holiday_calendar = None
    session.flush()
    assert computed(session, here).inputs_hash != ordinary


def test_an_own_count_of_residents_replaces_the_estimate(session: Session) -> None:
    here, there = two_estates(session)
    beside = make.building(session, there, at=east_of(PATIENT, metres=60), floors=2)

    found = preview(session, here, residents={beside.id: 200})

    assert gains(found)["day"] == (0, 221)
    assert found.population.by_source == {"own_list": 1, "floors": 2}


def test_bad_steps_are_refused(session: Session) -> None:
    here, there = two_estates(session)
    theirs = make.device(session, of=there, at=east_of(PATIENT, metres=400))
    gate = make.gate(session, there, at=east_of(PATIENT, metres=300))

    with pytest.raises(InvalidInput, match="not in service at this estate"):
        preview(session, here, device_ids=[theirs.id])
    with pytest.raises(InvalidInput, match="not a gate of this estate"):
        preview(session, here, gates=[{"gate_id": gate.id}])
    empty = make.estate(session, around=north_of(PATIENT, metres=5_000))
    with pytest.raises(InvalidInput, match="no device in service"):
        preview(session, empty)


def test_every_hour_of_the_week_is_in_one_band() -> None:
    assert len(BAND_BY_HOUR) == HOURS
    assert [BAND_BY_HOUR.count(band) for band in Band] == [60, 15, 63, 30]
    assert band_at(5, 23) is Band.NIGHT


def test_over_http_managers_make_previews_and_residents_read_them(
    session: Session, client: TestClient, nobody: Desk
) -> None:
    here, there = two_estates(session)
    manager = desk(session, client, Role.ESTATE_MANAGER, estate=here)
    resident = desk(session, client, Role.RESIDENT, estate=here)
    stranger = desk(session, client, Role.RESIDENT, estate=there)
    where, step = f"/v1/estates/{here.id}/coverage-previews", {"audience": "public", "hours": "20:00-08:00"}

    assert nobody.post(where, step).status_code == 404
    assert resident.post(where, step).status_code == 403
    made = manager.post(where, step)
    assert made.status_code == 201
    at = made.headers["Location"]
    assert resident.get(at).json() == made.json()
    assert [each["id"] for each in resident.get(where).json()["previews"]] == [made.json()["id"]]
    assert stranger.get(at).status_code in (403, 404)
    assert nobody.get(at).status_code == 404
    assert manager.post(where, {"audience": "estate"}).status_code == 422
    assert manager.post(where, step | {"hours": "whenever"}).status_code == 422


def test_the_pdf_is_one_page_with_what_was_decided(session: Session) -> None:
    here, _ = two_estates(session)
    made = make.coverage_preview(session, here)
    out = preview_out(made, here)

    paper = preview_pdf(out)
    pages = pypdfium2.PdfDocument(paper)
    assert len(pages) == 1
    text = pages[0].get_textpage().get_text_bounded().replace(" ", "")
    for words in (
        "开放效果预览",
        here.name_zh,
        "What our own residents get",
        made.inputs_hash[:16],
        "不构成承诺",
    ):
        assert words.replace(" ", "") in text
    assert preview_pdf(out) == paper


def test_the_command_prints_and_writes_a_preview(session: Session, aed: Aed, tmp_path: Path) -> None:
    here, _ = two_estates(session)
    session.commit()

    assert "outsiders" in aed("coverage", here.id, "--hours", "23:00-08:00", warns=True).out
    aed("coverage", here.id, "-o", tmp_path / "a.pdf", warns=True)
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    aed("coverage", here.id, "--audience", "estate", fails=True)


def test_each_estate_of_a_region_has_the_gains_of_its_own_preview(session: Session) -> None:
    network = street_grid(900, seed=2)
    middle = grid_position(900, 0.5, 0.5)
    estates = []
    for number in range(3):
        centre = east_of(middle, metres=230 * number)
        estate = make.estate(session, around=centre, neighbourhood="lake")
        make.device(session, of=estate, at=east_of(centre, metres=100), audience="estate", floor=number)
        make.gate(session, estate, at=east_of(centre, metres=110), opening_hours="06:00-23:00")
        for metres in (-90, -30, 30, 90):
            make.building(session, estate, at=north_of(centre, metres=metres), floors=5)
        estates.append(estate)
    bare = make.estate(session, around=north_of(middle, metres=600))
    region = session.get_one(Region, bare.region_id)
    reported: list[tuple[int, int]] = []

    found = preview_region(
        session,
        region,
        RegionStepIn(region=region.code, audience=Audience.NEIGHBOURS, hours="20:00-12:00"),
        network=network,
        settings=Settings(),
        monday=MONDAY,
        progress=lambda done, total: reported.append((done, total)),
    )

    assert reported == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert found.left_out == 1
    assert sum(found.outsiders) > 0
    assert {each.estate_id for each in found.estates} == {each.id for each in estates}
    for each in found.estates:
        estate = session.get_one(Estate, each.estate_id)
        alone = preview(session, estate, network, hours="20:00-12:00")
        assert each.outsiders == [gained for _, gained in gains(alone).values()]
        assert each.arrests == alone.year.arrests
        assert each.survivors_larsen == alone.year.survivors_larsen
        assert each.by_own == alone.reciprocity.by_own
        assert each.if_neighbours_follow == alone.reciprocity.if_neighbours_follow


def test_a_region_preview_is_a_job_with_its_progress(
    session: Session, client: TestClient, database: Database, nobody: Desk
) -> None:
    here, _ = two_estates(session)
    region = session.get_one(Region, here.region_id)
    planner = desk(session, client, Role.ESTATE_MANAGER, region=region)
    of_estate = desk(session, client, Role.ESTATE_MANAGER, estate=here)
    body = {"region": region.code, "audience": "neighbours"}
    session.commit()

    assert nobody.post("/v1/region-previews", body).status_code == 401
    assert of_estate.post("/v1/region-previews", body).status_code == 403
    assert planner.post("/v1/region-previews", body | {"audience": "estate"}).status_code == 422
    asked = planner.post("/v1/region-previews", body)
    where = asked.headers["Location"]
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    assert of_estate.get(where).status_code == 403

    counts = compute_region_previews(database, lambda: make.NOW, network_of=lambda: None, settings=Settings())

    assert counts == {"done": 1, "failed": 0}
    done = planner.get(where).json()
    assert (done["state"], done["estates_done"], done["estates_total"]) == ("done", 2, 2)
    assert done["result"]["estates"][0]["estate_id"] == here.id
    assert done["result"]["estates"][0]["outsiders"] == [21, 21, 21, 21]
    assert compute_region_previews(
        database, lambda: make.NOW, network_of=lambda: None, settings=Settings()
    ) == {"done": 0, "failed": 0}


def test_a_preview_of_a_region_that_fails_says_so(
    session: Session, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_estates(session)
    asked = make.region_preview(session)
    session.commit()

    def broken(*_given: Any, **_more: Any) -> None:
        raise RuntimeError("disk on fire")

    # a failure that no input causes
    monkeypatch.setattr("aed.planning.coverage.jobs.preview_region", broken)

    assert compute_region_previews(
        database, lambda: make.NOW, network_of=lambda: None, settings=Settings()
    ) == {"done": 0, "failed": 1}
    session.expire_all()
    assert session.get_one(RegionPreview, asked.id).state == "failed"


def test_the_command_previews_a_region(session: Session, aed: Aed, tmp_path: Path) -> None:
    two_estates(session)
    session.commit()

    printed = aed("coverage-region", "CN-33", "-o", tmp_path / "a.json", warns=True).out
    assert "1 estates left out" in printed
    assert RegionResult.model_validate_json((tmp_path / "a.json").read_bytes()).outsiders == [21] * 4
