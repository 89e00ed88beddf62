"""The store of live locations in a table of the database."""

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
_COLUMN_TYPES: Final = ("bigint", "bigint", "timestamptz", "timestamptz")
_PUT_ALL: Final = {
    "postgresql": text(
        _PUT.format(
            columns=", ".join(
                f"CAST(place->>{number} AS {kind})" for number, kind in enumerate(_COLUMN_TYPES)
            )
            + " FROM json_array_elements(CAST(:places AS json)) AS place"
        )
    ),
    "sqlite": text(
        _PUT.format(
            columns=", ".join(f"json_extract(value, '$[{number}]')" for number in range(len(_COLUMN_TYPES)))
            + " FROM json_each(:places) WHERE true"
        )
    ),
}
"""Upserts by dialect. All rows are passed as one JSON text, so that a batch of any size is one statement."""


@dataclass(frozen=True, slots=True)
class InDatabase:
    resolution: int
    """The H3 resolution of stored cells. After a change, locations are found once they are reported again."""

    def put(self, connection: Connection, places: Sequence[LiveLocation], *, at: datetime) -> None:
        if not places:
            return
        newest = {place.responder_id: place for place in sorted(places, key=lambda place: place.at)}
        # Sort by key, so that concurrent writers do not deadlock.
        rows = [_row(newest[key]) for key in sorted(newest)]
        connection.execute(_PUT_ALL[connection.dialect.name], {"places": orjson.dumps(rows).decode()})

    def held(
        self, connection: Connection, responder_ids: Collection[int], *, at: datetime
    ) -> dict[int, LiveLocation]:
        """Return the valid locations of the responders.

        visibility: the caller has verified that the viewer is the person or the office.
        """
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
        """Drop places that the statement has marked as on duty."""
        return [place for place in places if place.on_duty_id is None]


def _row(place: LiveLocation) -> list[object]:
    return [place.responder_id, place.cell, bind_moment(place.at), bind_moment(place.expires_at)]


def _place(row: LivePlaceFound) -> LiveLocation:
    at = as_datetime(row.at)
    assert at is not None
    return LiveLocation(row.responder_id, row.cell, at)
