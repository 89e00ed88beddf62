"""The gap table: who can reach a building in three minutes, by hour, now and after the planned sessions."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import pdtrc
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.database.session import Database
from aed.geo import Position, distance_metres
from aed.hours.evaluation import Opening, hours_at
from aed.registry.estates.models import Estate
from aed.registry.holidays.queries import holiday_calendar
from aed.responders.models import Responder
from aed.responders.rules import ResponderState
from aed.settings import Settings
from aed.training.gaps import queries
from aed.training.gaps.rules import (
    ASSUMED,
    BuildingGaps,
    EstateGaps,
    Expectation,
    PastSessions,
    PlannedSession,
    expectation,
    expected_responders,
    presence,
)
from aed.training.gaps.suggestion import NearbyPeople, _expected_cells_closed, suggest
from aed.training.gaps.table import gap_table, gap_walk_metres
from aed.training.gaps.week import AWAY, HOURS, NOT_KNOWN, THERE, CalendarWeek, hour_states, name_en, name_zh
from aed.training.rosters import actions as roster_actions
from aed.training.rules import AttendanceState, MarkedBy
from aed.walking.build import build_network
from aed.walking.network import WalkingNetwork
from aed.walking.travel import Basis
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of
from tests.statements import statements_of
from tests.walking.grids import grid_position, street_grid
from tests.walking.osm_files import at, write_osm

MONDAY = date(2026, 9, 28)
"""The Monday after NOW, which is a Tuesday; the next holiday is on the Thursday."""
WEEK = CalendarWeek(MONDAY, "Asia/Shanghai")
METRES = gap_walk_metres(Settings())


def gaps_of(
    session: Session, *estates: Estate, network: WalkingNetwork | None = None, target: int = 3
) -> list[EstateGaps]:
    asked = queries.estates_run_by(session, ADMINISTRATOR)
    chosen = [each for each in asked if each.id in {estate.id for estate in estates}]
    return list(gap_table(session, chosen, at=NOW, network=network, settings=Settings(), target=target))


def hour(text: str) -> int:
    return next(number for number in range(HOURS) if name_en(number) == text)


# --- hours of a week ------------------------------------------------------------------------------------


def test_the_week_is_the_coming_one_in_local_time() -> None:
    assert CalendarWeek.coming(NOW, "Asia/Shanghai") == WEEK
    sunday_night = datetime(2026, 9, 27, 16, 0, tzinfo=UTC)  # Monday already in China
    assert CalendarWeek.coming(sunday_night, "Asia/Shanghai").monday == MONDAY
    assert CalendarWeek.coming(sunday_night, "Europe/Zurich").monday == MONDAY
    assert WEEK.moment(0) == datetime(2026, 9, 27, 16, tzinfo=UTC)
    assert [name_en(8), name_zh(8), name_en(167)] == ["Mo 08", "周一08时", "Su 23"]
    assert [WEEK.hours_until_the_end_of(MONDAY + timedelta(days=day)) for day in (-1, 0, 6, 30)] == [
        *(0, 24, 168, 168)
    ]
    assert [WEEK.hours_before(WEEK.moment(0) + timedelta(minutes=m)) for m in (-5, 0, 30, 60, 61)] == [
        *(0, 0, 1, 1, 2)
    ]


def test_an_hour_counts_when_a_responder_is_available_throughout() -> None:
    states = hour_states("Mo-Fr 08:30-17:00", WEEK, None)

    there = [number for number in range(24) if states[number] == THERE]
    assert there == list(range(9, 17))
    assert (states[5 * 24 :] == AWAY).all()
    assert (hour_states(None, WEEK, None) == NOT_KNOWN).all()
    assert (hour_states("24/7", WEEK, None) == THERE).all()
    night = hour_states("Mo-Su 22:00-06:00", WEEK, None)
    assert [night[number] for number in (0, 5, 6, 21, 22, 23)] == [*(THERE, THERE, AWAY, AWAY, THERE, THERE)]


@given(
    st.sampled_from(
        [
            "Mo-Fr 08:30-17:00",
            "Mo-Su 19:00-07:30",
            "Sa,Su 10:15-10:45",
            "Mo-Fr 09:00-12:00,13:30-18:00; PH off",
            "We 00:00-24:00",
            "PH off",
            "Mo 23:30-24:00",
        ]
    ),
    st.sampled_from(["Asia/Shanghai", "Europe/Zurich", "America/New_York", "Asia/Kolkata"]),
    st.integers(0, 60),
)
def test_hourly_availability_equals_that_of_each_quarter_hour(text: str, zone: str, weeks: int) -> None:
    week = CalendarWeek(date(2026, 1, 5) + timedelta(weeks=weeks), zone)
    states = hour_states(text, week, None)
    worth = {Opening.CLOSED: AWAY, Opening.UNKNOWN: NOT_KNOWN, Opening.OPEN: THERE}

    for number in range(0, HOURS, 5):
        begins = week.moment(number)
        if week.moment(number + 1) - begins != timedelta(hours=1):
            continue  # daylight saving time begins or ends
        asked = [
            worth[hours_at(text, begins + timedelta(minutes=minute), time_zone=zone).state]
            for minute in (0, 15, 30, 45, 59)
        ]
        assert states[number] == min(asked), (name_en(number), asked)


# --- expected results -----------------------------------------------------------------------------------


def test_observed_shares_outweigh_the_prior_with_more_observations() -> None:
    assert expectation(PastSessions()) == ASSUMED
    seen = expectation(PastSessions(sessions=3, places=60, taken=60, passed=30, serving=30))
    assert seen == Expectation(filled=68 / 70, passes=38 / 70, serves=35 / 40, places=80 / 4)


def test_learners_count_for_their_own_estate_and_open_places_for_that_of_the_session() -> None:
    usual = Expectation(filled=0.5, passes=0.8, serves=0.5, places=20)
    full = PlannedSession(1, 7, capacity=10, held=10, learners={7: 6, 8: 2, None: 2})
    empty = PlannedSession(2, 9, capacity=10, held=0, learners={})
    of_no_estate = PlannedSession(3, None, capacity=10, held=0, learners={})

    found = expected_responders([full, empty, of_no_estate], usual)

    assert found == pytest.approx({7: 6 * 0.4, 8: 2 * 0.4, 9: 5 * 0.4})


def test_presence_is_the_share_among_responders_with_known_hours() -> None:
    states = np.full((8, HOURS), THERE, dtype=np.uint8)
    states[:4, 10] = AWAY
    states[4:6, 10] = NOT_KNOWN

    assert presence(states)[10] == (2 + 2) / (6 + 4)
    assert presence(states, among_those_there_at=10)[9] == (2 + 2) / (2 + 4)
    assert presence(states[:0])[0] == 0.5


@given(st.lists(st.tuples(st.integers(0, 6), st.floats(0, 12)), min_size=1, max_size=30))
def test_a_session_is_valued_by_the_chance_that_enough_people_come(cells: list[tuple[int, float]]) -> None:
    missing = np.array([[cell[0] for cell in cells]])
    more = np.array([[cell[1] for cell in cells]])

    expected = sum(float(pdtrc(k - 1, mean)) for k, mean in cells if k > 0)

    assert _expected_cells_closed(missing, more) == pytest.approx(expected, abs=1e-9)


def around(after: float, *, night_only: bool = False, states: list[str] | None = None) -> NearbyPeople:
    hours = np.full(HOURS, after)
    if night_only:
        hours[(np.arange(HOURS) % 24 >= 6)] = 9.0
    building = BuildingGaps(
        5,
        "Building 5",
        "5幢",
        PATIENT,
        Basis.STRAIGHT_LINE,
        np.zeros(HOURS, np.int32),
        np.zeros(HOURS, np.int32),
        hours,
    )
    people = [hour_states(text, WEEK, None) for text in states or ["24/7"]]
    return NearbyPeople(1, WEEK, [building], np.array([1.0]), np.array(people), [])


def test_the_best_slot_is_when_the_people_present_in_gap_hours_are_free() -> None:
    """The gap is at night: night workers with free Mondays cannot close it, people who are at home can."""
    at_home_at_night = "Mo-Fr 00:00-08:00,18:00-24:00; Sa,Su 00:00-24:00"
    works_at_night = "Mo-Su 08:00-20:00"
    found = suggest(
        around(2.0, night_only=True, states=[at_home_at_night] * 12 + [works_at_night] * 2),
        ASSUMED,
        target=3,
        today=date(2026, 9, 22),
        holidays=[date(2026, 10, 10)],
    )

    assert found is not None
    assert found.hour // 24 >= 5 or found.hour % 24 == 18, "when the people who are here at night are free"
    assert found.building_id == 5
    assert found.starts_on.weekday() == found.hour // 24
    assert found.starts_on >= date(2026, 10, 6)
    assert found.starts_on != date(2026, 10, 10)
    assert 0 < found.hours_lifted <= 42
    assert "at night" in found.reasons_en[0]
    assert "夜间" in found.reasons_zh[0]


def test_an_hour_with_exactly_the_target_is_not_below_it() -> None:
    (building,) = around(3.0).buildings
    assert building.hours_below_after(3) == 0
    assert building.hours_below_after(4) == HOURS


def test_nothing_is_suggested_without_a_gap() -> None:
    assert suggest(around(3.0), ASSUMED, target=3, today=MONDAY) is None


# --- counting -------------------------------------------------------------------------------------------


def test_valid_available_near_responders_are_counted_once_and_unknown_hours_apart(session: Session) -> None:
    estate = make.estate(session)
    make.building(session, estate, at=PATIENT)
    make.responder(session, at=north_of(PATIENT, metres=100), availability="Mo-Fr 08:00-18:00")
    make.responder(session, at=PATIENT, also_at=[east_of(PATIENT, metres=50)])  # two places, one person
    make.responder(session, at=PATIENT, availability=None)
    make.responder(session, at=PATIENT, valid_until=MONDAY + timedelta(days=1))
    make.responder(session, at=PATIENT, paused_until=WEEK.moment(hour("We 12")))
    make.responder(session, at=PATIENT, valid_until=date(2026, 9, 21))
    make.responder(session, at=north_of(PATIENT, metres=300))  # 450 m to walk

    (found,) = gaps_of(session, estate)

    (building,) = found.buildings
    assert building.basis is Basis.STRAIGHT_LINE
    counts = {name: int(building.now[hour(name)]) for name in ("Mo 03", "Mo 10", "Tu 10", "We 10", "We 12")}
    assert counts == {"Mo 03": 2, "Mo 10": 3, "Tu 10": 3, "We 10": 2, "We 12": 3}
    assert (building.unknown[:72] == 1).all()
    assert building.unknown[hour("Th 10")] == 2, "with Mo-Fr, a responder may be off on National Day"
    assert building.hours_below(3) == found.hours_below(3) == int((building.now < 3).sum())
    assert building.now[building.worst_hour] == building.now.min() == 1
    assert name_en(building.worst_hour) == "We 00"


def test_a_withdrawn_responder_and_a_revoked_certificate_do_not_count(session: Session) -> None:
    estate = make.estate(session)
    make.building(session, estate, at=PATIENT)
    gone = session.get_one(Responder, make.responder(session))
    gone.state = ResponderState.WITHDRAWN
    session.flush()

    (found,) = gaps_of(session, estate)

    assert int(found.fewest.max()) == 0


def test_an_estate_without_buildings_is_counted_at_its_centre(session: Session) -> None:
    estate = make.estate(session)
    make.responder(session, at=PATIENT)

    (found,) = gaps_of(session, estate)

    (middle,) = found.buildings
    assert middle.building_id is None
    assert middle.name_en == estate.name_en
    assert distance_metres(middle.position, PATIENT) < 5
    assert (middle.now == 1).all()


def test_counts_equal_a_check_of_each_person_building_and_hour(session: Session) -> None:
    """Compare with a brute-force count over straight lines."""
    rng = random.Random(7)
    estate = make.estate(session)
    houses = [make.building(session, estate, at=_near(rng, 150)) for _ in range(4)]
    texts = ["24/7", None, "Mo-Fr 08:30-17:30; PH off", "Mo-Su 19:00-07:30", "Sa,Su 10:00-22:00"]
    people = []
    for _ in range(40):
        places = [_near(rng, 450) for _ in range(rng.choice([1, 1, 2]))]
        valid = NOW.date() + timedelta(days=rng.choice([-1, 0, 8, 40, 400]))
        availability, place_hours = rng.choice(texts), rng.choice(texts)
        make.responder(
            session,
            at=places[0],
            also_at=places[1:],
            valid_until=valid,
            availability=availability,
            place_hours=place_hours,
        )
        people.append((places, valid, availability, place_hours))
    calendar = holiday_calendar(session, "CN")

    (found,) = gaps_of(session, estate)

    states = {text: hour_states(text, WEEK, calendar) for text in texts}
    for house, building in zip(houses, found.buildings, strict=True):
        assert building.building_id == house.id
        for number in range(0, HOURS, 7):
            day = MONDAY + timedelta(days=number // 24)
            best = []
            for places, valid, availability, place_hours in people:
                near = [
                    min(states[availability][number], states[place_hours][number])
                    for place in places
                    if distance_metres(building.position, place) * 1.5 <= METRES and valid >= day
                ]
                best.append(max(near, default=AWAY))
            assert (int(building.now[number]), int(building.unknown[number])) == (
                best.count(THERE),
                best.count(NOT_KNOWN),
            ), (building.name_en, name_en(number))


def _near(rng: random.Random, metres: float) -> Position:
    here = north_of(PATIENT, metres=rng.uniform(-metres, metres))
    return east_of(here, metres=rng.uniform(-metres, metres))


def test_with_a_network_responders_within_walking_time_by_street_are_counted(session: Session) -> None:
    network = street_grid(900)
    rng = random.Random(3)
    middle = grid_position(900, 0.5, 0.5)
    estate = make.estate(session, around=middle)
    make.building(session, estate, at=middle)
    places = [grid_position(900, rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8)) for _ in range(150)]
    for place in places:
        make.responder(session, at=place)

    (found,) = gaps_of(session, estate, network=network)

    (building,) = found.buildings
    reachable = network.reachable(middle, within_metres=METRES)
    assert reachable is not None
    walks = reachable.costs(network.snap([each.lat for each in places], [each.lon for each in places]))
    assert building.basis is Basis.WALKING_NETWORK
    assert (building.now == int(np.isfinite(walks).sum())).all()
    straight = sum(distance_metres(middle, each) <= METRES for each in places)
    assert 5 < int(building.now[0]) < straight, "streets are longer than straight lines"


# --- after the planned sessions -------------------------------------------------------------------------


def test_the_forecast_removes_lapsed_responders_and_adds_expected_learners(
    session: Session,
) -> None:
    estate, other = make.estate(session), make.estate(session, around=north_of(PATIENT, metres=3_000))
    make.building(session, estate, at=PATIENT)
    stays = [make.responder(session, estate_id=estate.id) for _ in range(2)]
    soon = NOW.date() + timedelta(days=60)
    lapses = make.responder(session, estate_id=estate.id, valid_until=soon)
    renews = make.responder(session, estate_id=estate.id, valid_until=soon)
    training = make.training(session, make.course(session), estate=estate, capacity=10)
    for _ in range(4):
        make.enrolment(session, training)
    person = session.get_one(Responder, renews)
    who = session.get_one(Person, person.person_id)
    make.enrolment(session, training, who.name, phone=who.phone)
    refresher = make.course(session, certificate_kind=None, issuer=None, validity_months=None)
    make.training(session, refresher, estate=estate)
    session.flush()

    found, elsewhere = gaps_of(session, estate, other)

    assert len(stays) == 2
    assert lapses != renews
    (building,) = found.buildings
    assert (building.now == 4).all()
    assert found.sessions_planned == 1, "a course without a certificate adds no responders"
    # 4 learners, and 3 free places that are expected to fill: 0.8 of 10, minus the 5 that are held.
    expected = (4 + 3) * ASSUMED.passes * ASSUMED.serves
    assert found.responders_expected == pytest.approx(expected)
    there = (4 + 2) / (4 + 4)
    assert building.after == pytest.approx(np.full(HOURS, 2 + ASSUMED.passes + expected * there))
    assert [(each.valid_until, each.count) for each in found.lapses] == [(soon, 2)]
    assert found.lapsing == 2
    assert elsewhere.lapses == ()
    assert elsewhere.responders_expected == 0


def test_shares_are_computed_from_held_sessions(session: Session) -> None:
    estate = make.estate(session)
    past = make.training(session, estate=estate, capacity=5, starts_at=NOW - timedelta(days=30))
    before = past.starts_at - timedelta(days=3)
    enrolled = [make.enrolment(session, past, at=before) for _ in range(4)]
    ended = past.ends_at
    for number, each in enumerate(enrolled):
        results = [roster_actions.Result(each.id, attendance=AttendanceState.ATTENDED)]
        if number < 3:
            results.append(roster_actions.Result(each.id, passed=True))
        for one in results:
            opened = roster_actions.open_for_results(session, ADMINISTRATOR, past.id, at=ended)
            roster_actions.save_results(session, ADMINISTRATOR, opened, [one], how=MarkedBy.HAND, at=ended)
    serves = session.scalars(select(Responder).where(Responder.person_id == enrolled[0].person_id)).one()
    serves.state = ResponderState.ACTIVE
    session.flush()

    assert queries.outcomes(session, at=NOW) == PastSessions(
        sessions=1, places=5, taken=4, passed=3, serving=1
    )


def test_the_number_of_statements_is_independent_of_buildings_and_people(
    session: Session, database: Database
) -> None:
    estate = make.estate(session)
    make.building(session, estate, at=PATIENT)
    make.responder(session)
    session.commit()
    counts = []
    for _ in range(2):
        with statements_of(database.engine) as sent:
            gaps_of(session, estate)
        counts.append(len(sent))
        for number in range(10):
            make.building(session, estate, at=north_of(PATIENT, metres=number))
            make.responder(session)
        session.commit()

    assert counts[0] == counts[1] <= 10


def test_many_estates_at_once_are_counted_as_each_alone(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    estates = [make.estate(session, around=north_of(PATIENT, metres=300 * n)) for n in range(4)]
    rng = random.Random(5)
    for each in estates:
        make.building(session, each, at=_near(rng, 400))
    for _ in range(30):
        make.responder(
            session, at=_near(rng, 900), availability=rng.choice(["24/7", None, "Mo-Fr 08:00-18:00"])
        )
    one_by_one = gaps_of(session, *estates)
    monkeypatch.setattr("aed.training.gaps.table.MAX_READ_SINGLY", 0)  # read all people at once
    together = gaps_of(session, *estates)

    assert sum(int(each.fewest.sum()) for each in one_by_one) > 0
    for one, other in zip(one_by_one, together, strict=True):
        for mine, theirs in zip(one.buildings, other.buildings, strict=True):
            assert (mine.now == theirs.now).all()
            assert (mine.unknown == theirs.unknown).all()
            assert mine.after == pytest.approx(theirs.after)


def test_locked_gates_block_the_way_and_open_ones_do_not(session: Session, tmp_path: Path) -> None:
    """A street of 200 m with a gate in the middle and no way around it."""
    counts = []
    for number, locked in enumerate(("yes", "no")):
        streets = write_osm(
            tmp_path / f"{number}.osm.pbf",
            {1: (0, 0), 2: (100, 0), 3: (200, 0)},
            [((1, 2, 3), {"highway": "footway"})],
            node_tags={2: {"barrier": "gate", "locked": locked, "access": "private"}},
            origin=PATIENT,
        )
        network = build_network(streets)
        if number == 0:
            estate = make.estate(session)
            make.building(session, estate, at=PATIENT)
            make.responder(session, at=at(50, 0, origin=PATIENT))
            make.responder(session, at=at(200, 0, origin=PATIENT))
        (found,) = gaps_of(session, estate, network=network)
        counts.append(int(found.fewest[0]))

    assert counts == [1, 2]
