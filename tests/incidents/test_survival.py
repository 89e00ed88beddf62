"""The value of an arrangement: the formula, and its expectation over who comes."""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aed.incidents.plan.rules.survival import (
    Patient,
    ambulance_moments,
    expected_score,
    expected_survival,
    probability_after_silence,
)
from aed.settings.planning import Survival

NUMBERS = Survival()


class Coming(NamedTuple):
    seconds: float
    probability_arrives: float
    device_id: int | None = None
    works: float = 1.0


WORKS = (1.0, 0.5, 0.9)
"""The probability that each device works."""


def enumerated(patient: Patient, coming: list[Coming], *, floor: float = 0.0) -> float:
    """Return the expected score by enumerating all outcomes."""
    total = 0.0
    for comes in product((True, False), repeat=len(coming)):
        for works in product((True, False), repeat=len(WORKS)):
            probability = 1.0
            for each, is_there in zip(coming, comes, strict=True):
                probability *= each.probability_arrives if is_there else 1 - each.probability_arrives
            for share, does in zip(WORKS, works, strict=True):
                probability *= share if does else 1 - share
            there = [each for each, is_there in zip(coming, comes, strict=True) if is_there]
            last = patient.ambulance_seconds
            cpr = 0.0 if patient.has_cpr else min([each.seconds for each in there] + [last])
            brought = [each.seconds for each in there if each.device_id is not None and works[each.device_id]]
            shock = min([*brought, last]) + NUMBERS.pads_seconds
            since = patient.since_seconds
            minutes = ((0.0 if patient.has_cpr else since + cpr), since + shock, since + last)
            per = (NUMBERS.per_minute_to_cpr, NUMBERS.per_minute_to_shock, NUMBERS.per_minute_to_acls)
            lost = sum(rate * seconds / 60 for rate, seconds in zip(per, minutes, strict=True))
            total += probability * max(floor, NUMBERS.at_once - lost)
    return total


def test_by_hand() -> None:
    """Compressions after 4 minutes, a shock after 7.5, the ambulance after 10: 67 - 9.2 - 8.25 - 21."""
    coming = [Coming(240.0, 1.0), Coming(360.0, 1.0, device_id=1)]
    assert expected_survival(Patient(0.0, 600.0), coming, NUMBERS) == pytest.approx(28.55)


def test_without_people_survival_is_that_of_the_ambulance_alone() -> None:
    assert expected_survival(Patient(60.0, 300.0), [], NUMBERS) == pytest.approx(67 - 6 * 5.5 - 1.5 * 1.1)
    assert expected_survival(Patient(0.0, 1200.0), [], NUMBERS) == 0.0


@st.composite
def _coming(draw: st.DrawFn) -> Coming:
    device = draw(st.sampled_from((None, 0, 1, 2)))
    return Coming(
        draw(st.floats(0, 900)),
        draw(st.sampled_from((0.27, 0.7, 1.0))),
        device,
        1.0 if device is None else WORKS[device],
    )


@given(
    st.builds(Patient, st.floats(0, 300), st.floats(60, 1500), st.booleans()),
    st.lists(_coming(), max_size=6),
)
def test_expected_survival_matches_enumeration(patient: Patient, coming: list[Coming]) -> None:
    assert expected_survival(patient, coming, NUMBERS) == pytest.approx(enumerated(patient, coming), abs=1e-9)


@given(
    st.builds(Patient, st.floats(0, 300), st.floats(60, 1500), st.booleans()),
    st.lists(_coming(), max_size=5),
    st.sampled_from((0.0, 0.2, 0.5)),
)
def test_expected_score_matches_enumeration_without_the_floor(
    patient: Patient, coming: list[Coming], spread: float
) -> None:
    """For any arrival time of the ambulance."""
    expected, not_yet = 0.0, 1.0
    for moment in ambulance_moments(patient.ambulance_seconds, spread):
        at_that = patient._replace(ambulance_seconds=moment.seconds)
        expected += not_yet * moment.probability * enumerated(at_that, coming, floor=-math.inf)
        not_yet *= 1 - moment.probability

    assert not_yet == 0.0
    assert expected_score(patient, coming, NUMBERS, spread=spread) == pytest.approx(expected, abs=1e-9)


def test_the_moments_of_the_ambulance_have_the_mean_and_the_variance_of_its_error() -> None:
    moments, not_yet, logs = ambulance_moments(600.0, 0.2), 1.0, []
    for moment in moments:
        logs.append((math.log(moment.seconds / 600.0), not_yet * moment.probability))
        not_yet *= 1 - moment.probability
    assert sum(weight for _, weight in logs) == pytest.approx(1.0)
    assert sum(weight * log for log, weight in logs) == pytest.approx(0.0)
    assert sum(weight * log**2 for log, weight in logs) == pytest.approx(0.2**2)


@example(1.0, 29.5, 5.0)
@example(1.0, 1e6, 5.0)
@given(st.floats(0.01, 1.0), st.floats(0, 1e6), st.floats(5, 120))
def test_probability_falls_with_silence(probability_arrives: float, waited: float, mean: float) -> None:
    left = probability_after_silence(probability_arrives, waited, mean)
    assert 0.0 <= left <= min(1.0, probability_arrives + 1e-12)
    assert probability_after_silence(probability_arrives, waited + 30, mean) <= left + 1e-12
    assert probability_after_silence(probability_arrives, 0.0, mean) == pytest.approx(probability_arrives)
