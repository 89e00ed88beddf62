"""The least work of a lookup: its statement on the bare driver, and one Dijkstra search."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psycopg
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from aed.accounts.permissions import ANYONE
from aed.database.session import open_database
from aed.geo import Position, distances_metres, mercator_degrees
from aed.registry import nearby as nearby_queries
from aed.settings import Settings
from aed.walking.network import WalkingNetwork

type Prepared = Callable[[Position], Callable[[], object]]


def nearest_on_postgis(url: str, limit: int) -> Prepared:
    """Return the lookup's statement with LIMIT `limit` on a bare psycopg connection, as a prepared statement.

    Call the result with a position; it returns a function that runs the query.
    """
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(plain, autocommit=True, options="-c jit=off -c timezone=UTC")
    nearest = nearby_queries.nearest_devices(PGDialect_psycopg(), ANYONE)  # type: ignore[no-untyped-call] # as SQLAlchemy has it

    statement = nearest.sql.replace("nearest_limit", str(limit))

    def prepared(here: Position) -> Callable[[], object]:
        x, y = mercator_degrees(here)
        parameters = {**nearest.constants, "nearest_x": x, "nearest_y": y}
        return lambda: connection.execute(statement, parameters).fetchall()

    return prepared


def nearest_on_spatialite(path: Path, limit: int) -> Prepared:
    """Return the lookup's statement on a bare sqlite3 connection, over the window with `limit` devices.

    The window is computed when the position is given, before the timed query.
    """
    database = open_database(Settings(database_url=f"sqlite:///{path}"))
    pooled = database.engine.raw_connection()
    connection = pooled.driver_connection
    assert isinstance(connection, sqlite3.Connection)
    nearest = nearby_queries.nearest_devices(database.engine.dialect, ANYONE)
    lat, lon = (nearby_queries.DeviceNearby._fields.index(name) for name in ("lat", "lon"))

    def prepared(here: Position) -> Callable[[], object]:
        metres = 500.0
        while True:
            rows = connection.execute(nearest.sql, {**nearest.constants, **_window(here, metres)}).fetchall()
            away = distances_metres(
                here, np.array([row[lat] for row in rows]), np.array([row[lon] for row in rows])
            )
            if int((away <= metres).sum()) >= limit:
                break
            metres *= 1.5
        parameters = {**nearest.constants, **_window(here, float(np.sort(away)[limit - 1]))}

        return lambda: (connection.execute(nearest.sql, parameters).fetchall(), pooled)

    return prepared


def _window(here: Position, metres: float) -> dict[str, float]:
    north = (metres + 2.0) / 110_500.0
    east = north / math.cos(math.radians(abs(here.lat) + north))
    return {
        "nearest_west": here.lon - east,
        "nearest_east": here.lon + east,
        "nearest_south": here.lat - north,
        "nearest_north": here.lat + north,
        "nearest_lat": here.lat,
        "nearest_lon": here.lon,
        "nearest_across": east**-2,
        "nearest_up": north**-2,
    }


def dijkstra_on(network: WalkingNetwork) -> Callable[[Position, float], Callable[[], object]]:
    """Return one bounded Dijkstra search over the whole network, from the node nearest to a position.

    Call the result with the position and the bound in metres; the node is found before the timed search.
    """
    streets = network.streets
    joins = streets.edge_u != streets.edge_v
    tail = np.concatenate([streets.edge_u[joins], streets.edge_v[joins]])
    head = np.concatenate([streets.edge_v[joins], streets.edge_u[joins]])
    metres = np.tile(streets.edge_lengths[joins].astype(np.float64), 2)
    by_tail = np.argsort(tail, kind="stable")
    start = np.searchsorted(tail[by_tail], np.arange(streets.node_count + 1)).astype(np.int32)
    size = (streets.node_count, streets.node_count)
    matrix = csr_matrix((metres[by_tail], head[by_tail], start), shape=size)

    def prepared(here: Position, within_metres: float) -> Callable[[], object]:
        snapped = network.snap([here.lat], [here.lon])
        node = int(streets.edge_u[int(snapped.edge[0])])
        return lambda: dijkstra(matrix, indices=node, limit=within_metres)

    return prepared
