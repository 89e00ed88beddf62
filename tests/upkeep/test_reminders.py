"""Reminders are sent once per threshold, in the morning, and escalate until the task is done."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.database.session import Database, read_session, transaction
from aed.notifications.models import OutboxMessage
from aed.registry.devices import actions as device_actions
from aed.registry.devices.corrections import replace_consumable
from aed.registry.devices.models import Device
from aed.registry.devices.rules import ConsumableKind
from aed.registry.devices.schemas import ConsumableIn
from aed.registry.estates.models import Estate
from aed.settings.upkeep import Reminding
from aed.upkeep import jobs
from aed.upkeep.reminders import actions as reminder_actions
from aed.upkeep.reminders.models import Reminder
from aed.upkeep.rules import DueKind, ReminderAnswer
from tests import make

BY = Reminding()
MORNING = datetime(2026, 9, 22, 1, 0, tzinfo=UTC)
"""09:00 in China."""
TODAY = date(2026, 9, 22)


def run(
    database: Database,
    at: datetime,
    *,
    checks: bool = False,
    public_url: str | None = "https://aed.example.org",
) -> jobs.ReminderRun:
    jobs.remind_of_expiry(database, at, by=BY)
    if checks:
        jobs.remind_of_checks(database, at, by=BY)
    return jobs.send_reminders(database, at, by=BY, public_url=public_url)


def letters(database: Database) -> list[tuple[str, date, str]]:
    """Return the messages sent, in order: (recipient, day in China, text)."""
    with read_session(database) as session:
        rows = session.execute(
            select(Person.name, OutboxMessage.created_at, OutboxMessage.text_zh)
            .join(Person, Person.id == OutboxMessage.person_id)
            .order_by(OutboxMessage.id)
        ).all()
    return [(name, (at + timedelta(hours=8)).date(), text or "") for name, at, text in rows]


@pytest.fixture
def cast(database: Database) -> tuple[int, int]:
    """Return an estate and its device, with a keeper, a manager and an administrator of the region."""
    with transaction(database) as session:
        estate = make.estate(session)
        region = make.region(session)
        for name, held in (("Keeper", Role.KEEPER), ("Manager", Role.ESTATE_MANAGER)):
            make.role(session, make.person(session, name=name), held, estate=estate)
        make.role(session, make.person(session, name="Region"), Role.ADMINISTRATOR, region=region)
        device = make.device(session, of=estate, pads_expire_on=TODAY + timedelta(days=90))
        return estate.id, device.id


def fit_pads(database: Database, device_id: int, *, expires_on: date, at: datetime) -> None:
    """Replace the pads of a device."""
    with transaction(database) as session:
        device = session.get_one(Device, device_id)
        session.refresh(device, ["consumables"])
        new = ConsumableIn(kind=ConsumableKind.PADS, expires_on=expires_on)
        replace_consumable(session, make.ADMINISTRATOR, device, new, at=at)


def test_each_threshold_is_reminded_once_and_escalates_while_nothing_happens(
    database: Database, cast: tuple[int, int]
) -> None:
    """Runs the job twice on each day of a threshold, and on the days before and after it."""
    for reminded_on in (0, 30, 60, 83, 90, 97, 104, 111):
        for day in (reminded_on - 1, reminded_on, reminded_on + 1):
            run(database, MORNING + timedelta(days=max(day, 0)))
            run(database, MORNING + timedelta(days=max(day, 0), hours=3))

    reminded: dict[str, list[int]] = {}
    for name, sent_on, _ in letters(database):
        reminded.setdefault(name, []).append((TODAY + timedelta(days=90) - sent_on).days)
    assert reminded == {
        "Keeper": [90, 60, 30, 7, 0, -7, -14, -21],
        "Manager": [7, 0, -7, -14, -21],
        "Region": [-7, -14, -21],
    }


def test_pads_replaced_in_time_cause_no_reminder(database: Database, cast: tuple[int, int]) -> None:
    _, device_id = cast
    run(database, MORNING)
    fit_pads(database, device_id, expires_on=date(2029, 9, 1), at=MORNING)

    for day in (1, 30, 60, 83, 90, 97, 119):
        run(database, MORNING + timedelta(days=day))

    assert [name for name, _, _ in letters(database)] == ["Keeper"]
    with read_session(database) as session:
        assert session.scalars(select(Reminder.closed_at)).one() is not None


def test_after_months_without_runs_one_reminder_is_sent(database: Database, cast: tuple[int, int]) -> None:
    run(database, MORNING + timedelta(days=85))

    assert [name for name, _, _ in letters(database)] == ["Keeper", "Manager"]
    with read_session(database) as session:
        assert session.scalars(select(Reminder.threshold_days)).all() == [7]


def test_a_person_gets_one_message_a_day(database: Database, cast: tuple[int, int]) -> None:
    estate_id, _ = cast
    with transaction(database) as session:
        estate = session.get_one(Estate, estate_id)
        estate.name_zh = "湖畔"  # short, as the message must be
        for place in ("大堂", "泳池"):
            make.device(session, of=estate, place_zh=place, pads_expire_on=TODAY + timedelta(days=3))
    run(database, MORNING)

    by_person = {name: text for name, _, text in letters(database)}
    assert sorted(by_person) == ["Keeper", "Manager"]
    assert len(letters(database)) == 2
    one_sms = r"AED \d+-\d 湖畔 大堂：9月25日前更换电极片等{}项 https://aed\.example\.org/l/\w{{12}}"
    assert re.fullmatch(one_sms.format(3), by_person["Keeper"])
    assert re.fullmatch(one_sms.format(2), by_person["Manager"])


def test_the_morning_message_counts_what_is_still_open(database: Database, cast: tuple[int, int]) -> None:
    """Eight pads are due on the first day and one more on the next; its message counts them all.

    Without a public address a message has no link, and says everything itself.
    """
    estate_id, device_id = cast
    with transaction(database) as session:
        estate = session.get_one(Estate, estate_id)
        for days in (-3, *range(1, 7), 8):
            make.device(session, of=estate, pads_expire_on=TODAY + timedelta(days=days))
    run(database, MORNING, public_url=None)
    run(database, MORNING + timedelta(days=1), public_url=None)
    fit_pads(database, device_id, expires_on=date(2029, 9, 1), at=MORNING)
    run(database, MORNING + timedelta(days=31), public_url=None)

    first, second, *_, last = [text for name, _, text in letters(database) if name == "Keeper"]
    assert first.startswith("AED：9项待办。")
    assert "；另有4项；总计：更换电极片逾期1台、到期8台。" in first
    assert second.startswith("AED：2项待办。")
    assert "；总计：更换电极片逾期1台、到期8台。" in second
    assert "；总计：更换电极片逾期8台。" in last


def test_a_message_that_lists_all_open_tasks_has_no_total(database: Database, cast: tuple[int, int]) -> None:
    run(database, MORNING)

    ((_, _, text),) = letters(database)
    assert "总计" not in text


def test_reminders_are_not_sent_at_night(database: Database, cast: tuple[int, int]) -> None:
    night = datetime(2026, 9, 22, 18, 0, tzinfo=UTC)  # 02:00 on the 23rd

    result = run(database, night)

    assert letters(database) == []
    assert result.not_now == 1
    run(database, datetime(2026, 9, 23, 0, 0, tzinfo=UTC))
    assert [(name, day) for name, day, _ in letters(database)] == [("Keeper", date(2026, 9, 23))]


def test_a_day_begins_where_the_device_is(database: Database) -> None:
    """At 20:00 UTC it is the next day in China: 7 days are left there, and 8 in Lisbon."""
    with transaction(database) as session:
        for code, zone in (("CN-33", "Asia/Shanghai"), ("PT-11", "Europe/Lisbon")):
            make.region(session, code, time_zone=zone)
            make.device(session, of=make.estate(session, in_region=code), pads_expire_on=date(2026, 9, 30))
    jobs.remind_of_expiry(database, datetime(2026, 9, 22, 20, 0, tzinfo=UTC), by=BY)

    with read_session(database) as session:
        found = session.execute(
            select(Reminder.threshold_days, Estate.time_zone)
            .join(Device, Device.id == Reminder.device_id)
            .join(Estate, Estate.id == Device.estate_id)
            .order_by(Reminder.threshold_days)
        ).all()
    assert [days for days, _ in found] == [7, 30]


def test_devices_without_responsible_people_cause_no_reminder(database: Database) -> None:
    with transaction(database) as session:
        make.device(session, pads_expire_on=TODAY)  # without keeper and estate
        estate = make.estate(session)
        gone = make.device(session, of=estate, pads_expire_on=TODAY)
        device_actions.withdraw_device(session, make.ADMINISTRATOR, gone.id, version=gone.version, at=MORNING)

    assert jobs.remind_of_expiry(database, MORNING, by=BY) == 0


def test_reminders_without_recipients_are_counted(database: Database) -> None:
    with transaction(database) as session:
        make.device(session, of=make.estate(session), pads_expire_on=TODAY)

    result = run(database, MORNING)

    assert (result.messages, result.nobody) == (0, 1)


def test_a_level_without_people_is_skipped(database: Database) -> None:
    with transaction(database) as session:
        estate = make.estate(session)
        make.role(
            session, make.person(session, name="Region"), Role.ADMINISTRATOR, region=make.region(session)
        )
        make.device(session, of=estate, pads_expire_on=TODAY + timedelta(days=60))
    run(database, MORNING)

    assert [name for name, _, _ in letters(database)] == ["Region"]


def answered(database: Database, name: str, given: ReminderAnswer, *, at: datetime) -> None:
    """Store an answer as if the person had tapped it in their latest message."""
    with read_session(database) as session:
        text = session.scalars(
            select(OutboxMessage.text_en)
            .join(Person, Person.id == OutboxMessage.person_id)
            .where(Person.name == name)
            .order_by(OutboxMessage.id.desc())
        ).first()
    assert text is not None
    key = make.key_in(text)
    with transaction(database) as session:
        for line in reminder_actions.lines_behind_link(session, key, at=at):
            reminder_actions.answer(session, key, reminder_id=line.reminder_id, given=given, at=at)


def test_not_me_escalates_one_level_at_once_and_spares_the_first_person(
    database: Database, cast: tuple[int, int]
) -> None:
    run(database, MORNING)
    answered(database, "Keeper", ReminderAnswer.NOT_ME, at=MORNING)
    run(database, MORNING + timedelta(hours=1))
    run(database, MORNING + timedelta(days=30))

    assert [(name, day) for name, day, _ in letters(database)] == [
        ("Keeper", TODAY),
        ("Manager", TODAY),
        ("Manager", TODAY + timedelta(days=30)),
    ]


def test_later_gives_a_week_but_not_over_the_last_day(database: Database, cast: tuple[int, int]) -> None:
    at = MORNING + timedelta(days=83)  # 7 days left
    run(database, at)
    answered(database, "Keeper", ReminderAnswer.LATER, at=at + timedelta(days=2))
    run(database, at + timedelta(days=7))

    assert [name for name, _, _ in letters(database)] == ["Keeper", "Manager", "Keeper", "Manager"]


def test_done_prevents_escalation_for_one_week(database: Database, cast: tuple[int, int]) -> None:
    at = MORNING + timedelta(days=90)
    run(database, at)
    answered(database, "Keeper", ReminderAnswer.DONE, at=at + timedelta(days=1))
    run(database, at + timedelta(days=7))
    assert [name for name, _, _ in letters(database)][2:] == ["Keeper"]

    run(database, at + timedelta(days=14))
    assert [name for name, _, _ in letters(database)][3:] == ["Keeper", "Manager", "Region"]


def test_checks_are_reminded_of_a_week_before_and_after(database: Database, cast: tuple[int, int]) -> None:
    """The device was checked on 21 September, so the next check is due on 21 October."""
    for day in (0, 21, 22, 23, 28, 29, 30, 35, 36, 37, 43, 44):
        jobs.remind_of_checks(database, MORNING + timedelta(days=day), by=BY)

    with read_session(database) as session:
        found = session.execute(
            select(Reminder.due_on, Reminder.threshold_days)
            .where(Reminder.due_kind == DueKind.CHECK)
            .order_by(Reminder.id)
        ).all()
    assert [tuple(each) for each in found] == [
        (date(2026, 10, 21), 7),
        (date(2026, 10, 21), 0),
        (date(2026, 10, 21), -7),
        (date(2026, 10, 21), -14),
    ]
