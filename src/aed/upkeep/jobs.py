"""What the timetable runs: recalls reach what was registered since, strangers' addresses are forgotten."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from aed.accounts.rules import Role, Scope, Viewer
from aed.db import Database, transaction
from aed.upkeep.actions.recalls import apply_open_recalls
from aed.upkeep.actions.reports import forget_addresses

_TIMETABLE: Final = Viewer(role=Role.ADMINISTRATOR, name="timetable", scopes=frozenset(Scope))


def look_after(database: Database, now: datetime) -> int:
    """How many devices fell under open recalls that did not before. It may run in several processes: a device
    falls under a recall once."""
    with transaction(database) as session:
        forget_addresses(session, at=now)
        return apply_open_recalls(session, _TIMETABLE, at=now)
