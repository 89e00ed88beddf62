"""Due upkeep, its dates, and the consumables to order."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given as supposing
from hypothesis import strategies as some
from icalendar import Calendar
from openpyxl import load_workbook
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Viewer
from aed.database.session import Database
from aed.hours.dates import months_after
from aed.registry.devices.actions import fit_consumable, withdraw_device
from aed.registry.devices.models import Device
from aed.registry.devices.rules import ConsumableKind
from aed.registry.devices.schemas import ConsumableIn
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.due.ics import due_calendar
from aed.upkeep.due.queries import Duties, duties, is_due_before, replacements
from aed.upkeep.due.sheets import due_sheet, replacement_sheet
from tests import make
from tests.make import ADMINISTRATOR, NOW
from tests.statements import statements_of

TODAY = date(2026, 9, 22)
DAY = timedelta(days=1)


def due(session: Session, viewer: Viewer = ADMINISTRATOR, *, days: int = 800, **device_filter: Any) -> Duties:
    session.flush()
    return duties(session, viewer, DeviceFilter(**device_filter), at=NOW, within_days=days)


def of(found: Duties, device: Device) -> dict[str, date]:
    return {str(each.due_kind): each.due_on for each in found.dues if each.device_id == device.id}


def fit(session: Session, device: Device, kind: ConsumableKind, day: date) -> None:
    fit_consumable(session, ADMINISTRATOR, device.id, ConsumableIn(kind=kind, expires_on=day), at=NOW)


@pytest.mark.parametrize(
    ("given", "ends_on"),
    [
        ({"manufactured_on": "2018-10-01", "end_of_life_on": "2026-12-31"}, date(2026, 12, 31)),
        ({"manufactured_on": "2018-10-01"}, date(2026, 10, 1)),
        ({"manufactured_on": "2018-10-01", "model": "H2"}, None),
        ({}, None),
    ],
)
def test_a_device_is_replaced_on_its_own_date_or_by_its_model(
    session: Session, given: dict[str, Any], ends_on: date | None
) -> None:
    make.policy(session, maker="Heartline", model="H1", life_years=8)
    estate = make.estate(session)
    device = make.device(
        session, of=estate, **{"maker": "heartline", "model": "h1", "last_checked_on": "2026-09-22", **given}
    )
    make.check(session, device, kind="service")

    assert of(due(session), device).get("end_of_life") == ends_on
    for day in (date(2026, 10, 1), date(2026, 10, 2), date(2027, 1, 1)):
        is_due = session.scalar(
            select(Device.id).where(
                is_due_before(session, day, estate_id=estate.id, time_zone="Asia/Shanghai", today=TODAY)
            )
        )
        expected = day > (ends_on or day) or day > date(2026, 10, 22)
        assert (is_due is not None) == expected, day


def test_a_device_is_due_by_the_default_policy(session: Session) -> None:
    device = make.device(session, last_checked_on=None, pads_expire_on=date(2027, 1, 31))

    assert of(due(session), device) == {
        "glance": TODAY,
        "check": TODAY,
        "service": date(2027, 9, 22),
        "pads": date(2027, 1, 31),
    }

    make.check(session, device, kind="glance")
    assert of(due(session), device)["glance"] == TODAY + DAY
    assert of(due(session), device)["check"] == TODAY
    make.check(session, device)
    assert of(due(session), device)["check"] == TODAY + 30 * DAY
    make.check(session, device, at=NOW + DAY, kind="service")
    assert of(due(session), device) == {
        "glance": TODAY + 2 * DAY,
        "check": TODAY + 31 * DAY,
        "service": date(2027, 9, 23),
        "pads": date(2027, 1, 31),
    }


def test_the_policy_in_force_sets_intervals_or_never(session: Session) -> None:
    device = make.device(session, maker="Heartline", model="H1", last_checked_on=TODAY)
    make.policy(session, maker="Heartline", model="H1", glance_days=None, check_days=7, service_months=None)

    assert of(due(session), device) == {"check": TODAY + 7 * DAY}


def test_the_longest_overdue_comes_first_and_a_quarantined_device_is_due_since_then(session: Session) -> None:
    late = make.device(session, last_checked_on=date(2026, 6, 1))
    worse = make.device(session, last_checked_on=TODAY, pads_expire_on=date(2026, 5, 1))
    gone = make.device(session, last_checked_on=TODAY)
    make.check(session, gone, is_there=False, answered_at=NOW - 3 * DAY)

    found = due(session, days=0)

    assert [(each.device_id, str(each.due_kind)) for each in found.dues[:4]] == [
        (worse.id, "pads"),
        (late.id, "glance"),
        (late.id, "check"),
        (gone.id, "return"),
    ]
    assert found.dues[0].overdue_days(TODAY) == 144
    assert found.overdue == 4


def test_only_the_devices_own_people_see_what_is_due(session: Session) -> None:
    home, other = make.estate(session), make.estate(session)
    ours = make.device(session, of=home, last_checked_on=None)
    theirs = make.device(session, of=other, last_checked_on=None)
    gone = make.device(session, of=home)
    withdraw_device(session, ADMINISTRATOR, gone.id, version=gone.version, at=NOW)

    assert due(session, ANYONE).dues == []
    assert {each.device_id for each in due(session, make.member(home)).dues} == {ours.id}
    assert {each.device_id for each in due(session).dues} == {ours.id, theirs.id}
    assert {each.device_id for each in due(session, estate_id=other.id).dues} == {theirs.id}


def test_due_tasks_are_filtered_by_region_and_by_keeper(session: Session) -> None:
    make.region(session, "CN")
    make.region(session, "CN-33", parent="CN")
    device = make.device(session, keeper={"name": "Chen", "phone": "+86 138 0013 8222"})
    other = make.device(session, in_region="CN-44")

    assert {each.device_id for each in due(session, region="CN").dues} == {device.id}
    assert {each.device_id for each in due(session, region="CN-44").dues} == {other.id}
    assert {each.device_id for each in due(session, keeper_id=device.keeper_id).dues} == {device.id}


def test_dates_are_those_at_the_device(session: Session) -> None:
    make.region(session, "LI", time_zone="Europe/Vaduz", country="LI")
    there = make.device(session, in_region="LI", last_checked_on=None)
    here = make.device(session, last_checked_on=None)
    midnight = datetime(2026, 9, 22, 17, 0, tzinfo=UTC)

    found = duties(session, ADMINISTRATOR, DeviceFilter(), at=midnight, within_days=0)

    assert (found.today[there.id], found.today[here.id]) == (date(2026, 9, 22), date(2026, 9, 23))


def test_a_list_takes_seven_statements_however_long_it_is(session: Session, database: Database) -> None:
    for _ in range(5):
        make.check(session, make.device(session, pads_expire_on=date(2027, 1, 1)))
    session.commit()
    with statements_of(database.engine) as sent:
        assert len(due(session).dues) == 20
    assert len(sent) == 6


def test_the_forecast_lists_replacements_by_model_and_month(session: Session) -> None:
    for maker in ("Heartline", "Heartline", "HEARTLINE"):
        device = make.device(session, maker=maker, model="H1", pads_expire_on=date(2027, 3, 15))
        fit(session, device, ConsumableKind.BATTERY, date(2026, 8, 1))
    fit(session, make.device(session), ConsumableKind.CHILD_PADS, date(2027, 8, 31))
    fit(session, make.device(session), ConsumableKind.PADS, date(2027, 9, 1))
    session.flush()

    found = replacements(session, ADMINISTRATOR, DeviceFilter(), today=TODAY, months=12)

    assert [(each.month, each.maker, each.model, str(each.kind), each.quantity) for each in found] == [
        (date(2026, 9, 1), "Heartline", "H1", "battery", 3),
        (date(2027, 3, 1), "Heartline", "H1", "pads", 3),
        (date(2027, 8, 1), "", "", "child_pads", 1),
    ]
    assert replacements(session, ANYONE, DeviceFilter(), today=TODAY, months=12) == []
    book = load_workbook(io.BytesIO(replacement_sheet(found, today=TODAY, months=12)))
    rows = list(book.active.iter_rows(values_only=True))
    assert rows[0][3:5] == ("2026-09", "2026-10")
    assert rows[1][:3] == ("—", "—", "儿童电极片 child pads")
    assert rows[3][:4] == ("Heartline", "H1", "电极片 pads", None)
    assert (rows[3][9], rows[3][-1]) == (3, 3)


def test_the_spreadsheet_and_the_calendar_say_the_same(session: Session) -> None:
    device = make.device(
        session,
        of=make.estate(session, name_zh="春风里"),
        place_zh="=大堂",
        pads_expire_on=date(2026, 9, 1),
        last_checked_on=TODAY,
    )
    found = due(session, days=60)

    book = load_workbook(io.BytesIO(due_sheet(found)))
    rows = list(book.active.iter_rows(values_only=True))
    calendar = Calendar.from_ical(due_calendar(found, at=NOW))

    assert len(rows) - 1 == len(found.dues) == 3
    assert rows[1][:3] == (datetime(2026, 9, 1), 21, "更换电极片 replace pads")  # noqa: DTZ001 - as Excel has it
    assert rows[1][5] == "=大堂"
    events = {str(each["uid"]): each for each in calendar.walk("VEVENT")}
    pads = events[f"due-{device.id}-pads@aed"]
    assert pads.decoded("dtstart") == TODAY
    assert "逾期21天" in str(pads["summary"])
    assert "春风里 =大堂" in str(pads["location"])
    assert events[f"due-{device.id}-check@aed"].decoded("dtstart") == TODAY + 30 * DAY


@supposing(some.dates(min_value=date(2000, 1, 1), max_value=date(2080, 1, 1)), some.integers(1, 240))
def test_months_later_is_in_that_month_and_never_after_the_day(day: date, months: int) -> None:
    later = months_after(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day <= day.day


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2026, 12, 1), 1, date(2027, 1, 1)),
    ],
)
def test_months_later_at_the_ends(day: date, months: int, later: date) -> None:
    assert months_after(day, months) == later
