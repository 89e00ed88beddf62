"""Rules of responders: who may be called at a moment, consents, and stored locations."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

import h3.api.basic_int as h3

from aed.accounts.trust import CertificateTrust as CertificateTrust
from aed.errors import InvalidInput
from aed.geo import Position
from aed.hours.evaluation import Opening
from aed.issuers.rules import CertificateKind as CertificateKind


class PlaceKind(StrEnum):
    HOME = "home"
    WORK = "work"
    OTHER = "other"


class ResponderState(StrEnum):
    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


def merged_trust(known: CertificateTrust, given: CertificateTrust) -> CertificateTrust | None:
    """Return the trust in a certificate after a list mentions it again; None if the list changes nothing.

    A list cannot lower the trust in a certificate that its issuer verified. Otherwise the last list applies.
    """
    return None if known is CertificateTrust.VERIFIED and given is not CertificateTrust.VERIFIED else given


class Availability(StrEnum):
    AVAILABLE = "available"
    """They are available and at this place, according to their hours."""
    UNKNOWN = "unknown"
    """They may be called, but their hours or those of this place are unknown."""


def availability(
    *,
    at: datetime,
    today: date,
    valid_until: date | None,
    paused_until: datetime | None,
    availability_hours: Opening,
    place_hours: Opening,
) -> Availability | None:
    """Return the availability of a person at a place, or None if they may not be called there now.

    They may be called if all of these hold:

    1. A certificate is valid today, including its last day.
    2. They have not paused calls.
    3. They are not outside their availability hours, or outside the hours of this place.
    """
    if valid_until is None or valid_until < today:
        return None
    if paused_until is not None and paused_until > at:
        return None
    if Opening.CLOSED in (availability_hours, place_hours):
        return None
    if Opening.UNKNOWN in (availability_hours, place_hours):
        return Availability.UNKNOWN
    return Availability.AVAILABLE


# --- consents -------------------------------------------------------------------------------------------


class ConsentKind(StrEnum):
    """A use of personal data or a call that a person agrees to separately."""

    BEING_CALLED = "being_called"
    PLACE_ON_DUTY = "place_on_duty"
    """Storing the place of work (kind `work`)."""
    LIVE_PLACE = "live_place"
    """Sharing the location of the person's phone while on duty."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One version of the wording of a consent. Versions are never changed or deleted."""

    version: str
    en: str
    zh: str


MERGED: Final = "joined"
"""Value of `withdrawn_by` for consents that ended because two entries of one person were merged."""
STATED_BY_A_LIST: Final = "list"
"""The wording version of consents stated by a list, whose keeper has the actual wording."""

WORDINGS: Final[Mapping[ConsentKind, tuple[Wording, ...]]] = {
    ConsentKind.BEING_CALLED: (
        Wording(
            "2026-11",
            "I may be called to a patient near the places that I gave, at the hours that I gave. Until "
            "I accept, a dispatcher sees roughly where that is, and not who I am. I come if I can; "
            "nobody obliges me to. I can pause or withdraw at any time.",
            "我同意：在我填写的时段内，可呼叫我前往所填地点附近的患者。接受任务之前，调度员只能看到大致位置，"
            "看不到我是谁。我量力而行，没有义务必须到场，可随时暂停或撤回。",
        ),
    ),
    ConsentKind.PLACE_ON_DUTY: (
        Wording(
            "2026-11",
            "The place where I am on duty may be kept, so that I can be called there. It is deleted when I "
            "withdraw this.",
            "我同意：保存我值班的地点，以便在该处呼叫我。撤回后即删除。",
        ),
    ),
    ConsentKind.LIVE_PLACE: (
        Wording(
            "2026-11",
            "While I am on duty my phone may say where it is, so that I can be called from there instead of "
            "from the places that I gave. Only the rough area is kept (about 0.1 km2), for no longer than 15 "
            "minutes. It is deleted when I go off duty, pause, or withdraw this.",
            "我同意：值班期间由手机上报位置，以便按当前位置而非所填地点呼叫我。仅保存大致区域（约0.1平方公里），"
            "保存时间不超过15分钟。结束值班、暂停或撤回后即删除。",
        ),
    ),
}
"""Wordings of all kinds; the last one of each kind is current."""


def current_wording(kind: ConsentKind) -> Wording:
    return WORDINGS[kind][-1]


def has_consent_for_places(kinds: Iterable[PlaceKind], consents: Collection[ConsentKind]) -> bool:
    """Return whether the consents allow storing places of these kinds; only places of work require one."""
    return PlaceKind.WORK not in kinds or ConsentKind.PLACE_ON_DUTY in consents


# --- live locations -------------------------------------------------------------------------------------

LIVE_LOCATION_LIFETIME: Final = timedelta(minutes=15)
"""How long a location is valid. Phones report every five minutes, so two reports may be missed."""
MAX_CLOCK_SKEW: Final = timedelta(minutes=1)
"""How far a phone's clock may be ahead."""
MAX_ACCURACY_METRES: Final = 1_000.0
"""Reports with a larger error radius are refused."""


@dataclass(frozen=True, slots=True)
class LiveLocation:
    """The stored location of a responder on duty."""

    responder_id: int
    cell: int
    """H3 index of the cell; no finer location is stored. During a call, the exact location is part of that
    call (`aed.incidents`).
    """
    at: datetime
    """When the phone was at that location."""

    @property
    def expires_at(self) -> datetime:
        """When the location stops being valid."""
        return self.at + LIVE_LOCATION_LIFETIME

    @property
    def position(self) -> Position:
        """The centre of the cell, which the lookup uses as the person's position."""
        return cell_middle(self.cell)

    def holds_at(self, at: datetime) -> bool:
        return self.at <= at < self.expires_at


def live_location(responder_id: int, here: Position, *, at: datetime, resolution: int) -> LiveLocation:
    """Return the location to store for a phone: its cell, without the exact position."""
    return LiveLocation(responder_id, h3.latlng_to_cell(here.lat, here.lon, resolution), at)


@lru_cache(maxsize=200_000)
def cell_middle(cell: int) -> Position:
    return Position(*h3.cell_to_latlng(cell))


def edge_metres(cell: int) -> float:
    """Return the approximate edge length of a cell in metres, which is also its circumradius."""
    return math.sqrt(h3.cell_area(cell, unit="m^2") * 2.0 / (3.0 * math.sqrt(3.0)))


def centre_of_cell(here: Position, resolution: int) -> Position:
    """Return the centre of the H3 cell of a place, the only location shown until a responder accepts."""
    return cell_middle(h3.latlng_to_cell(here.lat, here.lon, resolution))


def max_metres_from_centre(near: Position, resolution: int) -> float:
    """Return an upper bound, in metres, of the distance from any place nearby to the centre of its cell."""
    return (
        edge_metres(h3.latlng_to_cell(near.lat, near.lon, resolution))
        * CELL_SIZE_TOLERANCE
        * SPHERE_TOLERANCE
    )


SPHERE_TOLERANCE: Final = 1.01
"""Upper bound of the error, as a factor, of lengths measured on a sphere."""
CELL_SIZE_TOLERANCE: Final = 1.15
"""Upper bound of the ratio of the edge lengths of nearby cells."""


def cells_around(here: Position, within_metres: float, *, resolution: int) -> list[int]:
    """Return every cell that can contain a place within the distance, and a few more.

    1. Take enough rings of cells around the cell of `here`. A ring is at least 1.5 edges wide. One edge is
       added at each end, since places need not be at the centres of their cells.
    2. Drop cells whose centres are farther than the distance plus one edge.
    """
    cell = h3.latlng_to_cell(here.lat, here.lon, resolution)
    edge = edge_metres(cell)
    rings = math.ceil((within_metres + 2.0 * CELL_SIZE_TOLERANCE * edge) / (1.5 * edge / CELL_SIZE_TOLERANCE))
    reaches, start = (within_metres + CELL_SIZE_TOLERANCE * edge) * SPHERE_TOLERANCE, (here.lat, here.lon)
    return [
        each
        for each in h3.grid_disk(cell, rings)
        if h3.great_circle_distance(start, h3.cell_to_latlng(each), unit="m") <= reaches
    ]


def location_moment(given: datetime | None, *, now: datetime) -> datetime:
    """Return when a phone was at the reported location, by default `now`.

    Raises InvalidInput if the moment is in the future or the location has already expired.
    """
    if given is None:
        return now
    if given > now + MAX_CLOCK_SKEW:
        raise InvalidInput("at is in the future: correct the phone's clock, or leave it out.", field="at")
    if given <= now - LIVE_LOCATION_LIFETIME:
        raise InvalidInput("at is 15 minutes ago or more: send the current location.", field="at")
    return min(given, now)
