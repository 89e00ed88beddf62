"""The plan (`incidents.plan.rules.planner`), made again regularly with what is known by then."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from aed.incidents.plan.rules.offers import TaskOffer
from aed.incidents.plan.rules.planner import PlanCase, plan
from aed.incidents.plan.rules.survival import Patient, probability_after_silence
from aed.incidents.rules import Task
from aed.simulation.rules.assumptions import Numbers
from aed.simulation.rules.outcome import journey
from aed.simulation.rules.policies import AskedResponder
from aed.simulation.rules.scene import Scene
from aed.walking.travel import direct_seconds, fetch_seconds, walk_seconds

DEVICES_EACH: Final = 3
"""Devices considered for each person, the soonest first; others are hardly ever chosen."""


def plan_in_waves(scene: Scene, numbers: Numbers, *, waves: int) -> list[AskedResponder]:
    """Return whom the plan asks, and when.

    1. Collect what is known at that moment: who has declined, is on the way, has not answered or has arrived,
       and which device was not available.
    2. Make the plan with that, and ask the people in it.
    3. Repeat after a while, and whenever somebody reports an unavailable device, until the ambulance has
       arrived or should have, or a device has.

    With a single wave the plan is made once, whatever happens.
    """
    asked: list[AskedResponder] = []
    useless: frozenset[int] = frozenset()
    moments = [wave * numbers.assumptions.next_wave_seconds for wave in range(waves)]
    while moments:
        now = heapq.heappop(moments)
        expected = scene.patient.ambulance_seconds - now
        if expected <= 0 or now >= scene.truth.ambulance_seconds:
            break
        known = _known(scene, asked, now, numbers)
        if known.has_device:
            break
        useless |= known.useless_devices
        case = PlanCase(
            Patient(scene.patient.since_seconds + now, expected, scene.patient.has_cpr or known.has_cpr),
            tuple(_offers(scene, numbers, {each.person for each in asked}, useless)),
            asked=known.asked,
            on_the_way=known.on_the_way,
        )
        made = plan(case, planning=numbers.settings.planning, survival=numbers.settings.survival)
        new = [AskedResponder(step.offer.person_id, step.offer.device_id, now) for step in made.steps]
        asked += new
        if waves > 1:
            for moment in _finds_nothing(scene, new, numbers):
                heapq.heappush(moments, moment)
    return asked


def _finds_nothing(scene: Scene, asked: list[AskedResponder], numbers: Numbers) -> Iterator[float]:
    """Yield the times when people who come find a device unavailable."""
    for each in asked:
        comes = scene.truth.luck[each.person] < numbers.truly.there
        if comes and each.device is not None and not scene.is_there(each.device):
            yield journey(scene, each, numbers).at_device_seconds


def _offers(scene: Scene, numbers: Numbers, busy: set[int], useless: frozenset[int]) -> list[TaskOffer]:
    """Return what people who were not asked could do: go direct, or fetch one of a few devices."""
    arrival, probability_arrives = numbers.settings.arrival, numbers.settings.planning.probability_there
    usable = [
        device for device in np.flatnonzero(scene.probability_usable > 0).tolist() if device not in useless
    ]
    by_device, pace = scene.walk.by_device, numbers.pace
    back = {
        device: walk_seconds(float(scene.walk.devices[device]), pace, arrival) + scene.floor_seconds
        for device in usable
    }
    offers: list[TaskOffer] = []
    for person in range(scene.people_count):
        metres = float(scene.walk.people[person])
        if person in busy or not math.isfinite(metres):
            continue
        down = float(scene.people_floor_seconds[person])
        walk = down + walk_seconds(metres, pace, arrival) + scene.floor_seconds
        offers.append(TaskOffer(person, Task.DIRECT, direct_seconds(walk, arrival), probability_arrives))
        for device in sorted(usable, key=lambda each: (by_device[person, each], each))[:DEVICES_EACH]:
            if math.isfinite(float(by_device[person, device])):
                there = down + walk_seconds(float(scene.walk.between[person, device]), pace, arrival)
                seconds = fetch_seconds(there, back[device], pace)
                works = float(scene.probability_usable[device])
                offers.append(TaskOffer(person, Task.FETCH, seconds, probability_arrives, device, works))
    return offers


class _KnownSituation(NamedTuple):
    """What is known at a moment about the people who were asked."""

    asked: tuple[TaskOffer, ...]
    """People who have not declined; those who have arrived count as there at once."""
    on_the_way: frozenset[int]
    has_cpr: bool
    has_device: bool
    useless_devices: frozenset[int]


def _known(scene: Scene, asked: list[AskedResponder], now: float, numbers: Numbers) -> _KnownSituation:
    planning, reaction = numbers.settings.planning, numbers.settings.arrival.reaction_seconds
    truly = numbers.truly
    offers: list[TaskOffer] = []
    on_the_way: set[int] = set()
    useless = {
        each.device
        for each in asked
        if each.device is not None
        and not scene.is_there(each.device)
        and scene.truth.luck[each.person] < truly.there
        and journey(scene, each, numbers).at_device_seconds <= now
    }
    has_cpr = has_device = False
    for each in asked:
        taken = journey(scene, each, numbers)
        luck = float(scene.truth.luck[each.person])
        comes, has_answered = luck < truly.there, taken.sets_off_seconds <= now
        device = None if each.device in useless else each.device
        if comes and taken.arrives_seconds <= now:
            has_cpr, has_device = True, has_device or device is not None
            offers.append(TaskOffer(each.person, Task.DIRECT, 0.0, 1.0))
            continue
        if not has_answered or luck >= truly.seen:
            waited = now - each.at_seconds
            probability_arrives = probability_after_silence(
                planning.probability_there, waited, planning.answers_after_seconds
            )
            seconds = reaction + taken.arrives_seconds - taken.sets_off_seconds
        elif luck < truly.accepted and taken.arrives_seconds > now:
            on_the_way.add(each.person)
            probability_arrives = planning.probability_there / planning.probability_accepted
            seconds = taken.arrives_seconds - now
        else:
            continue  # declined, or did not come in time
        task = Task.DIRECT if device is None else Task.FETCH
        works = 1.0 if device is None else float(scene.probability_usable[device])
        offers.append(TaskOffer(each.person, task, seconds, probability_arrives, device, works))
    return _KnownSituation(tuple(offers), frozenset(on_the_way), has_cpr, has_device, frozenset(useless))
