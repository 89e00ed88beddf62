"""Decide when enough people have accepted, so that silent people are stood down and nobody else is asked.

It errs on the side of too many. Nobody who has accepted is ever stood down, nor anybody who would arrive
sooner than those who are enough. Guides are left alone: a person who opens the gate is no rescuer.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from aed.incidents.plan.rules.offers import TaskOffer, is_promise_kept
from aed.incidents.plan.rules.planner import PlanCase
from aed.incidents.rules import Task
from aed.settings.planning import Planning


class Sufficiency(NamedTuple):
    """From which moment on another person is not needed; infinite: everybody is needed."""

    direct_after_seconds: float = math.inf
    fetch_after_seconds: float = math.inf

    def is_unneeded(self, offer: TaskOffer) -> bool:
        """Decide by the time that may be shown: being stood down must not reveal where a person is."""
        seconds = offer.seconds if offer.shown_seconds is None else offer.shown_seconds
        match offer.task:
            case Task.DIRECT:
                return seconds >= self.direct_after_seconds
            case Task.FETCH:
                return seconds >= self.fetch_after_seconds
            case Task.GUIDE:
                return False


def sufficiency_of(
    accepted: Sequence[TaskOffer],
    *,
    with_device: Collection[int],
    can_a_device_come: bool,
    ambulance_seconds: float,
    planning: Planning,
) -> Sufficiency:
    """Return when enough of the people who have accepted are there.

    1. *Direct* is enough once the promise holds with those who have accepted (`is_promise_kept`),
       `min_direct` of them go direct, and somebody fetches a device if one can come before the ambulance.
    2. *Fetch* is enough, once *direct* is, when the promise holds for a working device too, or when somebody
       has a device in their hands (`with_device`, person ids).

    The moment is the arrival of the last person it takes.
    """
    coming = sorted(
        (each for each in accepted if each.task is not Task.GUIDE and each.seconds < ambulance_seconds),
        key=lambda each: each.order,
    )
    direct_after = fetch_after = math.inf
    in_hand = min((each.seconds for each in coming if each.person_id in with_device), default=math.inf)
    for number in range(1, len(coming) + 1):
        first = coming[:number]
        directs = sum(each.task is Task.DIRECT for each in first)
        is_fetched = not can_a_device_come or any(each.task is Task.FETCH for each in coming)
        if directs < planning.min_direct or not is_fetched:
            continue
        if not is_promise_kept(first, ambulance_seconds=ambulance_seconds, planning=planning):
            continue
        direct_after = min(direct_after, first[-1].seconds)
        if is_promise_kept(first, ambulance_seconds=ambulance_seconds, planning=planning, needs_device=True):
            fetch_after = min(fetch_after, first[-1].seconds)
    if math.isfinite(direct_after):
        fetch_after = min(fetch_after, in_hand)
    return Sufficiency(direct_after, fetch_after)


def sufficiency_in_case(case: PlanCase, *, with_device: Collection[int], planning: Planning) -> Sufficiency:
    """Return the same for a case: a device can come if anybody could bring one before the ambulance."""
    ambulance = case.patient.ambulance_seconds
    return sufficiency_of(
        [each for each in case.asked if each.person_id in case.on_the_way],
        with_device=with_device,
        can_a_device_come=any(
            each.task is Task.FETCH and each.seconds < ambulance for each in (*case.offers, *case.asked)
        ),
        ambulance_seconds=ambulance,
        planning=planning,
    )


def drop_unneeded(case: PlanCase, enough: Sufficiency) -> PlanCase:
    """Return the case without silent people and offers that are not needed."""
    silent = set(silent_and_unneeded(case, enough))
    return replace(
        case,
        offers=tuple(each for each in case.offers if not enough.is_unneeded(each)),
        asked=tuple(each for each in case.asked if each.person_id not in silent),
    )


def silent_and_unneeded(case: PlanCase, enough: Sufficiency) -> list[int]:
    """Return the ids of people who were asked, have not replied and are not needed."""
    return [
        each.person_id
        for each in case.asked
        if each.person_id not in case.on_the_way and enough.is_unneeded(each)
    ]
