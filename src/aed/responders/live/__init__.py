"""Where live places are kept: one interface, two ways, a file each.

in_database.py  a table; the default
in_valkey.py    a Redis or Valkey Cluster, once one database is not enough
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
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
    """The newest place of each responder whose phone sends any. What has expired is never answered.

    `connection` is that of the transaction, or of the lookup: what is kept in the database is part of it.
    Writes raise LivePlacesUnavailable; a lookup goes on without, and the log says so.
    """

    def put(self, connection: Connection, places: Sequence[LiveLocation], *, at: datetime) -> None:
        """Each of these holds until it expires, or a newer one of the same responder has come."""

    def held(
        self, connection: Connection, responder_ids: Collection[int], *, at: datetime
    ) -> dict[int, LiveLocation]:
        """Those of these responders that hold at the moment."""

    def forget(self, connection: Connection, responder_ids: Collection[int]) -> None:
        """No place of these responders is kept."""

    def expire(self, connection: Connection, *, at: datetime) -> int:
        """What has expired is deleted; how much that was, where somebody counts."""

    def near(
        self, connection: Connection, here: Position, *, within_metres: float, at: datetime
    ) -> Callable[[], list[LiveLocation]]:
        """The places within the distance and a bit farther that hold at the moment, each responder's once.

        The question is sent; what is given back reads the answer, see `aed.database.Compiled.sent`.

        visibility: whoever calls asks which of these responders the viewer may call.
        """

    def without_those_on_duty(
        self, connection: Connection, places: Sequence[PlaceNearby], *, at: datetime
    ) -> Sequence[PlaceNearby]:
        """Default places of people who are there: not of those whose live place says where they are."""


_clusters: Final[dict[str, InValkey]] = {}
"""The clients of this process, by URL. One connects when it is first asked."""


def live_places(settings: Settings) -> LivePlaces:
    """Where they are kept, as it is set."""
    if settings.live_places_url:
        with requires_extra("cluster", needed_by="AED_LIVE_PLACES_URL"):
            from aed.responders.live.in_valkey import InValkey  # late: 8 MB

        return _clusters.setdefault(settings.live_places_url, InValkey(settings.live_places_url))
    return InDatabase(settings.responder_cell_resolution)


def close_live_places() -> None:
    """Nothing is connected any more. Whoever asks again connects again."""
    for cluster in _clusters.values():
        cluster.close()


def live_places_of(session: Session) -> LivePlaces:
    """Where they are kept beside the session's database."""
    return live_places(session.info[SETTINGS])
