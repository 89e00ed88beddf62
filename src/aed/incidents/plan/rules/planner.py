"""Decide whom to ask to do what: a pure function of what is known at a moment.

First the promise: ask people to go direct until somebody is at the patient before the ambulance with the
promised probability, however late the ambulance is. Then value: ask anybody else who saves the patient more
time than asking costs, by the formula's weights (`survival`); most of them fetch a device. The same inputs
give the same plan, in any order.

If somebody is doing compressions already, the promise asks only for one person to relieve them, who goes
direct; value decides who fetches.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from aed.incidents.plan.rules.offers import Guide, TaskOffer, expected_with_guide, probability_anyone_arrives
from aed.incidents.plan.rules.search import MAX_PEOPLE_PER_DEVICE, ArrangementSearch
from aed.incidents.plan.rules.survival import Patient, ambulance_moments, expected_survival
from aed.incidents.rules import Task
from aed.settings.planning import Planning, Survival

_ROUNDING: Final = 1e-6


class TaskPurpose(StrEnum):
    """What a person is asked for."""

    PROMISE = "promise"
    """So that somebody is there before the ambulance."""
    RELIEF = "relief"
    """To relieve the person who is doing compressions."""
    VALUE = "value"
    """For the time it saves beyond that."""


class NotAskedReason(StrEnum):
    """Why a person who could be asked is not."""

    PROMISE_MET = "promise_met"
    """Enough others go direct; one more would help less than asking costs."""
    TWO_TO_THIS_DEVICE = "two_to_this_device"
    """Two others are sent to the device that would be worth fetching."""
    GAINS_TOO_LITTLE = "gains_too_little"
    """It would help less than asking costs."""
    AFTER_THE_AMBULANCE = "after_the_ambulance"
    WAVE_IS_FULL = "wave_is_full"
    """More people would help; they are asked if too few of these come."""


@dataclass(frozen=True, slots=True)
class PlanCase:
    """What is known at a moment."""

    patient: Patient
    offers: tuple[TaskOffer, ...]
    """Tasks of people who were not asked yet; at most one task per person is chosen."""
    asked: tuple[TaskOffer, ...] = ()
    """Tasks of people who were asked and have not declined, with the probabilities of now."""
    on_the_way: frozenset[int] = frozenset()
    """Ids of those who have accepted. No device is sent for that would arrive after one that they bring."""
    guides: tuple[TaskOffer, ...] = ()
    """People who could open the gate and hold the lift, in order of preference; one at a time is asked."""
    ambulance_saved: float = 0.0
    """Seconds that a guide saves the ambulance's crew."""
    devices_usable: int | None = None
    """Number of devices that could be fetched; None: not known, in plans of earlier releases."""
    devices_unusable: int | None = None
    """Number of other devices near by that cannot be used now."""


class PlannedStep(NamedTuple):
    """A person to ask, and what that adds to the expected score, in per cent."""

    offer: TaskOffer
    adds: float
    purpose: TaskPurpose = TaskPurpose.VALUE


class NotAsked(NamedTuple):
    """The best that a person who is not asked could have done."""

    offer: TaskOffer
    adds: float
    reason: NotAskedReason


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is to be asked now, most valuable first, what it is expected to gain, and who is not asked."""

    steps: tuple[PlannedStep, ...]
    survival_before: float
    """Expected survival in per cent with only those who were asked already."""
    survival: float
    left: tuple[NotAsked, ...]
    probability_in_time: float = 0.0
    """Probability that somebody who was asked is at the patient before the ambulance."""


def offers_by_benefit(made: Plan, count: int) -> list[TaskOffer]:
    """Return the first `count` offers by benefit: those of the plan, then those that it leaves out.

    People who would arrive after the ambulance come last.
    """
    left = sorted(made.left, key=lambda each: each.reason is NotAskedReason.AFTER_THE_AMBULANCE)
    return [*(each.offer for each in made.steps), *(each.offer for each in left)][:count]


def has_same_outcome(one: Plan, other: Plan) -> bool:
    """True if two plans ask the same people for the same tasks, with equal gains up to rounding."""
    return (
        [(step.offer, step.purpose) for step in one.steps]
        == [(step.offer, step.purpose) for step in other.steps]
        and [(left.offer, left.reason) for left in one.left]
        == [(left.offer, left.reason) for left in other.left]
        and all(
            math.isclose(a, b, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
            for a, b in zip(_figures(one), _figures(other), strict=True)
        )
    )


def _figures(made: Plan) -> list[float]:
    adds = [*(step.adds for step in made.steps), *(left.adds for left in made.left)]
    return [made.survival_before, made.survival, made.probability_in_time, *adds]


def useful_offers(case: PlanCase, planning: Planning) -> list[TaskOffer]:
    """Return the offers worth considering, in order.

    The person was not asked yet, and arrives before the latest moment of the ambulance and, with a device,
    before one that is on its way.
    """
    ambulance = ambulance_moments(case.patient.ambulance_seconds, planning.ambulance_spread)[-1].seconds
    brought = [
        each.seconds
        for each in case.asked
        if each.device_id is not None and each.person_id in case.on_the_way
    ]
    no_device_after = min(brought, default=ambulance)
    busy = {each.person_id for each in case.asked}
    found = (
        each
        for each in case.offers
        if each.person_id not in busy
        and each.probability_arrives > 0
        and each.seconds < (ambulance if each.device_id is None else min(no_device_after, ambulance))
    )
    return sorted(found, key=lambda each: each.order)


def plan(case: PlanCase, *, planning: Planning, survival: Survival) -> Plan:
    """Return the plan: whom to ask now.

    1. Drop offers that cannot be there in time (`useful_offers`).
    2. Find the best arrangement of the rest: the promise, then value (`search`).
    3. Ask one person to guide if that adds enough for those who come.
    4. Compute what each person adds and is asked for, and why everybody else is not asked.
    """
    from_now = useful_offers(case, planning)
    current_guide = next((each for each in case.asked if each.task is Task.GUIDE), None)
    guide, chosen = _best_plan(case, from_now, current_guide, planning, survival)
    search = _search_beside(case, guide, planning, survival)
    score = search.score(chosen)
    purposes = _purposes(case, chosen, planning)
    steps = [
        PlannedStep(
            each,
            score - search.score([other for other in chosen if other is not each]),
            purposes.get(each.person_id, TaskPurpose.VALUE),
        )
        for each in chosen
    ]
    steps.sort(key=lambda step: (-step.adds, step.offer.order))
    if guide is not None and guide is not current_guide:
        steps.append(PlannedStep(guide, _guide_adds(case, guide, chosen, planning, survival)))
    return Plan(
        tuple(steps),
        _survival(case, current_guide, (), survival),
        _survival(case, guide, chosen, survival),
        _not_asked(case, from_now, chosen, guide, planning, survival),
        _probability_in_time(case, chosen),
    )


def _best_plan(
    case: PlanCase,
    from_now: Sequence[TaskOffer],
    current_guide: TaskOffer | None,
    planning: Planning,
    survival: Survival,
) -> tuple[TaskOffer | None, list[TaskOffer]]:
    """Choose the guide, and the best arrangement beside them.

    A person guides who can do nothing else in time, if there is one; otherwise the one who does most good by
    guiding instead of what they were to do. Nobody guides if that is no better.
    """
    if current_guide is not None:
        return current_guide, _best_beside(case, from_now, current_guide, planning, survival)
    alone = _best_beside(case, from_now, None, planning, survival)
    guide = _best_guide(case, from_now, alone, planning, survival)
    if guide is None:
        return None, alone
    is_free = all(each.person_id != guide.person_id for each in alone)
    if not is_free or _guide_adds(case, guide, alone, planning, survival) > planning.min_gain_percent:
        beside = _best_beside(case, from_now, guide, planning, survival, begin=alone if is_free else None)
        if _is_better_with(case, guide, beside, alone, planning, survival):
            return guide, beside
    return None, alone


def _is_better_with(
    case: PlanCase,
    guide: TaskOffer,
    beside: Sequence[TaskOffer],
    alone: Sequence[TaskOffer],
    planning: Planning,
    survival: Survival,
) -> bool:
    """True if the guide with those beside is worth more than the others alone, and breaks no promise."""
    with_guide = _search_beside(case, guide, planning, survival).worth(beside) - planning.min_gain_percent
    if with_guide <= _search_beside(case, None, planning, survival).worth(alone):
        return False
    kept, before = (
        case.patient.has_cpr or _probability_in_time(case, each) >= planning.promise_probability - _ROUNDING
        for each in (beside, alone)
    )
    return kept or not before


def _probability_in_time(case: PlanCase, chosen: Sequence[TaskOffer]) -> float:
    coming = [each for each in (*case.asked, *chosen) if each.task is not Task.GUIDE]
    return probability_anyone_arrives(coming, before_seconds=case.patient.ambulance_seconds)


def _best_beside(
    case: PlanCase,
    from_now: Sequence[TaskOffer],
    guide: TaskOffer | None,
    planning: Planning,
    survival: Survival,
    *,
    begin: Sequence[TaskOffer] | None = None,
) -> list[TaskOffer]:
    """Return the best arrangement beside that guide."""
    others = [each for each in from_now if guide is None or each.person_id != guide.person_id]
    search = ArrangementSearch(case.patient, case.asked, others, planning, survival, _as_guide(case, guide))
    return search.best(begin)


def _search_beside(
    case: PlanCase, guide: TaskOffer | None, planning: Planning, survival: Survival
) -> ArrangementSearch:
    """Return a search that evaluates arrangements beside that guide."""
    return ArrangementSearch(case.patient, case.asked, (), planning, survival, _as_guide(case, guide))


def _as_guide(case: PlanCase, offer: TaskOffer | None) -> Guide | None:
    return Guide(offer, case.ambulance_saved) if offer is not None else None


def _survival(
    case: PlanCase, guide: TaskOffer | None, chosen: Sequence[TaskOffer], survival: Survival
) -> float:
    """Return the formula's expectation in per cent, for the record."""
    coming = [each for each in (*case.asked, *chosen) if each.task is not Task.GUIDE]
    as_guide = _as_guide(case, guide)
    if as_guide is None:
        return expected_survival(case.patient, coming, survival)
    return expected_with_guide(case.patient, coming, as_guide, survival)


def _purposes(case: PlanCase, chosen: Sequence[TaskOffer], planning: Planning) -> dict[int, TaskPurpose]:
    """Return who goes direct for the promise, by person: the soonest, until it is kept and enough go
    direct.
    """
    ambulance, promise = case.patient.ambulance_seconds, planning.promise_probability
    coming = [each for each in case.asked if each.task is not Task.GUIDE]
    directs = [each for each in chosen if each.task is Task.DIRECT]
    if case.patient.has_cpr:
        is_relieved = any(each.task is Task.DIRECT for each in coming)
        return {} if is_relieved else {each.person_id: TaskPurpose.RELIEF for each in directs[:1]}
    found: dict[int, TaskPurpose] = {}
    for each in directs:
        direct = sum(other.task is Task.DIRECT for other in coming)
        if direct >= planning.min_direct and (
            probability_anyone_arrives(coming, before_seconds=ambulance) >= promise - _ROUNDING
        ):
            break
        found[each.person_id] = TaskPurpose.PROMISE
        coming.append(each)
    return found


def _guide_adds(
    case: PlanCase, guide: TaskOffer, beside: Sequence[TaskOffer], planning: Planning, survival: Survival
) -> float:
    with_guide, alone = (_search_beside(case, each, planning, survival) for each in (guide, None))
    return with_guide.score(beside) - alone.score(beside)


def _best_guide(
    case: PlanCase,
    from_now: Sequence[TaskOffer],
    alone: Sequence[TaskOffer],
    planning: Planning,
    survival: Survival,
) -> TaskOffer | None:
    """Return who should guide beside the arrangement `alone`, which they leave; None if nobody can.

    The first who can do nothing else in time, since that costs nothing.
    """
    if not _can_save(case, from_now):
        return None
    busy = {each.person_id for each in case.asked}
    possible = [
        each
        for each in case.guides
        if each.person_id not in busy
        and each.probability_arrives > 0
        and each.seconds < case.patient.ambulance_seconds
    ]
    useful = {each.person_id for each in from_now}
    idle = [each for each in possible if each.person_id not in useful]

    def worth(guide: TaskOffer) -> float:
        others = [each for each in alone if each.person_id != guide.person_id]
        return _search_beside(case, guide, planning, survival).worth(others)

    return idle[0] if idle else max(possible, key=worth, default=None)


def _can_save(case: PlanCase, coming: Sequence[TaskOffer]) -> bool:
    return case.ambulance_saved > 0 or any(each.saved > 0 for each in (*case.asked, *coming))


def _not_asked(
    case: PlanCase,
    from_now: Sequence[TaskOffer],
    chosen: Sequence[TaskOffer],
    guide: TaskOffer | None,
    planning: Planning,
    survival: Survival,
) -> tuple[NotAsked, ...]:
    """Return everybody who could have been asked and is not, by what they would have added."""
    busy = {each.person_id for each in (*case.asked, *chosen)} | ({guide.person_id} if guide else set())
    search = _search_beside(case, guide, planning, survival)
    now, price = search.score(chosen), planning.min_gain_percent
    is_full = len(chosen) >= planning.max_alerts_per_wave
    sent = Counter(each.device_id for each in (*case.asked, *chosen) if each.device_id is not None)
    best: dict[int, NotAsked] = {}
    for offer in sorted(from_now, key=lambda each: (-search.bound(each), each.order)):
        known = best.get(offer.person_id)
        if offer.person_id not in busy and (known is None or search.bound(offer) > known.adds):
            adds = search.score([*chosen, offer]) - now
            if is_full:
                reason = NotAskedReason.WAVE_IS_FULL
            elif (
                offer.device_id is not None
                and sent[offer.device_id] >= MAX_PEOPLE_PER_DEVICE
                and adds > price
            ):
                reason = NotAskedReason.TWO_TO_THIS_DEVICE
            elif offer.task is Task.DIRECT and not case.patient.has_cpr:
                reason = NotAskedReason.PROMISE_MET
            else:
                reason = NotAskedReason.GAINS_TOO_LITTLE
            if known is None or adds > known.adds:
                best[offer.person_id] = NotAsked(offer, adds, reason)
    for offer in sorted(case.offers, key=lambda each: each.order):
        if offer.person_id not in busy and offer.probability_arrives > 0:
            best.setdefault(offer.person_id, NotAsked(offer, 0.0, NotAskedReason.AFTER_THE_AMBULANCE))
    return tuple(sorted(best.values(), key=lambda left: (-left.adds, left.offer.order)))
