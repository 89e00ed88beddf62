"""Why nobody fetches a device, case by case."""

from __future__ import annotations

import pytest

from aed.incidents.plan.rules.disclosure import NoFetchReason, no_fetch_reason
from aed.incidents.plan.rules.offers import TaskOffer
from aed.incidents.plan.rules.planner import NotAsked, NotAskedReason, Plan, PlanCase, PlannedStep
from aed.incidents.plan.rules.survival import Patient
from aed.incidents.rules import Task

AMBULANCE_SECONDS = 600.0
DIRECT = TaskOffer(1, Task.DIRECT, 60.0, 0.3)
FETCH = TaskOffer(2, Task.FETCH, 300.0, 0.3, device_id=7)
BRINGS = TaskOffer(3, Task.DIRECT, 300.0, 0.9, device_id=8)
"""A person who has accepted and has a device with them."""


def reason(
    *offers: TaskOffer,
    asked: tuple[TaskOffer, ...] = (),
    on_the_way: frozenset[int] = frozenset(),
    steps: tuple[TaskOffer, ...] = (),
    left: tuple[NotAsked, ...] = (),
    usable: int | None = 1,
    unusable: int | None = 0,
) -> NoFetchReason | None:
    case = PlanCase(Patient(0.0, AMBULANCE_SECONDS), offers, asked=asked, on_the_way=on_the_way)
    made = Plan(tuple(PlannedStep(each, 1.0) for each in steps), 0.0, 1.0, left)
    return no_fetch_reason(case, made, devices_usable=usable, devices_unusable=unusable)


def test_there_is_no_reason_if_somebody_is_asked_to_fetch_or_was() -> None:
    assert reason(DIRECT, FETCH, steps=(DIRECT, FETCH)) is None
    assert reason(DIRECT, asked=(FETCH,), steps=(DIRECT,)) is None


def test_a_person_who_has_declined_fetches_nothing() -> None:
    declined = FETCH._replace(probability_arrives=0.0)
    assert reason(DIRECT, asked=(declined,), steps=(DIRECT,)) is NoFetchReason.TOO_FAR


@pytest.mark.parametrize(
    ("usable", "unusable", "expected"),
    [
        (0, 0, NoFetchReason.NO_DEVICE),
        (0, None, NoFetchReason.NO_DEVICE),
        (0, 2, NoFetchReason.NONE_USABLE),
        (1, 2, NoFetchReason.TOO_FAR),
        (None, None, NoFetchReason.TOO_FAR),
    ],
)
def test_nobody_could_fetch(usable: int | None, unusable: int | None, expected: NoFetchReason) -> None:
    assert reason(DIRECT, steps=(DIRECT,), usable=usable, unusable=unusable) is expected


def test_nobody_is_free() -> None:
    assert reason() is NoFetchReason.NOBODY_FREE


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(600.0, NoFetchReason.AFTER_THE_AMBULANCE), (599.9, NoFetchReason.GAINS_TOO_LITTLE)],
)
def test_every_device_would_come_after_the_ambulance(seconds: float, expected: NoFetchReason) -> None:
    late = FETCH._replace(person_id=4, seconds=700.0)
    assert reason(DIRECT, late, FETCH._replace(seconds=seconds), steps=(DIRECT,)) is expected


@pytest.mark.parametrize(
    ("seconds", "on_the_way", "expected"),
    [
        (300.0, {3}, NoFetchReason.ANOTHER_IS_COMING),
        (299.9, {3}, NoFetchReason.GAINS_TOO_LITTLE),
        (300.0, {1}, NoFetchReason.GAINS_TOO_LITTLE),
    ],
)
def test_a_device_is_on_its_way_already(
    seconds: float, on_the_way: set[int], expected: NoFetchReason
) -> None:
    offers = (FETCH._replace(seconds=seconds), FETCH._replace(person_id=4, seconds=400.0))
    asked = (BRINGS, DIRECT)
    assert reason(*offers, asked=asked, on_the_way=frozenset(on_the_way)) is expected


def test_the_wave_is_full_only_if_a_fetch_was_left_out_for_it() -> None:
    full = NotAskedReason.WAVE_IS_FULL
    assert reason(DIRECT, FETCH, left=(NotAsked(FETCH, 0.4, full),)) is NoFetchReason.WAVE_IS_FULL
    assert reason(DIRECT, FETCH, left=(NotAsked(DIRECT, 0.4, full),)) is NoFetchReason.GAINS_TOO_LITTLE
