"""Where places are in a tile, against the formula of web maps."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aed.exports.rules import CELL, EXTENT, Tile
from aed.geo import Datum, Position, from_wgs84

LATITUDES = st.floats(-85, 85)
LONGITUDES = st.floats(-180, 179.999)
CHINESE = st.tuples(st.floats(20, 45), st.floats(80, 125))


def place_in_tiles(lat: float, lon: float, zoom: int) -> tuple[float, float]:
    """Return column and row, with fractions, by the formula of the OpenStreetMap wiki."""
    count = 2**zoom
    row = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * count
    return (lon + 180) / 360 * count, row


def tile_of(lat: float, lon: float, zoom: int) -> Tile:
    column, row = place_in_tiles(lat, lon, zoom)
    return Tile(zoom, int(column), int(row))


@pytest.mark.hypothesis
@given(lat=LATITUDES, lon=LONGITUDES, zoom=st.integers(0, 18))
def test_a_place_has_its_steps_from_the_north_western_corner(lat: float, lon: float, zoom: int) -> None:
    tile = tile_of(lat, lon, zoom)
    column, row = place_in_tiles(lat, lon, zoom)

    across, down = tile.steps(lat, lon)

    assert across == pytest.approx((column - tile.x) * EXTENT, abs=1e-3)
    assert down == pytest.approx((row - tile.y) * EXTENT, abs=1e-3)
    assert tile.moved(across, down, Datum.WGS84) == pytest.approx((across, down), abs=1e-3)


@pytest.mark.hypothesis
@given(lat=LATITUDES, lon=LONGITUDES, zoom=st.integers(0, 18))
def test_the_squares_of_a_tile_contain_its_places(lat: float, lon: float, zoom: int) -> None:
    tile = tile_of(lat, lon, zoom)

    west, south, east, north = tile.bounds(tile.squares())

    assert west <= lon <= east
    assert south <= lat <= north
    width = 360 / 2**zoom
    assert east - west <= width * 1.2, "one row of squares around, and no more"


@pytest.mark.hypothesis
@given(place=CHINESE, zoom=st.integers(10, 16), datum=st.sampled_from([Datum.GCJ02, Datum.BD09]))
def test_the_squares_of_a_tile_of_a_chinese_map_contain_the_places_that_it_shows(
    place: tuple[float, float], zoom: int, datum: Datum
) -> None:
    """The places are up to a kilometre away from where the map shows them."""
    tile = tile_of(*from_wgs84(Position(*place), datum), zoom)
    across, down = tile.steps(*place)

    squares = tile.squares(datum)

    assert squares.first_column <= across // CELL <= squares.last_column
    assert squares.first_row <= down // CELL <= squares.last_row
    a_kilometre = EXTENT // CELL * 2**zoom / 40_000 * 2
    for count in (squares.last_column - squares.first_column, squares.last_row - squares.first_row):
        assert count <= EXTENT // CELL + 6 + a_kilometre


@pytest.mark.hypothesis
@given(place=CHINESE, zoom=st.integers(10, 18), datum=st.sampled_from([Datum.GCJ02, Datum.BD09]))
def test_a_place_moves_to_where_it_is_in_the_datum(
    place: tuple[float, float], zoom: int, datum: Datum
) -> None:
    tile = tile_of(*place, zoom)

    moved = tile.moved(*tile.steps(*place), datum)

    assert moved == pytest.approx(tile.steps(*from_wgs84(Position(*place), datum)), abs=1e-2)
