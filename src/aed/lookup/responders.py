"""Find the responders who can be at a patient soonest."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.database.compiled import bind_keys, bind_moment
from aed.database.types import as_date, as_datetime
from aed.geo import Position, distances_metres
from aed.hours.evaluation import hours_at
from aed.lookup.arrival import Basis, estimated_walk_metres
from aed.lookup.places import Buildings, Spot, pace_to
from aed.lookup.question import LookupQuestion, Precision
from aed.lookup.walks import WalksFromPatient
from aed.registry import nearby as nearby_queries
from aed.responders import queries as responder_queries
from aed.responders.live import live_places
from aed.responders.queries import PlaceNearby
from aed.responders.rules import (
    Availability,
    LiveLocation,
    availability,
    centre_of_cell,
    max_metres_from_centre,
)
from aed.settings import Settings
from aed.settings.planning import Planning
from aed.walking.travel import (
    NO_WAY,
    Leg,
    Pace,
    direct_seconds,
    leg_seconds,
    metres_walked_in,
)

MAX_PLACES: Final = 2_000
"""Maximum number of places to examine (default places plus reporting phones) before the search stops."""


@dataclass(frozen=True, slots=True)
class NearbyResponder:
    """A responder who may be called.

    `position`, `floor` and `direct_seconds` are exact only in plans of real incidents (`Precision.EXACT`) and
    are never returned by the API. `cell_centre` and `shown_seconds` may be shown: they are the same for every
    place in the H3 cell.
    """

    responder_id: int
    person_id: int
    position: Position
    floor: int
    direct_seconds: float
    """Seconds from receipt of the call to the patient's side."""
    cell_centre: Position
    shown_seconds: float
    basis: Basis
    availability: Availability
    certificate_kind: str


def nearest_responders(
    connection: Connection,
    viewer: Viewer,
    question: LookupQuestion,
    walks: WalksFromPatient | None,
    *,
    settings: Settings,
) -> list[NearbyResponder]:
    """Return the responders within the radius who can be at the patient soonest, by `direct_seconds`.

    1. Take live locations of responders on duty, and default places of all others, by straight-line distance.
    2. Keep those who may be called there now; of several places of one responder, keep the soonest.
    3. Stop when no place farther on the straight line can be sooner.

    With `Precision.CELL` (the default) radius, order and times are computed from the centres of H3 cells, so
    that repeated lookups cannot locate a place within its cell. The search then looks `slack` metres farther.
    """
    here, at, limit = question.here, question.at, question.responders
    radius, numbers = settings.responder_radius_metres, settings.arrival
    slack = 0.0
    if question.precision is Precision.CELL:
        slack = max_metres_from_centre(here, settings.responder_cell_resolution)
    with Session(connection) as session:
        pace = pace_to(session, here, numbers)
    buildings = Buildings(connection, numbers)
    if walks is not None:
        walks.widen(radius * settings.arrival.detour_factor)
    live = live_places(settings)
    on_duty = _OnDuty(
        connection, viewer, here, live.near(connection, here, within_metres=radius + slack, at=at)
    )
    search = responder_queries.nearest_places(connection.dialect, viewer).search(
        connection,
        here,
        at_least=limit,
        within_metres=radius + slack,
        values={"live_at": bind_moment(at)},
    )
    about, enough = 4 * limit + 10, radius + slack
    places = search.widen(about=about, to_metres=enough)
    soonest: dict[int, NearbyResponder] = {}
    while True:
        rows = [
            *on_duty.widen(about=about, to_metres=enough),
            *live.without_those_on_duty(connection, places, at=at),
        ]
        for person in _callable(connection, question, walks, rows, buildings, pace, settings=settings):
            known = soonest.get(person.responder_id)
            if known is None or person.direct_seconds < known.direct_seconds:
                soonest[person.responder_id] = person
        found = sorted(soonest.values(), key=lambda found: (found.direct_seconds, found.responder_id))
        enough = radius
        if len(found) >= limit:
            left = found[limit - 1].direct_seconds - direct_seconds(0.0, numbers)
            enough = min(radius, metres_walked_in(left, pace, numbers))
        enough += slack
        is_complete = min(search.complete_within_metres, on_duty.complete_within_metres) >= enough
        if is_complete or len(search.rows) + on_duty.count >= MAX_PLACES:
            search.remember(enough)
            return found[:limit]
        about = min(MAX_PLACES, 3 * max(about, len(search.rows)))
        is_farther = search.complete_within_metres < enough
        places = search.widen(about=about, to_metres=enough) if is_farther else ()


class _OnDuty:
    """Responders on duty with a live location, nearest first, whose rows are fetched in batches."""

    def __init__(
        self, connection: Connection, viewer: Viewer, here: Position, places: Sequence[LiveLocation]
    ) -> None:
        self._connection, self._viewer = connection, viewer
        where = [place.position for place in places]
        lats = np.array([each.lat for each in where], dtype=np.float64)
        lons = np.array([each.lon for each in where], dtype=np.float64)
        metres = distances_metres(here, lats, lons).tolist() if places else []
        order = sorted(range(len(places)), key=metres.__getitem__)
        self._nearest = [(metres[each], places[each].responder_id, where[each]) for each in order]
        self.count = 0
        """Number of responders fetched so far."""

    @property
    def complete_within_metres(self) -> float:
        return self._nearest[self.count][0] if self.count < len(self._nearest) else math.inf

    def widen(self, *, about: int, to_metres: float) -> list[PlaceNearby]:
        """Fetch and return more, until there are about `about` in total or all within `to_metres`."""
        first = self.count
        self.count = max(first, min(about, bisect_right(self._nearest, to_metres, key=lambda each: each[0])))
        where = {key: here for _metres, key, here in self._nearest[first : self.count]}
        if not where:
            return []
        dialect = self._connection.dialect
        found = responder_queries.on_duty(dialect, self._viewer).fetch(
            self._connection, {"live_keys": bind_keys(dialect, where)}
        )
        return [row.at_place(where[row.responder_id]) for row in found]


def _callable(
    connection: Connection,
    question: LookupQuestion,
    walks: WalksFromPatient | None,
    rows: Sequence[PlaceNearby],
    buildings: Buildings,
    pace: Pace,
    *,
    settings: Settings,
) -> Iterator[NearbyResponder]:
    """Yield the responders who may be called at the places in `rows`, one for each place.

    The floor of a place is used only with `Precision.EXACT`, since it would identify a flat.
    """
    if not rows:
        return
    patient, at = Spot(question.here, question.floor), question.at
    exact = [Spot(Position(row.lat, row.lon), row.floor) for row in rows]
    cells = [Spot(centre_of_cell(each.position, settings.responder_cell_resolution), 0) for each in exact]
    shown = _directs(patient, walks, cells, buildings, pace, settings)
    spots, directs = cells, shown
    if question.precision is Precision.EXACT:
        spots, directs = exact, _directs(patient, walks, exact, buildings, pace, settings)
    for row, spot, direct, cell, shown_direct in zip(rows, spots, directs, cells, shown, strict=True):
        if direct.straight_metres > settings.responder_radius_metres:
            continue
        if not _is_of_age(row.of_age, settings.planning):
            continue
        callable_now = _availability(connection, row, at)
        if callable_now is None:
            continue
        yield NearbyResponder(
            row.responder_id,
            row.person_id,
            spot.position,
            spot.floor,
            direct.seconds,
            cell.position,
            shown_direct.seconds,
            direct.basis,
            callable_now,
            row.certificate_kind,
        )


class _DirectWalk(NamedTuple):
    straight_metres: float
    seconds: float
    basis: Basis


def _directs(
    patient: Spot,
    walks: WalksFromPatient | None,
    spots: Sequence[Spot],
    buildings: Buildings,
    pace: Pace,
    settings: Settings,
) -> list[_DirectWalk]:
    """Return the seconds, straight-line distance and basis for a responder called at each place."""
    numbers = settings.arrival
    lats = np.array([spot.position.lat for spot in spots], dtype=np.float64)
    lons = np.array([spot.position.lon for spot in spots], dtype=np.float64)
    straight = distances_metres(patient.position, lats, lons).tolist()
    legs, at_least = [NO_WAY] * len(spots), [0.0] * len(spots)
    if walks is not None:
        snapped_points = walks.snap(lats, lons)
        legs = walks.legs(snapped_points)
        at_least = [walks.within_metres if edge >= 0 else 0.0 for edge in snapped_points.edge.tolist()]
    found = []
    for spot, straight_metres, leg, beyond in zip(spots, straight, legs, at_least, strict=True):
        way, basis = leg, Basis.WALKING_NETWORK
        if leg is NO_WAY:
            way = Leg(estimated_walk_metres(straight_metres, numbers, at_least=beyond))
            basis = Basis.STRAIGHT_LINE
        floors = buildings.floor_seconds(spot, patient)
        seconds = direct_seconds(leg_seconds(way, floors, pace, numbers), numbers)
        found.append(_DirectWalk(straight_metres, seconds, basis))
    return found


def _is_of_age(of_age: bool | int | None, numbers: Planning) -> bool:
    """Return whether the responder is of age; the setting `call_age_unknown` decides if that is unknown."""
    return bool(of_age) if of_age is not None else numbers.call_age_unknown


def _availability(connection: Connection, row: PlaceNearby, at: datetime) -> Availability | None:
    calendar = nearby_queries.calendar_of(connection, row.holiday_calendar, row.calendar_version)
    return availability(
        at=at,
        today=at.astimezone(ZoneInfo(row.time_zone)).date(),
        valid_until=as_date(row.valid_until),
        paused_until=as_datetime(row.paused_until),
        availability_hours=hours_at(row.availability, at, time_zone=row.time_zone, calendar=calendar).state,
        place_hours=hours_at(row.hours, at, time_zone=row.time_zone, calendar=calendar).state,
    )
