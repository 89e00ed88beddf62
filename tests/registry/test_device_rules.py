"""Rules of a device: whether it is ready, how it can be reached, and its mark on maps and lists."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest
from tests.make import NOW

from aed.errors import InvalidInput
from aed.hours.timetable import HoursAt, Opening
from aed.registry.devices.rules import (
    Access,
    AccessAt,
    DeviceState,
    EntryMode,
    Mark,
    Readiness,
    access_at,
    confidence,
    device_id_of,
    mark_of,
    readiness_on,
    short_number,
)

TODAY = date(2026, 9, 22)
DAY = timedelta(days=1)


def readiness(**known: Any) -> Readiness:
    """Return the readiness of a device in service whose policy asks for a check each 30 days."""
    usual = {
        "state": DeviceState.IN_SERVICE,
        "first_expiry": None,
        "last_checked_on": TODAY,
        "checked_within_days": 30,
    }
    return readiness_on(TODAY, **usual | known)


@pytest.mark.parametrize(
    ("last_checked_on", "expected"),
    [
        (TODAY, Readiness.CHECKED),
        (TODAY - 30 * DAY, Readiness.CHECKED),
        (TODAY - 31 * DAY, Readiness.UNCHECKED),
        (TODAY + DAY, Readiness.UNCHECKED),  # after the moment in question
        (None, Readiness.UNCHECKED),
    ],
)
def test_a_check_counts_from_its_day_for_as_many_days(
    last_checked_on: date | None, expected: Readiness
) -> None:
    assert readiness(last_checked_on=last_checked_on) is expected


def test_what_expires_on_a_day_is_used_on_that_day_and_no_longer() -> None:
    assert readiness(first_expiry=TODAY, battery_expiry=TODAY) is Readiness.CHECKED
    assert readiness(first_expiry=TODAY - DAY, battery_expiry=TODAY) is Readiness.PADS_EXPIRED
    assert readiness(first_expiry=TODAY, battery_expiry=TODAY - DAY) is Readiness.EXPIRED
    assert readiness(first_expiry=TODAY - DAY, battery_expiry=TODAY - DAY) is Readiness.EXPIRED


@pytest.mark.parametrize("state", sorted(set(DeviceState) - {DeviceState.IN_SERVICE}))
def test_a_device_that_is_not_in_service_is_not_ready_whatever_else(state: DeviceState) -> None:
    expired = {"first_expiry": TODAY - DAY, "battery_expiry": TODAY - DAY}
    assert readiness(state=state) is Readiness.OUT_OF_SERVICE
    assert readiness(state=state, **expired) is Readiness.OUT_OF_SERVICE


def test_only_what_is_in_service_and_in_date_is_usable() -> None:
    assert {each for each in Readiness if each.is_usable} == {Readiness.CHECKED, Readiness.UNCHECKED}


@pytest.mark.parametrize(
    ("state", "entry", "expected"),
    [
        (Opening.OPEN, EntryMode.FREE, AccessAt(Access.OPEN, NOW)),
        (Opening.OPEN, EntryMode.ASSISTED, AccessAt(Access.ASSISTED, NOW)),
        (Opening.OPEN, EntryMode.UNKNOWN, AccessAt(Access.UNKNOWN, NOW, is_entry_unknown=True)),
        *[(Opening.CLOSED, entry, AccessAt(Access.CLOSED, NOW)) for entry in EntryMode],
        *[(Opening.UNKNOWN, entry, AccessAt(Access.UNKNOWN, NOW)) for entry in EntryMode],
    ],
)
def test_access_follows_from_the_hours_and_then_from_how_one_is_let_in(
    state: Opening, entry: EntryMode, expected: AccessAt
) -> None:
    assert access_at(HoursAt(state, NOW), entry) == expected


def test_expired_pads_are_a_last_resort_where_it_is_not_closed_and_what_is_not_usable_is_out() -> None:
    usable = {Access.OPEN: Mark.OPEN, Access.ASSISTED: Mark.ASSISTED, Access.UNKNOWN: Mark.UNKNOWN}
    for access, ready in product(Access, Readiness):
        if ready.is_usable:
            expected = usable.get(access, Mark.CLOSED)
        elif ready is Readiness.PADS_EXPIRED and access is not Access.CLOSED:
            expected = Mark.LAST_RESORT
        else:
            expected = Mark.OUT
        assert mark_of(AccessAt(access, None), ready) is expected, (access, ready)


def test_what_was_confirmed_after_the_moment_in_question_says_nothing_of_it() -> None:
    assert confidence(-0.001, half_life_days=30) == 0.0
    assert confidence(30, half_life_days=30) == 0.5
    assert confidence(90, half_life_days=30) == 0.125


@pytest.mark.parametrize(
    ("device_id", "number"), [(1234, "1234-4"), (7992739871, "7992739871-3"), (1, "1-8")]
)
def test_the_number_on_a_label_has_a_check_digit_by_luhn(device_id: int, number: str) -> None:
    assert short_number(device_id) == number
    assert device_id_of(number) == device_id_of(number.replace("-", " ")) == device_id


@pytest.mark.parametrize(
    "mistyped", ["1234-5", "1324-4", "8", "0-0", "", "-", "12a4-4", "1" * 20, "１２３４-4"]
)
def test_a_number_that_is_mistyped_is_refused(mistyped: str) -> None:
    with pytest.raises(InvalidInput, match="not valid"):
        device_id_of(mistyped)
