"""Test that an attacker with a dispatcher's token cannot locate a responder's home within its cell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import h3
import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.database.geometry import point
from aed.geo import Position, distance_metres, distances_metres
from aed.incidents.alerts.answers import take_reply
from aed.incidents.calls.actions import report_patient
from aed.incidents.models import Alert
from aed.incidents.rules import AlertReply
from aed.incidents.schemas import PatientReportIn
from aed.lookup.answer import answer_lookup
from aed.lookup.question import LookupQuestion, Precision
from aed.lookup.schemas import answer_out
from aed.responders.models import ResponderPlace
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from aed.walking.travel import Leg, direct_seconds, general_pace, leg_seconds
from tests import make
from tests.make import NOW
from tests.walking.grids import grid_position, street_grid

pytestmark = pytest.mark.slow

TOWN = street_grid(1600, seed=9)
HOME = grid_position(1600, 0.5, 0.5)
CELL = h3.latlng_to_cell(HOME.lat, HOME.lon, 9)
LOOKUPS = 113
"""Number of lookups; with this many rounded exact times a home can be located to 0.2 m."""


def places_in_the_cell(count: int, *, seed: int) -> list[Position]:
    """Return random places, evenly distributed over the cell."""
    random = np.random.default_rng(seed)
    centre = Position(*h3.cell_to_latlng(CELL))
    found: list[Position] = []
    while len(found) < count:
        east, north = random.uniform(-260, 260, 2).tolist()
        here = make.east_of(make.north_of(centre, metres=north), metres=east)
        if h3.latlng_to_cell(here.lat, here.lon, 9) == CELL:
            found.append(here)
    return found


def places_to_ask_from(count: int, *, seed: int) -> list[Position]:
    """Return places for lookups: some in the cell, most around it, some at the edge of the radius."""
    random = np.random.default_rng(seed)
    centre = Position(*h3.cell_to_latlng(CELL))
    found = []
    for number in range(count):
        metres = [random.uniform(0, 300), random.uniform(100, 1400), random.normal(1500, 120)][number % 3]
        angle = random.uniform(0, 2 * math.pi)
        north = make.north_of(centre, metres=metres * math.sin(angle))
        found.append(make.east_of(north, metres=metres * math.cos(angle)))
    return found


def move(session: Session, responder: int, here: Position, *, floor: int = 0) -> None:
    (home,) = session.scalars(select(ResponderPlace).where(ResponderPlace.responder_id == responder))
    home.position, home.floor = point(here), floor
    session.commit()


def answered(
    session: Session,
    settings: Settings,
    here: Position,
    network: WalkingNetwork | None,
    *,
    precision: Precision = Precision.CELL,
) -> list[dict[str, Any]]:
    viewer = make.dispatcher(make.region(session))
    question = LookupQuestion(here, NOW, limit=1, precision=precision)
    answer = answer_lookup(session.connection(), viewer, question, network=network, settings=settings)
    people = answer_out(answer, viewer, settings=settings)["responders"]
    if precision is Precision.EXACT:  # as if exact times were shown
        assert answer.responders is not None
        for person, known in zip(people, answer.responders, strict=True):
            person["walk_seconds"] = math.ceil(known.direct_seconds / 30) * 30
    found: list[dict[str, Any]] = people
    return found


@pytest.mark.parametrize("network", [None, TOWN], ids=["straight lines", "streets"])
def test_every_place_in_a_cell_and_every_floor_is_answered_alike(
    session: Session, settings: Settings, network: WalkingNetwork | None
) -> None:
    make.responder(session, at=make.north_of(HOME, metres=700))
    someone = make.responder(session)
    asked_from = places_to_ask_from(40, seed=3)
    answers = []
    for number, home in enumerate(places_in_the_cell(4, seed=5)):
        move(session, someone, home, floor=7 * number)
        answers.append([answered(session, settings, here, network) for here in asked_from])

    assert all(each == answers[0] for each in answers)
    assert 0 < sum(len(each) for each in answers[0]) < 2 * len(asked_from), "some ask from too far"


class Attacker:
    """An attacker who knows streets and arithmetic, looks up many places, and finds the best fitting home."""

    def __init__(self, settings: Settings, network: WalkingNetwork | None) -> None:
        self._settings, self._network = settings, network
        self._candidates = places_in_the_cell(1_500, seed=11)
        self._lats = np.array([each.lat for each in self._candidates])
        self._lons = np.array([each.lon for each in self._candidates])
        self._snapped_points = network.snap(self._lats, self._lons) if network is not None else None
        self._known: dict[Position, np.ndarray[Any, np.dtype[np.float64]]] = {}
        numbers, farthest = settings.arrival, 10_000.0
        self._bends = [0.0, numbers.slow_start_metres, farthest]  # times are linear between these distances
        self._seconds_at_bends = [
            direct_seconds(leg_seconds(Leg(each), 0.0, general_pace(numbers), numbers), numbers)
            for each in self._bends
        ]

    def _times(self, here: Position) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the times that would be shown for a home at each candidate place."""
        metres = distances_metres(here, self._lats, self._lons) * self._settings.arrival.detour_factor
        start = self._network.start_at(here) if self._network is not None else None
        if self._network is not None and self._snapped_points is not None and start is not None:
            reachable = self._network.reachable(start, within_metres=2_250.0)
            assert reachable is not None
            metres = reachable.costs(self._snapped_points)
        seconds = np.interp(metres, self._bends, self._seconds_at_bends, right=math.inf)
        return np.asarray(np.ceil(seconds / 30) * 30)

    def locate(
        self, ask_from: Callable[[Position], list[dict[str, Any]]], places: Sequence[Position]
    ) -> Position:
        misfit = np.zeros(len(self._candidates))
        for here in places:
            for person in ask_from(here):
                if here not in self._known:
                    self._known[here] = self._times(here)
                times = self._known[here]
                misfit += np.minimum(
                    np.abs(np.where(np.isfinite(times), times, 9e9) - person["walk_seconds"]), 300
                )
        best = misfit <= misfit.min()
        return Position(float(self._lats[best].mean()), float(self._lons[best].mean()))


@pytest.mark.parametrize("network", [None, TOWN], ids=["straight lines", "streets"])
def test_an_attacker_with_many_lookups_knows_no_more_than_the_cell(
    session: Session, settings: Settings, network: WalkingNetwork | None
) -> None:
    someone = make.responder(session)
    attacker = Attacker(settings, network)
    homes = places_in_the_cell(5, seed=7)
    errors: dict[Precision, list[float]] = {each: [] for each in Precision}
    for number, home in enumerate(homes):
        move(session, someone, home)
        places = places_to_ask_from(LOOKUPS, seed=100 + number)
        for precision in Precision:

            def ask_from(here: Position, precision: Precision = precision) -> list[dict[str, Any]]:
                return answered(session, settings, here, network, precision=precision)

            errors[precision].append(distance_metres(home, attacker.locate(ask_from, places)))

    centre = Position(*h3.cell_to_latlng(CELL))
    guessed = [distance_metres(home, centre) for home in homes]
    assert np.mean(errors[Precision.EXACT]) < 25, "the attacker knows how: by exact places it would succeed"
    assert np.mean(errors[Precision.CELL]) > 0.8 * np.mean(guessed)
    assert np.mean(errors[Precision.CELL]) > 70, "of the order of the cell, whose edges are about 200 m long"


def opened(client: TestClient, key: dict[str, str], here: Position, **given: Any) -> dict[str, Any]:
    """Open an incident and return what a dispatcher sees of it, without its ids; then close it."""
    report = {"key": str(uuid4()), "position": {"lat": here.lat, "lon": here.lon}, "floor": 0, **given}
    made = client.post("/v1/incidents", json=report, headers=key).json()
    path = f"/v1/incidents/{made['id']}"
    whole = client.get(path, headers=key).json()
    plans = client.get(f"{path}/plans", headers=key).json()
    record = client.get(f"{path}/record", headers=key).json()
    closed = client.post(f"{path}/close", json={"outcome": "called_off"}, headers=key)
    assert closed.status_code == 200, closed.text
    seconds = [_seconds(each["asked_at"], each["due_at"]) for each in whole["alerts"]]
    return {
        "alerts": [
            (each["person_id"], each["task"], each["device_id"], each["name"]) for each in whole["alerts"]
        ],
        "seconds": seconds,
        "plans": [
            {name: each[name] for name in ("asked", "left", "survival", "asked_before")} for each in plans
        ],
        "record": [each["payload"] for each in record if each["kind"] == "planned"],
    }


def _seconds(earlier: str, later: str) -> float:
    return round((datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds(), 3)


@pytest.mark.parametrize("kind", ["test", "exercise"])
def test_tests_and_exercises_reveal_nothing_beyond_a_persons_cell(
    session: Session, client: TestClient, kind: str
) -> None:
    dispatcher = make.key(session, TokenRole.DISPATCHER, region=make.region(session), writes=True)
    make.device(session, at=make.north_of(HOME, metres=120))
    others = [make.responder(session, at=each) for each in places_in_the_cell(2, seed=1)]
    assert others
    someone = make.responder(session)
    opened_incidents = []
    for number, home in enumerate(places_in_the_cell(3, seed=5)):
        move(session, someone, home, floor=5 * number)
        opened_incidents.append(
            [opened(client, dispatcher, here, kind=kind) for here in places_to_ask_from(6, seed=13)]
        )

    assert opened_incidents[0] == opened_incidents[1] == opened_incidents[2]
    assert any(each["alerts"] for each in opened_incidents[0])


def test_a_shown_plan_depends_only_on_cells_until_a_person_accepts(
    session: Session, settings: Settings, client: TestClient
) -> None:
    """The alerted people are the same in both cases, although the plan knows which of them is nearer."""
    dispatcher = make.key(session, TokenRole.DISPATCHER, region=make.region(session), writes=True)
    someone = make.responder(session)
    patient = make.north_of(HOME, metres=150)
    opened_incidents = []
    for number, home in enumerate(places_in_the_cell(3, seed=5)):
        move(session, someone, home, floor=number)
        opened_incidents.append(opened(client, dispatcher, patient, kind="real"))

    assert opened_incidents[0] == opened_incidents[1] == opened_incidents[2]
    assert opened_incidents[0]["alerts"]

    nearest_home = min(places_in_the_cell(200, seed=2), key=lambda each: distance_metres(each, patient))
    move(session, someone, nearest_home)
    report = PatientReportIn(key=uuid4(), position={"lat": patient.lat, "lon": patient.lon}, region="CN-33")
    incident = report_patient(session, make.ADMINISTRATOR, report, at=NOW, network=None, settings=settings)
    alert = session.scalars(select(Alert).where(Alert.incident_id == incident.id)).one()
    coarse = alert.shown_due_at
    assert coarse is not None
    assert coarse > alert.due_at, "from the middle of the cell it is farther"
    take_reply(session, alert.id, AlertReply.ACCEPT, by="them", at=NOW, network=None, settings=settings)
    assert alert.shown_due_at == alert.due_at
