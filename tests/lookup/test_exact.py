"""Test that answers equal those of a slow search over every device and the whole network."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Audience, Viewer
from aed.database.geometry import point
from aed.geo import Datum, Position
from aed.lookup.answer import LookupAnswer, answer_lookup
from aed.lookup.question import LookupQuestion
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.rules import Cabinet, ConsumableKind, ConsumableState, DeviceState, EntryMode
from aed.registry.estates.models import Estate, EstatePace, Gate
from aed.registry.estates.rules import GateState, Passage
from aed.settings import Settings
from aed.walking.build import build_network
from aed.walking.network import WalkingNetwork
from tests import make
from tests.examples import examples
from tests.lookup.asking import STREET, place, shown
from tests.lookup.brute_force import all_devices, same
from tests.walking.grids import grid_position, street_grid
from tests.walking.osm_files import Tags, write_osm

EXAMPLES = examples(40, in_depth=1_500)
MOMENTS = [
    datetime(2026, 9, 22, 2, 0, tzinfo=UTC),  # a Tuesday, 10:00 there
    datetime(2026, 9, 22, 16, 30, tzinfo=UTC),  # past midnight there
    datetime(2026, 10, 1, 2, 0, tzinfo=UTC),  # National Day
    datetime(2026, 10, 10, 2, 0, tzinfo=UTC),  # a Saturday that is a workday
]
HOURS = ["24/7", "24/7", None, "off", "Mo-Fr 09:00-17:00; PH off", "22:00-06:00", "sunrise-sunset"]
SIDE, BLOCK = 4, 90.0
CORNERS = [(east, north) for north in range(SIDE) for east in range(SIDE)]
BLOCKS = [
    (a, b)
    for a in range(SIDE * SIDE)
    for b in (a + 1, a + SIDE)
    if b < SIDE * SIDE and (b != a + 1 or b % SIDE)
]
"""Pairs of neighbouring corners, between which a street may be."""
PACES = st.one_of(st.none(), st.none(), st.tuples(st.floats(0.15, 1.5), st.floats(10.0, 600.0)))
"""Paces that an estate's drills may give: seconds per metre and pick-up seconds, or none."""
AROUND = st.tuples(st.floats(-350, 620), st.floats(-350, 620))
NEARBY = st.tuples(st.floats(-30, 300), st.floats(-30, 300))

_numbers = count(1)


@dataclass(frozen=True)
class MapGate:
    """A gate from the map in the middle of a block."""

    block: int
    tags: Tags


@dataclass(frozen=True)
class District:
    """A small random district: the blocks that have a street, and those that have a gate."""

    streets: list[int]
    gates: list[MapGate]

    def build(self) -> WalkingNetwork:
        plan = {number: (east * BLOCK, north * BLOCK) for number, (east, north) in enumerate(CORNERS)}
        gate_at = {gate.block: len(CORNERS) + gate.block for gate in self.gates}
        plan |= {node: middle_of(block) for block, node in gate_at.items()}
        ways: list[tuple[list[int], Tags]] = []
        for block in self.streets:
            a, b = BLOCKS[block]
            ways.append(([a, gate_at[block], b] if block in gate_at else [a, b], STREET))
        used = {node for way, _ in ways for node in way}
        tags = {gate_at[gate.block]: {"barrier": "gate", **gate.tags} for gate in self.gates}
        with tempfile.TemporaryDirectory() as folder:
            source = write_osm(
                Path(folder) / "district.osm",
                {node: plan[node] for node in used},
                ways,
                node_tags={node: tags[node] for node in tags if node in used},
                origin=make.PATIENT,
            )
            return build_network(source)


def middle_of(block: int) -> tuple[float, float]:
    (a_east, a_north), (b_east, b_north) = (CORNERS[corner] for corner in BLOCKS[block])
    return (a_east + b_east) * BLOCK / 2, (a_north + b_north) * BLOCK / 2


@st.composite
def districts(draw: st.DrawFn) -> District:
    blocks = st.sampled_from(range(len(BLOCKS)))
    streets = draw(st.lists(blocks, min_size=8, max_size=len(BLOCKS), unique=True))
    tags: st.SearchStrategy[Tags] = st.sampled_from(
        [
            {},
            {"access": "private"},
            {"locked": "yes"},
            {"access": "no"},
            {"opening_hours": "06:00-22:00"},
            {"opening_hours": "who knows"},
        ]
    )
    gates = draw(st.lists(st.builds(MapGate, blocks, tags), max_size=4, unique_by=lambda gate: gate.block))
    return District(streets, gates)


@st.composite
def device_rows(draw: st.DrawFn) -> Device:
    """Generate a device without estate and region, which the test adds."""
    state = draw(st.sampled_from([DeviceState.IN_SERVICE] * 9 + [DeviceState.OUT_OF_SERVICE]))
    return device_row(
        place(*draw(st.one_of(NEARBY, AROUND))),
        floor=draw(st.sampled_from([0, 0, 0, -1, 1, 3, 4, 20])),
        opening_hours=draw(st.sampled_from(HOURS)),
        place_en=draw(st.sampled_from([None, "Guard's post", "School gym", "Shopping mall", "Lobby"])),
        entry=draw(st.sampled_from([EntryMode.FREE, EntryMode.FREE, EntryMode.ASSISTED, EntryMode.UNKNOWN])),
        audience=draw(st.sampled_from([Audience.PUBLIC, *Audience])),
        last_checked_on=draw(st.sampled_from([None, date(2026, 9, 20), date(2026, 8, 1)])),
        state=state,
        out_of_service_reason="lid broken" if state is DeviceState.OUT_OF_SERVICE else None,
    )


def device_row(position: Position, **given: object) -> Device:
    return Device(
        source="test",
        source_id=str(next(_numbers)),
        position=point(position),
        origin_datum=Datum.WGS84,
        origin_lat=position.lat,
        origin_lon=position.lon,
        cabinet=Cabinet.UNKNOWN,
        version=1,
        **given,
    )


def pads(device: Device, expires_on: date) -> Consumable:
    return Consumable(
        device_id=device.id,
        kind=ConsumableKind.PADS,
        expires_on=expires_on,
        state=ConsumableState.FITTED,
        version=1,
    )


def gate_row(estate: Estate, position: Position, passage: Passage, opening_hours: str | None) -> Gate:
    return Gate(
        estate_id=estate.id,
        source="test",
        source_id=str(next(_numbers)),
        name_en="Gate",
        name_zh="门",
        position=point(position),
        passage=passage,
        opening_hours=opening_hours,
        state=GateState.ACTIVE,
        version=1,
    )


def answered(
    session: Session,
    settings: Settings,
    viewer: Viewer,
    question: LookupQuestion,
    network: WalkingNetwork | None,
) -> LookupAnswer:
    """Return the answer, after checking that a second lookup, which uses caches, gives the same one."""
    answers = []
    for _ in range(2):
        answer = answer_lookup(session.connection(), viewer, question, network=network, settings=settings)
        answers.append(shown(answer, viewer, settings))
    assert answers[0] == answers[1]
    return answer


@hypothesis_settings(
    deadline=None,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    district=districts(),
    devices=st.lists(device_rows(), min_size=1, max_size=40),
    gates=st.lists(
        st.tuples(
            st.sampled_from(range(len(BLOCKS))),
            st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
            st.sampled_from(Passage),
            st.sampled_from(["24/7", None, "06:00-22:00", "off"]),
        ),
        max_size=4,
    ),
    here=st.one_of(NEARBY, NEARBY, AROUND),
    at=st.sampled_from(MOMENTS),
    limit=st.integers(1, 10),
    floor=st.sampled_from([0, 0, 2, 12, -1]),
    who=st.sampled_from(["anyone", "member", "neighbour", "dispatcher", "administrator"]),
    reach=st.sampled_from([150.0, 500.0, 5000.0]),
    has_network=st.sampled_from([True, True, True, False]),
    paces=st.tuples(PACES, PACES),
    data=st.data(),
)
def test_the_lookup_matches_a_brute_force_search_in_any_small_district(
    session: Session,
    settings: Settings,
    district: District,
    devices: list[Device],
    gates: list[tuple[int, tuple[float, float], Passage, str | None]],
    here: tuple[float, float],
    at: datetime,
    limit: int,
    floor: int,
    who: str,
    reach: float,
    has_network: bool,
    paces: tuple[tuple[float, float] | None, tuple[float, float] | None],
    data: st.DataObject,
) -> None:
    network = district.build() if has_network else None
    limited = settings.model_copy(update={"walking_reach_metres": reach})
    question = LookupQuestion(here=place(*here), at=at, limit=limit, floor=floor, with_routes=True)
    with session.begin_nested() as leaving_no_trace:
        home, other = make.estate(session), make.estate(session)
        elsewhere = make.region(session, "CN-31")
        for estate, pace in zip((home, other), paces, strict=True):
            if pace is not None:
                session.add(
                    EstatePace(
                        estate_id=estate.id, seconds_per_metre=pace[0], pick_up_seconds=pace[1], drills=10
                    )
                )
        expired = []
        for number, row in enumerate(devices):
            device = copied(row)
            device.estate_id = data.draw(st.sampled_from([None, home.id, other.id]))
            device.region_id = (
                elsewhere.id if number % 5 == 4 and device.estate_id is None else home.region_id
            )
            session.add(device)
            if number % 7 == 6:
                expired.append(device)
        session.add_all(
            gate_row(home, place(east + off_east, north + off_north), passage, hours)
            for block, (off_east, off_north), passage, hours in gates
            for east, north in [middle_of(block)]
        )
        session.flush()
        session.add_all(pads(device, date(2026, 9, 22)) for device in expired)
        session.flush()
        viewer = {
            "anyone": ANYONE,
            "member": make.member(home),
            "neighbour": make.member(other, home),
            "dispatcher": make.dispatcher(make.region(session)),
            "administrator": make.ADMINISTRATOR,
        }[who]

        answer = answered(session, limited, viewer, question, network)

        session.expire_all()
        slow = all_devices(session, viewer, question, network=network, settings=limited)
        same(answer, slow, settings=limited)
        leaving_no_trace.rollback()
    session.expunge_all()


def copied(row: Device) -> Device:
    """Return a copy of a row that is not in any session, since an example may be run again."""
    values = {
        name: getattr(row, name)
        for name in Device.__mapper__.columns.keys()  # noqa: SIM118 - a collection, not a dict
        if name not in ("id", "version") and getattr(row, name) is not None
    }
    return Device(**{**values, "source_id": str(next(_numbers)), "version": 1})


CITY = street_grid(2500, seed=5)


@pytest.fixture
def city(session: Session) -> list[Estate]:
    """Return a city with 400 devices and 60 gates on a street grid 3 km wide; most devices close at times."""
    random = np.random.default_rng(17)
    corner = grid_position(2500, 0.5, 0.5)
    estates = [
        make.estate(session, around=corner, boundary=make.square(corner, metres=3000)) for _ in range(3)
    ]
    for _ in range(400):
        estate = estates[random.integers(3)]
        session.add(
            device_row(
                grid_position(2500, *random.uniform(-0.02, 1.02, 2).tolist()),
                estate_id=estate.id,
                region_id=estate.region_id,
                floor=int(random.choice([0, 0, 0, 1, 4, -2])),
                opening_hours=[*HOURS, "off", "22:00-06:00"][random.integers(len(HOURS) + 2)],
                entry=list(EntryMode)[random.integers(3)],
                audience=[Audience.PUBLIC, Audience.PUBLIC, Audience.ESTATE][random.integers(3)],
                last_checked_on=[None, date(2026, 9, 20)][random.integers(2)],
                state=DeviceState.IN_SERVICE,
            )
        )
    for _ in range(60):
        position = grid_position(2500, *random.uniform(0.1, 0.9, 2).tolist())
        passage = list(Passage)[random.integers(3)]
        hours = ["24/7", "06:00-22:00", None][random.integers(3)]
        session.add(gate_row(estates[random.integers(3)], position, passage, hours))
    session.commit()
    return estates


def test_the_lookup_matches_a_brute_force_search_in_a_town(
    session: Session, settings: Settings, city: list[Estate]
) -> None:
    random = np.random.default_rng(23)
    viewers = [ANYONE, make.member(city[0]), make.dispatcher(make.region(session))]
    asked = LookupQuestion(here=make.PATIENT, at=MOMENTS[0])
    grew = 0
    for number in range(24):
        question = replace(
            asked,
            here=grid_position(2500, *random.uniform(0.0, 1.0, 2).tolist()),
            at=MOMENTS[number % 4],
            limit=1 + number % 10,
            floor=int(random.choice([0, 0, 5])),
        )
        viewer = viewers[number % 3]
        network = CITY if number % 8 else None

        answer = answered(session, settings, viewer, question, network)

        slow = all_devices(session, viewer, question, network=network, settings=settings)
        same(answer, slow, settings=settings)
        straight = sorted(slow, key=lambda one: one.straight_metres)
        grew += straight[question.limit - 1].device_id != answer.devices[-1].row.id
    assert grew > 12, "the straight line would have given the same order, so the test would show nothing"


def test_the_answer_does_not_depend_on_the_limit(
    session: Session, settings: Settings, city: list[Estate]
) -> None:
    random = np.random.default_rng(29)
    for _ in range(6):
        here = grid_position(2500, *random.uniform(0.0, 1.0, 2).tolist())
        most = answered(session, settings, ANYONE, LookupQuestion(here=here, at=MOMENTS[1], limit=30), CITY)
        for limit in (1, 3, 12):
            fewer = answered(
                session, settings, ANYONE, LookupQuestion(here=here, at=MOMENTS[1], limit=limit), CITY
            )
            assert [near.row.id for near in fewer.devices] == [near.row.id for near in most.devices[:limit]]
