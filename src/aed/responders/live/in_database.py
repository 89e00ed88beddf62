"""Live locations as rows of a table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from sqlalchemy import Connection, delete, select, text

from aed.database.compiled import bind_keys, bind_moment
from aed.database.types import as_datetime
from aed.geo import Position
from aed.responders.models import LiveLocationRow
from aed.responders.queries import LivePlaceFound, PlaceNearby, live_places_in_cells
from aed.responders.rules import LiveLocation, cells_around

_PUT: Final = """
INSERT INTO live_places (responder_id, cell, at, expires_at) SELECT {columns}
ON CONFLICT (responder_id) DO UPDATE SET
cell = excluded.cell, at = excluded.at, expires_at = excluded.expires_at
WHERE live_places.at <= excluded.at
"""
_KINDS: Final = ("bigint", "bigint", "timestamptz", "timestamptz")
_PUT_ALL: Final = {
    "postgresql": text(
        _PUT.format(
            columns=", ".join(f"CAST(place->>{number} AS {kind})" for number, kind in enumerate(_KINDS))
            + " FROM json_array_elements(CAST(:places AS json)) AS place"
        )
    ),
    "sqlite": text(
        _PUT.format(
            columns=", ".join(f"json_extract(value, '$[{number}]')" for number in range(len(_KINDS)))
            + " FROM json_each(:places) WHERE true"
        )
    ),
}
"""All of them as one JSON text: the same number of statements for one and for five hundred."""


@dataclass(frozen=True, slots=True)
class InDatabase:
    resolution: int
    """H3 resolution. After a change, a location is found once it is reported again."""

    def put(self, connection: Connection, places: Sequence[LiveLocation], *, at: datetime) -> None:
        if not places:
            return
        newest = {place.responder_id: place for place in sorted(places, key=lambda place: place.at)}
        # In one order, so that two who write at the same time do not wait for each other in a circle.
        rows = [_row(newest[key]) for key in sorted(newest)]
        connection.execute(_PUT_ALL[connection.dialect.name], {"places": orjson.dumps(rows).decode()})

    def held(
        self, connection: Connection, responder_ids: Collection[int], *, at: datetime
    ) -> dict[int, LiveLocation]:
        """visibility: the caller has made sure that it is the person, or the office."""
        rows = connection.execute(
            select(LiveLocationRow.responder_id, LiveLocationRow.cell, LiveLocationRow.at).where(
                LiveLocationRow.responder_id.in_(responder_ids),
                LiveLocationRow.at <= at,
                LiveLocationRow.expires_at > at,
            )
        )
        return {row.responder_id: _place(LivePlaceFound(*row)) for row in rows}

    def forget(self, connection: Connection, responder_ids: Collection[int]) -> None:
        connection.execute(delete(LiveLocationRow).where(LiveLocationRow.responder_id.in_(responder_ids)))

    def expire(self, connection: Connection, *, at: datetime) -> int:
        return connection.execute(delete(LiveLocationRow).where(LiveLocationRow.expires_at <= at)).rowcount

    def near(
        self, connection: Connection, here: Position, *, within_metres: float, at: datetime
    ) -> list[LiveLocation]:
        cells = cells_around(here, within_metres, resolution=self.resolution)
        params = {"live_cells": bind_keys(connection.dialect, cells), "live_at": bind_moment(at)}
        found = live_places_in_cells(connection.dialect).fetch(connection, params)
        return [_place(row) for row in found]

    def without_those_on_duty(
        self, connection: Connection, places: Sequence[PlaceNearby], *, at: datetime
    ) -> Sequence[PlaceNearby]:
        """Nothing to do: the statement that found them has checked it."""
        return [place for place in places if place.on_duty_id is None]


def _row(place: LiveLocation) -> list[object]:
    return [place.responder_id, place.cell, bind_moment(place.at), bind_moment(place.expires_at)]


def _place(row: LivePlaceFound) -> LiveLocation:
    at = as_datetime(row.at)
    assert at is not None
    return LiveLocation(row.responder_id, row.cell, at)
