"""Scheduled jobs of upkeep: reminders, recalls, follow-ups of retrievals, and confirmation requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Final

import structlog
from sqlalchemy import select

from aed.accounts.permissions import SCHEDULER
from aed.database.locks import exclusive_lock
from aed.database.session import Database, read_session, transaction
from aed.errors import AedError
from aed.registry.devices.models import Device
from aed.settings import Settings
from aed.settings.upkeep import Reminding, Returns, TrustSettings
from aed.upkeep.checks.approvals import remind_of_approvals
from aed.upkeep.confirmations.actions import ask_people_nearby
from aed.upkeep.due.queries import duties_of
from aed.upkeep.faults.actions import forget_addresses
from aed.upkeep.recalls.actions import apply_open_recalls
from aed.upkeep.reminders import actions as reminder_actions
from aed.upkeep.reminders import recipients
from aed.upkeep.reminders.actions import notify_of_ending_calendars
from aed.upkeep.reminders.queries import kept_devices
from aed.upkeep.reminders.recipients import RecipientFinder
from aed.upkeep.reminders.rules import EXPIRING, REMINDED, thresholds_before
from aed.upkeep.retrievals.actions import follow_up
from aed.upkeep.retrievals.queries import due_for_follow_up
from aed.upkeep.rounds.actions import assign_rounds
from aed.upkeep.rounds.models import InspectionRound
from aed.upkeep.rounds.planning import plan_rounds
from aed.upkeep.rounds.queries import rounds_to_repeat
from aed.upkeep.rules import ASK_INTERVAL_HOURS, DueKind, RetrievalOutcome
from aed.upkeep.sightings.actions import tidy_sightings
from aed.upkeep.signals.actions import MONITORS_AT_ONCE, delete_old_signals, look_after_monitors
from aed.upkeep.spares.actions import notify_of_expiring_spares
from aed.walking.network import WalkingNetwork

log = structlog.get_logger("aed")

_RETRIEVALS: Final = 500
_DEVICES: Final = 2_000
_REMINDERS: Final = 5_000
_PEOPLE: Final = 200
"""Batch sizes per transaction, kept small so that other writers can run in between."""


def remind_of_expiry(database: Database, now: datetime, *, by: Reminding) -> int:
    """Create reminders for consumables that expire; return how many are new. Idempotent."""
    with transaction(database) as session:
        exclusive_lock(session, "reminder run")
        return reminder_actions.find_expiring(session, at=now, by=by)


def remind_of_checks(database: Database, now: datetime, *, by: Reminding) -> int:
    """Create reminders for checks, services and returns to service; return how many are new. Idempotent."""
    due_kinds: frozenset[DueKind] = REMINDED - EXPIRING
    within_days = max(thresholds_before(due_kind, by)[0] for due_kind in due_kinds)
    found = last_id = 0
    while True:
        with transaction(database) as session:
            exclusive_lock(session, "reminder run")
            ids = kept_devices(session, after_id=last_id, limit=_DEVICES)
            if not ids:
                return found
            last_id = ids[-1]
            chosen = select(Device.id).where(Device.id.in_(ids))  # visibility: for the scheduler
            duties = duties_of(
                session, SCHEDULER, chosen, at=now, within_days=within_days, due_kinds=due_kinds
            )
            days = sorted(ids, key=lambda id_: duties.today[id_])
            for today, theirs in groupby(days, key=lambda id_: duties.today[id_]):
                some = frozenset(theirs)
                found += reminder_actions.find_due(
                    session,
                    [due for due in duties.dues if due.device_id in some],
                    device_ids=sorted(some),
                    today=today,
                    at=now,
                    by=by,
                )


@dataclass(frozen=True, slots=True)
class ReminderRun:
    """The result of a run of `send_reminders`."""

    messages: int = 0
    addressed: int = 0
    nobody: int = 0
    """Reminders without a recipient: the device has no reachable keeper, manager or administrator."""
    not_now: int = 0
    """People to be notified later: it is night there, or they have already had a message today."""
    unreachable: int = 0


def send_reminders(
    database: Database, now: datetime, *, by: Reminding, public_url: str | None
) -> ReminderRun:
    """Send each person their waiting reminders, at most once a day and by day. Idempotent."""
    run = ReminderRun()
    with transaction(database) as session:
        exclusive_lock(session, "reminder run")
        reminder_actions.close_finished(session, at=now)
    while True:
        with transaction(database) as session:
            exclusive_lock(session, "reminder run")
            one = recipients.address(session, RecipientFinder(session), at=now, by=by, most=_REMINDERS)
        run = replace(run, addressed=run.addressed + one.reminders, nobody=run.nobody + one.nobody)
        if one.reminders < _REMINDERS:
            break
    last_id = 0
    while True:
        with transaction(database) as session:
            exclusive_lock(session, "reminder run")
            some = reminder_actions.send_messages(
                session, after_id=last_id, at=now, by=by, public_url=public_url, most=_PEOPLE
            )
        if some.last_id == 0:
            return run
        last_id = some.last_id
        run = replace(
            run,
            messages=run.messages + some.put,
            not_now=run.not_now + some.not_now,
            unreachable=run.unreachable + some.unreachable,
        )


def send_calendar_notices(database: Database, now: datetime, *, by: Reminding) -> int:
    """Notify administrators of holiday calendars that end soon; return how many people. Idempotent."""
    with transaction(database) as session:
        exclusive_lock(session, "holiday calendar notices")
        return notify_of_ending_calendars(session, at=now, by=by)


def apply_recalls(database: Database, now: datetime) -> int:
    """Quarantine devices newly affected by open recalls; return how many.

    Also erases expired reporter addresses and old drafts of sightings. Safe to run concurrently, as a device
    is quarantined once per recall.
    """
    with transaction(database) as session:
        forget_addresses(session, at=now)
        tidy_sightings(session, at=now)
        return apply_open_recalls(session, SCHEDULER, at=now)


def follow_up_retrievals(
    database: Database, now: datetime, *, numbers: Returns, public_url: str | None
) -> tuple[int, int]:
    """Follow up retrievals without an outcome; return how many were asked about and given up.

    Each runs in its own transaction, whose lock on the device prevents two processes from asking twice.
    """
    asked = given_up = 0
    with read_session(database) as session:
        waiting = due_for_follow_up(session, at=now, limit=_RETRIEVALS)
    for retrieval_id in waiting:
        with transaction(database) as session:
            outcome = follow_up(
                session, SCHEDULER, retrieval_id, numbers=numbers, public_url=public_url, at=now
            )
        given_up += outcome is RetrievalOutcome.SILENT
        asked += outcome is None
    return asked, given_up


def confirm_nearby(
    database: Database, now: datetime, *, numbers: TrustSettings, public_url: str | None
) -> int:
    """Ask people nearby to confirm fading facts about devices; return how many were asked.

    Does nothing without a public address, because nobody could answer.
    """
    if public_url is None:
        return 0
    with transaction(database) as session:
        exclusive_lock(session, "asking nearby")
        run = int(now.timestamp() // (ASK_INTERVAL_HOURS * 3600))
        return ask_people_nearby(session, at=now, numbers=numbers, public_url=public_url, run=run)


def repeat_rounds(
    database: Database, now: datetime, *, network_of: Callable[[], WalkingNetwork | None], settings: Settings
) -> int:
    """Assign repeated inspection rounds for today and tomorrow; return how many. Idempotent.

    A round that cannot be planned, for example because its inspector lost the role, is logged and left out.

    visibility: a job of the operator.
    """
    with read_session(database) as session:
        waiting = rounds_to_repeat(session, at=now)
    assigned = 0
    for round_id, question in waiting:
        try:
            with read_session(database) as session:
                plan = plan_rounds(
                    session, SCHEDULER, question, at=now, network=network_of(), settings=settings
                )
            with transaction(database) as session:
                before = session.get_one(InspectionRound, round_id)
                assigned += len(assign_rounds(session, SCHEDULER, plan, at=now, repeats=before))
        except AedError as error:
            if error.status >= 500:
                raise
            log.warning("round not repeated", round=round_id, reason=error.detail)
    return assigned


def look_after_signals(database: Database, now: datetime) -> tuple[int, int]:
    """Find silent devices, and delete old signals; return how many monitors and signals. Idempotent."""
    looked_at = deleted = 0
    while True:
        with transaction(database) as session:
            exclusive_lock(session, "monitors of devices")
            some = look_after_monitors(session, SCHEDULER, at=now)
        looked_at += some
        if some < MONITORS_AT_ONCE:
            break
    while True:
        with transaction(database) as session:
            some = delete_old_signals(session, at=now)
        deleted += some
        if not some:
            return looked_at, deleted


def remind_of_waiting_checks(database: Database, now: datetime) -> int:
    """Remind people of checks that wait too long for a second person; return how many. Idempotent."""
    with transaction(database) as session:
        exclusive_lock(session, "approvals of checks")
        return remind_of_approvals(session, at=now)


def notify_of_spares(database: Database, now: datetime) -> int:
    """Notify estates of spares that expire; return how many lots. Idempotent."""
    with transaction(database) as session:
        exclusive_lock(session, "spare notices")
        return notify_of_expiring_spares(session, SCHEDULER, at=now)
