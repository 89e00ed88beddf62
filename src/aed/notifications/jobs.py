"""What the timetable runs of the outbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from aed.db import Database, reads, transaction
from aed.notifications import actions
from aed.notifications.actions import Letter


def send_waiting(
    database: Database,
    now: Callable[[], datetime],
    *,
    deliver: Callable[[Letter, datetime], None],
    most: int = 500,
) -> tuple[int, int]:
    """(sent, not sent). Nothing is sent within a transaction: claim, deliver, record.

    What was delivered but could not be recorded is delivered again: at least once, with the same id.
    """
    with reads(database) as session:
        if not actions.is_any_waiting(session):
            return 0, 0  # without a write, since this is asked every other second
    done = failed = 0
    with transaction(database) as session:
        actions.give_up_the_unwanted(session, at=now())
    for _ in range(most):
        with transaction(database) as session:
            letter = actions.claim(session, at=now())
        if letter is None:
            break
        try:
            deliver(letter, now())
        except OSError:
            failed += 1
            with transaction(database) as session:
                actions.not_sent(session, letter, at=now())
        else:
            done += 1
            with transaction(database) as session:
                actions.sent(session, letter, at=now())
    return done, failed
