"""What follows from the answers of a check, and when a repeated task is next due."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from aed.errors import InvalidInput
from aed.hours.dates import months_after
from aed.imports.devices.rules import Decision
from aed.registry.devices.rules import ConsumableKind, replaced_by
from aed.upkeep.checks.rules import (
    DEFAULT,
    DEFAULT_ASKS,
    Answered,
    Consequences,
    Terms,
    check_moment,
    consequences,
    questions_of,
)
from aed.upkeep.due.rules import end_of_life, first_not_due, in_one_line, next_by_days, next_by_months
from aed.upkeep.rules import (
    MAX_CLOCK_AHEAD,
    MAX_DELAY,
    CheckKind,
    DueKind,
    Fact,
    FaultKind,
    QuarantineReason,
    Question,
    confirmed_by_check,
    quarantine_reason_of,
)
from aed.upkeep.sightings.rules import SightingState, state_after

NOW = datetime(2026, 9, 22, 2, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ALL_REASONS = frozenset(QuarantineReason)
ALL_WELL = {Question.STATUS_LIGHT: True, Question.PADS_IN_DATE: True}
ALWAYS_LIFTED = {
    QuarantineReason.MISSING,
    QuarantineReason.NOT_RETURNED,
    QuarantineReason.FAILED_CHECK,
    QuarantineReason.FAILED_SELF_TEST,
}


def result(
    kind: CheckKind = CheckKind.CHECK,
    answers: Mapping[Question, bool] = ALL_WELL,
    *,
    is_there: bool = True,
    was_used: bool = False,
    replaced: Collection[ConsumableKind] = (),
    recall_is_done: bool = False,
    has_had_new_pads: bool = False,
    active_reasons: Collection[QuarantineReason] = ALL_REASONS,
) -> Consequences:
    check = Answered(
        kind,
        answered_at=NOW,
        is_there=is_there,
        was_used=was_used,
        answers=answers,
        replaced=frozenset(replaced),
        recall_is_done=recall_is_done,
        has_had_new_pads=has_had_new_pads,
    )
    return consequences(check, active_reasons=active_reasons)


def test_without_a_policy_a_device_is_looked_at_daily_checked_monthly_and_serviced_yearly() -> None:
    terms = Terms(
        glance_days=1,
        check_days=30,
        service_months=12,
        asks=DEFAULT_ASKS,
        pads_months=2 * 12,
        battery_months=4 * 12,
        life_years=None,
        approval_days=None,
    )
    assert terms == DEFAULT


# --- Checks ---------------------------------------------------------------------------------------------


def test_a_device_that_is_not_there_is_missing_whatever_else_was_answered() -> None:
    missing = Consequences((QuarantineReason.MISSING,), frozenset(), False, ())

    assert result(is_there=False) == missing
    assert result(is_there=False, was_used=True, answers={Question.SEAL: False}) == missing


@pytest.mark.parametrize("kind", [CheckKind.CHECK, CheckKind.SERVICE])
def test_a_passed_check_lifts_what_it_has_examined(kind: CheckKind) -> None:
    assert result(kind) == Consequences((), frozenset(ALWAYS_LIFTED), True, ())
    assert result(kind, active_reasons=()).lifts == frozenset()
    assert result(kind, active_reasons=[QuarantineReason.MISSING]).lifts == {QuarantineReason.MISSING}


@pytest.mark.parametrize(
    ("more", "given", "lifted"),
    [
        ({Question.CABINET: True}, {}, {QuarantineReason.CANNOT_OPEN}),
        (
            {Question.ACCESS_AS_DESCRIBED: True},
            {},
            {QuarantineReason.FAILED_FETCHES, QuarantineReason.CANNOT_OPEN},
        ),
        ({Question.ACCESS_AS_DESCRIBED: False}, {}, set()),
        ({}, {"replaced": [ConsumableKind.PADS]}, {QuarantineReason.USED}),
        ({}, {"replaced": [ConsumableKind.CARTRIDGE]}, {QuarantineReason.USED}),
        ({}, {"replaced": [ConsumableKind.BATTERY]}, set()),
        ({}, {"has_had_new_pads": True}, {QuarantineReason.USED}),
        ({}, {"recall_is_done": True}, {QuarantineReason.RECALL}),
    ],
)
def test_a_passed_check_lifts_more_by_what_was_seen_or_done(
    more: dict[Question, bool], given: dict[str, Any], lifted: set[QuarantineReason]
) -> None:
    found = result(answers=ALL_WELL | more, **given)

    assert found.is_passed
    assert found.lifts == ALWAYS_LIFTED | lifted


@pytest.mark.parametrize("question", [Question.STATUS_LIGHT, Question.PADS_IN_DATE, Question.BATTERY_IN_DATE])
def test_a_no_to_what_makes_a_device_ready_fails_the_check(question: Question) -> None:
    found = result(answers=ALL_WELL | {question: False})

    assert found == Consequences((QuarantineReason.FAILED_CHECK,), frozenset(), False, ())


def test_a_cabinet_that_does_not_open_is_a_reason_of_its_own() -> None:
    stuck = result(answers=ALL_WELL | {Question.CABINET: False})
    all_wrong = result(was_used=True, answers={Question.STATUS_LIGHT: False, Question.CABINET: False})

    assert stuck == Consequences((QuarantineReason.CANNOT_OPEN,), frozenset(), False, ())
    assert all_wrong.quarantines == (
        QuarantineReason.USED,
        QuarantineReason.FAILED_CHECK,
        QuarantineReason.CANNOT_OPEN,
    )


def test_other_problems_are_told_to_keepers_and_do_not_fail_the_check() -> None:
    found = result(answers=ALL_WELL | {Question.SIGN: False, Question.SEAL: False, Question.ALARM: True})

    assert (found.is_passed, found.quarantines) == (True, ())
    assert found.to_notify_about == (Question.SIGN, Question.SEAL)


def test_a_used_device_waits_for_new_pads() -> None:
    assert result(was_used=True).quarantines == (QuarantineReason.USED,)
    with_new_pads = result(was_used=True, replaced=[ConsumableKind.PADS])
    assert (with_new_pads.quarantines, with_new_pads.is_passed) == ((), True)
    earlier = result(was_used=True, has_had_new_pads=True)
    assert earlier.quarantines == (QuarantineReason.USED,), "it was used again since"


@pytest.mark.parametrize(
    ("kind", "answers", "replaced", "is_passed"),
    [
        (CheckKind.GLANCE, ALL_WELL, (), False),
        (CheckKind.CHECK, {Question.STATUS_LIGHT: True}, (), False),
        (CheckKind.CHECK, {Question.PADS_IN_DATE: True}, (), False),
        (CheckKind.CHECK, {Question.STATUS_LIGHT: True}, (ConsumableKind.PADS,), True),
        (CheckKind.CHECK, {Question.STATUS_LIGHT: True}, (ConsumableKind.BATTERY,), False),
        (CheckKind.CHECK, {}, (ConsumableKind.PADS,), False),
    ],
)
def test_only_a_check_of_the_light_and_the_pads_is_passed(
    kind: CheckKind, answers: Mapping[Question, bool], replaced: tuple[ConsumableKind, ...], is_passed: bool
) -> None:
    found = result(kind, answers, replaced=replaced)

    assert found.is_passed is is_passed
    assert bool(found.lifts) is is_passed
    assert found.quarantines == ()


def test_a_check_also_asks_what_would_end_a_quarantine() -> None:
    light, cabinet, access = Question.STATUS_LIGHT, Question.CABINET, Question.ACCESS_AS_DESCRIBED
    stuck, not_fetched = QuarantineReason.CANNOT_OPEN, QuarantineReason.FAILED_FETCHES

    assert questions_of([light], []) == (light,)
    assert questions_of([light], [QuarantineReason.USED]) == (light,)
    assert questions_of([light], [not_fetched]) == (light, access)
    assert questions_of([light], [stuck]) == (light, access, cabinet)
    assert questions_of([access, light], [not_fetched, stuck]) == (access, light, cabinet)
    assert questions_of([cabinet, access], [stuck]) == (cabinet, access), "nothing is asked twice"


def test_a_check_may_wait_on_a_phone_but_not_come_from_the_future() -> None:
    check_moment(NOW + MAX_CLOCK_AHEAD, now=NOW)
    check_moment(NOW - MAX_DELAY, now=NOW)

    with pytest.raises(InvalidInput, match="is in the future"):
        check_moment(NOW + MAX_CLOCK_AHEAD + SECOND, now=NOW)
    with pytest.raises(InvalidInput, match="more than 60 days ago"):
        check_moment(NOW - MAX_DELAY - SECOND, now=NOW)


@pytest.mark.parametrize(
    ("kind", "is_there", "is_passed", "access", "facts"),
    [
        (CheckKind.CHECK, True, True, True, {Fact.POSITION, Fact.HOURS, Fact.READINESS}),
        (CheckKind.CHECK, True, True, False, {Fact.POSITION, Fact.READINESS}),
        (CheckKind.SERVICE, True, False, True, {Fact.POSITION, Fact.HOURS}),
        (CheckKind.GLANCE, True, True, None, {Fact.POSITION}),
        (CheckKind.CHECK, False, False, None, set()),
    ],
)
def test_a_check_confirms_what_it_has_seen(
    kind: CheckKind, is_there: bool, is_passed: bool, access: bool | None, facts: set[Fact]
) -> None:
    answers = {} if access is None else {Question.ACCESS_AS_DESCRIBED: access}

    assert confirmed_by_check(kind, is_there=is_there, is_passed=is_passed, answers=answers) == facts


def test_a_second_failed_fetch_or_a_use_quarantines_at_once() -> None:
    not_fetched = [quarantine_reason_of(FaultKind.NOT_FETCHED, failed_fetches=count) for count in (1, 2, 3)]

    assert not_fetched == [None, QuarantineReason.FAILED_FETCHES, QuarantineReason.FAILED_FETCHES]
    for kind in FaultKind:
        if kind is not FaultKind.NOT_FETCHED:
            expected = QuarantineReason.USED if kind is FaultKind.USED else None
            assert quarantine_reason_of(kind, failed_fetches=9) is expected


def test_the_state_of_a_sighting_follows_its_review() -> None:
    assert state_after(None) is SightingState.SENT
    for decision in Decision:
        refused = decision is Decision.REFUSE
        assert state_after(decision) is (SightingState.REFUSED if refused else SightingState.TAKEN)


def test_a_cartridge_replaces_pads_and_battery_at_once() -> None:
    pads, battery, cartridge = ConsumableKind.PADS, ConsumableKind.BATTERY, ConsumableKind.CARTRIDGE

    assert replaced_by(cartridge) == {pads, battery, cartridge}
    for other in (pads, battery, ConsumableKind.CHILD_PADS):
        assert replaced_by(other) == {other}


# --- Due dates ------------------------------------------------------------------------------------------


def test_a_task_is_due_an_interval_after_it_was_last_done() -> None:
    last, since = date(2026, 8, 31), date(2026, 1, 15)

    assert next_by_days(last, 30, since=since) == date(2026, 9, 30)
    assert next_by_days(None, 30, since=since) == since, "a check that was never done is due at once"
    assert next_by_months(last, 6, since=since) == date(2027, 2, 28)
    assert next_by_months(None, 6, since=since) == date(2026, 7, 15), "a new device comes serviced"


def test_a_device_ends_on_its_own_date_or_so_many_years_after_its_manufacture() -> None:
    own, made_on = date(2030, 1, 31), date(2024, 2, 29)

    assert end_of_life(own, manufactured_on=made_on, life_years=8) == own
    assert end_of_life(None, manufactured_on=made_on, life_years=8) == date(2032, 2, 29)
    assert end_of_life(None, manufactured_on=made_on, life_years=None) is None
    assert end_of_life(None, manufactured_on=None, life_years=8) is None


@pytest.mark.parametrize("months", [1, 2, 12])
def test_the_first_day_since_which_a_task_is_not_due_is_found_at_ends_of_months(months: int) -> None:
    """Against every day of the months around."""
    for number in range(120):
        before = date(2028, 1, 10) + timedelta(days=number)
        around = [before - timedelta(days=31 * months + 40 - each) for each in range(31 * months + 60)]
        first = min(day for day in around if months_after(day, months) >= before)
        assert first_not_due(before, months) == first


def test_what_is_due_is_one_sentence() -> None:
    check, pads = DueKind.CHECK, DueKind.PADS

    assert in_one_line({}, {}) == ("Nothing is due.", "暂无到期事项。")
    assert in_one_line({check: 0}, {pads: 0}) == ("Nothing is due.", "暂无到期事项。")
    assert in_one_line({check: 2}, {}) == ("AED: check: 2 overdue.", "AED：巡检逾期2台。")
    assert in_one_line({}, {check: 1}) == ("AED: check: 1 due.", "AED：巡检到期1台。")
    assert in_one_line({pads: 3}, {check: 9, pads: 1}) == (
        "AED: replace pads: 3 overdue, 1 due; check: 9 due.",
        "AED：更换电极片逾期3台、到期1台；巡检到期9台。",
    )
    assert in_one_line({}, {check: 1, pads: 2})[0] == "AED: replace pads: 2 due; check: 1 due."
