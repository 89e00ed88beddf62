"""Rules of signals: which moment is believed, what raises an alarm, and when keepers are notified."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from aed.upkeep.signals.rules import (
    ALARM_WORDS,
    DOOR_GRACE,
    QUIET,
    Alarm,
    AlarmKind,
    BridgeState,
    Limits,
    ReadingKind,
    Readings,
    alarms_after,
    begun,
    believed_moment,
    bridge_state,
    is_alarming,
    is_change,
    kinds_to_notify,
    limits_from,
    newer_readings,
    next_evaluation_at,
    notify_from,
)
from tests.make import NOW

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("at", "believed", "is_clock_right"),
    [
        (None, NOW, True),
        (NOW - timedelta(days=3), NOW - timedelta(days=3), True),  # it waited for a network
        (NOW + 5 * MINUTE, NOW, True),
        (NOW + timedelta(hours=1), NOW, False),
        (NOW.replace(year=2000), NOW, False),  # a clock that was never set
        (NOW, NOW, True),
        (NOW - MOMENT, NOW - MOMENT, True),
        (NOW + 10 * MINUTE, NOW, True),
        (NOW + 10 * MINUTE + MOMENT, NOW, False),
        (NOW - 60 * DAY, NOW - 60 * DAY, True),
        (NOW - 60 * DAY - MOMENT, NOW, False),
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
    assert next_evaluation_at(alarms, NOW, Limits(), now=NOW + MINUTE) == NOW + 5 * MINUTE
    assert kinds_to_notify(alarms, now=NOW + 5 * MINUTE - MOMENT) == []
    assert kinds_to_notify(alarms, now=NOW + 5 * MINUTE) == [AlarmKind.DOOR]


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


def test_each_limit_of_a_policy_replaces_its_own_default() -> None:
    assert limits_from(None, None, None, None) == Limits(25 * HOUR, 20, 0, 50)
    assert limits_from(1, 2, 3, 4) == Limits(MINUTE, 2, 3, 4)
    assert limits_from(0, 0, 0, 0) == Limits(0 * MINUTE, 0, 0, 0), "0 is a limit as well"


@pytest.mark.parametrize(
    ("kind", "reading", "value", "is_raised", "goes_on"),
    [
        (AlarmKind.BATTERY, ReadingKind.BATTERY, 19.9, True, True),
        (AlarmKind.BATTERY, ReadingKind.BATTERY, 20, False, True),
        (AlarmKind.BATTERY, ReadingKind.BATTERY, 24.9, False, True),
        (AlarmKind.BATTERY, ReadingKind.BATTERY, 25, False, False),
        (AlarmKind.TEMPERATURE, ReadingKind.TEMPERATURE, -0.1, True, True),
        (AlarmKind.TEMPERATURE, ReadingKind.TEMPERATURE, 0, False, True),
        (AlarmKind.TEMPERATURE, ReadingKind.TEMPERATURE, 1.9, False, True),
        (AlarmKind.TEMPERATURE, ReadingKind.TEMPERATURE, 2, False, False),
        (AlarmKind.TEMPERATURE, ReadingKind.TEMPERATURE, 48, False, False),
        (AlarmKind.TEMPERATURE, ReadingKind.TEMPERATURE, 48.1, False, True),
        (AlarmKind.TEMPERATURE, ReadingKind.TEMPERATURE, 50, False, True),
        (AlarmKind.TEMPERATURE, ReadingKind.TEMPERATURE, 50.1, True, True),
        (AlarmKind.SELF_TEST, ReadingKind.SELF_TEST, "failed", True, True),
        (AlarmKind.SELF_TEST, ReadingKind.SELF_TEST, "passed", False, False),
        (AlarmKind.DOOR, ReadingKind.DOOR, "open", True, True),
        (AlarmKind.DOOR, ReadingKind.DOOR, "closed", False, False),
        (AlarmKind.MOVED, ReadingKind.MOVED, True, True, True),
        (AlarmKind.MOVED, ReadingKind.MOVED, False, False, False),
    ],
)
def test_a_reading_raises_its_own_alarm_beyond_the_limit_and_no_other(
    kind: AlarmKind, reading: ReadingKind, value: str | float, is_raised: bool, goes_on: bool
) -> None:
    said: Readings = {reading: value}

    assert is_alarming(kind, said, Limits(), was_active=False) is is_raised
    assert is_alarming(kind, said, Limits(), was_active=True) is goes_on
    for other in set(AlarmKind) - {kind}:
        assert is_alarming(other, said, Limits(), was_active=True) is None
    assert is_alarming(kind, {}, Limits(), was_active=True) is None, "no reading ends no alarm"


def test_an_alarm_that_goes_on_keeps_its_beginning_and_one_that_ends_never_ends_before_it() -> None:
    low, full = {ReadingKind.BATTERY: 5.0}, {ReadingKind.BATTERY: 90.0}
    kind = AlarmKind.BATTERY

    alarms = alarms_after({}, low, Limits(), at=NOW)
    assert alarms == {kind: Alarm(NOW)}
    assert alarms_after(alarms, low, Limits(), at=NOW + HOUR) == alarms
    assert alarms_after(alarms, full, Limits(), at=NOW + HOUR)[kind].ended_at == NOW + HOUR
    ended = alarms_after(alarms, full, Limits(), at=NOW - HOUR)
    assert ended[kind].ended_at == NOW, "a late signal"
    assert alarms_after(ended, full, Limits(), at=NOW + DAY) == ended, "it has ended once"
    assert alarms_after({}, full, Limits(), at=NOW) == {}


def test_an_alarm_that_comes_back_remembers_when_keepers_were_notified() -> None:
    assert begun(None, at=NOW) == Alarm(NOW)
    before = Alarm(NOW - DAY, NOW - HOUR, notified_at=NOW - DAY)
    assert begun(before, at=NOW) == Alarm(NOW, notified_at=NOW - DAY)


@pytest.mark.parametrize("kind", sorted(set(AlarmKind) - {AlarmKind.SELF_TEST}))
def test_an_alarm_that_flaps_notifies_again_after_its_quiet_time(kind: AlarmKind) -> None:
    grace = DOOR_GRACE if kind is AlarmKind.DOOR else timedelta()
    quiet = HOUR if kind in (AlarmKind.DOOR, AlarmKind.MOVED) else DAY

    assert QUIET[kind] == quiet
    assert notify_from(kind, Alarm(NOW)) == NOW + grace
    assert notify_from(kind, Alarm(NOW, notified_at=NOW)) is None
    assert notify_from(kind, Alarm(NOW, notified_at=NOW + MOMENT)) is None
    assert notify_from(kind, Alarm(NOW, notified_at=NOW - MOMENT)) == NOW - MOMENT + quiet
    assert notify_from(kind, Alarm(NOW, notified_at=NOW - 2 * DAY)) == NOW + grace
    over = notify_from(kind, Alarm(NOW, NOW + MINUTE))
    assert over == (NOW + grace if quiet == HOUR else None), "only events are asked about afterwards"


def test_a_failed_self_test_is_left_to_the_quarantine() -> None:
    assert notify_from(AlarmKind.SELF_TEST, Alarm(NOW)) is None
    assert set(ALARM_WORDS) == set(QUIET) == set(AlarmKind) - {AlarmKind.SELF_TEST}


def test_a_message_is_due_at_its_moment_and_not_before() -> None:
    alarms = {AlarmKind.BATTERY: Alarm(NOW), AlarmKind.DOOR: Alarm(NOW), AlarmKind.SELF_TEST: Alarm(NOW)}

    assert kinds_to_notify(alarms, now=NOW - MOMENT) == []
    assert kinds_to_notify(alarms, now=NOW) == [AlarmKind.BATTERY]
    assert kinds_to_notify(alarms, now=NOW + DOOR_GRACE - MOMENT) == [AlarmKind.BATTERY]
    assert kinds_to_notify(alarms, now=NOW + DOOR_GRACE) == [AlarmKind.BATTERY, AlarmKind.DOOR]


def test_the_next_look_is_at_the_first_of_silence_and_messages() -> None:
    limits = Limits(silent_after=2 * HOUR)

    assert next_evaluation_at({}, None, limits, now=NOW) is None
    assert next_evaluation_at({}, NOW, limits, now=NOW) == NOW + 2 * HOUR
    assert next_evaluation_at({}, NOW - DAY, limits, now=NOW) == NOW, "never in the past"
    silent = {AlarmKind.SILENT: Alarm(NOW, notified_at=NOW)}
    assert next_evaluation_at(silent, NOW, limits, now=NOW) is None, "it is silent already"
    heard_again = {AlarmKind.SILENT: Alarm(NOW - DAY, NOW - HOUR, notified_at=NOW - DAY)}
    assert next_evaluation_at(heard_again, NOW, limits, now=NOW) == NOW + 2 * HOUR
    both = {AlarmKind.MOVED: Alarm(NOW, notified_at=NOW - MINUTE), AlarmKind.DOOR: Alarm(NOW)}
    assert next_evaluation_at(both, NOW, limits, now=NOW) == NOW + DOOR_GRACE
    assert next_evaluation_at(both, None, limits, now=NOW + MINUTE) == NOW + DOOR_GRACE


def test_of_two_readings_of_one_moment_the_later_to_arrive_is_kept() -> None:
    known_at = {ReadingKind.DOOR: NOW}

    for at, is_kept in ((NOW - MOMENT, False), (NOW, True), (NOW + MOMENT, True)):
        assert bool(newer_readings({ReadingKind.DOOR: "open"}, known_at, at=at)) is is_kept


@pytest.mark.parametrize(
    ("beat", "connected", "heard", "state"),
    [
        (None, None, None, BridgeState.STOPPED),
        (3, 30, 1, BridgeState.STOPPED),
        (2, 30, 1, BridgeState.RECEIVING),  # two minutes are not too long yet
        (1, None, 1, BridgeState.DISCONNECTED),
        (1, 30, None, BridgeState.RECEIVING),
        (1, 90, 30, BridgeState.RECEIVING),
        (1, 90, 61, BridgeState.SILENT),
        (1, 10, 90, BridgeState.RECEIVING),
    ],
    ids=str,
)
def test_a_bridge_is_silent_if_it_stops_if_it_is_cut_off_and_if_it_hears_nothing(
    beat: int | None, connected: int | None, heard: int | None, state: BridgeState
) -> None:
    def ago(minutes: int | None) -> datetime | None:
        return NOW - timedelta(minutes=minutes) if minutes is not None else None

    silent_after = timedelta(minutes=60)
    assert bridge_state(ago(beat), ago(connected), ago(heard), silent_after=silent_after, at=NOW) is state


def test_a_repeated_signal_is_not_a_change() -> None:
    known: Readings = {ReadingKind.BATTERY: 87.0, ReadingKind.DOOR: "closed"}
    assert not is_change({}, known)
    assert not is_change({ReadingKind.BATTERY: 86.0, ReadingKind.DOOR: "closed"}, known)
    assert is_change({ReadingKind.DOOR: "open"}, known)
    assert is_change({ReadingKind.TEMPERATURE: 21.0}, known)
