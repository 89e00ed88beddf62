"""Decisions about responders: who may be called at a moment, and what is kept of where they are."""

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
    """How far a certificate is believed after a list told of it again; None: the list changes nothing of it.

    What its issuer has confirmed is not changed by a list that claims less; of two lists the later one holds.
    """
    return None if known is Trust.VERIFIED and given is not Trust.VERIFIED else given


class Availability(StrEnum):
    AVAILABLE = "available"
    """Their hours say so, and that they are at this place."""
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
    """Whether a person may be called at this place now; None: no.

    1. A certificate that is valid today, its last day included.
    2. Not paused.
    3. Not outside the hours that they gave, and not elsewhere by the hours of this place.
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
    """What a person agrees to, each for itself."""

    BEING_CALLED = "being_called"
    PLACE_ON_DUTY = "place_on_duty"
    """That the place is kept where the person is on duty (of kind `work`)."""
    LIVE_PLACE = "live_place"
    """That the person's phone says where it is, as long as the person is on duty."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The words that are agreed to. Amended words are a new version; the old ones stay."""

    version: str
    en: str
    zh: str


MERGED: Final = "joined"
"""Who ended a consent where two entries of one person became one: nobody withdrew it."""
STATED_BY_A_LIST: Final = "list"
"""The version where a list says that the person agreed: whoever keeps the list has the words."""

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
"""The last one of each is asked for."""


def current_wording(kind: ConsentKind) -> Wording:
    return WORDINGS[kind][-1]


def has_consent_for_places(kinds: Iterable[PlaceKind], consents: Collection[ConsentKind]) -> bool:
    """A place of duty is kept only with the consent to that."""
    return PlaceKind.WORK not in kinds or ConsentKind.PLACE_ON_DUTY in consents


# --- live places ----------------------------------------------------------------------------------------

LIVE_LOCATION_LIFETIME: Final = timedelta(minutes=15)
"""A phone sends its place every five minutes: it may miss two."""
MAX_CLOCK_SKEW: Final = timedelta(minutes=1)
"""A phone's clock may be so much ahead of ours."""
MAX_ACCURACY_METRES: Final = 1_000.0
"""Beyond this a phone does not know in which part of a town it is."""


@dataclass(frozen=True, slots=True)
class LiveLocation:
    """Where a responder on duty is, as far as it is kept."""

    responder_id: int
    cell: int
    """Of H3: nothing finer is kept. Out on a call, a place is told to that call (`aed.incidents`)."""
    at: datetime
    """When the phone was there."""

    @property
    def expires_at(self) -> datetime:
        """From then on it says nothing any more."""
        return self.at + LIVE_LOCATION_LIFETIME

    @property
    def position(self) -> Position:
        """Where the person is looked for: in the middle of the cell."""
        return cell_middle(self.cell)

    def holds_at(self, at: datetime) -> bool:
        return self.at <= at < self.expires_at


def live_location(responder_id: int, here: Position, *, at: datetime, resolution: int) -> LiveLocation:
    """What of a phone's place is kept: its cell, and nothing finer."""
    return LiveLocation(responder_id, h3.latlng_to_cell(here.lat, here.lon, resolution), at)


@lru_cache(maxsize=200_000)
def cell_middle(cell: int) -> Position:
    return Position(*h3.cell_to_latlng(cell))


def edge_metres(cell: int) -> float:
    """About how long its edges are: from its middle to its corners."""
    return math.sqrt(h3.cell_area(cell, unit="m^2") * 2.0 / (3.0 * math.sqrt(3.0)))


def centre_of_cell(here: Position, resolution: int) -> Position:
    """Return the centre of the H3 cell of a place: all that is shown of responders until they accept."""
    return cell_middle(h3.latlng_to_cell(here.lat, here.lon, resolution))


def max_metres_from_centre(near: Position, resolution: int) -> float:
    """No place in a cell near here is farther from the centre of its cell."""
    return (
        edge_metres(h3.latlng_to_cell(near.lat, near.lon, resolution))
        * CELL_SIZE_TOLERANCE
        * SPHERE_TOLERANCE
    )


SPHERE_TOLERANCE: Final = 1.01
"""What is measured on a sphere may be off by less than this."""
CELL_SIZE_TOLERANCE: Final = 1.15
"""Cells near each other differ in length by less than this."""


def cells_around(here: Position, within_metres: float, *, resolution: int) -> list[int]:
    """Every cell in which a place within the distance can lie, and few more.

    1. As many rings of cells as can reach there. In its worst direction a ring is one and a half edges wide;
       there is an edge more on this side, since `here` is not the middle of its cell, and one on the other.
    2. Without those whose middles are farther than the distance and an edge.
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
    """When a phone was where it says: now, unless it says when. Raises InvalidInput for what cannot be."""
    if given is None:
        return now
    if given > now + MAX_CLOCK_SKEW:
        raise InvalidInput("at lies in the future: set the phone's clock, or leave it out.", field="at")
    if given <= now - LIVE_LOCATION_LIFETIME:
        raise InvalidInput("at is 15 minutes ago or more: send where the phone is now.", field="at")
    return min(given, now)
