"""Live locations: sent by phones on duty, coarsened as agreed, used until they expire.

Tests of storage run on both databases, with locations in the database and in a Valkey cluster.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from aed import clock, schedule
from aed.accounts.people.models import Person
from aed.accounts.permissions import TokenRole
from aed.accounts.sessions import CSRF_HEADER, SESSION_COOKIE, csrf_token
from aed.accounts.tokens import hash_key
from aed.database.bulk import insert_many
from aed.database.session import Database, transaction
from aed.errors import AedError, Conflict, InvalidInput, LivePlacesUnavailable, NotSignedIn
from aed.geo import Position, distance_metres
from aed.lookup.question import Precision
from aed.lookup.responders import NearbyResponder
from aed.personal_data import actions as personal_data_actions
from aed.personal_data.schemas import OwnDataOut
from aed.responders.actions import consents, offering
from aed.responders.actions.live import LocationReport, delete_live_location, take_live_locations
from aed.responders.live import LivePlaces, close_live_places, in_valkey, live_places
from aed.responders.models import Certificate, Consent, LiveLocationRow, Responder
from aed.responders.rules import (
    LIVE_LOCATION_LIFETIME,
    CertificateKind,
    CertificateTrust,
    ConsentKind,
    LiveLocation,
    ResponderState,
    cells_around,
    live_location,
    location_moment,
)
from aed.responders.schemas import OfferAmend
from aed.settings import Settings
from tests import make
from tests.apps import app_on
from tests.cases import each_case
from tests.lookup.asking import ask
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of
from tests.throwaway_valkey import MISSING, PROGRAM, Cluster, throwaway_cluster
from tests.waiting import eventually

FAR = Position(30.9, 121.9)
"""A position in another large cell."""
A_MOMENT = timedelta(microseconds=1)


@pytest.fixture(scope="session")
def cluster_of_the_run() -> Iterator[Cluster]:
    if PROGRAM is None:
        pytest.skip(MISSING)
    with throwaway_cluster() as cluster:
        yield cluster


@pytest.fixture(params=("database", "cluster"))
def settings(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Return settings for each storage of locations, with patience for a busy machine."""
    monkeypatch.setattr(in_valkey, "ANSWERS_WITHIN_SECONDS", 5.0)
    url = ""
    if request.param == "cluster":
        cluster = request.getfixturevalue("cluster_of_the_run")
        cluster.empty()
        url = cluster.url
    yield Settings(
        database_url=database_url,
        live_places_url=url,
        walking_network=tmp_path / "walking.npz",
        signing_keys=tmp_path / "signing-keys.json",
        access_log=False,
        threads=4,
    )
    close_live_places()


@pytest.fixture
def kept(settings: Settings) -> LivePlaces:
    return live_places(settings)


def on_duty(session: Session, **given: Any) -> int:
    """Add a responder who has agreed to share the phone's location; return the id."""
    made = make.responder(session, **given)
    make.shares_live_place(session, made)
    return made


def put(
    session: Session,
    kept: LivePlaces,
    responder_id: int,
    here: Position,
    *,
    at: datetime = NOW,
) -> None:
    place = live_location(responder_id, here, at=at, resolution=9)
    kept.put(session.connection(), [place], at=at)


def found(
    session: Session, settings: Settings, here: Position = PATIENT, *, at: datetime = NOW
) -> list[NearbyResponder]:
    """Return the nearby responders that a dispatcher sees."""
    viewer = make.dispatcher(make.region(session))
    answer = ask(session, settings, viewer, here=here, at=at, responders=50).responders
    assert answer is not None
    return answer


def ids(people: Sequence[NearbyResponder]) -> list[int]:
    return sorted(each.responder_id for each in people)


# --- storage and expiry ---------------------------------------------------------------------------------


def test_a_live_location_is_valid_for_fifteen_minutes(
    session: Session, settings: Settings, kept: LivePlaces
) -> None:
    responder = on_duty(session, at=FAR)
    put(session, kept, responder, PATIENT)

    for at, holds in (
        (NOW - A_MOMENT, False),
        (NOW, True),
        (NOW + LIVE_LOCATION_LIFETIME - A_MOMENT, True),
        (NOW + LIVE_LOCATION_LIFETIME, False),
        (NOW + timedelta(days=300), False),
    ):
        held = kept.held(session.connection(), [responder], at=at)
        assert (responder in held) is holds, at
        assert ids(found(session, settings, at=at)) == ([responder] if holds else []), at
        assert ids(found(session, settings, FAR, at=at)) == ([] if holds else [responder]), at


def test_only_the_cell_is_stored(session: Session, settings: Settings, kept: LivePlaces) -> None:
    responder = on_duty(session, at=FAR)
    put(session, kept, responder, PATIENT)

    cell = h3.latlng_to_cell(PATIENT.lat, PATIENT.lon, 9)
    middle = Position(*h3.cell_to_latlng(cell))
    (nearby,) = found(session, settings)
    assert nearby.position == middle
    (held,) = kept.held(session.connection(), [responder], at=NOW).values()
    assert held == LiveLocation(responder, h3.str_to_int(cell), NOW)
    assert distance_metres(middle, PATIENT) > 1


@pytest.mark.parametrize("way", [north_of(PATIENT, metres=2_500), FAR], ids=["next cells", "far away"])
def test_a_moved_responder_is_found_at_the_new_location_only(
    session: Session, settings: Settings, kept: LivePlaces, way: Position
) -> None:
    responder = on_duty(session, at=Position(31.5, 119.0))
    put(session, kept, responder, PATIENT)
    assert ids(found(session, settings)) == [responder]

    put(session, kept, responder, way, at=NOW + timedelta(minutes=1))

    later = NOW + timedelta(minutes=1)
    assert found(session, settings, at=later) == []
    assert ids(found(session, settings, way, at=later)) == [responder]


def test_a_deleted_location_is_not_found(
    session: Session, settings: Settings, kept: LivePlaces, request: pytest.FixtureRequest
) -> None:
    one, other = on_duty(session, at=FAR), on_duty(session, at=FAR)
    for each in (one, other):
        put(session, kept, each, PATIENT)

    for _ in range(2):
        kept.forget(session.connection(), [one])

    assert ids(found(session, settings)) == [other]
    assert ids(found(session, settings, FAR)) == [one], "the default place counts again"
    assert set(kept.held(session.connection(), [one, other], at=NOW)) == {other}
    if settings.live_places_url:
        cluster: Cluster = request.getfixturevalue("cluster_of_the_run")
        everything = cluster.members()
        assert str(one) not in everything
        assert str(other) in everything
    else:
        assert session.scalars(select(LiveLocationRow.responder_id)).all() == [other]


@pytest.mark.parametrize("far", [north_of(PATIENT, metres=3_000), FAR], ids=["next cells", "far away"])
def test_of_two_phones_the_latest_location_counts(
    session: Session, settings: Settings, kept: LivePlaces, far: Position
) -> None:
    responder = on_duty(session, at=Position(31.5, 119.0))
    put(session, kept, responder, PATIENT, at=NOW)
    put(session, kept, responder, far, at=NOW - timedelta(minutes=1))

    assert ids(found(session, settings)) == [responder]
    assert found(session, settings, far) == []
    both = [
        live_location(responder, far, at=NOW + timedelta(minutes=2), resolution=9),
        live_location(responder, PATIENT, at=NOW + timedelta(minutes=1), resolution=9),
    ]
    kept.put(session.connection(), both, at=NOW + timedelta(minutes=2))
    later = NOW + timedelta(minutes=3)
    assert found(session, settings, at=later) == []
    assert ids(found(session, settings, far, at=later)) == [responder]


def test_two_phones_of_one_person_at_the_same_time_leave_one_place(
    database: Database, settings: Settings, kept: LivePlaces
) -> None:
    with transaction(database) as session:
        responder = on_duty(session, at=Position(31.5, 119.0))
    ways = [PATIENT, north_of(PATIENT, metres=4_000), FAR, Position(30.0, 118.5)]

    def walk(phone: int) -> None:
        for step in range(25):
            at = NOW + timedelta(seconds=2 * step + phone)
            with transaction(database) as own:
                put(own, kept, responder, ways[(step + phone) % 4], at=at)

    with ThreadPoolExecutor(2) as phones:
        list(phones.map(walk, range(2)))

    later = NOW + timedelta(seconds=50)
    with database.write_sessions() as session:
        assert [ids(found(session, settings, way, at=later)) for way in ways] == [[], [responder], [], []]


def test_expired_locations_are_deleted_by_a_job_or_expire(
    session: Session,
    database: Database,
    settings: Settings,
    kept: LivePlaces,
    request: pytest.FixtureRequest,
) -> None:
    for number in range(3):
        put(session, kept, on_duty(session), PATIENT, at=NOW + timedelta(minutes=number))
    session.commit()
    job = schedule.job_called("forget-live-places")

    counts = job.run(database, settings, lambda: NOW + LIVE_LOCATION_LIFETIME + timedelta(minutes=1))

    if settings.live_places_url:
        assert counts == {"deleted": 0}
        cluster: Cluster = request.getfixturevalue("cluster_of_the_run")
        lasting = cluster.seconds_left()
        assert len(lasting) >= 5
        assert all(0 < seconds <= LIVE_LOCATION_LIFETIME.total_seconds() + 60 for seconds in lasting)
    else:
        assert counts == {"deleted": 2}
        assert len(session.scalars(select(LiveLocationRow.responder_id)).all()) == 1


# --- many responders ------------------------------------------------------------------------------------


def crowd(session: Session, count: int) -> None:
    """Add responders 1 to `count`, available at any hour, without a default location."""
    region = make.region(session).id
    numbers = range(1, count + 1)
    insert_many(
        session, Person, [{"id": n, "name": f"P{n}", "phone": None, "language": "zh"} for n in numbers]
    )
    insert_many(
        session,
        Responder,
        [
            {
                "id": n,
                "person_id": n,
                "region_id": region,
                "source": "crowd",
                "source_id": str(n),
                "availability": "24/7",
                "state": ResponderState.ACTIVE,
            }
            for n in numbers
        ],
    )
    insert_many(
        session,
        Certificate,
        [
            {
                "responder_id": n,
                "kind": CertificateKind.CPR_AED,
                "issuer": "crowd",
                "number": str(n),
                "valid_until": date(2028, 1, 1),
                "trust": CertificateTrust.VERIFIED,
            }
            for n in numbers
        ],
    )
    given = {"kind": ConsentKind.LIVE_PLACE, "wording": "2026-11", "given_at": NOW, "given_by": "test"}
    insert_many(session, Consent, [{"person_id": n, **given} for n in numbers])


def test_ten_thousand_locations_match_a_brute_force_search(
    session: Session, settings: Settings, kept: LivePlaces
) -> None:
    crowd(session, 10_000)
    random = np.random.default_rng(5)

    def somewhere(spread: float) -> Position:
        lat, lon = random.uniform(-spread, spread, 2).tolist()
        return Position(PATIENT.lat + lat, PATIENT.lon + lon)

    where = {}
    for round_ in range(2):  # all of them move, some of them far
        at = NOW + timedelta(minutes=round_)
        where = {
            key: live_location(key, somewhere(0.1 if key % 3 else 2.0), at=at, resolution=9)
            for key in range(1, 10_001)
        }
        everybody = list(where.values())
        for first in range(0, 10_000, 500):
            kept.put(session.connection(), everybody[first : first + 500], at=at)

    at = NOW + timedelta(minutes=5)
    held = kept.held(session.connection(), range(1, 10_001), at=at)
    assert held == where
    compared = 0
    for number in range(20):
        here = somewhere(0.1)
        within = [300.0, 1_500.0, 4_000.0][number % 3]
        places = kept.near(session.connection(), here, within_metres=within, at=at)
        assert len({place.responder_id for place in places}) == len(places)
        people_shown = {
            place.responder_id: place for place in places if distance_metres(here, place.position) <= within
        }
        assert people_shown == {
            key: place for key, place in where.items() if distance_metres(here, place.position) <= within
        }
        compared += len(people_shown)
    assert compared > 1_000


def test_lookup_responders_match_a_brute_force_search_over_live_and_default_places(
    session: Session, settings: Settings, kept: LivePlaces
) -> None:
    """By straight lines, from phone locations of those on duty and default locations of the others."""
    random = np.random.default_rng(7)

    def somewhere() -> Position:
        east, north = random.uniform(-2_500, 2_500, 2).tolist()
        return east_of(north_of(PATIENT, metres=north), metres=east)

    places: dict[int, list[Position]] = {}
    for number in range(90):
        homes = [somewhere() for _ in range(1 + number % 2)]
        responder = make.responder(session, at=homes[0], also_at=homes[1:])
        places[responder] = homes
        if number % 3 == 0:
            make.shares_live_place(session, responder)
            place = live_location(responder, somewhere(), at=NOW, resolution=9)
            kept.put(session.connection(), [place], at=NOW)
            places[responder] = [place.position]
    session.commit()
    viewer = make.dispatcher(make.region(session))

    for number in range(12):
        here, limit = somewhere(), [1, 4, 10, 50][number % 4]
        answer = ask(
            session, settings, viewer, here=here, responders=limit, precision=Precision.EXACT
        ).responders

        metres = {key: min(distance_metres(here, each) for each in theirs) for key, theirs in places.items()}
        radius = settings.responder_radius_metres
        expected = sorted((far, key) for key, far in metres.items() if far <= radius)[:limit]
        assert answer is not None
        assert [each.responder_id for each in answer] == [key for _, key in expected]


def test_every_place_within_the_distance_lies_in_one_of_the_cells_around() -> None:
    """Both for regular cells and near the twelve pentagons of the grid."""
    random = np.random.default_rng(11)
    pentagons = [h3.cell_to_latlng(cell) for cell in h3.get_pentagons(5)]
    for number in range(300):
        lat, lon = random.uniform(-85, 85), random.uniform(-175, 175)
        if number % 3 == 0:
            lat, lon = np.array(pentagons[number % 12]) + random.uniform(-0.2, 0.2, 2)
        here = Position(float(lat), float(lon))
        resolution, within = [4, 5, 7, 8, 9, 10][number % 6], float([300, 1_500][number % 2])
        cells = {h3.int_to_str(cell) for cell in cells_around(here, within, resolution=resolution)}
        for _ in range(20):
            far, angle = within * 0.99, random.uniform(0, 2 * np.pi)
            there = east_of(north_of(here, metres=far * np.cos(angle)), metres=far * np.sin(angle))
            if distance_metres(here, there) <= within:
                assert h3.latlng_to_cell(there.lat, there.lon, resolution) in cells


# --- permission to share --------------------------------------------------------------------------------


def take(
    session: Session, person_id: int, *, at: datetime = NOW, here: Position = PATIENT
) -> AedError | None:
    """Store the location of the person's phone; return the error, or None if it was stored."""
    location = LocationReport(hash_key(make.sign_in(session, person_id)), here, at)
    (reason,) = take_live_locations(session, [location], resolution=9, at=at)
    return reason


def test_without_consent_no_location_is_stored(
    session: Session, settings: Settings, kept: LivePlaces
) -> None:
    responder = make.responder(session, at=FAR)
    person = session.get_one(Responder, responder).person_id

    reason = take(session, person)

    assert isinstance(reason, Conflict)
    assert "live_place" in reason.detail
    assert reason.field == "consents.live_place"
    assert kept.held(session.connection(), [responder], at=NOW) == {}
    make.shares_live_place(session, responder)
    assert take(session, person) is None
    assert ids(found(session, settings)) == [responder]


def test_only_signed_in_active_responders_share_their_location(session: Session, kept: LivePlaces) -> None:
    nobody = LocationReport(hash_key("made up"), PATIENT, NOW)
    resident = make.person(session)
    pausing = on_duty(session, paused_until=NOW + timedelta(hours=1))
    gone = on_duty(session)
    session.get_one(Responder, gone).state = ResponderState.WITHDRAWN
    fine = on_duty(session, paused_until=NOW - timedelta(hours=1))
    session.flush()
    people = [session.get_one(Responder, each).person_id for each in (pausing, gone, fine)]
    headers = [nobody] + [
        LocationReport(hash_key(make.sign_in(session, each)), PATIENT, NOW) for each in (resident.id, *people)
    ]
    over = LocationReport(hash_key(make.sign_in(session, people[2])), PATIENT, NOW)

    reason = take_live_locations(session, headers, resolution=9, at=NOW)

    assert [type(each) for each in reason] == [NotSignedIn, Conflict, Conflict, Conflict, type(None)]
    assert set(kept.held(session.connection(), [pausing, gone, fine], at=NOW)) == {fine}
    assert "paused until" in str(reason[2])
    (later,) = take_live_locations(session, [over], resolution=9, at=NOW.replace(year=2100))
    assert isinstance(later, NotSignedIn), "the sign-in is over"


@pytest.mark.parametrize("kind", [ConsentKind.LIVE_PLACE, ConsentKind.BEING_CALLED])
def test_withdrawing_consent_deletes_the_location_at_once(
    session: Session, settings: Settings, kept: LivePlaces, kind: ConsentKind
) -> None:
    responder = on_duty(session, at=north_of(PATIENT, metres=100))
    person = session.get_one(Responder, responder).person_id
    assert take(session, person) is None

    consents.withdraw_consent(session, ADMINISTRATOR, person, kind, at=NOW)

    assert kept.held(session.connection(), [responder], at=NOW) == {}
    assert isinstance(take(session, person), Conflict)
    assert kept.held(session.connection(), [responder], at=NOW) == {}
    at_home = kind is ConsentKind.LIVE_PLACE
    assert ids(found(session, settings)) == ([responder] if at_home else [])


def test_withdrawing_another_consent_keeps_the_location(session: Session, kept: LivePlaces) -> None:
    responder = on_duty(session)
    person = session.get_one(Responder, responder).person_id
    assert take(session, person) is None

    consents.withdraw_consent(session, ADMINISTRATOR, person, ConsentKind.PLACE_ON_DUTY, at=NOW)

    assert set(kept.held(session.connection(), [responder], at=NOW)) == {responder}


def test_pausing_going_off_duty_and_erasing_delete_the_location(session: Session, kept: LivePlaces) -> None:
    def pause(person: Person) -> None:
        change = OfferAmend(paused_until=NOW + timedelta(hours=1))
        offering.amend_offer(session, ADMINISTRATOR, person.id, change, at=NOW)

    ways: list[Callable[[Person], object]] = [
        pause,
        lambda person: delete_live_location(session, person.id),
        lambda person: personal_data_actions.erase(session, ADMINISTRATOR, person.id, at=NOW),
        lambda person: offering.withdraw_offer(session, ADMINISTRATOR, person.id, at=NOW),
    ]
    for way in ways:
        person = make.person(session)
        entry = make.offer(session, person).entry
        assert entry is not None
        make.shares_live_place(session, entry.id)
        assert take(session, person.id) is None
        assert set(kept.held(session.connection(), [entry.id], at=NOW)) == {entry.id}

        way(person)

        assert kept.held(session.connection(), [entry.id], at=NOW) == {}


def test_the_data_export_includes_the_live_location(session: Session, kept: LivePlaces) -> None:
    responder = on_duty(session)
    person = session.get_one(Person, session.get_one(Responder, responder).person_id)
    put(session, kept, responder, PATIENT)

    made = json.loads(OwnDataOut.of(session, person, at=NOW).model_dump_json())

    (rows,) = [each["rows"] for each in made["held"] if each["table"] == "live_places"]
    (row,) = rows
    assert row["responder_id"] == responder
    assert "lat" not in row
    assert row["cell"] == h3.str_to_int(h3.latlng_to_cell(PATIENT.lat, PATIENT.lon, 9))


def test_a_locations_time_must_be_recent_and_not_in_the_future() -> None:
    assert location_moment(None, now=NOW) == NOW
    assert location_moment(NOW - timedelta(minutes=14), now=NOW) == NOW - timedelta(minutes=14)
    minute = timedelta(minutes=1)
    assert location_moment(NOW + minute, now=NOW) == NOW, "the phone's clock is a little ahead"
    assert location_moment(NOW - 15 * minute + A_MOMENT, now=NOW) == NOW - 15 * minute + A_MOMENT
    for at in (NOW + minute + A_MOMENT, NOW - 15 * minute):
        with pytest.raises(InvalidInput) as refused:
            location_moment(at, now=NOW)
        assert refused.value.field == "at"


# --- over HTTP ------------------------------------------------------------------------------------------

HERE = {"lat": PATIENT.lat, "lon": PATIENT.lon}


def phone(session: Session, person_id: int) -> dict[str, str]:
    """Sign the person in; return the headers of the phone."""
    key = make.sign_in(session, person_id)
    session.commit()
    return {"Cookie": f"{SESSION_COOKIE}={key}", CSRF_HEADER: csrf_token(key)}


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    app = app_on(settings)
    with TestClient(app, base_url="https://testserver", raise_server_exceptions=False) as client:
        yield client


def test_a_phone_on_duty_shares_and_deletes_its_location(session: Session, http: TestClient) -> None:
    mine = phone(session, make.shares_live_place(session, make.responder(session)))
    assert http.get("/v1/location", headers=mine).json() == {"held": None}

    assert http.put("/v1/location", headers=mine, json={**HERE, "accuracy_metres": 20}).status_code == 204

    held = http.get("/v1/location", headers=mine).json()["held"]
    assert held["cell"] == h3.latlng_to_cell(PATIENT.lat, PATIENT.lon, 9)
    lasts = datetime.fromisoformat(held["expires_at"]) - datetime.fromisoformat(held["at"])
    assert lasts == LIVE_LOCATION_LIFETIME
    for _ in range(2):
        assert http.delete("/v1/location", headers=mine).status_code == 204
        assert http.get("/v1/location", headers=mine).json() == {"held": None}


def test_a_place_in_another_datum_is_the_same_place(session: Session, http: TestClient) -> None:
    mine = phone(session, make.shares_live_place(session, make.responder(session)))
    shifted = {"lat": 30.2875, "lon": 120.1045, "datum": "gcj02"}  # roughly AMap's coordinates of the patient

    assert http.put("/v1/location", headers=mine, json=shifted).status_code == 204

    cell = http.get("/v1/location", headers=mine).json()["held"]["cell"]
    assert h3.grid_distance(cell, h3.latlng_to_cell(PATIENT.lat, PATIENT.lon, 9)) <= 1
    assert cell != h3.latlng_to_cell(shifted["lat"], shifted["lon"], 9)


def test_strangers_tokens_and_pages_without_csrf_token_are_refused_first(
    session: Session, http: TestClient
) -> None:
    mine = phone(session, make.shares_live_place(session, make.responder(session)))
    token = make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()
    for headers, status in (
        ({}, 401),
        ({"Cookie": f"{SESSION_COOKIE}=made-up", CSRF_HEADER: csrf_token("made-up")}, 401),
        ({"Authorization": "Bearer made-up"}, 401),
        (token, 403),
        ({"Cookie": mine["Cookie"]}, 403),
    ):
        assert http.put("/v1/location", headers=headers, json=HERE).status_code == status, headers
    assert http.get("/v1/location", headers=mine).json() == {"held": None}


@pytest.mark.one_engine("a refusal before any statement")
@each_case(
    ("change", "field"),
    [
        ({"lat": 91}, "lat"),
        ({"lat": 120.1, "lon": 30.29}, "lat"),
        ({"lon": 181}, "lon"),
        ({"lat": None}, "lat"),
        ({"lat": "NaN"}, "lat"),
        ({"datum": "mars"}, "datum"),
        ({"accuracy_metres": 0}, "accuracy_metres"),
        ({"accuracy_metres": 5_000}, "accuracy_metres"),
        ({"at": "2020-01-01T00:00:00Z"}, "at"),
        ({"at": "2099-01-01T00:00:00Z"}, "at"),
        ({"at": "2026-01-01T00:00:00"}, "at"),
        ({"exact": True}, "exact"),
    ],
)
def test_an_invalid_location_is_refused_with_the_field(
    client: TestClient, change: dict[str, Any], field: str
) -> None:
    signed_in = {"Cookie": f"{SESSION_COOKIE}=key", CSRF_HEADER: csrf_token("key")}

    answer = client.put("/v1/location", headers=signed_in, json={**HERE, **change})

    assert answer.status_code == 422, answer.text
    assert re.match(field, answer.json()["field"] or answer.json()["detail"]), answer.json()
    for body in (b"", b"{", b"[]", b'{"lat": NaN, "lon": 1}', b'{"lat": Infinity, "lon": 1}', b"\xff"):
        assert client.put("/v1/location", headers=signed_in, content=body).status_code == 422, body


def test_places_that_come_at_the_same_time_are_each_answered_for_themselves(
    session: Session, http: TestClient
) -> None:
    phones = [phone(session, make.shares_live_place(session, make.responder(session))) for _ in range(6)]
    phones += [phone(session, make.person(session).id) for _ in range(3)]
    made_up = {"Cookie": f"{SESSION_COOKIE}=made-up", CSRF_HEADER: csrf_token("made-up")}

    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(
                lambda headers: http.put("/v1/location", headers=headers, json=HERE).status_code,
                [*phones, made_up] * 3,
            )
        )

    assert answers == ([204] * 6 + [409] * 3 + [401]) * 3


def test_the_location_of_a_phone_is_never_logged(
    session: Session, http: TestClient, capfd: pytest.CaptureFixture[str]
) -> None:
    mine = phone(session, make.shares_live_place(session, make.responder(session)))
    for body in (HERE, {**HERE, "lat": 30.2912345, "datum": "mars"}, {"lat": 30.2912345, "lon": 999}):
        http.put("/v1/location", headers=mine, json=body)

    output = "".join(capfd.readouterr())
    assert "30.29" not in output
    assert h3.latlng_to_cell(PATIENT.lat, PATIENT.lon, 9) not in output


# --- cluster outage -------------------------------------------------------------------------------------


@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
def test_without_the_cluster_default_places_are_used_and_phones_get_503(
    database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with throwaway_cluster() as cluster:
        settings = Settings(
            database_url=database_url,
            live_places_url=cluster.url,
            walking_network=tmp_path / "none",
            access_log=False,
            threads=4,
        )
        kept = live_places(settings)
        app = app_on(settings)
        with (
            TestClient(app, base_url="https://testserver", raise_server_exceptions=False) as http,
            app.state.database.write_sessions() as session,
        ):
            responder = on_duty(session, at=PATIENT)
            person = session.get_one(Responder, responder).person_id
            mine = phone(session, person)
            assert http.put("/v1/location", headers=mine, json=HERE).status_code == 204
            now = clock.now()
            put(session, kept, responder, FAR, at=now)
            assert found(session, settings, at=now) == []
            assert ids(found(session, settings, FAR, at=now)) == [responder]

            for process in cluster.processes:
                process.kill()
                process.wait()

            assert ids(found(session, settings, at=now)) == [responder]
            assert "lookup without live locations" in "".join(capfd.readouterr())
            answer = http.put("/v1/location", headers=mine, json=HERE)
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert http.delete("/v1/location", headers=mine).status_code == 503
            with pytest.raises(LivePlacesUnavailable):
                kept.held(session.connection(), [responder], at=NOW)
            assert consents.withdraw_consent(session, ADMINISTRATOR, person, ConsentKind.LIVE_PLACE, at=NOW)
            session.commit()
            assert "live location not deleted" in "".join(capfd.readouterr())
            assert ids(found(session, settings, at=now)) == [responder]
        close_live_places()


@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
def test_a_replica_is_used_while_the_host_of_its_primary_stays_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As after the pause: the test does not wait five seconds. The cluster is a real one.
    monkeypatch.setattr(in_valkey, "PAUSE_SECONDS", 0.0)
    places = [live_location(number, PATIENT, at=NOW, resolution=9) for number in range(8)]
    unused = create_engine("sqlite://")
    with throwaway_cluster(has_replica=True) as cluster, unused.connect() as connection:
        store = in_valkey.InValkey(cluster.url)

        def is_stored() -> bool:
            with contextlib.suppress(LivePlacesUnavailable):
                store.put(connection, places, at=NOW)
                return len(store.held(connection, range(8), at=NOW)) == len(places)
            return False

        assert is_stored()
        cluster.processes[0].send_signal(signal.SIGSTOP)  # a host that is gone answers nothing, not even no

        assert eventually(is_stored)
        store.close()
        live = cluster.url.removeprefix("redis://"), str(cluster.nodes[1].get_connection_kwargs()["port"])
        store = in_valkey.InValkey(f"redis://{live[0]},127.0.0.1:{live[1]}")
        assert is_stored(), "the first node of the URL does not answer"
        store.close()
    unused.dispose()
