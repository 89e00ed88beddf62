"""Rules of responders: who may be called at a moment, and what is stored of their location."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

import h3.api.basic_int as h3

from aed.accounts.trust import Trust as Trust
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


def merged_trust(known: Trust, given: Trust) -> Trust | None:
    """Return the trust in a certificate after a list mentions it again; None: the list changes nothing.

    What its issuer has confirmed is not changed by a list that claims less; of two lists the later one
    counts.
    """
    return None if known is Trust.VERIFIED and given is not Trust.VERIFIED else given


class Availability(StrEnum):
    AVAILABLE = "available"
    """Their hours say that they are available, and at this place."""
    UNKNOWN = "unknown"
    """They may be called; their hours, or whether they are here, are not known."""


def availability(
    *,
    at: datetime,
    today: date,
    valid_until: date | None,
    paused_until: datetime | None,
    availability_hours: Opening,
    place_hours: Opening,
) -> Availability | None:
    """Return whether a person may be called at this place now; None: no.

    1. A certificate is valid today, its last day included.
    2. They are not paused.
    3. They are not outside the hours that they gave, and not elsewhere by the hours of this place.
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
    """What a person agrees to; each consent is separate."""

    BEING_CALLED = "being_called"
    PLACE_ON_DUTY = "place_on_duty"
    """Storing the place where the person is on duty (kind `work`)."""
    LIVE_PLACE = "live_place"
    """Sharing the location of the person's phone while on duty."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The wording of a consent. A changed wording is a new version; old ones are kept."""

    version: str
    en: str
    zh: str


MERGED: Final = "joined"
"""`withdrawn_by` of consents that ended because two entries of one person were merged."""
STATED_BY_A_LIST: Final = "list"
"""Version of consents that a list states: the keeper of the list has the wording."""

WORDINGS: Final[Mapping[ConsentKind, tuple[Wording, ...]]] = {
    ConsentKind.BEING_CALLED: (
        Wording(
            "2026-11",
            "I may be called to a patient near the places that I gave, at the hours that I gave. Until I "
            "accept, a dispatcher sees roughly where that is, and not who I am. I come if I can; nobody "
            "obliges me to. I can pause or withdraw at any time.",
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
"""The last one of each kind is the current one."""


def current_wording(kind: ConsentKind) -> Wording:
    return WORDINGS[kind][-1]


def has_consent_for_places(kinds: Iterable[PlaceKind], consents: Collection[ConsentKind]) -> bool:
    """True if the consents allow storing places of these kinds: a place of work needs one."""
    return PlaceKind.WORK not in kinds or ConsentKind.PLACE_ON_DUTY in consents


# --- live places ----------------------------------------------------------------------------------------

LIVE_LOCATION_LIFETIME: Final = timedelta(minutes=15)
"""Phones report every five minutes: two reports may be missed."""
MAX_CLOCK_SKEW: Final = timedelta(minutes=1)
"""A phone's clock may be ahead by this much."""
MAX_ACCURACY_METRES: Final = 1_000.0
"""Reports that are less accurate than this are refused."""


@dataclass(frozen=True, slots=True)
class LiveLocation:
    """Stored location of a responder on duty."""

    responder_id: int
    cell: int
    """H3 index: nothing finer is stored. On a call, the exact location goes to that call
    (`aed.incidents`).
    """
    at: datetime
    """When the phone was there."""

    @property
    def expires_at(self) -> datetime:
        """When it stops being used."""
        return self.at + LIVE_LOCATION_LIFETIME

    @property
    def position(self) -> Position:
        """The centre of the cell, from where the person is searched."""
        return cell_middle(self.cell)

    def holds_at(self, at: datetime) -> bool:
        return self.at <= at < self.expires_at


def live_location(responder_id: int, here: Position, *, at: datetime, resolution: int) -> LiveLocation:
    """Return what is stored of a phone's location: its cell, and nothing finer."""
    return LiveLocation(responder_id, h3.latlng_to_cell(here.lat, here.lon, resolution), at)


@lru_cache(maxsize=200_000)
def cell_middle(cell: int) -> Position:
    return Position(*h3.cell_to_latlng(cell))


def edge_metres(cell: int) -> float:
    """Return the approximate edge length of a cell, which is also the distance from its centre to its
    corners.
    """
    return math.sqrt(h3.cell_area(cell, unit="m^2") * 2.0 / (3.0 * math.sqrt(3.0)))


def centre_of_cell(here: Position, resolution: int) -> Position:
    """Return the centre of the H3 cell of a place: all that is shown of responders until they accept."""
    return cell_middle(h3.latlng_to_cell(here.lat, here.lon, resolution))


def max_metres_from_centre(near: Position, resolution: int) -> float:
    """Return an upper bound of the distance from a place near here to the centre of its cell."""
    return (
        edge_metres(h3.latlng_to_cell(near.lat, near.lon, resolution))
        * CELL_SIZE_TOLERANCE
        * SPHERE_TOLERANCE
    )


SPHERE_TOLERANCE: Final = 1.01
"""Lengths measured on a sphere are off by less than this factor."""
CELL_SIZE_TOLERANCE: Final = 1.15
"""Cells near each other differ in length by less than this factor."""


def cells_around(here: Position, within_metres: float, *, resolution: int) -> list[int]:
    """Return every cell that can contain a place within the distance, and few more.

    1. Take as many rings of cells as can reach there. In its worst direction a ring is one and a half edges
       wide; one edge is added on this side, since `here` is not the centre of its cell, and one on the other.
    2. Drop cells whose centres are farther than the distance and an edge.
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
    """Return when a phone was at the reported place; now if it does not say. Raises InvalidInput if
    impossible.
    """
    if given is None:
        return now
    if given > now + MAX_CLOCK_SKEW:
        raise InvalidInput("at lies in the future: set the phone's clock, or leave it out.", field="at")
    if given <= now - LIVE_LOCATION_LIFETIME:
        raise InvalidInput("at is 15 minutes ago or more: send where the phone is now.", field="at")
    return min(given, now)
