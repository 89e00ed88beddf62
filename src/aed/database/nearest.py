"""What is nearest to a place, ring by ring outwards, by index on both databases."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

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

from aed.database.boxes import METRES_PER_DEGREE, NO_MORE_THAN_SPHEROID, in_window, window_around
from aed.database.execute import Rows, send
from aed.database.geometry import GeometryColumn
from aed.database.sieve import Sieve, is_worth_reading, sifted
from aed.database.statements import compiled_for, late_param, row_factory
from aed.geo import Placed, Position, mercator_degrees


class Located(Placed, Protocol):
    """A row that says what it is and where."""

    @property
    def id(self) -> int: ...


type _Cell = tuple[int, int, int, int]
"""Cells a degree, which of them, and how many are asked for."""


class Needed(NamedTuple):
    """How far a question had to look, and how many rows lay so near."""

    metres: float
    rows: float


_PLACES_REMEMBERED = 20_000
_CELLS_PER_DEGREE = {1_200: 1.03, 400: 1.08, 100: 1.12, 20: 1.15}
"""A question begins with what was needed within the same 90 metres, else 300, else around these, else within
the same kilometre or five, and looks so much farther: then one question in fifty has to look a second time
where somebody has asked before, one in twelve at a new place."""

_LOOKED_AROUND, _BY_THOSE_AROUND = 400, 1.1
"""The cells around one of these know better than a larger one that it lies in."""

_COUNTS = sorted(2**power * part // 4 for power in range(3, 13) for part in (4, 5, 6, 7))
"""8, 10, 12, 14, 16, 20 …: how many rows are asked for. Few, since each is a statement to prepare."""


def _cells_at(here: Position, at_least: int) -> list[_Cell]:
    """Smallest first."""
    return [(size, round(here.lat * size), round(here.lon * size), at_least) for size in _CELLS_PER_DEGREE]


def _cells_around(cell: _Cell) -> list[_Cell]:
    size, north, east, at_least = cell
    return [
        (size, north + up, east + across, at_least)
        for up in (-1, 0, 1)
        for across in (-1, 0, 1)
        if up or across
    ]


@dataclass(frozen=True)
class Nearest[R: Located]:
    """A compiled "nearest first" statement; made once, asked often. See `nearest_first`."""

    sql: str
    """With the word `nearest_limit` where PostgreSQL is told how many."""
    more: str
    """The same without what has been fetched: on PostgreSQL by ids, on SQLite by the window before."""
    sifted: str | None
    """The first with a sieve, on SQLite."""
    constants: Mapping[str, object]
    row: Callable[[Sequence[Any]], R]
    is_sqlite: bool
    _needed: dict[_Cell, Needed] = field(default_factory=dict)
    """What the last questions nearby needed. A hint: it changes no answer."""

    def rings(
        self,
        connection: Connection,
        here: Position,
        *,
        at_least: int,
        within_metres: float,
        told: Mapping[str, object] | None = None,
    ) -> ExpandingSearch[R]:
        """Rows around a place, to be fetched ring by ring. `at_least` is how many are asked for; `told` has
        the values of what the statement itself is told later."""
        return ExpandingSearch(self, connection, here, at_least, within_metres, told or {})

    def likely_needed(self, here: Position, *, at_least: int) -> Needed | None:
        """How far a question from here will have to look, and at how many rows, going by those nearby before
        it; None where there were none."""
        needed, more = self.needed(_cells_at(here, at_least))
        return None if needed is None else Needed(more * needed.metres, more**2 * needed.rows)

    def needed(self, cells: Sequence[_Cell]) -> tuple[Needed | None, float]:
        """What was needed in the smallest of these cells that is known, and how much more to look at."""
        for cell in cells:
            size = cell[0]
            if (known := self._needed.get(cell)) is not None:
                return known, _CELLS_PER_DEGREE[size]
            if size == _LOOKED_AROUND and (around := self._needed_around(cell)) is not None:
                return around, _BY_THOSE_AROUND
        return None, 1.0

    def _needed_around(self, cell: _Cell) -> Needed | None:
        """The mean of what was needed in the cells around, if more than one of them is known."""
        around = [near for each in _cells_around(cell) if (near := self._needed.get(each)) is not None]
        if len(around) < 2:
            return None
        metres, rows = (sum(values) / len(around) for values in zip(*around, strict=True))
        return Needed(metres, rows)

    def limited(self, count: int, sql: str | None = None) -> str:
        """PostgreSQL's statement for `count` rows.

        The number is part of the text: for a parameter the planner takes a tenth of the table, finds that
        its plan for any number costs more than one for this number, and plans anew at every question.
        """
        return (sql or self.sql).replace("nearest_limit", str(count))


class ExpandingSearch[R: Located]:
    """Rows around one place, fetched ring by ring outwards, each once and in no promised order.

    `rows` are all so far; every eligible row nearer than `complete_within_metres` is among them (infinite
    when there is none left). The map ends at the 180th meridian: what is nearer across it is not looked for.
    (It runs through the sea, Chukotka, Taveuni and Antarctica.)

    PostGIS: k-nearest statements over the Mercator index; what is promised to be complete is the farthest
    row's distance less what the projection may be off.
    SpatiaLite: a window of its R*Tree, widened until enough rows lie inside. Of the first window a sieve may
    leave rows out: these are not there, however near, until `widen` is asked once more.
    The first ring is as large as was needed nearby the last times.
    """

    def __init__(
        self,
        nearest: Nearest[R],
        connection: Connection,
        here: Position,
        at_least: int,
        within_metres: float,
        told: Mapping[str, object],
    ) -> None:
        self._nearest, self._connection, self._told = nearest, connection, told
        self._here, self._at_least, self._within = here, at_least, within_metres
        self._cells = _cells_at(here, at_least)
        self._needed, self._more = nearest.needed(self._cells)
        self._window_metres = 0.0
        self.may_lack_rows = False
        """Within the window: a sieve may have left out some, which the next `widen` brings."""
        self._ahead: Callable[[], Rows] | None = None
        self.rows: list[R] = []
        self.complete_within_metres = 0.0

    @property
    def likely_metres(self) -> float | None:
        """How far this question will have to look, going by those nearby before it, and somewhat more."""
        return None if self._needed is None else self._more * self._needed.metres

    def send(self, *, about: int) -> None:
        """Has the database look for the first ring while others work; `widen` takes what it has found.

        Until then nothing can be asked on the connection but what is `sent`.
        """
        if not self._nearest.is_sqlite:
            count = _next_count(self._first_rows(about))
            self._ahead = self._sent(self._nearest.limited(count), self._point())

    def widen(self, *, about: int, to_metres: float = math.inf, sieve: Sieve | None = None) -> Sequence[R]:
        """The rows of the next ring.

        Then about `about` are there in all, or all within `to_metres` or `within_metres`, however few. SQLite
        need not read those of the first that the sieve leaves out; PostgreSQL has been asked already.
        """
        before = len(self.rows)
        if self._nearest.is_sqlite:
            self._widen_window(about, to_metres, sieve if not self._window_metres else None)
        else:
            self._fetch_nearest(about, to_metres)
        return self.rows[before:]

    def remember(self, metres: float, rows: int | None = None) -> None:
        """The question is answered, and had to look this far (at so many rows, if somebody has counted them):
        the next one nearby begins with that."""
        known = self._nearest._needed
        now = Needed(metres, rows if rows is not None else _count_within(self.rows, self._here, metres))
        if len(known) >= _PLACES_REMEMBERED:
            known.clear()
        for cell in self._cells:
            last = known.get(cell, now)
            known[cell] = Needed(
                0.8 * last.metres + 0.2 * now.metres,
                0.8 * last.rows + 0.2 * now.rows,
            )

    def _first_rows(self, about: int) -> int:
        return about if self._needed is None else math.ceil(self._more**2 * self._needed.rows) + 1

    def _point(self) -> dict[str, object]:
        x, y = mercator_degrees(self._here)
        return {"nearest_x": x, "nearest_y": y}

    def _fetch_nearest(self, about: int, to_metres: float) -> None:
        nearest, asked = self._nearest, self._point()
        enough = about if self.rows else self._first_rows(about)
        while True:
            more = enough - len(self.rows)
            if self.rows and to_metres < math.inf:  # the count grows with the square of the distance
                growth = (to_metres / max(self.complete_within_metres, 1.0)) ** 2 - 1.0
                more = min(more, math.ceil(1.2 * growth * len(self.rows)) + 1)
            count = _next_count(more)
            sql = nearest.limited(count, nearest.more if self.rows else nearest.sql)
            if self.rows:
                asked["nearest_seen"] = [row.id for row in self.rows]
            found = self._fetched(sql, asked)
            self.rows += found
            if len(found) < count:
                self.complete_within_metres = math.inf
                return
            self.complete_within_metres = _surely_complete_within(self._here, self.rows)
            if len(self.rows) >= enough or self.complete_within_metres >= min(to_metres, self._within):
                return

    def _widen_window(self, about: int, to_metres: float, sieve: Sieve | None) -> None:
        nearest = self._nearest
        likely = self.likely_metres if not self.rows else None
        enough, radius = 0.75 * about, self._window_metres * 1.5
        if likely is not None:
            enough, radius = self._at_least, likely / NO_MORE_THAN_SPHEROID
        elif not self._window_metres:
            radius = 400.0 * math.sqrt(0.85 * about)
        elif to_metres < math.inf:
            radius = math.inf
        while True:
            radius = min(radius, to_metres / NO_MORE_THAN_SPHEROID + 1.0, self._within)
            box = window_around(self._here, radius)
            sql = nearest.sql
            if sieve is not None and nearest.sifted is not None:
                sql = nearest.sifted
            elif self._window_metres and not self.may_lack_rows:
                sql = nearest.more
                before = window_around(self._here, self._window_metres)
                box |= {f"{side}_in": degrees for side, degrees in before.items()}
            self.rows += self._fetched(sql, box, sieve)
            self._window_metres, self.may_lack_rows = radius, sieve is not None
            surely = radius * NO_MORE_THAN_SPHEROID
            self.complete_within_metres = self._within if radius >= self._within else surely
            sieve = None
            if surely >= to_metres or radius >= self._within:
                return
            found = len(self.rows)  # all but one in fifty of them within what is surely complete
            if found >= enough:
                return
            radius *= 2.0 if found == 0 else max(1.2, min(3.0, math.sqrt(about / found)))

    def _sent(self, sql: str, asked: Mapping[str, object]) -> Callable[[], Rows]:
        return send(self._connection, sql, self._all_told(asked))

    def _all_told(self, asked: Mapping[str, object]) -> dict[str, object]:
        return {**self._nearest.constants, **self._told, **asked}

    def _fetched(self, sql: str, asked: Mapping[str, object], sieve: Sieve | None = None) -> list[R]:
        """Rows that are not there yet: one that has just been moved might come a second time."""
        if sieve is not None:
            kept = sifted(self._connection, sql, self._all_told(asked), sieve)
            return [*map(self._nearest.row, kept)]
        read = self._ahead or self._sent(sql, asked)
        self._ahead = None
        found = [*map(self._nearest.row, read())]
        if self.rows:
            known = {each.id for each in self.rows}
            found = [each for each in found if each.id not in known]
        return found


def nearest_first[R: Located](
    dialect: Dialect,
    inner: Select[*tuple[Any, ...]],
    place: GeometryColumn,
    *,
    joined: Callable[[Subquery], Select[*tuple[Any, ...]]],
    row: type[R],
    window_index: str | None = None,
) -> Nearest[R]:
    """Compiles `inner` (which must select columns named `lat` and `lon`) into a nearest-first statement.

    `joined(subquery)` adds what is joined to the few chosen rows only; it returns the outer Select.
    `row` is a NamedTuple of the columns. `window_index`: SpatiaLite's partial index (PostgreSQL finds its own
    by the statement) that holds every row of `inner`.
    """
    is_sqlite = dialect.name == "sqlite"
    key, sifting = place.class_.id, None
    if is_sqlite:
        first, more = (
            in_window(inner, place, beyond=beyond, window_index=window_index) for beyond in (False, True)
        )
        sifting, _ = compiled_for(dialect, joined(first.where(is_worth_reading(place)).subquery("near")))
    else:
        here = func.point(late_param("nearest_x"), late_param("nearest_y"))
        first = inner.order_by(
            literal_column(mercator_point(f"{place.class_.__tablename__}.{place.key}")).op(
                "<->", return_type=Double()
            )(here)
        ).limit(literal_column("nearest_limit", Integer))
        more = first.where(key != all_(late_param("nearest_seen", ARRAY(key.type))))
    statement, next_statement = (joined(rows.subquery("near")) for rows in (first, more))
    sql, constants = compiled_for(dialect, statement)
    next_sql, next_constants = compiled_for(dialect, next_statement)
    made = row_factory(row, statement)
    if any(next_constants.get(name, value) != value for name, value in constants.items()):
        raise TypeError("the two statements call different things by the same name")
    return Nearest(sql, next_sql, sifting, constants | next_constants, made, is_sqlite)


def _next_count(rows: int) -> int:
    return next((count for count in _COUNTS if count >= rows), rows)


def mercator_point(name: str) -> str:
    """SQL of a PostgreSQL `point` in conformal degrees; the index and the ordering must say the same.

    Ordering in plain degrees names a wrong nearest device in 5-8 per cent of questions. The poles themselves
    are not on the map.
    """
    return (
        f"point(ST_X({name}), "
        f"ln(tan(0.7853981633974483 + least(greatest(ST_Y({name}), -89.9), 89.9) * 0.008726646259971648)) "
        "* 57.29577951308232)"
    )


def _surely_complete_within(here: Position, rows: Sequence[Located]) -> float:
    """Metres within which the k nearest in Mercator, which `rows` are, hold everything.

    The farthest of them on the map says how far the map was searched (so does any, but less). Over a long
    way the map's scale changes with the latitude: the smaller one is taken.
    """
    away = _degrees_squared(here, rows)
    far = rows[away.index(max(away))]
    x, y = mercator_degrees(here)
    east, north = mercator_degrees(Position(far.lat, far.lon))
    searched = math.hypot(east - x, north - y)
    farthest = min(89.0, abs(here.lat) + searched)
    return searched * METRES_PER_DEGREE * math.cos(math.radians(farthest)) * NO_MORE_THAN_SPHEROID


def _count_within(rows: Sequence[Located], here: Position, metres: float) -> int:
    """About how many rows are that near."""
    degrees_squared = (metres / METRES_PER_DEGREE) ** 2
    return sum([away <= degrees_squared for away in _degrees_squared(here, rows)])


def _degrees_squared(here: Position, rows: Sequence[Located]) -> list[float]:
    """About how far the rows are, in degrees of latitude, squared."""
    lat, lon, across = here.lat, here.lon, math.cos(math.radians(here.lat)) ** 2
    return [(row.lat - lat) ** 2 + (row.lon - lon) ** 2 * across for row in rows]
