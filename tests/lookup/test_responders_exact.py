"""Test that the responders found equal those of a slow search over every place of every person."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import h3
import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.database.geometry import position_of
from aed.geo import Position, distance_metres
from aed.hours.evaluation import hours_at
from aed.lookup.answer import answer_lookup
from aed.lookup.question import LookupQuestion, Precision
from aed.lookup.responders import NearbyResponder
from aed.registry import nearby as nearby_queries
from aed.registry.estates.queries import estate_at
from aed.registry.holidays import queries as holiday_queries
from aed.responders.models import Certificate, Responder, ResponderPlace
from aed.responders.rules import Availability, availability
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from aed.walking.travel import (
    Leg,
    estate_pace,
    floor_seconds,
    general_pace,
    leg_seconds,
    metres_of_wait,
    seconds_of_wait,
)
from tests import make
from tests.lookup.brute_force import gates_as_they_stand
from tests.walking.grids import grid_position, street_grid
from tests.walking.whole_network import ways_over_the_whole_network

TOWN = street_grid(1600, seed=9)
MOMENTS = [datetime(2026, 9, 22, 2, 0, tzinfo=UTC), datetime(2026, 9, 22, 16, 30, tzinfo=UTC)]
HOURS = ["24/7", "24/7", None, "Mo-Fr 09:00-18:00; PH off", "19:00-08:00", "off"]


def slow(
    session: Session,
    viewer: Viewer,
    question: LookupQuestion,
    *,
    network: WalkingNetwork | None,
    settings: Settings,
) -> list[tuple[float, int, Availability]]:
    """Return seconds, id and availability of everyone who may be called, soonest first."""
    calendar = holiday_queries.holiday_calendar(session, "CN")
    places = session.scalars(select(ResponderPlace).order_by(ResponderPlace.id)).all()
    positions = [position_of(place.position) for place in places]
    if question.precision is Precision.CELL:
        positions = [centre(each, settings.responder_cell_resolution) for each in positions]
    costs, on_street = [math.inf] * len(places), [False] * len(places)
    delays_to = [0.0] * len(places)
    reach = settings.responder_radius_metres * settings.arrival.detour_factor
    if network is not None:
        snapped_points = network.snap(
            [question.here.lat, *(each.lat for each in positions)],
            [question.here.lon, *(each.lon for each in positions)],
        )
        if snapped_points.edge[0] >= 0:
            start, targets = snapped_points.take([0]), snapped_points.take(range(1, len(places) + 1))
            closed, waits = gates_as_they_stand(session, network, viewer, question, settings, local=None)
            closed_gate_metres = metres_of_wait(settings.arrival.closed_gate_seconds, settings.arrival)
            (free, waited), (opened, waited_if_opened) = (
                ways_over_the_whole_network(
                    network, start, targets, within_metres=reach, closed=shut, delays=delays
                )
                for shut, delays in (
                    (closed, waits),
                    ([], [*waits, *((crossing, closed_gate_metres) for crossing in closed)]),
                )
            )
            costs = np.where(np.isfinite(free), free, opened).tolist()
            delays_to = np.where(np.isfinite(free), waited, waited_if_opened).tolist()
            on_street = (targets.edge >= 0).tolist()
    best: dict[int, tuple[float, Availability]] = {}
    for place, position, cost, delay, is_on_street in zip(
        places, positions, costs, delays_to, on_street, strict=True
    ):
        person = session.get_one(Responder, place.responder_id)
        straight = distance_metres(question.here, position)
        if person.region_id not in viewer.region_ids or straight > settings.responder_radius_metres:
            continue
        now = availability(
            at=question.at,
            today=question.at.astimezone(ZoneInfo("Asia/Shanghai")).date(),
            valid_until=max(
                session.scalars(select(Certificate.valid_until).where(Certificate.responder_id == person.id)),
                default=None,
            ),
            paused_until=person.paused_until,
            availability_hours=hours_at(
                person.availability, question.at, time_zone="Asia/Shanghai", calendar=calendar
            ).state,
            place_hours=hours_at(
                place.hours, question.at, time_zone="Asia/Shanghai", calendar=calendar
            ).state,
        )
        if now is None:
            continue
        way = Leg(cost - delay, seconds_of_wait(delay, settings.arrival))
        if math.isinf(cost):
            way = Leg(max(1.5 * straight, reach if is_on_street else 0.0))
        pace = general_pace(settings.arrival)
        if estate_at(session, question.here) is not None:
            pace = estate_pace(settings.arrival)
        seconds = settings.arrival.reaction_seconds + leg_seconds(way, 0.0, pace, settings.arrival)
        seconds += floor_seconds(question.floor, settings.arrival)
        if question.precision is Precision.EXACT:
            seconds += floor_seconds(place.floor, settings.arrival)
        if person.id not in best or seconds < best[person.id][0]:
            best[person.id] = seconds, now
    return sorted((seconds, person, now) for person, (seconds, now) in best.items())


def centre(here: Position, resolution: int) -> Position:
    return Position(*h3.cell_to_latlng(h3.latlng_to_cell(here.lat, here.lon, resolution)))


@pytest.fixture
def town(session: Session) -> None:
    """Return 150 people with one or two places each; a third may not be called at some hour."""
    random = np.random.default_rng(31)
    centre = grid_position(1600, 0.5, 0.5)
    estate = make.estate(session, around=centre, boundary=make.square(centre, metres=3000))

    def somewhere() -> Position:
        return grid_position(1600, *random.uniform(-0.02, 1.02, 2).tolist())

    for number in range(150):
        make.responder(
            session,
            at=somewhere(),
            also_at=[somewhere()] if number % 3 == 0 else [],
            in_region="CN-31" if number % 11 == 10 else "CN-33",
            availability=HOURS[int(random.integers(len(HOURS)))],
            place_hours=HOURS[int(random.integers(len(HOURS)))],
            valid_until=date(2026, 9, 22) if number % 5 == 4 else date(2028, 1, 1),
            paused_until=MOMENTS[1] if number % 13 == 12 else None,
        )
    for number in range(20):
        make.gate(
            session,
            estate,
            at=grid_position(1600, *random.uniform(0.2, 0.8, 2).tolist()),
            passage=["open", "guarded", "residents"][number % 3],
            opening_hours=["24/7", "06:00-22:00"][number % 2],
        )
    session.commit()


@pytest.mark.parametrize("precision", Precision)
def test_responders_come_in_the_order_in_which_they_can_be_there(
    session: Session, settings: Settings, town: None, precision: Precision
) -> None:
    random = np.random.default_rng(37)
    viewer = make.dispatcher(make.region(session))
    # No device is registered, so that only the search for responders determines the reach.
    compared = by_walk = 0
    for number in range(16):
        question = LookupQuestion(
            here=grid_position(1600, *random.uniform(0.1, 0.9, 2).tolist()),
            at=MOMENTS[number % 2],
            floor=[0, 4][number % 3 == 2],
            responders=[1, 3, 10, 50][number % 4],
            precision=precision,
        )
        network = TOWN if number % 8 != 7 else None
        nearby_queries.nearest_devices.cache_clear()  # earlier lookups nearby would extend the reach

        answer = answer_lookup(
            session.connection(), viewer, question, network=network, settings=settings
        ).responders

        everyone = slow(session, viewer, question, network=network, settings=settings)
        expected = everyone[: question.responders]
        assert answer is not None
        assert [person.direct_seconds for person in answer] == pytest.approx(
            [seconds for seconds, _, _ in expected], abs=1e-6
        )
        assert [(person.responder_id, person.availability) for person in answer] == [
            (responder, now) for _, responder, now in expected
        ]
        compared += len(answer)
        by_walk += not _is_by_line(question.here, answer)
    assert compared > 100
    assert by_walk > 5, "the straight line would have given the same order, so the test would show nothing"


def _is_by_line(here: Position, people: list[NearbyResponder]) -> bool:
    metres = [distance_metres(here, person.position) for person in people]
    return metres == sorted(metres)
