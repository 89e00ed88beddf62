"""Responders: who sees them, when they are available, and how much of their data is shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import h3
import orjson
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import ANYONE, TokenRole, Viewer
from aed.geo import Position
from aed.lookup.arrival import Basis
from aed.lookup.question import Precision
from aed.lookup.responders import NearbyResponder
from aed.lookup.schemas import answer_out
from aed.responders.actions import CertificateGiven, PlaceGiven, ResponderGiven, save_responder
from aed.responders.models import Responder
from aed.responders.rules import Availability, CertificateKind, CertificateTrust, PlaceKind, ResponderState
from aed.settings import Settings
from aed.settings.arrival import Arrival
from aed.walking.travel import Pace, estate_pace, general_pace, walk_seconds
from tests import make
from tests.lookup.asking import ask, place, shown, streets
from tests.make import NOW, PATIENT, north_of

NUMBERS = Arrival()
GENERAL = general_pace(NUMBERS)


def direct(metres: float, *, pace: Pace = GENERAL) -> float:
    """Return the seconds from receipt of the alert to arrival, on foot."""
    return 30 + walk_seconds(metres, pace, NUMBERS)


def dispatcher(session: Session, code: str = "CN-33") -> Viewer:
    return make.dispatcher(make.region(session, code))


def found(session: Session, settings: Settings, **given: Any) -> list[NearbyResponder]:
    """Return the responders that the plan finds, by their exact locations."""
    answer = ask(session, settings, dispatcher(session), **{"precision": Precision.EXACT, **given})
    assert answer.responders is not None
    return answer.responders


def ids(people: Iterable[NearbyResponder]) -> list[int]:
    return [person.responder_id for person in people]


# --- visibility -----------------------------------------------------------------------------------------


def test_only_dispatchers_and_administrators_see_responders(session: Session, settings: Settings) -> None:
    estate = make.estate(session)
    responder = make.responder(session, estate_id=estate.id)

    for viewer in (ANYONE, make.member(estate), make.member(make.estate(session), estate)):
        answer = ask(session, settings, viewer)
        assert answer.responders is None
        assert shown(answer, viewer, settings).responders is None
    for viewer in (dispatcher(session), make.ADMINISTRATOR):
        answer = ask(session, settings, viewer)
        assert answer.responders is not None
        assert ids(answer.responders) == [responder]


def test_another_regions_dispatcher_sees_no_responders(session: Session, settings: Settings) -> None:
    make.responder(session)

    answer = ask(session, settings, dispatcher(session, "CN-31"))

    assert answer.responders == []


def test_a_provinces_dispatcher_sees_its_citys_responders_over_http(
    session: Session, client: TestClient
) -> None:
    province, city = make.region(session), make.region(session, "CN-3301", parent="CN-33")
    responder = make.responder(session, in_region="CN-3301")
    keys = [
        None,
        make.key(session, TokenRole.MEMBER, estate=make.estate(session)),
        make.key(session, TokenRole.DISPATCHER, region=make.region(session, "CN-31")),
        make.key(session, TokenRole.DISPATCHER, region=city),
        make.key(session, TokenRole.DISPATCHER, region=province),
        make.key(session, TokenRole.ADMINISTRATOR),
    ]
    session.commit()
    here: dict[str, str | float] = {"lat": PATIENT.lat, "lon": PATIENT.lon, "at": NOW.isoformat()}

    answers = [client.get("/v1/nearest", params=here, headers=key).json()["responders"] for key in keys]

    assert answers[:3] == [None, None, []]
    assert [[person["id"] for person in people] for people in answers[3:]] == [[responder]] * 3


def test_responders_are_shown_as_cell_and_rounded_time_only(session: Session, settings: Settings) -> None:
    homes = [Position(30.2913571, 120.1012468), Position(30.2887654, 120.0987651)]
    for home in homes:
        make.responder(session, at=home)
    viewer = dispatcher(session)

    answer = ask(session, settings, viewer)

    people_shown = shown(answer, viewer, settings).responders
    assert people_shown is not None
    assert {shown_as.cell for shown_as in people_shown} == {
        h3.latlng_to_cell(home.lat, home.lon, 9) for home in homes
    }
    assert answer.responders is not None
    for shown_as, known in zip(people_shown, answer.responders, strict=True):
        assert shown_as.walk_seconds % 30 == 0
        assert 0 <= shown_as.walk_seconds - known.direct_seconds < 30, "late is never shown as early"
        assert set(shown_as.model_dump()) == {
            "id",
            "cell",
            "walk_seconds",
            "basis",
            "availability",
            "certificate",
        }
    text = orjson.dumps(answer_out(answer, viewer, settings=settings)).decode()
    people = session.scalars(select(Person)).all()
    assert len(people) == 2
    for person in people:
        assert person.name not in text
        assert str(person.phone) not in text
    for home in homes:
        for degrees in (home.lat, home.lon):
            assert f"{degrees:.4f}"[:-1] not in text.replace(str(PATIENT.lat), "").replace(
                str(PATIENT.lon), ""
            ), "not even to 100 m"


def test_a_responder_who_has_withdrawn_is_not_called(session: Session, settings: Settings) -> None:
    responder = session.get_one(Responder, make.responder(session))
    responder.state = ResponderState.WITHDRAWN

    assert found(session, settings) == []


# --- availability ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "may_be_called"),
    [
        ("2026-09-22T15:59:00", True),  # 23:59 local time on the last valid day
        ("2026-09-22T16:00:00", False),
        ("2026-09-21T16:00:00", True),
    ],
)
def test_a_certificate_counts_to_the_end_of_its_last_day(
    session: Session, settings: Settings, moment: str, may_be_called: bool
) -> None:
    responder = make.responder(session, valid_until=date(2026, 9, 22))

    people = found(session, settings, at=datetime.fromisoformat(moment).replace(tzinfo=UTC))

    assert ids(people) == ([responder] if may_be_called else [])


def test_the_certificate_that_is_valid_longest_counts(session: Session, settings: Settings) -> None:
    responder = make.responder(session, valid_until=date(2026, 1, 1))
    known = session.get_one(Responder, responder)
    person = session.get_one(Person, known.person_id)
    given = ResponderGiven(
        source=known.source,
        source_id=known.source_id,
        name=person.name,
        phone=person.phone,
        language="zh",
        region_id=known.region_id,
        estate_id=None,
        availability="24/7",
        paused_until=None,
        certificate=CertificateGiven(
            CertificateKind.PROFESSIONAL,
            "Another issuer",
            "7",
            None,
            date(2027, 1, 1),
            CertificateTrust.VERIFIED,
        ),
        places=(PlaceGiven(PlaceKind.HOME, PATIENT, 0, "24/7"),),
    )
    assert found(session, settings) == []

    save_responder(session, make.ADMINISTRATOR, given, at=make.NOW)

    (renewed,) = found(session, settings)
    assert (renewed.responder_id, renewed.certificate_kind) == (responder, CertificateKind.PROFESSIONAL)


@pytest.mark.parametrize(
    ("paused_until", "may_be_called"),
    [(NOW + timedelta(seconds=1), False), (NOW, True), (NOW - timedelta(days=1), True), (None, True)],
)
def test_a_paused_responder_is_not_called_until_the_pause_ends(
    session: Session, settings: Settings, paused_until: datetime | None, may_be_called: bool
) -> None:
    responder = make.responder(session, paused_until=paused_until)

    assert ids(found(session, settings)) == ([responder] if may_be_called else [])


@pytest.mark.parametrize(
    ("availability", "place_hours", "expected"),
    [
        ("24/7", "24/7", Availability.AVAILABLE),
        ("Mo-Fr 09:00-18:00", "24/7", Availability.AVAILABLE),
        ("Sa-Su 09:00-18:00", "24/7", None),  # outside the hours they gave
        ("24/7", "19:00-08:00", None),  # elsewhere at this hour
        (None, "24/7", Availability.UNKNOWN),
        ("24/7", None, Availability.UNKNOWN),
        (None, None, Availability.UNKNOWN),
        (None, "off", None),
        ("off", None, None),
        ("PH off; Mo-Fr 09:00-18:00", "24/7", Availability.AVAILABLE),
    ],
)
def test_availability_decides_who_may_be_called(
    session: Session,
    settings: Settings,
    availability: str | None,
    place_hours: str | None,
    expected: Availability | None,
) -> None:
    make.responder(session, availability=availability, place_hours=place_hours)

    people = found(session, settings)

    assert [person.availability for person in people] == ([expected] if expected else [])


def test_at_work_by_day_and_at_home_by_night(session: Session, settings: Settings) -> None:
    known = session.get_one(Responder, make.responder(session))
    person = session.get_one(Person, known.person_id)
    work, home = north_of(PATIENT, metres=200), north_of(PATIENT, metres=-700)
    given = ResponderGiven(
        source=known.source,
        source_id=known.source_id,
        name=person.name,
        phone=person.phone,
        language="zh",
        region_id=known.region_id,
        estate_id=None,
        availability="24/7",
        paused_until=None,
        certificate=CertificateGiven(
            CertificateKind.CPR_AED, "Issuer", "1", None, date(2028, 1, 1), CertificateTrust.VERIFIED
        ),
        places=(
            PlaceGiven(PlaceKind.WORK, work, 0, "Mo-Fr 09:00-18:00; PH off"),
            PlaceGiven(PlaceKind.HOME, home, 0, "19:00-08:00"),
        ),
    )
    save_responder(session, make.ADMINISTRATOR, given, at=make.NOW)

    def at(text: str) -> list[Position]:
        moment = datetime.fromisoformat(f"{text}+08:00")
        return [person.position for person in found(session, settings, at=moment)]

    assert at("2026-09-22T10:00") == [work]
    assert at("2026-09-22T22:00") == [home]
    assert at("2026-09-22T18:30") == []
    assert at("2026-10-01T10:00") == [], "a holiday"
    assert at("2026-10-10T10:00") == [work], "a Saturday that is worked"


# --- order ----------------------------------------------------------------------------------------------


def test_two_places_of_a_person_count_once_at_the_sooner(session: Session, settings: Settings) -> None:
    far, near = north_of(PATIENT, metres=600), north_of(PATIENT, metres=100)
    twice = make.responder(session, at=far, also_at=[near])
    once = make.responder(session, at=north_of(PATIENT, metres=300))

    people = found(session, settings)

    assert ids(people) == [twice, once]
    assert people[0].position == near


def test_a_responder_is_located_at_the_place_whose_hours_include_now(
    session: Session, settings: Settings
) -> None:
    near, far = north_of(PATIENT, metres=100), north_of(PATIENT, metres=600)
    make.responder(session, at=far, also_at=[near], place_hours=None)

    (person,) = found(session, settings)

    assert person.position == near
    assert person.direct_seconds == pytest.approx(direct(1.5 * 100), rel=0.01)


def test_responders_are_ordered_by_walk_not_by_straight_line(session: Session, settings: Settings) -> None:
    network = streets(
        settings, {1: (0, 0), 2: (0, 900), 3: (80, 900), 4: (80, 0), 5: (-300, 0)}, [1, 2, 3, 4], [1, 5]
    )
    across_the_river = make.responder(session, at=place(80, 0))
    down_the_road = make.responder(session, at=place(-300, 0))

    people = found(session, settings, network=network)

    assert ids(people) == [down_the_road, across_the_river]
    assert [person.basis for person in people] == [Basis.WALKING_NETWORK] * 2
    assert people[1].direct_seconds == pytest.approx(direct(900 + 80 + 900), rel=0.01)


def test_many_nearer_responders_do_not_hide_the_one_who_arrives_first(
    session: Session, settings: Settings
) -> None:
    network = streets(
        settings, {1: (0, 0), 2: (0, 900), 3: (200, 900), 4: (200, 0), 5: (-300, 0)}, [1, 2, 3, 4], [1, 5]
    )
    for number in range(30):
        make.responder(session, at=place(200, number))
    down_the_road = make.responder(session, at=place(-300, 0))

    assert ids(found(session, settings, network=network, responders=1)) == [down_the_road]


def test_a_responder_beyond_the_reach_is_not_near(session: Session, settings: Settings) -> None:
    """The network has no short path, so the straight line must not replace the longer walk."""
    network = streets(
        settings, {1: (0, 0), 2: (0, 3000), 3: (80, 3000), 4: (80, 0), 5: (-900, 0)}, [1, 2, 3, 4], [1, 5]
    )
    across_the_river = make.responder(session, at=place(80, 0))
    down_the_road = make.responder(session, at=place(-900, 0))

    people = found(session, settings, network=network)

    assert ids(people) == [down_the_road, across_the_river]
    assert people[1].basis is Basis.STRAIGHT_LINE
    assert people[1].direct_seconds >= direct(1500 * 1.5)


def test_a_responder_behind_a_closed_gate_waits_for_it(session: Session, settings: Settings) -> None:
    network = streets(settings, {1: (0, 0), 2: (50, 0), 3: (150, 0)}, [1, 2, 3])
    estate = make.estate(session)
    make.gate(session, estate, at=place(50, 0), passage="open", opening_hours="off")
    inside = make.responder(session, at=place(150, 0), estate_id=estate.id)

    (person,) = found(session, settings, network=network)

    assert person.responder_id == inside
    assert person.basis is Basis.WALKING_NETWORK
    assert person.direct_seconds == pytest.approx(direct(150, pace=estate_pace(NUMBERS)) + 180, abs=1)


def test_floors_are_climbed_once_at_each_end(session: Session, settings: Settings) -> None:
    make.responder(session, at=north_of(PATIENT, metres=100))

    (person,) = found(session, settings, floor=12)

    assert person.direct_seconds == pytest.approx(direct(1.5 * 100) + 45 + 2 * 12, rel=0.01)


def test_responders_are_limited_by_number_and_radius(session: Session, settings: Settings) -> None:
    near = [make.responder(session, at=north_of(PATIENT, metres=50 * number)) for number in range(1, 7)]
    make.responder(session, at=north_of(PATIENT, metres=1_600))

    assert ids(found(session, settings, responders=3)) == near[:3]
    assert ids(found(session, settings, responders=50)) == near
