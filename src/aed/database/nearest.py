"""Indexed nearest-neighbour queries in rings of growing radius, on both databases.

PostGIS runs k-nearest statements on an index of Mercator points. The result is complete up to the distance of
the farthest row, less the error of the projection. SpatiaLite reads a window of its R*Tree, which grows until
it contains enough rows.

Rows across the 180th meridian are not found. (It runs through the sea, Chukotka, Taveuni and Antarctica.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import (
    ARRAY,
    Connection,
    Dialect,
    Double,
    Integer,
    Select,
    Subquery,
    all_,
    func,
    literal_column,
)

from aed.database.boxes import NO_MORE_THAN_SPHEROID, in_window, window_around
from aed.database.compiled import compiled_for, fetch_rows, late_param, row_factory
from aed.database.geometry import GeometryColumn
from aed.geo import METRES_PER_DEGREE, Placed, Position, mercator_degrees


class Located(Placed, Protocol):
    """A row with an id and a position."""

    @property
    def id(self) -> int: ...


class Needed(NamedTuple):
    """How far a search had to look, and how many rows lay within that distance."""

    metres: float
    rows: float


type _Cell = tuple[int, int, int]
"""Latitude and longitude of a cell, and the number of rows requested."""

_CELLS_PER_DEGREE: Final = 100
"""Size of cells, about 1 km, the scale on which the density of devices changes."""
_MORE_THAN_NEARBY: Final = 1.12
"""Factor on the radius of earlier searches in the same cell, so that few searches need a second ring."""
_MAX_CELLS: Final = 20_000
_COUNTS: Final = sorted(2**power * part // 2 for power in range(3, 13) for part in (2, 3))
"""Numbers of rows to request: 8, 12, 16, 24, 32, 48 …; few, since each is a separate prepared statement.

PostgreSQL plans it anew for its first ten uses on each connection; that takes longer than to run it."""


@dataclass(frozen=True)
class NearestQuery[R: Located]:
    """A compiled nearest-first statement, created once by `nearest_first` and run many times."""

    sql: str
    """The SQL of the first ring; on PostgreSQL, `nearest_limit` is a placeholder for the number of rows."""
    more_sql: str
    """The SQL of further rings, which excludes fetched rows: by id on PostgreSQL, by window on SQLite."""
    constants: Mapping[str, object]
    row: Callable[[Sequence[Any]], R]
    is_sqlite: bool
    _needed: dict[_Cell, Needed] = field(default_factory=dict)
    """What recent searches in a cell needed; only a hint for the first ring, without effect on results."""

    def search(
        self,
        connection: Connection,
        here: Position,
        *,
        at_least: int,
        within_metres: float,
        values: Mapping[str, object] | None = None,
    ) -> ExpandingSearch[R]:
        """Start a search for `at_least` rows around a place.

        `values` are the statement's other late parameters.
        """
        kind: type[ExpandingSearch[R]] = _WindowSearch if self.is_sqlite else _KNearestSearch
        return kind(self, connection, here, at_least, within_metres, {**self.constants, **(values or {})})

    def needed_near(self, cell: _Cell) -> Needed | None:
        """Return what a search from this cell probably needs; None if there was no search before."""
        known = self._needed.get(cell)
        if known is None:
            return None
        return Needed(_MORE_THAN_NEARBY * known.metres, _MORE_THAN_NEARBY**2 * known.rows)

    def remember(self, cell: _Cell, needed: Needed) -> None:
        """Record what a search from this cell needed, as a moving average."""
        if len(self._needed) >= _MAX_CELLS:
            self._needed.clear()
        last = self._needed.get(cell, needed)
        self._needed[cell] = Needed(
            0.8 * last.metres + 0.2 * needed.metres, 0.8 * last.rows + 0.2 * needed.rows
        )


class ExpandingSearch[R: Located]:
    """Rows around one place, fetched in rings of growing radius, each row once and in no particular order.

    `rows` are all rows so far. They include every matching row nearer than `complete_within_metres`, which is
    infinite when no rows are left. The first ring is as large as earlier searches nearby needed.
    """

    def __init__(
        self,
        query: NearestQuery[R],
        connection: Connection,
        here: Position,
        at_least: int,
        within_metres: float,
        values: Mapping[str, object],
    ) -> None:
        self._query, self._connection, self._values = query, connection, values
        self._here, self._at_least, self._within = here, at_least, within_metres
        self._cell = round(here.lat * _CELLS_PER_DEGREE), round(here.lon * _CELLS_PER_DEGREE), at_least
        self._needed = query.needed_near(self._cell)
        self.rows: list[R] = []
        self.complete_within_metres = 0.0

    def widen(self, *, about: int, to_metres: float = math.inf) -> Sequence[R]:
        """Fetch the next ring and return its rows.

        It contains about `about` rows in total, or all within `to_metres` or `within_metres` if fewer.
        """
        raise NotImplementedError

    def remember(self, metres: float) -> None:
        """Record how far this search had to look, as the first radius of the next search nearby."""
        self._query.remember(self._cell, Needed(metres, _count_within(self.rows, self._here, metres)))

    def _add(self, found: Sequence[Sequence[Any]]) -> None:
        """Add new rows, omitting duplicates, which occur if a row is moved during the search."""
        known = {row.id for row in self.rows}
        self.rows += [row for row in map(self._query.row, found) if row.id not in known]


class _WindowSearch[R: Located](ExpandingSearch[R]):
    """The search on SpatiaLite, by windows of the R*Tree."""

    _window_metres = 0.0

    def widen(self, *, about: int, to_metres: float = math.inf) -> Sequence[R]:
        before, query, radius = len(self.rows), self._query, self._window_metres * 1.5
        enough = 0.75 * about
        if not self._window_metres and self._needed is not None:
            enough, radius = self._at_least, self._needed.metres / NO_MORE_THAN_SPHEROID
        elif not self._window_metres:
            radius = 400.0 * math.sqrt(0.85 * about)
        elif to_metres < math.inf:
            radius = math.inf
        while True:
            radius = min(radius, to_metres / NO_MORE_THAN_SPHEROID + 1.0, self._within)
            sql, values = query.sql, {**self._values, **window_around(self._here, radius)}
            if self._window_metres:
                sql, inner = query.more_sql, window_around(self._here, self._window_metres)
                values |= {f"{side}_in": degrees for side, degrees in inner.items()}
            self._add(fetch_rows(self._connection, sql, values))
            self._window_metres = radius
            surely = radius * NO_MORE_THAN_SPHEROID
            self.complete_within_metres = self._within if radius >= self._within else surely
            found = len(self.rows)
            if surely >= to_metres or radius >= self._within or found >= enough:
                return self.rows[before:]
            radius *= 2.0 if found == 0 else max(1.2, min(3.0, math.sqrt(about / found)))


class _KNearestSearch[R: Located](ExpandingSearch[R]):
    """The search on PostGIS, by k nearest neighbours in the Mercator index."""

    def widen(self, *, about: int, to_metres: float = math.inf) -> Sequence[R]:
        before, query = len(self.rows), self._query
        x, y = mercator_degrees(self._here)
        values: dict[str, object] = {**self._values, "nearest_x": x, "nearest_y": y}
        enough = about
        if not self.rows and self._needed is not None:
            enough = math.ceil(self._needed.rows) + 1
        while True:
            more = enough - len(self.rows)
            if self.rows and to_metres < math.inf:  # the count grows with the square of the distance
                growth = (to_metres / max(self.complete_within_metres, 1.0)) ** 2 - 1.0
                more = min(more, math.ceil(1.2 * growth * len(self.rows)) + 1)
            count, sql = _next_count(more), query.sql
            if self.rows:
                sql, values["nearest_seen"] = query.more_sql, [row.id for row in self.rows]
            # The number is part of the text. For a parameter the planner assumes a tenth of the table, so
            # that the generic plan looks expensive and it makes a new plan each time.
            found = fetch_rows(self._connection, sql.replace("nearest_limit", str(count)), values)
            self._add(found)
            if len(found) < count:
                self.complete_within_metres = math.inf
                return self.rows[before:]
            self.complete_within_metres = _surely_complete_within(self._here, self.rows)
            if len(self.rows) >= enough or self.complete_within_metres >= min(to_metres, self._within):
                return self.rows[before:]


def nearest_first[R: Located](
    dialect: Dialect,
    inner: Select[*tuple[Any, ...]],
    place: GeometryColumn,
    *,
    joined: Callable[[Subquery], Select[*tuple[Any, ...]]],
    row: type[R],
    window_index: str | None = None,
) -> NearestQuery[R]:
    """Compile `inner` (which must select columns named `lat` and `lon`) into a nearest-first statement.

    `joined(subquery)` returns the outer Select, with joins that apply to the few chosen rows only.
    `row` is a NamedTuple of the columns. `window_index` names a partial index of SpatiaLite that contains
    every row of `inner` (PostgreSQL chooses its index itself).
    """
    is_sqlite = dialect.name == "sqlite"
    if is_sqlite:
        first, more = (
            in_window(inner, place, beyond=beyond, window_index=window_index) for beyond in (False, True)
        )
    else:
        key = place.class_.id
        here = func.point(late_param("nearest_x"), late_param("nearest_y"))
        first = inner.order_by(
            literal_column(mercator_point(f"{place.class_.__tablename__}.{place.key}")).op(
                "<->", return_type=Double()
            )(here)
        ).limit(literal_column("nearest_limit", Integer))
        more = first.where(key != all_(late_param("nearest_seen", ARRAY(key.type))))
    statement, more_statement = (joined(rows.subquery("near")) for rows in (first, more))
    sql, constants = compiled_for(dialect, statement)
    more_sql, more_constants = compiled_for(dialect, more_statement)
    if any(more_constants.get(name, value) != value for name, value in constants.items()):
        raise TypeError("the two statements use the same name for different values")
    return NearestQuery(sql, more_sql, constants | more_constants, row_factory(row, statement), is_sqlite)


def _next_count(rows: int) -> int:
    """Return the smallest of `_COUNTS` that is at least `rows`."""
    return next((count for count in _COUNTS if count >= rows), rows)


def mercator_point(name: str) -> str:
    """Return SQL for a PostgreSQL `point` in Mercator degrees, to be used by both index and ordering.

    Ordering by plain degrees gives a wrong nearest device in 5-8 % of lookups. The poles are clamped.
    """
    return (
        f"point(ST_X({name}), "
        f"ln(tan(0.7853981633974483 + least(greatest(ST_Y({name}), -89.9), 89.9) * 0.008726646259971648)) "
        "* 57.29577951308232)"
    )


def _surely_complete_within(here: Position, rows: Sequence[Located]) -> float:
    """Return the metres within which `rows`, the k nearest in Mercator, are certain to be complete.

    The farthest row gives the radius in the projection. Its scale depends on the latitude, so the smallest
    scale within the radius is used.
    """
    away = _degrees_squared(here, rows)
    far = rows[away.index(max(away))]
    x, y = mercator_degrees(here)
    east, north = mercator_degrees(Position(far.lat, far.lon))
    searched = math.hypot(east - x, north - y)
    farthest = min(89.0, abs(here.lat) + searched)
    return searched * METRES_PER_DEGREE * math.cos(math.radians(farthest)) * NO_MORE_THAN_SPHEROID


def _count_within(rows: Sequence[Located], here: Position, metres: float) -> int:
    """Return the approximate number of rows within the distance."""
    degrees_squared = (metres / METRES_PER_DEGREE) ** 2
    return sum([away <= degrees_squared for away in _degrees_squared(here, rows)])


def _degrees_squared(here: Position, rows: Sequence[Located]) -> list[float]:
    """Return the approximate squared distance of each row, in degrees of latitude."""
    lat, lon, across = here.lat, here.lon, math.cos(math.radians(here.lat)) ** 2
    return [(row.lat - lat) ** 2 + (row.lon - lon) ** 2 * across for row in rows]
