"""What the timetable runs: what is due is found, people are told by day, recalls reach what is new, devices
that were sent for are asked after, people nearby are asked to confirm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Final

from sqlalchemy import select

from aed.accounts.permissions import SCHEDULER
from aed.database.session import Database, exclusive_lock, read_session, transaction
from aed.registry.devices.models import Device
from aed.settings import Reminding, Returns, Trust
from aed.upkeep.confirmations.actions import ask_people_nearby
from aed.upkeep.due.queries import duties_of
from aed.upkeep.faults.actions import forget_addresses
from aed.upkeep.recalls.actions import apply_open_recalls
from aed.upkeep.reminders import actions as reminders
from aed.upkeep.reminders import actions as reminding
from aed.upkeep.reminders import recipients as addressing
from aed.upkeep.reminders.holiday_notices import notify_of_ending_calendars
from aed.upkeep.reminders.queries import kept_devices
from aed.upkeep.reminders.recipients import RecipientFinder
from aed.upkeep.reminders.rules import EXPIRING, REMINDED, thresholds_before
from aed.upkeep.retrievals.actions import follow_up
from aed.upkeep.retrievals.queries import due_for_follow_up
from aed.upkeep.rules import DueKind, RetrievalOutcome

ASKED_EVERY_HOURS: Final = 1
_RETRIEVALS: Final = 500
_DEVICES: Final = 2_000
_REMINDERS: Final = 5_000
_PEOPLE: Final = 200
"""So many in a transaction: others write between them."""


def remind_of_expiry(database: Database, now: datetime, *, by: Reminding) -> int:
    """How many thresholds were passed of what expires since the last run. Run twice, it finds none."""
    with transaction(database) as session:
        exclusive_lock(session, "reminder run")
        return reminders.find_expiring(session, at=now, by=by)


def remind_of_checks(database: Database, now: datetime, *, by: Reminding) -> int:
    """The same of checks, services, and devices that wait to be brought back."""
    matters: frozenset[DueKind] = REMINDED - EXPIRING
    within_days = max(thresholds_before(matter, by)[0] for matter in matters)
    found = last_id = 0
    while True:
        with transaction(database) as session:
            exclusive_lock(session, "reminder run")
            ids = kept_devices(session, after_id=last_id, limit=_DEVICES)
            if not ids:
                return found
            last_id = ids[-1]
            chosen = select(Device.id).where(Device.id.in_(ids))  # visibility: for the scheduler
            duties = duties_of(session, SCHEDULER, chosen, at=now, within_days=within_days, matters=matters)
            days = sorted(ids, key=lambda id_: duties.today[id_])
            for today, theirs in groupby(days, key=lambda id_: duties.today[id_]):
                some = frozenset(theirs)
                found += reminders.find_due(
                    session,
                    [due for due in duties.dues if due.device_id in some],
                    device_ids=sorted(some),
                    today=today,
                    at=now,
                    by=by,
                )


@dataclass(frozen=True, slots=True)
class ReminderRun:
    """What came of a run."""

    messages: int = 0
    addressed: int = 0
    nobody: int = 0
    """Reminders that nobody can be told of: the device has neither keeper, manager nor administrator."""
    not_now: int = 0
    """People who hear later: it is night there, or they have heard today."""
    unreachable: int = 0


def send_reminders(
    database: Database, now: datetime, *, by: Reminding, public_url: str | None
) -> ReminderRun:
    """Everyone for whom something waits is told, once a day, by day. Run twice, it tells nobody twice."""
    told = ReminderRun()
    with transaction(database) as session:
        exclusive_lock(session, "reminder run")
        reminders.close_finished(session, at=now)
    while True:
        with transaction(database) as session:
            exclusive_lock(session, "reminder run")
            one = addressing.address(session, RecipientFinder(session), at=now, by=by, most=_REMINDERS)
        told = replace(told, addressed=told.addressed + one.reminders, nobody=told.nobody + one.nobody)
        if one.reminders < _REMINDERS:
            break
    last_id = 0
    while True:
        with transaction(database) as session:
            exclusive_lock(session, "reminder run")
            some = reminding.send_messages(
                session, after_id=last_id, at=now, by=by, public_url=public_url, most=_PEOPLE
            )
        if some.last_id == 0:
            return told
        last_id = some.last_id
        told = replace(
            told,
            messages=told.messages + some.put,
            not_now=told.not_now + some.not_now,
            unreachable=told.unreachable + some.unreachable,
        )


def send_calendar_notices(database: Database, now: datetime, *, by: Reminding) -> int:
    """Tell administrators of holiday calendars that end soon; return how many people. Idempotent."""
    with transaction(database) as session:
        exclusive_lock(session, "holiday calendar notices")
        return notify_of_ending_calendars(session, at=now, by=by)


def apply_recalls(database: Database, now: datetime) -> int:
    """How many devices fell under open recalls that did not before. It may run in several processes: a device
    falls under a recall once."""
    with transaction(database) as session:
        forget_addresses(session, at=now)
        return apply_open_recalls(session, SCHEDULER, at=now)


def follow_up_retrievals(
    database: Database, now: datetime, *, numbers: Returns, public_url: str | None
) -> tuple[int, int]:
    """How many devices that were sent for were asked after, and how many given up. Each in a transaction of
    its own, whose lock on the device sees to it that of two processes one asks."""
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


def confirm_nearby(database: Database, now: datetime, *, numbers: Trust, public_url: str | None) -> int:
    """How many people nearby were asked to confirm something. Without a public address nobody could answer,
    and nobody is asked."""
    if public_url is None:
        return 0
    with transaction(database) as session:
        exclusive_lock(session, "asking nearby")
        run = int(now.timestamp() // (ASKED_EVERY_HOURS * 3600))
        return ask_people_nearby(session, at=now, numbers=numbers, public_url=public_url, run=run)
