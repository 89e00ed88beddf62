"""Test nearest and box queries on both databases against a brute-force search over all points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pyproj import Geod
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Audience
from aed.database.boxes import index_table, inside_box, window_around
from aed.database.geometry import latitude, longitude, point
from aed.database.session import Database
from aed.errors import InvalidInput
from aed.geo import Datum, Position, mercator_degrees
from aed.lookup.answer import answer_lookup
from aed.lookup.question import LookupQuestion
from aed.registry import nearby as nearby_queries
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.registry.nearby import PUBLIC_NEAREST
from aed.settings import Settings
from tests import make
from tests.examples import IS_DEEP, examples
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of

GEOD = Geod(ellps="WGS84")
modestly = settings(
    max_examples=examples(50, in_depth=500),
    derandomize=not IS_DEEP,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)

CITIES = (
    Position(30.29, 120.10),
    Position(47.14, 9.52),
    Position(-33.87, 151.21),
    Position(69.65, 18.96),  # Tromsø
    Position(0.0, 0.0),
    Position(-69.9, -68.0),
)


def clustered(count: int) -> list[Position]:
    """Return reproducible points in clusters like cities, with very different distances and duplicates."""
    numbers = np.random.default_rng(7)
    found = []
    for number in range(count):
        city = CITIES[number % len(CITIES)]
        spread = float(numbers.choice([30.0, 300.0, 3_000.0, 30_000.0]))
        east, north = numbers.normal(0, spread, 2)
        found.append(east_of(north_of(city, metres=float(north)), metres=float(east)))
    return [*found, *found[:12]]


def register(session: Session, places: Sequence[Position], **given: object) -> list[int]:
    """Register public devices at these places, in one statement; return their ids in the same order."""
    region = make.region(session)
    rows = [
        {
            "region_id": region.id,
            "source": "grid",
            "source_id": str(number),
            "position": point(place),
            "origin_datum": Datum.WGS84,
            "origin_lat": place.lat,
            "origin_lon": place.lon,
            "opening_hours": "24/7",
            "audience": Audience.PUBLIC,
            "state": DeviceState.IN_SERVICE,
            "version": 1,
            **given,
        }
        for number, place in enumerate(places)
    ]
    session.execute(insert(Device), rows)
    ids = {source_id: id_ for id_, source_id in session.execute(select(Device.id, Device.source_id))}
    session.commit()
    return [ids[str(number)] for number in range(len(places))]


def spheroid_metres(here: Position, places: Sequence[Position]) -> list[float]:
    count = len(places)
    _, _, metres = GEOD.inv(
        [here.lon] * count,
        [here.lat] * count,
        [place.lon for place in places],
        [place.lat for place in places],
    )
    return [float(each) for each in metres]


near_a_city = st.builds(
    lambda city, east, north: east_of(north_of(city, metres=north), metres=east),
    st.sampled_from(CITIES),
    st.floats(-40_000, 40_000),
    st.floats(-40_000, 40_000),
)
near_or_far = near_a_city | st.builds(Position, st.floats(-70, 70), st.floats(-170, 170))


# --- nearest --------------------------------------------------------------------------------------------


def test_a_ring_contains_everything_within_its_radius(session: Session, database: Database) -> None:
    places = clustered(300)
    ids = register(session, places)

    with database.read_sessions() as reader:
        connection = reader.connection()
        statement = nearby_queries.nearest_devices(connection.dialect, ANYONE)

        @modestly
        @given(
            here=near_or_far,
            about=st.integers(1, 60),
            at_least=st.integers(1, 20),
            within=st.sampled_from([500.0, 5e3, 5e4]),
            enough=st.sampled_from([100.0, 1e3, math.inf]),
            farther=st.floats(1.0, 5.0),
            remembered=st.floats(1.0, 20_000.0),
        )
        @example(
            here=CITIES[3], about=5, at_least=5, within=5e4, enough=math.inf, farther=1.0, remembered=1.0
        )
        @example(
            here=places[0], about=1, at_least=1, within=500.0, enough=math.inf, farther=2.0, remembered=1e4
        )
        def holds(
            here: Position,
            about: int,
            at_least: int,
            within: float,
            enough: float,
            farther: float,
            remembered: float,
        ) -> None:
            metres = dict(zip(ids, spheroid_metres(here, places), strict=True))
            rings = statement.search(connection, here, at_least=at_least, within_metres=within)
            for to_metres, wanted in ((enough, about), (farther * enough, 2 * about)):
                before = len(rings.rows)
                new = rings.widen(about=wanted, to_metres=to_metres)

                assert list(new) == rings.rows[before:]
                found = {row.id for row in rings.rows}
                assert len(found) == len(rings.rows)
                complete = min(rings.complete_within_metres, within)
                assert {id_ for id_, away in metres.items() if away < complete} <= found
                if complete < to_metres:
                    everything = sum(away <= within for away in metres.values())
                    assert len(found) >= min(0.75 * wanted, at_least, everything)
            rings.remember(remembered)  # any hint is valid and must not change the next result

        holds()


def test_the_lookup_names_the_nearest_on_the_spheroid(
    session: Session, database: Database, settings: Settings
) -> None:
    places = clustered(300)
    ids = register(session, places)

    with database.read_sessions() as reader:

        @modestly
        @given(here=near_a_city, limit=st.integers(1, 12))
        def equals(here: Position, limit: int) -> None:
            metres = spheroid_metres(here, places)
            answer = answer_lookup(
                reader.connection(),
                ANYONE,
                LookupQuestion(here=here, at=NOW, limit=limit),
                network=None,
                settings=settings,
            )

            # The devices only differ in their place, so that the soonest is the nearest.
            reachable = [(away, id_) for away, id_ in zip(metres, ids, strict=True) if away <= 50_000]
            expected = sorted(reachable)[:limit]
            assert [near.straight_metres for near in answer.devices] == pytest.approx(
                [away for away, _ in expected], abs=0.01
            )
            assert answer.is_complete
            by_id = dict(zip(ids, metres, strict=True))
            for near in answer.devices:
                assert near.straight_metres == pytest.approx(by_id[near.row.id], abs=0.01)

        equals()


def test_in_degrees_another_would_be_nearest_but_the_nearer_in_metres_is_named(
    session: Session, settings: Settings
) -> None:
    """At 70 degrees north a degree of longitude is a third as long as one of latitude."""
    here = Position(70.0, 25.0)
    east, north = Position(70.0, 25.02), Position(70.01, 25.0)
    nearer, _ = register(session, [east, north])

    answer = answer_lookup(
        session.connection(),
        ANYONE,
        LookupQuestion(here=here, at=NOW, limit=1),
        network=None,
        settings=settings,
    )

    assert math.hypot(0.02, 0.0) > math.hypot(0.0, 0.01)
    assert [near.row.id for near in answer.devices] == [nearer]


@pytest.mark.parametrize("lat", [0.0, 51.9, -16.8, 70.0])
def test_near_the_180th_meridian_this_side_of_it_is_answered(
    session: Session, settings: Settings, lat: float
) -> None:
    """As documented in aed.database.nearest, the other side of the meridian is not searched."""
    here = Position(lat, 179.9995)
    this_side, _other_side = register(session, [Position(lat, 179.99), Position(lat, -179.9999)])

    answer = answer_lookup(
        session.connection(),
        ANYONE,
        LookupQuestion(here=here, at=NOW, limit=5),
        network=None,
        settings=settings,
    )

    assert this_side in [near.row.id for near in answer.devices]
    for lon in (180.0, -180.0):
        answer_lookup(
            session.connection(),
            ANYONE,
            LookupQuestion(here=Position(lat, lon), at=NOW),
            network=None,
            settings=settings,
        )


@pytest.mark.parametrize("lat", [90.0, -90.0, 89.95, 85.0, -89.99999])
def test_searches_at_the_poles_work(session: Session, settings: Settings, lat: float) -> None:
    register(session, [PATIENT])

    answer = answer_lookup(
        session.connection(),
        ANYONE,
        LookupQuestion(here=Position(lat, 12.0), at=NOW),
        network=None,
        settings=settings,
    )

    assert answer.devices == []


# --- the partial index ----------------------------------------------------------------------------------


def public_in_service(session: Session) -> set[int]:
    found = select(Device.id).where(
        Device.audience == Audience.PUBLIC, Device.state == DeviceState.IN_SERVICE
    )
    return set(session.scalars(found))


@pytest.mark.parametrize("database_url", ["spatialite"], indirect=True)
def test_the_index_of_public_devices_follows_whatever_is_done_to_the_register(session: Session) -> None:
    """On SpatiaLite the index is a separate table that triggers maintain."""
    numbers = np.random.default_rng(5)
    places = clustered(60)
    ids = register(session, places)
    changes = 0
    for step in range(300):
        id_ = int(numbers.choice(ids))
        place = places[int(numbers.integers(len(places)))]
        changes_of_a_row: list[dict[str, Any]] = [
            {"audience": str(numbers.choice([*Audience]))},
            {"state": DeviceState.OUT_OF_SERVICE, "out_of_service_reason": "lent"},
            {"state": DeviceState.IN_SERVICE, "out_of_service_reason": None},
            {"position": point(place)},
            {"position": point(place), "audience": Audience.PUBLIC},
            {"floor": step % 50},
        ]
        before = public_in_service(session)
        session.execute(update(Device).where(Device.id == id_).values(**changes_of_a_row[step % 6]))
        if step % 17 == 0:
            session.execute(delete(Device).where(Device.id == id_))
        if step % 5 == 0:
            session.rollback()
        else:
            session.commit()
        kept = session.execute(select(index_table(Device.position, PUBLIC_NEAREST))).all()
        assert {row.pkid for row in kept} == public_in_service(session)
        where = session.execute(select(Device.id, latitude(Device.position), longitude(Device.position)))
        at = {id_: (lat, lon) for id_, lat, lon in where}
        for row in kept:
            lat, lon = at[row.pkid]
            assert row.xmin <= lon <= row.xmax <= row.xmin + 1e-4
            assert row.ymin <= lat <= row.ymax <= row.ymin + 1e-4
        changes += before != public_in_service(session)
    assert changes > 50


@pytest.mark.parametrize("database_url", ["spatialite"], indirect=True)
def test_the_index_of_public_devices_is_looked_at_first_whatever_is_known_of_the_tables(
    session: Session, database: Database
) -> None:
    """With statistics from before the index existed, SQLite would scan all devices."""
    register(session, clustered(2_000))
    asked = nearby_queries.nearest_devices(database.engine.dialect, ANYONE)
    here = {**asked.constants, **window_around(PATIENT, 500.0)}

    def first_step() -> str:
        connection = session.connection()
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked.sql}", here).all()
        return str(steps[0].detail)

    assert first_step().startswith(f"SCAN {PUBLIC_NEAREST} VIRTUAL TABLE")
    session.execute(text("ANALYZE"))
    forget = text("DELETE FROM sqlite_stat1 WHERE tbl LIKE :those")
    session.execute(forget, {"those": f"{PUBLIC_NEAREST}%"})
    session.execute(text("ANALYZE sqlite_schema"))
    session.commit()
    assert first_step().startswith(f"SCAN {PUBLIC_NEAREST} VIRTUAL TABLE")


@pytest.mark.parametrize("database_url", ["postgis"], indirect=True)
def test_the_nearest_devices_out_of_service_are_read_from_the_index_without_sorting_all(
    session: Session, database: Database
) -> None:
    """With a wrong estimate of the public ones, PostgreSQL would sort every device out of service."""
    register(session, clustered(2_000))
    reason = {"state": DeviceState.OUT_OF_SERVICE, "out_of_service_reason": "Recalled"}
    session.execute(update(Device).where(Device.id % 7 == 0).values(reason))
    session.execute(text("ANALYZE devices"))
    asked = nearby_queries.nearest_out_of_service(database.engine.dialect, ANYONE)
    x, y = mercator_degrees(PATIENT)
    sql = asked.sql.replace("nearest_limit", "8")
    steps = session.connection().exec_driver_sql(f"EXPLAIN {sql}", {"nearest_x": x, "nearest_y": y}).all()
    plan = "\n".join(str(step[0]) for step in steps)
    assert f"Index Scan using {nearby_queries.OUT_OF_SERVICE_NEAREST}" in plan
    assert "Sort" not in plan


# --- a box ----------------------------------------------------------------------------------------------


def test_a_bounding_box_is_exact_to_the_last_digit(session: Session, database: Database) -> None:
    places = clustered(120)
    ids = register(session, places)
    lats = st.sampled_from([place.lat for place in places]) | st.floats(-90, 90)
    lons = st.sampled_from([place.lon for place in places]) | st.floats(-180, 180)

    with database.read_sessions() as reader:

        @modestly
        @given(west=lons, south=lats, east=lons, north=lats, inward=st.booleans())
        @example(
            west=places[5].lon, south=places[5].lat, east=places[5].lon, north=places[5].lat, inward=False
        )
        @example(
            west=places[2].lon, south=places[2].lat, east=places[2].lon, north=places[2].lat, inward=False
        )
        @example(west=-180.0, south=-90.0, east=180.0, north=90.0, inward=False)
        def equals(west: float, south: float, east: float, north: float, inward: bool) -> None:
            west, east = sorted((west, east))
            south, north = sorted((south, north))
            if inward:  # the edge is just beside a device
                west, south = math.nextafter(west, 999), math.nextafter(south, 999)
                assume(west <= east and south <= north and west <= 180 and south <= 90)
            chosen = inside_box(reader, Device.position, west=west, south=south, east=east, north=north)

            assert set(reader.scalars(select(Device.id).where(chosen))) == {
                id_
                for id_, place in zip(ids, places, strict=True)
                if west <= place.lon <= east and south <= place.lat <= north
            }

        equals()


@pytest.mark.parametrize(
    ("west", "south", "east", "north"),
    [
        (10, 0, 9, 1),
        (0, 10, 1, 9),
        (-181, 0, 1, 1),
        (0, 0, 181, 1),
        (0, -91, 1, 1),
        (0, 0, 1, 91),
        (math.nan, 0, 1, 1),
        (0, 0, math.inf, 1),
    ],
)
def test_an_invalid_bounding_box_is_refused(
    session: Session, west: float, south: float, east: float, north: float
) -> None:
    with pytest.raises(InvalidInput) as refused:
        inside_box(session, Device.position, west=west, south=south, east=east, north=north)

    assert refused.value.field == "bbox"


def test_a_position_is_returned_to_the_last_digit(session: Session) -> None:
    places = [Position(30.123456789012345, 120.98765432109876), Position(-0.0, 180.0), Position(1e-9, -1e-9)]
    ids = register(session, places)

    for id_, place in zip(ids, places, strict=True):
        row = session.execute(
            select(latitude(Device.position), longitude(Device.position)).where(Device.id == id_)
        ).one()
        assert (row[0], row[1]) == (place.lat, place.lon)
        assert device_queries.device(session, ADMINISTRATOR, id_).origin_lat == place.lat


def test_a_device_at_a_pole_is_registered_like_any_other(session: Session) -> None:
    made = register(session, [Position(-90.0, 0.0), Position(90.0, 0.0)])

    assert len(made) == 2
