"""Devices near a patient that are out of service, so that nobody runs to one that they know of."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from aed.accounts.permissions import Viewer
from aed.geo import metres_to_each
from aed.lookup.answer import QuarantinedDevice, Question
from aed.registry import nearby as nearby_queries
from aed.settings import Settings

MAX_QUARANTINED: Final = 5


def quarantined_near(
    connection: Connection, viewer: Viewer, question: Question, settings: Settings
) -> list[QuarantinedDevice]:
    """Return the nearest devices out of service that this viewer may see, as far as one would fetch them."""
    within = settings.arrival.max_fetch_metres
    rings = nearby_queries.nearest_out_of_service(connection.dialect, viewer).rings(
        connection, question.here, at_least=MAX_QUARANTINED, within_metres=within
    )
    rows = rings.widen(about=MAX_QUARANTINED + 3, to_metres=within)
    near = zip(metres_to_each(question.here, rows), rows, strict=True) if rows else ()
    found = sorted((metres, row.id, row) for metres, row in near if metres <= within)
    return [QuarantinedDevice(row, metres) for metres, _, row in found[:MAX_QUARANTINED]]
