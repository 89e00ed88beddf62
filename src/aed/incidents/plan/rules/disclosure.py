"""What dispatchers may see of a plan, and why nobody fetches a device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aed.incidents.plan.rules.offers import TaskOffer
from aed.incidents.plan.rules.planner import NotAsked, NotAskedReason, Plan, PlanCase
from aed.incidents.plan.rules.survival import expected_survival
from aed.incidents.rules import Task
from aed.settings.planning import Survival


@dataclass(frozen=True, slots=True)
class ShownOffer:
    """A task as dispatchers see it. `seconds` is None in plans of releases that stored no such time."""

    person_id: int
    task: Task
    device_id: int | None
    seconds: float | None
    probability_arrives: float


@dataclass(frozen=True, slots=True)
class ShownNotAsked:
    """A person who is not asked, how soon they could be at the patient, and why they are not."""

    person_id: int
    seconds: float | None
    reason: NotAskedReason


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """A plan as dispatchers see it: people soonest first, expected survival in per cent from the times
    shown.
    """

    asked_before: tuple[ShownOffer, ...]
    asked: tuple[ShownOffer, ...]
    left: tuple[ShownNotAsked, ...]
    survival_before: float | None
    survival: float | None


def shown_plan(case: PlanCase, made: Plan, survival: Survival) -> ShownPlan:
    """Return what dispatchers may see of a plan for this case."""
    asked = sorted((step.offer for step in made.steps), key=_sort_key)
    before = sorted(case.asked, key=_sort_key)
    direct = {offer.person_id: offer for offer in case.offers if offer.task is Task.DIRECT}
    left = [_is_left_out_for(each, direct.get(each.offer.person_id, each.offer), case) for each in made.left]
    return ShownPlan(
        tuple(_shown_offer(each) for each in before),
        tuple(_shown_offer(each) for each in asked),
        tuple(sorted(left, key=lambda each: (each.seconds or 0.0, each.person_id))),
        _expected_survival(case, before, survival),
        _expected_survival(case, [*before, *asked], survival),
    )


def _sort_key(offer: TaskOffer) -> tuple[float, int]:
    return offer.shown_seconds or 0.0, offer.person_id


def _shown_offer(offer: TaskOffer) -> ShownOffer:
    return ShownOffer(
        offer.person_id, offer.task, offer.device_id, offer.shown_seconds, offer.probability_arrives
    )


def _is_left_out_for(left: NotAsked, direct: TaskOffer, case: PlanCase) -> ShownNotAsked:
    """Judge by the time that is shown whether a person would be too late."""
    reason, seconds = left.reason, direct.shown_seconds
    if seconds is not None:
        if seconds >= case.patient.ambulance_seconds:
            reason = NotAskedReason.AFTER_THE_AMBULANCE
        elif reason is NotAskedReason.AFTER_THE_AMBULANCE:
            reason = NotAskedReason.GAINS_TOO_LITTLE
    return ShownNotAsked(left.offer.person_id, seconds, reason)


def _expected_survival(case: PlanCase, coming: Iterable[TaskOffer], survival: Survival) -> float | None:
    """Return the expected survival; None if a time is not known. Guides are not counted."""
    shown: list[TaskOffer] = []
    for offer in coming:
        if offer.shown_seconds is None:
            return None
        if offer.task is not Task.GUIDE:
            shown.append(offer._replace(seconds=offer.shown_seconds))
    return expected_survival(case.patient, shown, survival)


class NoFetchReason(StrEnum):
    """Why nobody fetches a device: the first of these that holds."""

    NO_DEVICE = "no_device"
    NONE_USABLE = "none_usable"
    NOBODY_FREE = "nobody_free"
    TOO_FAR = "too_far"
    AFTER_THE_AMBULANCE = "after_the_ambulance"
    ANOTHER_IS_COMING = "another_is_coming"
    GAINS_TOO_LITTLE = "gains_too_little"
    WAVE_IS_FULL = "wave_is_full"


NO_FETCH_TEXTS: Final = {
    NoFetchReason.NO_DEVICE: (
        "No AED that responders could fetch is registered nearby.",
        "附近没有可调用的已登记AED。",
    ),
    NoFetchReason.NONE_USABLE: (
        "No AED nearby can be used now: they are closed, expired or out of service.",
        "附近的AED目前均不可用（未开放、已过期或停用）。",
    ),
    NoFetchReason.NOBODY_FREE: (
        "No responder nearby is free.",
        "附近没有可呼叫的空闲志愿者。",
    ),
    NoFetchReason.TOO_FAR: (
        "Every AED is too far away: no one could bring it before the ambulance arrives.",
        "AED距离过远，无人能在救护车到达前送达。",
    ),
    NoFetchReason.AFTER_THE_AMBULANCE: (
        "The ambulance will arrive before anyone could bring an AED.",
        "救护车将先于任何AED到达。",
    ),
    NoFetchReason.ANOTHER_IS_COMING: (
        "A person who has accepted will bring an AED sooner.",
        "已有人在取送AED，且更早到达。",
    ),
    NoFetchReason.GAINS_TOO_LITTLE: (
        "Fetching an AED would help too little: going straight to the patient helps more.",
        "取AED获益过小，直接前往患者处更有帮助。",
    ),
    NoFetchReason.WAVE_IS_FULL: (
        "This wave is full; more people are alerted if too few accept.",
        "本批次人数已满；如答复不足将继续呼叫。",
    ),
}


def no_fetch_reason(
    case: PlanCase, made: Plan, *, devices_usable: int | None, devices_unusable: int | None
) -> NoFetchReason | None:
    """Return why nobody fetches a device; None if somebody is asked to, or was.

    The counts are of devices near the patient; None: not known, in plans of earlier releases.
    """
    if any(step.offer.task is Task.FETCH for step in made.steps):
        return None
    if any(each.task is Task.FETCH and each.probability_arrives > 0 for each in case.asked):
        return None
    fetches = [each for each in case.offers if each.task is Task.FETCH]
    if not fetches:
        if devices_usable == 0:
            return NoFetchReason.NONE_USABLE if devices_unusable else NoFetchReason.NO_DEVICE
        return NoFetchReason.TOO_FAR if case.offers else NoFetchReason.NOBODY_FREE
    if all(each.seconds >= case.patient.ambulance_seconds for each in fetches):
        return NoFetchReason.AFTER_THE_AMBULANCE
    brought = [
        each.seconds
        for each in case.asked
        if each.device_id is not None and each.person_id in case.on_the_way
    ]
    if brought and all(each.seconds >= min(brought) for each in fetches):
        return NoFetchReason.ANOTHER_IS_COMING
    left = [each for each in made.left if each.offer.task is Task.FETCH]
    if any(each.reason is NotAskedReason.WAVE_IS_FULL for each in left):
        return NoFetchReason.WAVE_IS_FULL
    return NoFetchReason.GAINS_TOO_LITTLE
