"""Stores of live locations: one interface, two implementations.

in_database.py: a table; the default
in_valkey.py: a Redis or Valkey Cluster, for when one database is not enough
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
    """Store of the latest location of each responder who shares one. Expired locations are never returned.

    `connection` is that of the transaction or the lookup: what is stored in the database is part of it.
    Writes raise LivePlacesUnavailable; a lookup goes on without, and logs it.
    """

    def put(self, connection: Connection, places: Sequence[LiveLocation], *, at: datetime) -> None:
        """Store these locations; each is valid until it expires or a newer one of the same responder
        arrives.
        """

    def held(
        self, connection: Connection, responder_ids: Collection[int], *, at: datetime
    ) -> dict[int, LiveLocation]:
        """Return the locations of these responders that are valid at that moment."""

    def forget(self, connection: Connection, responder_ids: Collection[int]) -> None:
        """Delete all locations of these responders."""

    def expire(self, connection: Connection, *, at: datetime) -> int:
        """Delete expired locations; return how many, where that is known."""

    def near(
        self, connection: Connection, here: Position, *, within_metres: float, at: datetime
    ) -> list[LiveLocation]:
        """Return the locations within the distance that are valid at that moment.

        May return some that are slightly farther; each responder once. visibility: the caller checks which of
        these responders the viewer may call.
        """

    def without_those_on_duty(
        self, connection: Connection, places: Sequence[PlaceNearby], *, at: datetime
    ) -> Sequence[PlaceNearby]:
        """Filter default places: leave out people whose live location says that they are elsewhere."""


_clusters: Final[dict[str, InValkey]] = {}
"""Clients of this process by URL; each connects on first use."""


def live_places(settings: Settings) -> LivePlaces:
    """Return the configured store."""
    if settings.live_places_url:
        with requires_extra("cluster", needed_by="AED_LIVE_PLACES_URL"):
            from aed.responders.live.in_valkey import InValkey  # late: 8 MB

        return _clusters.setdefault(settings.live_places_url, InValkey(settings.live_places_url))
    return InDatabase(settings.responder_cell_resolution)


def close_live_places() -> None:
    """Close all connections; a later use connects again."""
    for cluster in _clusters.values():
        cluster.close()


def live_places_of(session: Session) -> LivePlaces:
    """Return the store that belongs to the session's database."""
    return live_places(session.info[SETTINGS])
