"""What an arrangement of people and devices is worth to a patient: expected survival, in per cent.

    survival = 67 - 2.3 t_CPR - 1.1 t_shock - 2.1 t_ACLS, minutes, not below 0     (Larsen 1993)

It compares plans, and is never shown as a prognosis.

Each person who was asked comes with a probability, independently of the others, at a known moment; each
device works with a probability. A person who finds that another has taken the device comes all the same, and
can do compressions. The ambulance comes at a known moment and brings all three.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import attrgetter
from typing import Final, NamedTuple, Protocol

from aed.settings.planning import Survival


class ComingPerson(Protocol):
    """A person who may come: with a probability, at a moment, perhaps with a device."""

    @property
    def seconds(self) -> float:
        """From now until at the patient's side."""

    @property
    def probability_arrives(self) -> float: ...

    @property
    def device_id(self) -> int | None: ...

    @property
    def works(self) -> float:
        """Probability that the device is in place and works."""


class Patient(NamedTuple):
    """What does not depend on who is asked."""

    since_seconds: float
    """Seconds since the collapse, as far as is known."""
    ambulance_seconds: float
    """From now until the ambulance is at the patient's side."""
    has_cpr: bool = False
    """Somebody is doing compressions already."""


_BY_TIME: Final = attrgetter("seconds")


def expected_survival(patient: Patient, coming: Sequence[ComingPerson], numbers: Survival) -> float:
    """Return the expectation of the formula over who comes and which device works. Exact.

    1. Condition on who is first at the patient: all before are absent, those after are independent of it.
    2. For each case, condition on which device is first there. While the formula stays above zero, only the
       mean time matters, which is computed once from the last fetch to the first (O(n)); otherwise it is
       summed fetch by fetch (O(n * fetches)).
    """
    per_cpr, per_shock = numbers.per_minute_to_cpr / 60, numbers.per_minute_to_shock / 60
    ambulance, pads = patient.ambulance_seconds, numbers.pads_seconds
    best = (
        numbers.at_once
        - numbers.per_minute_to_acls / 60 * (ambulance + patient.since_seconds)
        - per_shock * (pads + patient.since_seconds)
        - (0.0 if patient.has_cpr else per_cpr * patient.since_seconds)
    )
    if patient.has_cpr:
        per_cpr = 0.0
    in_time = [each for each in coming if each.seconds < ambulance and each.probability_arrives > 0]
    in_time.sort(key=_BY_TIME)
    shocks = _average_shocks(in_time, ambulance)
    expected, nobody_yet = 0.0, 1.0
    for first, each in enumerate(in_time):
        weight = nobody_yet * each.probability_arrives
        after_cpr = best - per_cpr * each.seconds
        if after_cpr <= per_shock * each.seconds:
            return expected  # nobody can be shocked before this one comes: from here on it comes to nothing
        if shocks is not None and after_cpr >= per_shock * ambulance:
            shock = shocks[first + 1]
            if each.device_id is not None:
                shock = each.works * each.seconds + (1.0 - each.works) * shock
            expected += weight * (after_cpr - per_shock * shock)
        else:
            expected += weight * _with_first(first, after_cpr, per_shock, ambulance, in_time)
        nobody_yet -= weight
        if nobody_yet <= 0.0:
            return expected
    return expected + nobody_yet * max(0.0, best - (per_cpr + per_shock) * ambulance)


def _average_shocks(in_time: Sequence[ComingPerson], ambulance: float) -> list[float] | None:
    """Return the mean arrival of the first working device among those from each index on.

    None if two people fetch the same device, which then come or fail together.
    """
    shocks = [ambulance] * (len(in_time) + 1)
    devices = set()
    for number in range(len(in_time) - 1, -1, -1):
        each = in_time[number]
        shocks[number] = shocks[number + 1]
        if each.device_id is not None:
            if each.device_id in devices:
                return None
            devices.add(each.device_id)
            works = each.probability_arrives * each.works
            shocks[number] = works * each.seconds + (1.0 - works) * shocks[number + 1]
    return shocks


def _with_first(
    first: int,
    best: float,
    per_shock: float,
    ambulance: float,
    in_time: Sequence[ComingPerson],
) -> float:
    """Return the expectation if that person is the first to come; `best` is the survival with a device at
    once.
    """
    expected, none_yet = 0.0, 1.0
    untaken: dict[int, float] = {}
    for number in range(first, len(in_time)):
        each = in_time[number]
        if each.device_id is None:
            continue
        if best <= per_shock * each.seconds:
            return expected  # and so does every later one
        before = untaken.get(each.device_id, 1.0)
        after = 0.0 if number == first else before * (1.0 - each.probability_arrives)
        untaken[each.device_id] = after
        lacking = 1.0 - each.works * (1.0 - before)
        left = none_yet * (1.0 - each.works * (1.0 - after)) / lacking
        expected += (none_yet - left) * (best - per_shock * each.seconds)
        none_yet = left
        if none_yet <= 0.0:
            return expected
    return expected + none_yet * max(0.0, best - per_shock * ambulance)


class AmbulanceMoment(NamedTuple):
    """A moment at which the ambulance may come, with the probability given that it has not come before."""

    seconds: float
    probability: float


def ambulance_moments(ambulance_seconds: float, spread: float) -> tuple[AmbulanceMoment, ...]:
    """Return when the ambulance may come, earliest first; the last moment is certain.

    The estimate is the median, the error log-normal with that `spread` (standard deviation of its logarithm):
    three moments with its mean and variance (Gauss-Hermite), of weights 1/6, 2/3 and 1/6.
    """
    if spread <= 0.0:
        return (AmbulanceMoment(ambulance_seconds, 1.0),)
    factor = math.exp(spread * math.sqrt(3.0))
    return (
        AmbulanceMoment(ambulance_seconds / factor, 1 / 6),
        AmbulanceMoment(ambulance_seconds, 4 / 5),
        AmbulanceMoment(ambulance_seconds * factor, 1.0),
    )


def expected_score(
    patient: Patient, coming: Sequence[ComingPerson], numbers: Survival, *, spread: float = 0.0
) -> float:
    """Return the formula's expectation without its floor at 0: what the planner maximises.

    With the floor nothing would matter any more once the ambulance is late, when people matter most. Without
    it a minute sooner is worth the same at any time, and a late patient's score falls below 0. Exact: the
    moments of the first compressions and of the first shock are each expected separately, over who comes and
    when the ambulance does (`ambulance_moments`). What one more person adds never rises with who else comes
    (a sum of expected maxima is submodular). O(n log n).
    """
    per_cpr = 0.0 if patient.has_cpr else numbers.per_minute_to_cpr / 60
    per_shock = numbers.per_minute_to_shock / 60
    moments = ambulance_moments(patient.ambulance_seconds, spread)
    last = moments[-1].seconds
    cpr = shock = acls = 0.0
    nobody_yet = none_yet = not_yet = 1.0
    untaken: dict[int, float] = {}
    ahead = iter(moments)
    ambulance = next(ahead)
    for each in (*sorted(coming, key=_BY_TIME), None):
        seconds = last if each is None else each.seconds
        while ambulance.seconds <= seconds:
            probability = ambulance.probability
            cpr += nobody_yet * probability * ambulance.seconds
            shock += none_yet * probability * ambulance.seconds
            acls += not_yet * probability * ambulance.seconds
            nobody_yet *= 1.0 - probability
            none_yet *= 1.0 - probability
            not_yet *= 1.0 - probability
            if ambulance.seconds >= last:
                break
            ambulance = next(ahead)
        if each is None or seconds >= last:
            break
        probability_arrives = each.probability_arrives
        cpr += nobody_yet * probability_arrives * seconds
        nobody_yet *= 1.0 - probability_arrives
        device = each.device_id
        if device is not None:
            works = each.works
            before = untaken.get(device, 1.0)
            untaken[device] = after = before * (1.0 - probability_arrives)
            lacking = 1.0 - works * (1.0 - before)
            if lacking > 0.0:
                left = none_yet * (1.0 - works * (1.0 - after)) / lacking
                shock += (none_yet - left) * seconds
                none_yet = left
    since = patient.since_seconds
    return (
        numbers.at_once
        - numbers.per_minute_to_acls / 60 * (acls + since)
        - per_shock * (shock + numbers.pads_seconds + since)
        - per_cpr * (cpr + since)
    )


def probability_after_silence(
    probability_arrives: float, waited_seconds: float, answers_after_seconds: float
) -> float:
    """Return the probability that a person still comes who has not answered for so long.

    People who come answer after an exponential time with this mean (Bayes' rule).
    """
    stays_away = 1.0 - probability_arrives
    if stays_away <= 0.0:
        return 1.0
    silent = probability_arrives * math.exp(-max(0.0, waited_seconds) / answers_after_seconds)
    return silent / (silent + stays_away)
