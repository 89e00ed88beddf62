"""Choosing the recipients of reminders, from roles and earlier answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.regions.models import Region
from aed.accounts.role_grants import RoleGrant
from aed.database.bulk import insert_many
from aed.notifications.queries import reachable_people
from aed.registry.devices.models import Device
from aed.settings.upkeep import Reminding
from aed.upkeep.reminders.models import Reminder, ReminderPreference, ReminderRecipient
from aed.upkeep.reminders.rules import level
from aed.upkeep.rules import DueKind, ReminderAnswer, ReminderLevel


@dataclass(frozen=True, slots=True)
class Unaddressed:
    """A reminder whose recipients have not been chosen yet."""

    id: int
    device_id: int
    due_kind: DueKind
    due_on: date
    threshold_days: int
    keeper_id: int | None
    """None if the device has no keeper or the keeper cannot be reached."""
    estate_id: int | None
    region_id: int


def unaddressed(session: Session, *, limit: int) -> list[Unaddressed]:
    """Return the oldest open reminders without recipients.

    visibility: for the scheduler, which notifies the people who keep the devices.
    """
    rows = session.execute(
        select(
            Reminder.id,
            Reminder.device_id,
            Reminder.due_kind,
            Reminder.due_on,
            Reminder.threshold_days,
            Person.id,
            Device.estate_id,
            Device.region_id,
        )
        .join(Device, Device.id == Reminder.device_id)
        .outerjoin(Person, and_(Person.id == Device.keeper_id, reachable_people()))
        .where(Reminder.closed_at.is_(None), Reminder.addressed_at.is_(None))
        .order_by(Reminder.id)
        .limit(limit)
    )
    return [Unaddressed(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """A person's answer to an earlier reminder about the same kind of task."""

    person_id: int
    answer: ReminderAnswer
    answered_at: datetime
    due_on: date


def past_answers(
    session: Session, found: Collection[Unaddressed]
) -> dict[tuple[int, DueKind], list[PastAnswer]]:
    """Return the answers given so far, by device and kind of task.

    visibility: for the scheduler.
    """
    rows = session.execute(
        select(
            Reminder.device_id,
            Reminder.due_kind,
            ReminderRecipient.person_id,
            ReminderRecipient.answer,
            ReminderRecipient.answered_at,
            Reminder.due_on,
        )
        .join(Reminder, Reminder.id == ReminderRecipient.reminder_id)
        .where(
            Reminder.device_id.in_(sorted({each.device_id for each in found})),
            ReminderRecipient.answer.is_not(None),
        )
    )
    answers: dict[tuple[int, DueKind], list[PastAnswer]] = defaultdict(list)
    for device_id, due_kind, person_id, answer, answered_at, due_on in rows:
        if answer is not None and answered_at is not None:
            answers[device_id, due_kind].append(PastAnswer(person_id, answer, answered_at, due_on))
    return answers


def addressed_already(session: Session, reminder_ids: Sequence[int]) -> set[tuple[int, int]]:
    """Return the existing (reminder, person) pairs of these reminders.

    visibility: for the scheduler.
    """
    rows = session.execute(
        select(ReminderRecipient.reminder_id, ReminderRecipient.person_id).where(
            ReminderRecipient.reminder_id.in_(reminder_ids)
        )
    )
    return {(reminder_id, person_id) for reminder_id, person_id in rows}


class RecipientFinder:
    """Finds the people at each level of a device. Reads all roles once, in three statements."""

    def __init__(self, session: Session) -> None:
        """Read the roles of reachable people, the regions, and reminder preferences.

        visibility: for messages to the recipients themselves.
        """
        self._above = {
            region.id: region.parent_id for region in session.execute(select(Region.id, Region.parent_id))
        }
        self._on_estates: dict[tuple[Role, int], list[int]] = defaultdict(list)
        self._on_regions: dict[tuple[Role, int], list[int]] = defaultdict(list)
        self._everywhere: list[int] = []
        grants = session.execute(
            select(RoleGrant.person_id, RoleGrant.role, RoleGrant.estate_id, RoleGrant.region_id)
            .join(Person, Person.id == RoleGrant.person_id)
            .where(
                RoleGrant.revoked_at.is_(None),
                RoleGrant.role.in_([Role.KEEPER, Role.ESTATE_MANAGER, Role.ADMINISTRATOR]),
                reachable_people(),
            )
            .order_by(RoleGrant.id)
        )
        for grant in grants:
            if grant.estate_id is not None:
                self._on_estates[grant.role, grant.estate_id].append(grant.person_id)
            elif grant.region_id is not None:
                self._on_regions[grant.role, grant.region_id].append(grant.person_id)
            else:
                self._everywhere.append(grant.person_id)
        own = session.execute(
            select(ReminderPreference.person_id, ReminderPreference.days_before).where(
                ReminderPreference.days_before.is_not(None)
            )
        )
        self._days_before = {each.person_id: each.days_before for each in own}

    def is_too_early(self, person_id: int, threshold_days: int) -> bool:
        """Return whether the person does not want to be reminded that many days before the due date."""
        days = self._days_before.get(person_id)
        return days is not None and threshold_days > days

    def at(
        self, level: ReminderLevel, *, keeper_id: int | None, estate_id: int | None, region_id: int
    ) -> Sequence[int]:
        """Return the people at exactly this level, in order; empty if nobody holds the role."""
        match level:
            case ReminderLevel.KEEPER:
                if keeper_id is not None:
                    return [keeper_id]
                return self._on_estates[Role.KEEPER, estate_id] if estate_id is not None else []
            case ReminderLevel.MANAGER:
                if estate_id is not None and (theirs := self._on_estates[Role.ESTATE_MANAGER, estate_id]):
                    return theirs
                return self._nearest(Role.ESTATE_MANAGER, region_id)
            case ReminderLevel.REGION:
                return self._nearest(Role.ADMINISTRATOR, region_id) or self._everywhere

    def administrators(self, region_id: int) -> set[int]:
        """Return the administrators of the network and the nearest ones of the region or those above it."""
        return {*self._everywhere, *self._nearest(Role.ADMINISTRATOR, region_id)}

    def _nearest(self, role: Role, region_id: int) -> Sequence[int]:
        """Return the holders of a role on the region, or on the nearest region above that has any."""
        here: int | None = region_id
        while here is not None:
            if theirs := self._on_regions[role, here]:
                return theirs
            here = self._above.get(here)
        return []


@dataclass(frozen=True, slots=True)
class Addressed:
    """The result of choosing recipients for one batch of reminders."""

    reminders: int
    nobody: int
    """Reminders without any recipient: no keeper, manager or administrator can be reached."""


def address(
    session: Session, who_hears: RecipientFinder, *, at: datetime, by: Reminding, most: int
) -> Addressed:
    """Choose the recipients of the oldest `most` reminders without any.

    1. The threshold determines the level; all lower levels are included.
    2. "Done" keeps the reminder from escalating for a week; "not me" escalates it one level at once.
    3. A person who answered "later" is skipped for a week, except on the last day.
    4. If a level has nobody, the next level is used.
    5. Nobody is reminded earlier than their preference allows.
    """
    found = unaddressed(session, limit=most)
    ids = [each.id for each in found]
    answers = past_answers(session, found)
    known = addressed_already(session, ids)
    week = at - timedelta(days=by.repeat_days)
    nobody = 0
    rows = []
    for each in found:
        people = _chosen(who_hears, each, answers.get((each.device_id, each.due_kind), []), week=week, by=by)
        nobody += people is None
        rows += [
            {
                "reminder_id": each.id,
                "person_id": person_id,
                "level": at_level,
                "message_id": None,
                "answer": None,
                "answered_at": None,
            }
            for person_id, at_level in (people or {}).items()
            if (each.id, person_id) not in known
        ]
    insert_many(session, ReminderRecipient, rows)
    session.execute(
        update(Reminder)
        .where(Reminder.id.in_(ids))
        .values(addressed_at=at)
        .execution_options(synchronize_session=False)
    )
    return Addressed(len(found), nobody)


_ORDER: Final = [ReminderLevel.KEEPER, ReminderLevel.MANAGER, ReminderLevel.REGION]


def _chosen(
    who_hears: RecipientFinder,
    each: Unaddressed,
    answers: Sequence[PastAnswer],
    *,
    week: datetime,
    by: Reminding,
) -> dict[int, ReminderLevel] | None:
    """Return the recipients with their levels, or None if nobody can be notified."""
    not_they = {
        one.person_id for one in answers if one.answer is ReminderAnswer.NOT_ME and one.due_on == each.due_on
    }
    lately = [one for one in answers if one.answered_at > week]
    later = {
        one.person_id for one in lately if one.answer is ReminderAnswer.LATER and each.threshold_days != 0
    }
    highest = _ORDER.index(level(each.threshold_days, by))
    if not_they:
        highest = max(highest, _ORDER.index(ReminderLevel.MANAGER))
    if any(one.answer is ReminderAnswer.DONE for one in lately):
        highest = 0
    people: dict[int, ReminderLevel] = {}
    for height, at_level in enumerate(_ORDER):
        if height > highest and people:
            break
        for person_id in who_hears.at(
            at_level, keeper_id=each.keeper_id, estate_id=each.estate_id, region_id=each.region_id
        ):
            if person_id not in not_they:
                people.setdefault(person_id, at_level)
    if not people:
        return None
    return {
        person_id: at_level
        for person_id, at_level in people.items()
        if person_id not in later and not who_hears.is_too_early(person_id, each.threshold_days)
    }
