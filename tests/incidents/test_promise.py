"""Probabilities that a person and a device arrive in time, compared with full enumeration."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aed.incidents.plan.rules.offers import (
    TaskOffer,
    is_promise_kept,
    probability_anyone_arrives,
    probability_at_least_arrive,
    probability_device_arrives,
)
from aed.incidents.rules import Task
from aed.settings.planning import Planning

WORKS = (0.9, 0.5)
BEFORE = 600.0
ACCEPTED = 0.27 / 0.38


@st.composite
def _offers(draw: st.DrawFn) -> list[TaskOffer]:
    found = []
    for person in range(draw(st.integers(0, 5))):
        device = draw(st.sampled_from((None, 0, 1)))
        found.append(
            TaskOffer(
                person,
                Task.DIRECT if device is None else Task.FETCH,
                draw(st.sampled_from((100.0, 500.0, 600.0, 700.0))),
                draw(st.sampled_from((0.1, 0.27, 1.0))),
                device,
                1.0 if device is None else WORKS[device],
            )
        )
    return found


@given(_offers(), st.integers(1, 3))
def test_probabilities_match_enumeration(coming: list[TaskOffer], at_least: int) -> None:
    somebody = several = device = 0.0
    for comes in product((True, False), repeat=len(coming)):
        for works in product((True, False), repeat=len(WORKS)):
            probability = 1.0
            for each, is_there in zip(coming, comes, strict=True):
                probability *= each.probability_arrives if is_there else 1 - each.probability_arrives
            for share, does in zip(WORKS, works, strict=True):
                probability *= share if does else 1 - share
            there = [
                each
                for each, is_there in zip(coming, comes, strict=True)
                if is_there and each.seconds < BEFORE
            ]
            somebody += probability * bool(there)
            several += probability * (len(there) >= at_least)
            device += probability * any(
                each.device_id is not None and works[each.device_id] for each in there
            )

    assert probability_anyone_arrives(coming, before_seconds=BEFORE) == pytest.approx(somebody)
    assert probability_at_least_arrive(coming, at_least=at_least, before_seconds=BEFORE) == pytest.approx(
        several
    )
    assert probability_device_arrives(coming, before_seconds=BEFORE) == pytest.approx(device)


def accepted(count: int, *, seconds: float = 300.0, device: int | None = None) -> list[TaskOffer]:
    task = Task.DIRECT if device is None else Task.FETCH
    return [TaskOffer(person, task, seconds, ACCEPTED, device, 0.93) for person in range(count)]


def test_the_promise_is_kept_once_two_arrive_with_its_probability() -> None:
    numbers = Planning()
    assert not is_promise_kept(accepted(3), ambulance_seconds=600, planning=numbers)
    assert is_promise_kept(accepted(4), ambulance_seconds=600, planning=numbers)
    assert not is_promise_kept(accepted(9, seconds=700), ambulance_seconds=600, planning=numbers), "too late"
    there = [TaskOffer(1, Task.DIRECT, 0.0, 1.0), TaskOffer(2, Task.DIRECT, 0.0, 1.0)]
    assert is_promise_kept(there, ambulance_seconds=600, planning=numbers)
    guides = [each._replace(task=Task.GUIDE) for each in accepted(9)]
    assert not is_promise_kept(guides, ambulance_seconds=600, planning=numbers)


def test_where_a_device_is_needed_people_alone_are_not_enough() -> None:
    numbers = Planning()
    people = accepted(6)
    one = TaskOffer(10, Task.FETCH, 300.0, 0.98, 1, 0.93)
    for coming, is_enough in ((people, False), ([*people, one], True)):
        found = is_promise_kept(coming, ambulance_seconds=600, planning=numbers, needs_device=True)
        assert found is is_enough
