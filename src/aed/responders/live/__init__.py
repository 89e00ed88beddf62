"""Stores of live locations: one interface with two implementations.

in_database.py  a table (the default)
in_valkey.py    a Redis or Valkey Cluster, for more load than one database can handle
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from aed.database.session import SETTINGS
from aed.errors import requires_extra
from aed.geo import Position
from aed.responders.live.in_database import InDatabase
from aed.responders.queries import PlaceNearby
from aed.responders.rules import LiveLocation
from aed.settings import Settings

if TYPE_CHECKING:
    from aed.responders.live.in_valkey import InValkey


class LivePlaces(Protocol):
    """A store of the latest location of each responder who shares one. It never returns expired locations.

    `connection` is that of the caller's transaction or lookup, which a store in the database takes part in.
    Writes raise LivePlacesUnavailable if the store is down. Lookups then log it and continue without it.
    """

    def put(self, connection: Connection, places: Sequence[LiveLocation], *, at: datetime) -> None:
        """Store locations, each valid until it expires or a newer one of the same responder is stored."""

    def held(
        self, connection: Connection, responder_ids: Collection[int], *, at: datetime
    ) -> dict[int, LiveLocation]:
        """Return the locations of the responders that are valid at the moment `at`, by responder id."""

    def forget(self, connection: Connection, responder_ids: Collection[int]) -> None:
        """Delete all locations of these responders."""

    def expire(self, connection: Connection, *, at: datetime) -> int:
        """Delete expired locations; return how many were deleted, if the store can count them."""

    def near(
        self, connection: Connection, here: Position, *, within_metres: float, at: datetime
    ) -> list[LiveLocation]:
        """Return the locations within the distance that are valid at the moment `at`, one per responder.

        May include some that are slightly farther.

        visibility: the caller checks which of these responders the viewer may call.
        """

    def without_those_on_duty(
        self, connection: Connection, places: Sequence[PlaceNearby], *, at: datetime
    ) -> Sequence[PlaceNearby]:
        """Return the default places without those of people who have a valid live location."""


_clusters: Final[dict[str, InValkey]] = {}
"""Clients of this process, by URL; each connects on first use."""


def live_places(settings: Settings) -> LivePlaces:
    """Return the store of live locations that the settings name."""
    if settings.live_places_url:
        with requires_extra("cluster", needed_by="AED_LIVE_PLACES_URL"):
            from aed.responders.live.in_valkey import InValkey  # imported late, since it takes 8 MB

        return _clusters.setdefault(settings.live_places_url, InValkey(settings.live_places_url))
    return InDatabase(settings.responder_cell_resolution)


def close_live_places() -> None:
    """Close all connections to stores; later uses connect again."""
    for cluster in _clusters.values():
        cluster.close()


def live_places_of(session: Session) -> LivePlaces:
    """Return the store that belongs to the session's database."""
    return live_places(session.info[SETTINGS])
