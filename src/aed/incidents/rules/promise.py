"""How likely it is that somebody, and that a working device, is at the patient by a given moment.

The plan asks people until these chances are high enough (`plan`); those who have not answered are stood down
once enough others have accepted (`enough_accepted`). People come independently of each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aed.incidents.rules.offer import Offer, Task
from aed.incidents.rules.survival import Coming
from aed.settings import Planning

MIN_HANDS: Final = 2
"""Compressions are exhausting: rescuers change over every two minutes, so one person is not enough."""


def chance_of_somebody(coming: Iterable[Coming], *, before_seconds: float) -> float:
    """Return the chance that at least one of these people is at the patient before that moment."""
    nobody = 1.0
    for each in coming:
        if each.seconds < before_seconds:
            nobody *= 1.0 - each.chance
    return 1.0 - nobody


def chance_of_several(coming: Iterable[Coming], *, at_least: int, before_seconds: float) -> float:
    """Return the chance that at least so many of these people are at the patient before that moment."""
    chances = [1.0] + [0.0] * at_least
    for each in coming:
        if each.seconds < before_seconds:
            for number in range(at_least, 0, -1):
                step = chances[number - 1] * each.chance
                chances[number] += step if number == at_least else step - chances[number] * each.chance
            chances[0] *= 1.0 - each.chance
    return chances[at_least]


def chance_of_device(coming: Iterable[Coming], *, before_seconds: float) -> float:
    """Return the chance that a working device is at the patient before that moment.

    Two people who are sent to the same device bring it or fail together, if it does not work.
    """
    not_fetched: dict[int, float] = {}
    works: dict[int, float] = {}
    for each in coming:
        if each.device_id is not None and each.seconds < before_seconds:
            not_fetched[each.device_id] = not_fetched.get(each.device_id, 1.0) * (1.0 - each.chance)
            works[each.device_id] = each.works
    none = 1.0
    for device_id in sorted(works):
        none *= 1.0 - works[device_id] * (1.0 - not_fetched[device_id])
    return 1.0 - none


def enough_accepted(
    accepted: Sequence[Offer],
    *,
    ambulance_seconds: float,
    planning: Planning,
    needs_device: bool = False,
    at_least: int = MIN_HANDS,
) -> bool:
    """Return whether those who have accepted are enough, so that those who are silent can be stood down.

    `accepted` are people who said that they come, with the chances of now (`incident.chance_now`); guides
    do not count. Enough: with `planning.promise_chance`, `at_least` of them are there before the ambulance.
    `needs_device`: and one of them brings a working device before it (ask this of those who fetch).
    """
    people = [each for each in accepted if each.task is not Task.GUIDE]
    chance = chance_of_several(people, at_least=at_least, before_seconds=ambulance_seconds)
    if chance < planning.promise_chance:
        return False
    if not needs_device:
        return True
    return chance_of_device(people, before_seconds=ambulance_seconds) >= planning.promise_chance
