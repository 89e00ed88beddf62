"""Limits of training to the moment, the mark and the person: check-in, reminders, retakes, presence."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from aed.training.assessments.rules import (
    AssessmentPart,
    AssessmentPlan,
    can_retake,
    is_complete,
    last_day_of_retakes,
    plan_of,
    was_present_enough,
)
from aed.training.attendance.rules import (
    AHEAD,
    CHANGES_EVERY,
    SIGN_IN_AFTER,
    VALID_FOR,
    PresenceCode,
    can_sign_in_until,
    closed_reason,
    read_code,
)
from aed.training.rules import (
    OFFER_LASTS,
    EnrolmentState,
    ReminderTime,
    can_sign_in,
    offer_until,
    places_to_offer,
    reminder_time,
    state_on_arrival,
)
from aed.training.trainers.rules import (
    DEFAULT_LEARNERS_PER_MANIKIN,
    DEFAULT_LEARNERS_PER_TRAINER,
    SessionWarning,
    warnings_of,
)

SHOWN = datetime(2026, 9, 22, 2, 0, tzinfo=UTC)
STARTS = datetime(2026, 9, 22, 6, 0, tzinfo=UTC)
"""14:00 in China."""
MOMENT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
CODE = PresenceCode(7, SHOWN, "abcdefgh")


# --- Check-in -------------------------------------------------------------------------------------------


def test_a_code_is_valid_from_thirty_seconds_before_to_a_minute_after_it_was_shown() -> None:
    assert (
        timedelta(seconds=60),
        timedelta(seconds=30),
        timedelta(seconds=3),
    ) == (VALID_FOR, AHEAD, CHANGES_EVERY)
    for since, is_valid in (
        (-AHEAD - MOMENT, False),
        (-AHEAD, True),
        (VALID_FOR, True),
        (VALID_FOR + MOMENT, False),
    ):
        reason = closed_reason(CODE, at=SHOWN + since, time_zone="Asia/Shanghai")
        assert (reason is None) is is_valid


def test_a_code_of_another_day_says_which_day_in_both_languages() -> None:
    same_day = closed_reason(CODE, at=SHOWN + 2 * HOUR, time_zone="Asia/Shanghai")
    next_day = closed_reason(CODE, at=SHOWN + 15 * HOUR, time_zone="Asia/Shanghai")  # 01:00 in China

    assert same_day is not None
    assert "此码已过期（有效期一分钟）" in same_day
    assert "shown at 10:00:00" in same_day
    assert next_day is not None
    assert "此码属于 2026-09-22，已失效" in next_day
    assert "from 2026-09-22 and has expired" in next_day


def test_a_code_is_read_as_it_was_written_and_nothing_like_it() -> None:
    assert read_code(CODE.written()) == CODE
    assert read_code(f"7.{int(SHOWN.timestamp())}.{'a' * 8}") is not None
    assert read_code(f"7.{int(SHOWN.timestamp())}.{'a' * 32}") is not None
    for nonce in ("a" * 7, "a" * 33, "abcdefg!"):
        assert read_code(f"7.{int(SHOWN.timestamp())}.{nonce}") is None


def test_check_in_opens_two_hours_before_the_start_and_closes_two_hours_after_the_end() -> None:
    assert not can_sign_in(STARTS - 2 * HOUR - MOMENT, STARTS)
    assert can_sign_in(STARTS - 2 * HOUR, STARTS)
    assert can_sign_in(STARTS, STARTS)
    assert timedelta(hours=2) == SIGN_IN_AFTER
    assert can_sign_in_until(STARTS) == STARTS + 2 * HOUR


# --- Places and reminders -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "waiting", "state", "offered"),
    [
        (9, 0, EnrolmentState.ENROLLED, 0),
        (9, 1, EnrolmentState.WAITING, 1),
        (9, 2, EnrolmentState.WAITING, 1),
        (10, 0, EnrolmentState.WAITING, 0),
        (10, 1, EnrolmentState.WAITING, 0),
        (11, 5, EnrolmentState.WAITING, 0),  # the capacity was lowered
        (7, 2, EnrolmentState.WAITING, 2),
    ],
)
def test_the_last_place_is_given_once(held: int, waiting: int, state: EnrolmentState, offered: int) -> None:
    assert state_on_arrival(capacity=10, places_held=held, waiting=waiting) is state
    assert places_to_offer(capacity=10, places_held=held, waiting=waiting) == offered


@pytest.mark.parametrize(("left", "lasts"), [(49, 24), (48, 24), (47, 23.5), (2, 1)])
def test_an_offer_lasts_a_day_or_half_of_what_is_left(left: float, lasts: float) -> None:
    assert timedelta(days=1) == OFFER_LASTS
    assert offer_until(STARTS - left * HOUR, STARTS) == STARTS + (lasts - left) * HOUR
    assert offer_until(STARTS - MOMENT, STARTS) is not None
    assert offer_until(STARTS, STARTS) is None


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (24 * HOUR + MOMENT, None),
        (24 * HOUR, ReminderTime.DAY_BEFORE),
        (17 * HOUR + MOMENT, ReminderTime.DAY_BEFORE),  # until 21:00 in the evening
        (17 * HOUR, None),
        (6 * HOUR + MOMENT, None),
        (6 * HOUR, ReminderTime.DAY_BEFORE),  # from 08:00 in the morning
        (2 * HOUR + MOMENT, ReminderTime.DAY_BEFORE),
        (2 * HOUR, ReminderTime.HOURS_BEFORE),
        (MOMENT, ReminderTime.HOURS_BEFORE),
        (timedelta(0), None),
    ],
)
def test_reminders_are_due_to_the_moment(before: timedelta, expected: ReminderTime | None) -> None:
    assert reminder_time(STARTS - before, STARTS, "Asia/Shanghai") is expected


# --- Assessments ----------------------------------------------------------------------------------------

THEORY = AssessmentPart("theory", "Theory", "理论", 80)
CPR = AssessmentPart("cpr", "Resuscitation", "心肺复苏", None)
ENDED = date(2026, 9, 22)


def plan(retakes: int = 2, days: int = 30) -> AssessmentPlan:
    return AssessmentPlan((THEORY, CPR), retakes, days)


def test_a_mark_passes_at_the_pass_mark_and_a_station_only_if_it_was_passed() -> None:
    assert [THEORY.is_passed(each) for each in (79, 80, 81)] == [False, True, True]
    assert [CPR.is_passed(each) for each in (True, False)] == [True, False]
    assert [THEORY.accepts(each) for each in (-1, 0, 100, 101)] == [False, True, True, False]
    assert not THEORY.accepts(True)
    assert [CPR.accepts(each) for each in (True, False, 1, 0)] == [True, True, False, False]


@pytest.mark.parametrize(("retakes", "allowed"), [(0, 0), (1, 1), (2, 2)])
def test_as_many_retakes_are_allowed_as_the_course_says(retakes: int, allowed: int) -> None:
    failed = {"theory": 79, "cpr": True}
    retake = {"theory": 79}
    attempts = [failed, *[retake] * 4]

    found = [
        can_retake(plan(retakes), attempts[: number + 1], ended_on=ENDED, today=ENDED) for number in range(5)
    ]

    assert sum(found) == allowed
    assert found == sorted(found, reverse=True)


def test_the_last_day_of_retakes_is_one_of_them() -> None:
    failed = [{"theory": 79, "cpr": True}]
    last = last_day_of_retakes(plan(days=30), ENDED)

    assert last == date(2026, 10, 22)
    assert can_retake(plan(days=30), failed, ended_on=ENDED, today=last)
    assert not can_retake(plan(days=30), failed, ended_on=ENDED, today=last + timedelta(days=1))
    assert can_retake(plan(days=0), failed, ended_on=ENDED, today=ENDED)


def test_nothing_was_taken_without_an_attempt() -> None:
    assert not is_complete(plan(), [])
    assert not can_retake(plan(), [], ended_on=ENDED, today=ENDED)


def test_a_plan_without_theory_has_stations_alone() -> None:
    stations = [{"code": "cpr", "name_en": "Resuscitation", "name_zh": "心肺复苏", "pass_mark": None}]
    stored = {"theory_pass_mark": None, "stations": stations, "retakes": 1, "retake_within_days": 30}
    without, with_theory = plan_of(stored), plan_of(stored | {"theory_pass_mark": 0})

    assert plan_of(None) is None
    assert without is not None
    assert (without.has_theory, without.parts, without.stations) == (False, (CPR,), (CPR,))
    assert with_theory is not None
    assert with_theory.has_theory, "a pass mark of 0 is one as well"
    assert [part.code for part in with_theory.parts] == ["theory", "cpr"]
    assert with_theory.stations == (CPR,)


@pytest.mark.parametrize(
    ("present", "parts", "percent", "is_enough"),
    [
        (2, 3, 66, True),
        (2, 3, 67, False),
        (4, 5, 80, True),
        (4, 5, 81, False),
        (0, 4, 0, True),
        (4, 4, 100, True),
        (3, 4, 100, False),
    ],
)
def test_presence_is_enough_at_the_percentage(
    present: int, parts: int, percent: int, is_enough: bool
) -> None:
    assert was_present_enough(present, parts, percent) is is_enough


# --- Trainers -------------------------------------------------------------------------------------------


def warnings(
    learners: int = 0,
    *,
    trainers: int = 1,
    manikins: int | None = 1,
    is_grade_required: bool = False,
    valid_until: date | None = ENDED,
) -> list[SessionWarning]:
    return warnings_of(
        learners=learners,
        trainers=trainers,
        manikins=manikins,
        learners_per_trainer=6,
        learners_per_manikin=3,
        is_grade_required=is_grade_required,
        grade_valid_until=valid_until,
        held_on=ENDED,
    )


def test_each_warning_comes_with_the_first_learner_too_many() -> None:
    assert warnings(6, manikins=2) == []
    assert warnings(7, manikins=3) == [SessionWarning.TOO_FEW_TRAINERS]
    assert warnings(3) == []
    assert warnings(4) == [SessionWarning.TOO_FEW_MANIKINS]
    assert warnings(1, trainers=0) == [SessionWarning.TOO_FEW_TRAINERS]
    assert warnings(6, manikins=0) == [SessionWarning.TOO_FEW_MANIKINS], "none is known to be none"
    assert warnings(6, manikins=None) == []


def test_a_grade_is_valid_on_its_last_day() -> None:
    day = timedelta(days=1)

    for is_required in (False, True):
        assert warnings(is_grade_required=is_required) == []
        assert warnings(is_grade_required=is_required, valid_until=ENDED + day) == []
        assert warnings(is_grade_required=is_required, valid_until=ENDED - day) == [
            SessionWarning.TRAINER_GRADE_EXPIRED
        ]
    assert warnings(is_grade_required=True, valid_until=None) == [SessionWarning.TRAINER_GRADE_MISSING]
    assert warnings(valid_until=None) == []


def test_six_learners_share_a_trainer_and_three_a_manikin() -> None:
    assert (DEFAULT_LEARNERS_PER_TRAINER, DEFAULT_LEARNERS_PER_MANIKIN) == (6, 3)
