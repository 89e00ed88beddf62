"""Vector tiles: which devices they contain, and that both databases produce the same tiles."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import Any

import mapbox_vector_tile
import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import ANYONE, Audience, TokenRole
from aed.database.session import Database, read_session
from aed.exports import tiles as tiles
from aed.exports.rules import BUFFER, CELL, EXTENT, MAX_MERCATOR_LATITUDE, Squares, Tile
from aed.geo import Datum, Position, from_wgs84
from aed.registry.devices import actions as device_actions
from aed.registry.devices.rules import ConsumableKind, Mark
from aed.registry.devices.schemas import ConsumableIn
from tests import make
from tests.cases import each_case
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of


def _around(place: Position, zoom: int) -> Tile:
    """Return the tile that contains the position."""
    side = 2**zoom
    latitude = math.radians(place.lat)
    down = (1 - math.log(math.tan(latitude) + 1 / math.cos(latitude)) / math.pi) / 2
    return Tile(zoom, int((place.lon + 180) / 360 * side), int(down * side))


def _path(tile: Tile) -> str:
    return f"/tiles/{tile.zoom}/{tile.x}/{tile.y}.mvt"


def _points(body: bytes) -> list[dict[str, Any]]:
    """Return the features of a tile, with `across` and `down` in grid steps."""
    if not body:
        return []
    decoded = mapbox_vector_tile.decode(body, default_options={"y_coord_down": True})
    assert set(decoded) == {"devices"}
    assert decoded["devices"]["extent"] == EXTENT
    found = []
    for feature in decoded["devices"]["features"]:
        across, down = feature["geometry"]["coordinates"]
        found.append(feature["properties"] | {"id": feature["id"], "across": across, "down": down})
    return found


def _scattered(session: Session, number: int, *, metres: float) -> list[Position]:
    """Add public devices around the patient at reproducible random positions."""
    random = np.random.default_rng(4)
    places = [
        east_of(north_of(PATIENT, metres=float(north)), metres=float(east))
        for north, east in random.normal(0, metres, (number, 2))
    ]
    for count, place in enumerate(places):
        state, reason = ("out_of_service", "x") if count % 5 == 0 else ("in_service", None)
        make.device(session, at=place, place_en=f"Lobby {count}", state=state, out_of_service_reason=reason)
    return places


# --- permissions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("zoom", [0, 9, 13, 14, 18, 22])
def test_a_stranger_sees_public_devices_only(session: Session, client: TestClient, zoom: int) -> None:
    estate = make.estate(session)
    public = make.device(session, place_en="Public")
    make.device(session, of=estate, audience="estate", place_en="Hidden", serial="SN-1")
    gone = make.device(session)
    device_actions.withdraw_device(session, ADMINISTRATOR, gone.id, version=gone.version, at=NOW)
    member = make.key(session, TokenRole.MEMBER, estate=estate)
    administrator = make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()
    path = _path(_around(PATIENT, zoom))

    answer = client.get(path)

    assert answer.status_code == 200
    (point,) = _points(answer.content)
    assert point["id"] == public.id
    assert b"Hidden" not in answer.content
    for key in (member, administrator):
        answer = client.get(path, headers=key)
        assert sum(each.get("count", 1) for each in _points(answer.content)) == 2
        assert b"SN-1" not in answer.content


def test_tiles_for_strangers_are_cached_publicly_and_others_not_at_all(
    session: Session, client: TestClient
) -> None:
    make.device(session)
    key = make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()
    path = _path(_around(PATIENT, 12))

    stranger, known = client.get(path), client.get(path, headers=key)

    assert stranger.headers["cache-control"] == "public, max-age=60"
    assert known.headers["cache-control"] == "private, no-cache"
    assert stranger.headers["vary"] == known.headers["vary"] == "Authorization"
    assert stranger.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    tag = stranger.headers["etag"]
    for names in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(path, headers={"If-None-Match": names})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    make.device(session, at=north_of(PATIENT, metres=400))
    session.commit()
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_an_empty_tile_has_no_content_and_an_etag(client: TestClient) -> None:
    answer = client.get("/tiles/3/1/1.mvt")

    assert (answer.status_code, answer.content) == (204, b"")
    tag = answer.headers["etag"]
    assert client.get("/tiles/3/1/1.mvt", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.one_engine("a refusal before any statement")
@each_case(
    "path",
    ["/tiles/23/0/0.mvt", "/tiles/-1/0/0.mvt", "/tiles/0/1/0.mvt", "/tiles/3/0/8.mvt", "/tiles/1/a/0.mvt"],
)
def test_an_invalid_tile_is_refused_in_a_sentence(client: TestClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


# --- contents -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zoom", [6, 11, 13])
def test_at_low_zoom_every_device_is_counted_once(session: Session, database: Database, zoom: int) -> None:
    places = _scattered(session, 120, metres=4_000)
    session.commit()

    shown: Counter[str] = Counter()
    with read_session(database) as reading:
        for tile in {_around(place, zoom) for place in places}:
            for point in _points(tiles.device_tile(reading, ANYONE, tile, at=NOW)):
                if 0 <= point["across"] < EXTENT and 0 <= point["down"] < EXTENT:
                    shown["count"] += point["count"]
                    shown["in_service"] += point["in_service"]
                    assert (point["count"] == 1) is (point["id"] != 0)

    # A centre rounded onto a tile's edge may be counted by neither tile: this town has none.
    assert shown == {"count": 120, "in_service": 96}


def test_a_cluster_counts_its_devices_by_mark(session: Session, client: TestClient) -> None:
    today = clock.now().date()
    never = "2020 Mo 08:00-08:01"
    for hours in ("24/7", "24/7", never):
        make.device(session, opening_hours=hours)
    make.device(session, opening_hours="24/7", entry="assisted")
    make.device(session, opening_hours=None)
    make.device(session, state="out_of_service", out_of_service_reason="x")
    make.device(session, opening_hours="24/7", pads_expire_on=today - timedelta(days=3))
    flat = make.device(session, opening_hours="24/7")
    battery = ConsumableIn(kind=ConsumableKind.BATTERY, expires_on=today - timedelta(days=3))
    device_actions.fit_consumable(session, ADMINISTRATOR, flat.id, battery, at=NOW)
    make.device(session, opening_hours=never, pads_expire_on=today - timedelta(days=3))
    shared_once = make.device(session, of=make.estate(session), opening_hours="24/7")
    shared_once.sharing_hours, shared_once.audience_outside_hours = never, Audience.ESTATE
    make.device(session, of=make.estate(session), opening_hours="24/7", audience="estate")
    session.commit()

    (point,) = _points(client.get(_path(_around(PATIENT, 12))).content)
    lat, lon = PATIENT.lat, PATIENT.lon
    box = f"{lon - 0.01},{lat - 0.01},{lon + 0.01},{lat + 0.01}"
    in_view = client.get(f"/map/devices?bbox={box}").json()["features"]

    marks = Counter(each["properties"]["mark"] for each in in_view)
    assert point["count"] == 10
    assert point["in_service"] == 9
    shown = {mark.value: point[mark] for mark in Mark if mark in point}
    assert shown == {"open": 2, "assisted": 1, "unknown": 1, "closed": 2, "last_resort": 1, "out": 3}
    assert marks == shown | {"closed": 1}, "the map of single devices leaves out what is not shared now"


def test_a_device_out_on_a_call_is_out_in_its_ring(session: Session, database: Database) -> None:
    away = make.device(session, opening_hours="24/7")
    make.device(session, opening_hours="24/7")
    alert = make.alert(session, make.incident(session), make.person(session))
    alert.out_device_id = away.id
    session.commit()

    with read_session(database) as reading:
        (point,) = _points(tiles.device_tile(reading, ANYONE, _around(PATIENT, 12), at=NOW))

    assert (point["count"], point["open"], point["out"]) == (2, 1, 1)


@pytest.mark.parametrize("zoom", [11, 13, 15])
def test_the_buffer_of_a_tile_agrees_with_its_neighbour(
    session: Session, database: Database, zoom: int
) -> None:
    places = _scattered(session, 200, metres=3_000)
    session.commit()
    here = _around(PATIENT, zoom)
    east = Tile(zoom, here.x + 1, here.y)

    with read_session(database) as reading:
        left, right = (_points(tiles.device_tile(reading, ANYONE, tile, at=NOW)) for tile in (here, east))

    def near_the_edge(points: list[dict[str, Any]], moved: int) -> set[tuple[int, int, int]]:
        placed = {(each["across"] + moved, each["down"], each.get("count", 1)) for each in points}
        return {each for each in placed if EXTENT - BUFFER < each[0] < EXTENT + BUFFER}

    assert places
    assert near_the_edge(left, 0) == near_the_edge(right, EXTENT)


def test_at_high_zoom_every_device_is_its_own_point(session: Session, database: Database) -> None:
    place = east_of(PATIENT, metres=20)
    device = make.device(session, at=place, place_zh="大堂", floor=-1)
    session.commit()
    tile = _around(place, 18)

    with read_session(database) as reading:
        (point,) = _points(tiles.device_tile(reading, ANYONE, tile, at=NOW))

    side = 2**18
    assert point["id"] == device.id
    assert (point["place_zh"], point["floor"], point["state"]) == ("大堂", -1, "in_service")
    assert abs(point["across"] - ((place.lon + 180) / 360 * side - tile.x) * EXTENT) <= 1


@pytest.mark.parametrize("datum", [Datum.GCJ02, Datum.BD09])
@pytest.mark.parametrize("zoom", [11, 13, 15, 18])
def test_a_tile_in_a_chinese_datum_has_each_device_at_its_shifted_position(
    session: Session, client: TestClient, datum: Datum, zoom: int
) -> None:
    places = _scattered(session, 40, metres=900)
    session.commit()
    there = [Position(*from_wgs84(place, datum)) for place in places]

    shown, found = 0, set()
    for tile in {_around(place, zoom) for place in there}:
        for point in _points(client.get(f"{_path(tile)}?datum={datum}").content):
            if 0 <= point["across"] < EXTENT and 0 <= point["down"] < EXTENT:
                shown += point.get("count", 1)
                found.add((tile, point["across"], point["down"]))

    assert shown == len(places)
    if zoom >= 14:
        for place in there:
            tile = _around(place, zoom)
            across, down = tile.steps(place.lat, place.lon)
            assert any(
                each[0] == tile and abs(each[1] - across) <= 1 and abs(each[2] - down) <= 1 for each in found
            )


def test_too_many_devices_in_one_building_are_clustered_at_any_zoom(
    session: Session, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "MAX_SINGLE_DEVICES", 9)
    for _ in range(12):
        make.device(session)
    session.commit()

    with read_session(database) as reading:
        points = _points(tiles.device_tile(reading, ANYONE, _around(PATIENT, 20), at=NOW))

    assert [point["count"] for point in points] == [12]


def test_positions_at_and_beyond_the_edge_of_the_map_are_handled(
    session: Session, database: Database
) -> None:
    for lat, lon in (
        (90.0, 0.0),
        (-89.99, 10.0),
        (86.0, 20.0),
        (0.0, 180.0),
        (0.0, -180.0),
        (85.05, 179.999),
    ):
        make.device(session, at=Position(lat, lon))
    session.commit()

    with read_session(database) as reading:
        (whole, *more) = (
            _points(tiles.device_tile(reading, ANYONE, Tile(zoom, 0, 0), at=NOW)) for zoom in (0, 1, 14)
        )

    assert sum(point["count"] for point in whole) == 3
    assert len(more) == 2


_made: dict[int, dict[str, list[dict[str, Any]]]] = {}


@pytest.mark.parametrize("zoom", [0, 3, 8, 12, 13, 14, 16])
def test_both_databases_make_the_same_tile(session: Session, database: Database, zoom: int) -> None:
    _scattered(session, 150, metres=2_500)
    session.commit()

    with read_session(database) as reading:
        points = _points(tiles.device_tile(reading, ANYONE, _around(PATIENT, zoom), at=NOW))

    first_id = min((point["id"] for point in points if point["id"]), default=0)
    assert points
    assert first_id >= 0
    for point in points:
        point.pop("id")
    made = _made.setdefault(zoom, {})
    made[database.engine.dialect.name] = points
    if len(made) == 2:
        one, other = (sorted(each, key=lambda p: (p["down"] // 3, p["across"])) for each in made.values())
        assert len(one) == len(other)
        for a, b in zip(sorted(one, key=_said), sorted(other, key=_said), strict=True):
            assert a | {"across": 0, "down": 0} == b | {"across": 0, "down": 0}
            assert abs(a["across"] - b["across"]) <= 1
            assert abs(a["down"] - b["down"]) <= 1


def _said(point: dict[str, Any]) -> tuple[Any, ...]:
    return (
        point["down"] // CELL,
        point["across"] // CELL,
        str(sorted((key, value) for key, value in point.items() if key not in ("across", "down"))),
    )


@given(st.integers(0, 22), st.floats(-85, 85), st.floats(-179.99, 179.99))
def test_the_bounding_box_of_a_tile_contains_its_points(zoom: int, lat: float, lon: float) -> None:
    tile = _around(Position(lat, lon), zoom)
    west, south, east, north = tile.bounds(tile.squares())

    assert tile.exists
    assert west <= lon <= east
    assert south <= lat <= north
    assert east - west <= 360 / 2**zoom * (1 + 2 * BUFFER / EXTENT) + 1e-9


def test_squares_beyond_the_edge_are_clipped_to_the_world() -> None:
    west, south, east, north = Tile(0, 0, 0).bounds(Squares(-1, 16, -1, 16))
    assert (west, east) == (-180.0, 180.0)
    assert [round(north, 4), round(south, 4)] == [85.0511, -85.0511]


@given(st.integers(0, 22), st.data())
def test_the_squares_of_a_tile_cover_it_exactly(zoom: int, data: st.DataObject) -> None:
    across = 2**zoom
    tile = Tile(zoom, *(data.draw(st.integers(0, across - 1)) for _ in range(2)))
    last = EXTENT // CELL - 1
    west, south, east, north = tile.bounds(Squares(0, last, 0, last))

    def latitude(row: int) -> float:
        return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * row / across))))

    assert (west, east) == pytest.approx((tile.x * 360 / across - 180, (tile.x + 1) * 360 / across - 180))
    assert (north, south) == pytest.approx((latitude(tile.y), latitude(tile.y + 1)), abs=1e-9)


@pytest.mark.parametrize("zoom", [0, 1, 5, 22])
def test_the_last_tile_of_a_zoom_exists_and_the_next_does_not(zoom: int) -> None:
    last = 2**zoom - 1
    assert Tile(zoom, last, last).exists
    assert not Tile(zoom, last + 1, last).exists
    assert not Tile(zoom, last, last + 1).exists
    assert not Tile(23, 0, 0).exists


def test_the_bounds_of_squares_equal_a_manual_calculation() -> None:
    """A tile of zoom 1 is 180 degrees wide, so that each of its 16 columns has 11.25."""
    west, south, east, north = Tile(1, 1, 1).bounds(Squares(2, 3, 0, 15))

    assert (west, east, north) == pytest.approx((22.5, 45.0, 0.0))
    assert south == pytest.approx(-MAX_MERCATOR_LATITUDE)
    assert Tile(1, 0, 0).bounds(Squares(0, 15, 8, 15)) == pytest.approx((-180.0, 0.0, 0.0, 66.51326))


@pytest.mark.parametrize(
    "tile", [Tile(14, 13388, 7157), Tile(15, 26757, 14315), Tile(15, 26746, 14313)], ids=str
)
def test_a_tile_at_the_edge_of_the_shifted_area_keeps_its_own_squares(tile: Tile) -> None:
    """Some corners of these tiles south of Hong Kong are shifted, others are not."""
    own, found = tile.squares(), tile.squares(Datum.GCJ02)

    assert found.first_column < own.first_column
    assert found.last_column > own.last_column
    assert found.first_row < own.first_row
    assert found.last_row > own.last_row
