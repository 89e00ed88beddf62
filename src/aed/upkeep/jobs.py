"""What the timetable runs: recalls reach what was registered since, devices that were sent for are asked
after, people nearby are asked to confirm, strangers' addresses are forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from aed.accounts.rules import Role, Scope, Viewer
from aed.db import Database, alone, reads, transaction
from aed.settings import Returns, Trust
from aed.upkeep.actions.asking import ask_nearby
from aed.upkeep.actions.call_outs import ask_after
from aed.upkeep.actions.recalls import apply_open_recalls
from aed.upkeep.actions.reports import forget_addresses
from aed.upkeep.queries.call_outs import to_be_asked_after
from aed.upkeep.rules.call_out import Outcome

ASKED_EVERY: Final = timedelta(hours=1)
_AT_ONCE: Final = 500
_TIMETABLE: Final = Viewer(role=Role.ADMINISTRATOR, name="timetable", scopes=frozenset(Scope))


def look_after(database: Database, now: datetime) -> int:
    """How many devices fell under open recalls that did not before. It may run in several processes: a device
    falls under a recall once."""
    with transaction(database) as session:
        forget_addresses(session, at=now)
        return apply_open_recalls(session, _TIMETABLE, at=now)


def ask_after_devices(
    database: Database, now: datetime, *, numbers: Returns, public_url: str | None
) -> tuple[int, int]:
    """How many devices that were sent for were asked after, and how many given up. Each in a transaction of
    its own, whose lock on the device sees to it that of two processes one asks."""
    asked = given_up = 0
    with reads(database) as session:
        waiting = to_be_asked_after(session, at=now, limit=_AT_ONCE)
    for call_out_id in waiting:
        with transaction(database) as session:
            outcome = ask_after(
                session, _TIMETABLE, call_out_id, numbers=numbers, public_url=public_url, at=now
            )
        given_up += outcome is Outcome.SILENT
        asked += outcome is None
    return asked, given_up


def confirm_nearby(database: Database, now: datetime, *, numbers: Trust, public_url: str | None) -> int:
    """How many people nearby were asked to confirm something. Without a public address nobody could answer,
    and nobody is asked."""
    if public_url is None:
        return 0
    with transaction(database) as session:
        alone(session, "asking nearby")
        run = int(now.timestamp() // ASKED_EVERY.total_seconds())
        return ask_nearby(session, at=now, numbers=numbers, public_url=public_url, run=run)
