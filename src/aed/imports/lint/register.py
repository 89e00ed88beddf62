"""Compare a list with the register: devices already registered, and known positions. Read-only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import visible_to
from aed.database.boxes import inside_box
from aed.database.geometry import latitude, longitude, shape_of
from aed.errors import NotAllowed, NotSignedIn
from aed.imports.devices.likeness import FAR_METRES, ComparedEntry, likeness
from aed.imports.devices.rules import plain_words
from aed.imports.lint.datum import MAX_SHIFT_METRES, Pair
from aed.imports.lint.duplicates import (
    MIN_TEXT_LENGTH,
    NO_HASH,
    SAME_DEVICE_SCORE,
    because,
    hashed,
    serial_hash,
)
from aed.imports.lint.notes import ListNotes, estate_hash
from aed.imports.lint.places import Places, metres_apart, on_the_globe, tree_of
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

DEVICES_AT_ONCE: Final = 2_000
ESTATES_AT_ONCE: Final = 500
NEIGHBOURS: Final = 4
MARGIN_DEGREES: Final = 0.03
MAX_PAIRS: Final = 50_000
MAX_ROWS_OF_AN_ESTATE: Final = 200
MIN_NAME_LENGTHS: Final = {"zh": 3, "en": 8}
"""Minimum length of an estate's name, by language; a shorter name occurs in too many addresses."""


@dataclass(frozen=True, slots=True)
class Twin:
    """A registered device that a row most likely describes."""

    device_id: int
    source: str
    source_id: str
    score: float
    reason: str


@dataclass(slots=True)
class Registered:
    """The registered devices and positions that match rows of the list."""

    twins: dict[int, Twin] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    """Places that occur in both the list and the register."""


class _Device(NamedTuple):
    id: int
    source: str
    source_id: str
    lat: float
    lon: float
    place_en: str | None
    place_zh: str | None
    floor: int
    opening_hours: str | None
    maker: str | None
    model: str | None
    serial: str | None

    @property
    def words(self) -> str:
        return " ".join(each for each in (self.place_zh, self.place_en) if each)

    @property
    def entry(self) -> ComparedEntry:
        return ComparedEntry(
            place_en=self.place_en,
            place_zh=self.place_zh,
            floor=self.floor,
            opening_hours=self.opening_hours,
            maker=self.maker,
            model=self.model,
            serial=self.serial,
        )


def require_comparison_allowed(viewer: Viewer) -> None:
    """Require a network administrator: a comparison reveals every device, with its serial number.

    Raises NotSignedIn or NotAllowed.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Comparing with the register requires a network administrator's token.")
    if not viewer.is_administrator:
        raise NotAllowed("Only a network administrator may compare a list with the register.")


def compared_with_register(session: Session, viewer: Viewer, notes: ListNotes, places: Places) -> Registered:
    """Compare the list with the registered devices around it, one page at a time, and with the estates."""
    require_comparison_allowed(viewer)
    found = Registered()
    good = np.flatnonzero(np.isfinite(places.lat) & np.isfinite(places.lon))
    if not len(good):
        return found
    tree = tree_of(on_the_globe(places.lat[good], places.lon[good]))
    by_id, by_words, by_serial = (_Finder(notes.hashes_of(name)) for name in ("ids", "words", "serials"))
    for page in _devices(session, viewer, places, good):
        points = on_the_globe(np.array([each.lat for each in page]), np.array([each.lon for each in page]))
        count = min(NEIGHBOURS, len(good))
        _, near = tree.query(points, k=count, distance_upper_bound=FAR_METRES)
        for device, neighbours in zip(page, near.reshape(len(page), count).tolist(), strict=True):
            rows = {int(good[each]) for each in neighbours if each < len(good)}
            serial = serial_hash(device.serial)
            rows |= set(by_serial.rows(serial))
            own = set(by_id.rows(hashed(f"{device.source}\x1f{device.source_id}")))
            _find_twins(found, notes, places, device, rows - own)
            same = own | set(by_serial.rows(serial))
            if len(device.words) >= MIN_TEXT_LENGTH:
                same |= set(by_words.rows(hashed(plain_words(device.words))))
            _find_pairs(found, notes, places, device, same)
    _find_estates(session, viewer, found, notes, places, good, tree)
    return found


class _Finder:
    """An index of rows by hash."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]

    def rows(self, asked: int, *, at_most: int = 4) -> list[int]:
        """Return the rows with a hash; none if more than `at_most` rows share it, since it then identifies no
        place."""
        if asked == NO_HASH:
            return []
        key = np.uint64(asked)
        start, end = np.searchsorted(self._hashes, [key, key + np.uint64(1)]) if asked < 2**64 - 1 else (0, 0)
        found: list[int] = self._order[start:end].tolist()
        return found if len(found) <= at_most else []


def _devices(
    session: Session, viewer: Viewer, places: Places, good: NDArray[np.int64]
) -> Iterator[list[_Device]]:
    lats, lons = places.lat[good], places.lon[good]
    south, north = float(lats.min()) - MARGIN_DEGREES, float(lats.max()) + MARGIN_DEGREES
    west, east = float(lons.min()) - MARGIN_DEGREES, float(lons.max()) + MARGIN_DEGREES
    statement = (
        select(
            Device.id,
            Device.source,
            Device.source_id,
            latitude(Device.position),
            longitude(Device.position),
            Device.place_en,
            Device.place_zh,
            Device.floor,
            Device.opening_hours,
            Device.maker,
            Device.model,
            Device.serial,
        )
        .where(
            visible_to(viewer, Device),
            Device.state != DeviceState.WITHDRAWN,
            inside_box(
                session,
                Device.position,
                west=max(west, -180.0),
                south=max(south, -90.0),
                east=min(east, 180.0),
                north=min(north, 90.0),
            ),
        )
        .order_by(Device.id)
        .limit(DEVICES_AT_ONCE)
    )
    after_id = 0
    while True:
        page = [_Device._make(row) for row in session.execute(statement.where(Device.id > after_id))]
        if page:
            yield page
            after_id = page[-1].id
        if len(page) < DEVICES_AT_ONCE:
            return


def _find_twins(found: Registered, notes: ListNotes, places: Places, device: _Device, rows: set[int]) -> None:
    """Record the rows from other sources that most likely describe this device."""
    for row in rows:
        note = notes.row(row)
        if note.source == device.source:
            continue
        metres = _metres(places, row, device.lat, device.lon)
        score = likeness(device.entry, note.entry, metres=min(metres, FAR_METRES))
        before = found.twins.get(row)
        if score.score >= SAME_DEVICE_SCORE and (before is None or score.score > before.score):
            reason = because(score, least=SAME_DEVICE_SCORE)
            found.twins[row] = Twin(device.id, device.source, device.source_id, score.score, reason)


def _find_pairs(found: Registered, notes: ListNotes, places: Places, device: _Device, rows: set[int]) -> None:
    for row in rows:
        if len(found.pairs) < MAX_PAIRS and _metres(places, row, device.lat, device.lon) <= MAX_SHIFT_METRES:
            found.pairs.append(
                Pair(
                    row,
                    notes.given_lat[row],
                    notes.given_lon[row],
                    notes.reading(row),
                    device.lat,
                    device.lon,
                )
            )


def _find_estates(
    session: Session,
    viewer: Viewer,
    found: Registered,
    notes: ListNotes,
    places: Places,
    good: NDArray[np.int64],
    tree: cKDTree,
) -> None:
    """Pair each row that names its estate, by id or by name, with the estate's boundary."""
    by_estate = _Finder(notes.hashes_of("estates"))
    after_id = 0
    while True:
        page = estate_queries.estates(session, viewer, limit=ESTATES_AT_ONCE, after_id=after_id)
        for estate in page:
            after_id = estate.id
            rows = set(by_estate.rows(estate_hash(estate.source, estate.source_id), at_most=10_000))
            boundary = shape_of(estate.boundary)
            middle = boundary.representative_point()
            around = tree.query_ball_point(
                on_the_globe(np.array([middle.y]), np.array([middle.x]))[0], MAX_SHIFT_METRES
            )
            near = [int(good[each]) for each in around[:MAX_ROWS_OF_AN_ESTATE]]
            rows |= {row for row in near if not notes.estates[row] and _names(estate, notes.row(row).words)}
            for row in rows:
                if len(found.pairs) < MAX_PAIRS and np.isfinite(places.lat[row]):
                    found.pairs.append(
                        Pair(
                            row,
                            notes.given_lat[row],
                            notes.given_lon[row],
                            notes.reading(row),
                            known_area=boundary,
                        )
                    )
        if len(page) < ESTATES_AT_ONCE:
            return


def _names(estate: Estate, words: str) -> bool:
    return (len(estate.name_zh) >= MIN_NAME_LENGTHS["zh"] and estate.name_zh in words) or (
        len(estate.name_en) >= MIN_NAME_LENGTHS["en"] and estate.name_en.casefold() in words.casefold()
    )


def _metres(places: Places, row: int, lat: float, lon: float) -> float:
    return float(metres_apart(lat, lon, places.lat[row : row + 1], places.lon[row : row + 1])[0])
