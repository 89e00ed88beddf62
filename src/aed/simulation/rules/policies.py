"""Strategies of choosing whom to ask, and for what.

Each is a function of a scene, and uses only what is known at the time. The strategies here always ask a given
number of people, whenever the ambulance is expected; the plan is in `waves`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from aed.simulation.rules.scene import Lengths, Scene
from aed.simulation.rules.world import Flags


class AskedResponder(NamedTuple):
    """A person who is asked, by their index in the scene: to go to the patient, or to bring a device."""

    person: int
    device: int | None = None
    at_seconds: float = 0.0
    """From the alert."""


type Policy = Callable[[Scene], list[AskedResponder]]


class Strategy(StrEnum):
    """The strategies that are compared, in the order of the table."""

    LINE = "straight line"
    LINE_AND_HOURS = "line, with hours"
    WALK = "on foot"
    SPLIT = "fixed split 2:1"
    SPLIT_30 = "split 2:1 of 30"
    EVERYONE = "everyone within 1 km"
    ONE_FETCH = "one fetch only"
    PLAN_ONCE = "plan, one wave"
    PLAN = "plan, in waves"


def nearest_by_line(scene: Scene, count: int) -> list[AskedResponder]:
    """Ask as a map with pins would suggest: nearest by straight line, regardless of opening hours."""
    return _nearest(scene.line, np.ones(len(scene.probability_usable), dtype=bool), count)


def nearest_by_line_and_hours(scene: Scene, count: int) -> list[AskedResponder]:
    """Ask the nearest by straight line, without closed devices."""
    return _nearest(scene.line, scene.probability_usable > 0, count)


def nearest_on_foot(scene: Scene, count: int) -> list[AskedResponder]:
    """Ask the nearest by walking time, without closed devices."""
    return _nearest(scene.walk, scene.probability_usable > 0, count)


def _nearest(lengths: Lengths, is_usable: Flags, count: int) -> list[AskedResponder]:
    """Ask the nearest people; the one who is soonest there with a device brings it, the others go direct.

    A single person goes direct.
    """
    return _with_one_fetch(lengths, is_usable, _nearest_first(lengths, count))


def _with_one_fetch(lengths: Lengths, is_usable: Flags, people: list[int]) -> list[AskedResponder]:
    if len(people) > 1:
        best = _best_fetch(np.where(is_usable, lengths.by_device, np.inf), people)
        if best is not None:
            return [AskedResponder(person, best[1] if person == best[0] else None) for person in people]
    return [AskedResponder(person) for person in people]


NEAR_METRES: Final = 1_000.0
"""Straight line: the radius of Stockholm's and Zurich's first systems, and of many others."""


def everyone_near(scene: Scene) -> list[AskedResponder]:
    """Ask everyone within a kilometre: one brings the device that is soonest there, the others go direct."""
    near = np.flatnonzero(scene.line.people <= NEAR_METRES)
    people = near[np.argsort(scene.walk.people[near], kind="stable")].tolist()
    return _with_one_fetch(
        scene.walk,
        scene.probability_usable > 0,
        [one for one in people if np.isfinite(scene.walk.people[one])],
    )


def fixed_split(scene: Scene, count: int) -> list[AskedResponder]:
    """Send two direct, one for a device, and so on: the soonest on foot for each, no device twice."""
    left = _nearest_first(scene.walk, scene.people_count)
    by_device = np.where(scene.probability_usable > 0, scene.walk.by_device, np.inf)
    asked: list[AskedResponder] = []
    while left and len(asked) < count:
        best = _best_fetch(by_device, left) if len(asked) % 3 == 2 else None
        if best is None:
            asked.append(AskedResponder(left.pop(0)))
        else:
            asked.append(AskedResponder(*best))
            left.remove(best[0])
            by_device[:, best[1]] = np.inf
    return asked


def one_fetch_only(scene: Scene) -> list[AskedResponder]:
    """Ask a single person: the one who can be there with a device soonest on foot."""
    people = _nearest_first(scene.walk, scene.people_count)
    best = _best_fetch(np.where(scene.probability_usable > 0, scene.walk.by_device, np.inf), people)
    return [] if best is None else [AskedResponder(*best)]


def _nearest_first(lengths: Lengths, count: int) -> list[int]:
    """Return the people, nearest first, without those who have no way to the patient."""
    order = np.argsort(lengths.people, kind="stable")
    found: list[int] = order[np.isfinite(lengths.people[order])][:count].tolist()
    return found


def _best_fetch(
    by_device: np.ndarray[tuple[int, ...], np.dtype[np.float64]], people: list[int]
) -> tuple[int, int] | None:
    """Return the (person, device) that are soonest at the patient; None if no device is available."""
    some = by_device[people]
    if not np.isfinite(some).any():
        return None
    row, column = np.unravel_index(int(some.argmin()), some.shape)
    return people[int(row)], int(column)
