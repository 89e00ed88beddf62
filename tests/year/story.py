"""Comparison of the program's data and messages with the ledger, per device; the year as a table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Consumable
from aed.registry.devices.rules import ConsumableState
from aed.upkeep.models import Quarantine
from aed.upkeep.reminders.models import Reminder, ReminderMessage, ReminderRecipient
from aed.upkeep.rules import DueKind, ReminderAnswer, ReminderLevel, short_number
from tests.year.ledger import DAY
from tests.year.run import Year
from tests.year.world import CHINA

_SHOWN: Final = 5
EXPIRING: Final = (DueKind.PADS, DueKind.CHILD_PADS, DueKind.BATTERY)


def contradictions(session: Session, year: Year) -> list[str]:
    """Return the inconsistencies of the year as sentences; empty if there are none."""
    return [
        *_some("offered although expired or out", year.offered_wrongly),
        *_some("usable and not offered", year.not_offered),
        *_reminders(session, year),
        *_messages(session, year),
        *_levels(session, year),
        *_quarantines(session, year),
        *_fitted(session, year),
    ]


def _some(what: str, found: Iterable[object]) -> Iterator[str]:
    all_found = list(found)
    if all_found:
        yield f"{len(all_found)} {what}: {', '.join(map(str, all_found[:_SHOWN]))}"


def _reminders(session: Session, year: Year) -> Iterator[str]:
    """Yield expiries without reminders and reminders without a cause."""
    rows = session.execute(
        select(
            Reminder.device_id,
            Reminder.due_kind,
            Reminder.due_on,
            Reminder.threshold_days,
            Reminder.found_at,
        )
    )
    found = Counter((*row[:4], row[4].astimezone(CHINA).date()) for row in rows)
    due = Counter(year.world.ledger.to_notify_about())
    yield from _some("reminders that should be and are not", sorted((due - found).elements()))
    yield from _some("reminders without a cause", sorted((found - due).elements()))


def _messages(session: Session, year: Year) -> Iterator[str]:
    """Yield errors of delivery: each reminder reaches a person on its day, in one message, sent once."""
    rows = session.execute(
        select(Reminder.id, Reminder.device_id, Reminder.due_kind, Reminder.found_at, ReminderMessage.put_at)
        .outerjoin(ReminderRecipient, ReminderRecipient.reminder_id == Reminder.id)
        .outerjoin(ReminderMessage, ReminderMessage.id == ReminderRecipient.message_id)
    )
    days_by_reminder = defaultdict(list)
    for reminder_id, device_id, due_kind, found_at, put_at in rows:
        days_by_reminder[reminder_id, device_id, due_kind, found_at.astimezone(CHINA).date()].append(
            put_at.astimezone(CHINA).date() if put_at is not None else None
        )
    later = _answers(session, ReminderAnswer.LATER)
    not_notified = [
        each
        for each, days in days_by_reminder.items()
        if each[3] not in days
        and not any(0 < (each[3] - day).days <= 7 for day in later.get((each[1], each[2]), ()))
    ]
    yield from _some("reminders of which nobody heard on their day", not_notified)
    of_reminders = [each for each in year.received if each.key is not None]
    each_day = Counter((each.on, each.recipient) for each in of_reminders)
    yield from _some("people who heard twice in a day", [who for who, n in each_day.items() if n > 1])
    messages = len(session.scalars(select(ReminderMessage.id)).all())
    if len({each.key for each in of_reminders}) != messages or len(of_reminders) != messages:
        yield f"{messages} messages of reminders were put, {len(of_reminders)} came out"
    unsent = session.scalars(select(OutboxMessage.id).where(OutboxMessage.sent_at.is_(None))).all()
    last = year.world.size.last_day
    yesterdays = [each for each in year.received if each.key is None]
    put = session.execute(select(OutboxMessage.id, OutboxMessage.created_at)).all()
    if len(put) - len(unsent) != len(year.received):
        yield f"{len(put) - len(unsent)} messages are sent, {len(year.received)} came out"
    waits = [id_ for id_, at in put if id_ in set(unsent) and at.astimezone(CHINA).date() < last]
    yield from _some("messages that were never sent", waits)
    yield from _some(
        "notices of devices to which nothing happened",
        [
            each.text
            for each in yesterdays
            if not any(short_number(id_) in each.text for id_ in year.world.touched[each.on - DAY])
        ],
    )


def _answers(session: Session, given: ReminderAnswer | None = None) -> dict[tuple[int, DueKind], list[date]]:
    asked = (
        select(Reminder.device_id, Reminder.due_kind, ReminderRecipient.answered_at)
        .join(Reminder, Reminder.id == ReminderRecipient.reminder_id)
        .where(ReminderRecipient.answer.is_not(None))
    )
    if given is not None:
        asked = asked.where(ReminderRecipient.answer == given)
    found = defaultdict(list)
    for device_id, due_kind, at in session.execute(asked):
        if at is not None:
            found[device_id, due_kind].append(at.astimezone(CHINA).date())
    return found


def _levels(session: Session, year: Year) -> Iterator[str]:
    """Yield errors of escalation: the manager from 7 days before, the region from a week after."""
    answered = _answers(session)
    heard: dict[tuple[int, DueKind, int, int], set[ReminderLevel]] = defaultdict(set)
    rows = session.execute(
        select(
            Reminder.device_id,
            Reminder.due_kind,
            Reminder.threshold_days,
            Reminder.id,
            ReminderRecipient.level,
        ).join(ReminderRecipient, ReminderRecipient.reminder_id == Reminder.id)
    )
    for device_id, due_kind, days, reminder_id, level in rows:
        heard[device_id, due_kind, days, reminder_id].add(level)
    wrong = []
    for (device_id, due_kind, days, reminder_id), levels in heard.items():
        if (device_id, due_kind) in answered:
            continue
        expected = {ReminderLevel.KEEPER}
        if days <= 7 and year.world.house_of[device_id].manager is not None:
            expected.add(ReminderLevel.MANAGER)
        if days <= -7:
            expected.add(ReminderLevel.REGION)
        if levels != expected:
            wrong.append((reminder_id, due_kind, days, sorted(levels)))
    yield from _some("reminders at the wrong level", wrong)


def _quarantines(session: Session, year: Year) -> Iterator[str]:
    """Yield errors of quarantines: each has a reason, and the check that resolves it lifts it on its day."""
    rows = session.execute(
        select(Quarantine.device_id, Quarantine.reason, Quarantine.since, Quarantine.lifted_at)
    )
    found = Counter(
        (
            device_id,
            reason,
            since.astimezone(CHINA).date(),
            lifted.astimezone(CHINA).date() if lifted is not None else None,
        )
        for device_id, reason, since, lifted in rows
    )
    happened = Counter(
        (device_id, each.reason, each.since, each.until)
        for device_id, story in year.world.ledger.stories.items()
        for each in story.out
    )
    yield from _some("quarantines that should be and are not", (happened - found).elements())
    yield from _some("quarantines without a cause", (found - happened).elements())


def _fitted(session: Session, year: Year) -> Iterator[str]:
    rows = session.execute(
        select(Consumable.device_id, Consumable.kind, Consumable.expires_on).where(
            Consumable.state == ConsumableState.FITTED
        )
    )
    found = {(device_id, kind): day for device_id, kind, day in rows}
    true = {
        (device_id, kind): each[-1].expires_on
        for device_id, story in year.world.ledger.stories.items()
        for kind, each in story.fitted.items()
    }
    yield from _some("things fitted otherwise than the register says", found.items() ^ true.items())


# --- the table ------------------------------------------------------------------------------------------


def table(session: Session, year: Year) -> list[tuple[str, str]]:
    """Return the table of the year as (label, number) rows."""
    world, counts = year.world, year.counts
    reminders: Counter[DueKind] = Counter(session.scalars(select(Reminder.due_kind)))
    levels = Counter(session.scalars(select(ReminderRecipient.level)))
    reasons = Counter(session.scalars(select(Quarantine.reason)))
    ended = [
        (each, kind)
        for story in world.ledger.stories.values()
        for kind, all_fitted in story.fitted.items()
        for each in all_fitted
        if each.until is not None and world.size.first_day <= each.expires_on
    ]
    in_time = sum(each.until <= each.expires_on for each, _ in ended if each.until is not None)
    days_out = [
        (each.until - each.since).days
        for story in world.ledger.stories.values()
        for each in story.out
        if each.until is not None
    ]
    return [
        ("Estates, devices, days", f"{len(world.houses):,}, {len(world.device_ids):,}, {world.size.days}"),
        (
            "Checks (services; arrived late)",
            f"{counts['checks']:,} ({counts['services']:,}; {counts['checks that arrived late']:,})",
        ),
        (
            "Pads and batteries replaced, in time",
            f"{counts['replacements']:,}, {_share(in_time, len(ended))}",
        ),
        (
            "Reminders: of what expires, checks, services, returns",
            ", ".join(
                f"{n:,}"
                for n in (
                    sum(reminders[each] for each in EXPIRING),
                    reminders[DueKind.CHECK],
                    reminders[DueKind.SERVICE],
                    reminders[DueKind.RETURN],
                )
            ),
        ),
        (
            "Heard by keepers, managers, regions",
            ", ".join(
                f"{levels[each]:,}"
                for each in (ReminderLevel.KEEPER, ReminderLevel.MANAGER, ReminderLevel.REGION)
            ),
        ),
        ("Messages in which they heard it", f"{sum(each.key is not None for each in year.received):,}"),
        (
            "Answers: done, not me, later",
            ", ".join(f"{counts[f'answered {each}']:,}" for each in ReminderAnswer),
        ),
        (
            "Quarantines",
            f"{sum(reasons.values()):,}: "
            + ", ".join(f"{n:,} {reason.value}" for reason, n in reasons.most_common()),
        ),
        ("Days out until lifted, median", f"{_median(days_out)}"),
        (
            "Device-days expired, device-days out",
            f"{year.days_out['expired']:,}, {year.days_out['out']:,}",
        ),
        ("Lookups on those days", f"{counts['lookups']:,}"),
        ("Offered although expired or out", f"{len(year.offered_wrongly):,}"),
    ]


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "none"


def _median(days: Sequence[int]) -> int:
    return sorted(days)[len(days) // 2] if days else 0
