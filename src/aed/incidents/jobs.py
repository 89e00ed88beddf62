"""What the timetable does with incidents: it plans again where too few have answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from aed.db import Database, reads, transaction
from aed.errors import AedError
from aed.incidents.actions.calling import hold, plan_and_call
from aed.incidents.queries.incidents import due_to_look_at
from aed.incidents.rules.incident import State
from aed.settings import Settings
from aed.walking.network import WalkingNetwork

log = structlog.get_logger("aed")
_AT_ONCE = 100


def look_again(
    database: Database, at: datetime, *, network_of: Callable[[], WalkingNetwork | None], settings: Settings
) -> tuple[int, int]:
    """Every open incident whose wave is over has been planned again: (so many, so many called). Each in a
    transaction of its own; one that fails keeps no other."""
    with reads(database) as session:
        due = due_to_look_at(session, at, limit=_AT_ONCE)
    if not due:
        return 0, 0
    network, looked, called = network_of(), 0, 0
    for incident_id in due:
        try:
            with transaction(database) as session:
                incident = hold(session, incident_id)
                if incident.state is State.CLOSED or incident.look_at is None or incident.look_at > at:
                    continue
                called += plan_and_call(
                    session, incident, because="wave is over", at=at, network=network, settings=settings
                )
                looked += 1
        except AedError as error:
            log.warning("incident not looked at", incident=incident_id, why=error.detail)
    return looked, called
