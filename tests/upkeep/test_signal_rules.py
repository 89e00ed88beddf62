"""Rules of signals: which moment is believed, what raises an alarm, and when keepers are notified."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from aed.upkeep.signals.rules import (
    DOOR_GRACE,
    Alarm,
    AlarmKind,
    Limits,
    ReadingKind,
    Readings,
    alarms_after,
    believed_moment,
    kinds_to_notify,
    limits_from,
    newer_readings,
    next_look_at,
)
from tests.make import NOW

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("at", "believed", "is_clock_right"),
    [
        (None, NOW, True),
        (NOW - timedelta(days=3), NOW - timedelta(days=3), True),  # it waited for a network
        (NOW + 5 * MINUTE, NOW, True),
        (NOW + timedelta(hours=1), NOW, False),
        (NOW.replace(year=2000), NOW, False),  # a clock that was never set
    ],
)
def test_a_clock_that_cannot_be_right_does_not_lose_the_signal(
    at: datetime | None, believed: datetime, is_clock_right: bool
) -> None:
    assert believed_moment(at, now=NOW) == (believed, is_clock_right)


def run(*batteries: float, minutes_apart: int = 5) -> int:
    """Return the number of messages about the battery after these readings, one after the other."""
    alarms: dict[AlarmKind, Alarm] = {}
    messages = 0
    for number, percent in enumerate(batteries):
        now = NOW + number * minutes_apart * MINUTE
        alarms = alarms_after(alarms, {ReadingKind.BATTERY: percent}, Limits(), at=now)
        for kind in kinds_to_notify(alarms, now=now):
            messages += 1
            alarms[kind] = Alarm(alarms[kind].began_at, alarms[kind].ended_at, notified_at=now)
    return messages


def test_a_reading_that_flaps_around_its_limit_sends_one_message() -> None:
    assert run(21, 20, 21) == 0
    assert run(19, 21, 19, 21, 19) == 1
    assert run(19, 40, 19, 40, 19) == 1
    assert run(*[19, 40] * 288) == 2, "two days of it"


def test_an_alarm_ends_once_the_reading_is_back_by_a_margin() -> None:
    def is_active(*degrees: float) -> bool:
        alarms: dict[AlarmKind, Alarm] = {}
        for each in degrees:
            alarms = alarms_after(alarms, {ReadingKind.TEMPERATURE: each}, Limits(), at=NOW)
        return AlarmKind.TEMPERATURE in alarms and alarms[AlarmKind.TEMPERATURE].is_active

    assert not is_active(50)
    assert is_active(51)
    assert is_active(51, 49)
    assert not is_active(51, 48)
    assert is_active(-1, 1)
    assert not is_active(-1, 2)


@pytest.mark.parametrize("then", [{}, {ReadingKind.DOOR: "closed"}])
def test_an_opened_door_is_asked_about_after_a_while_even_if_it_was_closed_again(then: Readings) -> None:
    alarms = alarms_after({}, {ReadingKind.DOOR: "open"}, Limits(), at=NOW)
    alarms = alarms_after(alarms, then, Limits(), at=NOW + MINUTE)

    assert kinds_to_notify(alarms, now=NOW + MINUTE) == []
    assert next_look_at(alarms, NOW, Limits(), now=NOW + MINUTE) == NOW + DOOR_GRACE
    assert kinds_to_notify(alarms, now=NOW + DOOR_GRACE) == [AlarmKind.DOOR]


def test_a_late_signal_does_not_overwrite_newer_readings_and_ends_no_silence() -> None:
    known_at = {ReadingKind.DOOR: NOW, ReadingKind.BATTERY: NOW - 9 * MINUTE}
    late: Readings = {ReadingKind.DOOR: "open", ReadingKind.BATTERY: 80.0}
    assert newer_readings(late, known_at, at=NOW - MINUTE) == {ReadingKind.BATTERY: 80.0}

    silent = {AlarmKind.SILENT: Alarm(NOW)}
    assert alarms_after(silent, {}, Limits(), at=NOW, is_heard=False)[AlarmKind.SILENT].is_active
    assert not alarms_after(silent, {}, Limits(), at=NOW)[AlarmKind.SILENT].is_active


def test_the_limits_of_a_policy_replace_the_default_ones_one_by_one() -> None:
    limits = limits_from(30, None, -20, None)

    assert limits == Limits(silent_after=timedelta(minutes=30), min_celsius=-20)
