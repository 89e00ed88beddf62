"""Compute the outcome of asking people, from true walks, true opening hours, and the random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aed.incidents.plan.rules.survival import Patient, expected_survival
from aed.planning.survival import valenzuela_survival
from aed.simulation.rules.assumptions import Numbers
from aed.simulation.rules.policies import AskedResponder
from aed.simulation.rules.scene import Scene


class Journey(NamedTuple):
    """When a person who was asked arrives at each place, if they come. Seconds from the alert."""

    sets_off_seconds: float
    at_device_seconds: float
    """For a person who goes direct: when they set off."""
    arrives_seconds: float


def journey(scene: Scene, asked: AskedResponder, numbers: Numbers) -> Journey:
    """Compute a journey on the walking network, regardless of how the person was chosen."""
    off = asked.at_seconds + float(scene.truth.answers_after_seconds[asked.person])
    down, up = float(scene.people_floor_seconds[asked.person]), scene.floor_seconds
    if asked.device is None:
        walk = numbers.walking_seconds(float(scene.walk.people[asked.person]))
        return Journey(off, off, off + down + walk + up)
    there = off + down + numbers.walking_seconds(float(scene.walk.between[asked.person, asked.device]))
    back = numbers.walking_seconds(float(scene.walk.devices[asked.device]))
    return Journey(off, there, there + numbers.opening_seconds + back + up)


class SimulatedOutcome(NamedTuple):
    """Outcome of one patient. Seconds from the alert."""

    cpr_seconds: float
    """0 if a bystander already did compressions."""
    shock_seconds: float
    is_shock_before_ambulance: bool
    """A device arrived before the ambulance."""
    alerts: int
    wasted: int
    """Number of people who came after the ambulance, or who were sent for a device and found none, found it
    taken, or brought it after another.
    """
    survival: float
    """By Larsen's formula from what really happened, in per cent."""
    valenzuela: float
    """By Valenzuela's formula."""
    is_alone: bool
    """Nobody arrived before the ambulance, and no bystander did compressions."""


class _There(NamedTuple):
    """A person who came, for the formula (`survival.ComingPerson`)."""

    seconds: float
    probability_arrives: float
    device_id: int | None
    works: float


def outcome(scene: Scene, asked: Sequence[AskedResponder], numbers: Numbers) -> SimulatedOutcome:
    """Compute the outcome.

    1. Decide who comes, by the random numbers, and when, by the walking network.
    2. The first person at a device takes it if it is available and works; the others come without.
    3. Apply the formula, with the people who came as certain.
    """
    there_if_asked, ambulance = numbers.truly.there, scene.truth.ambulance_seconds
    came = [
        (journey(scene, each, numbers), each)
        for each in asked
        if scene.truth.luck[each.person] < there_if_asked
    ]
    came.sort(key=lambda pair: pair[0].at_device_seconds)
    brought: dict[int, Journey] = {}
    for taken, each in came:
        if each.device is not None and scene.is_there(each.device):
            brought.setdefault(each.device, taken)
    first_device = min((taken.arrives_seconds for taken in brought.values()), default=ambulance)
    there: list[_There] = []
    wasted = 0
    for taken, each in came:
        device = each.device if each.device is not None and brought.get(each.device) is taken else None
        there.append(_There(taken.arrives_seconds, 1.0, device, 1.0))
        is_in_vain = each.device is not None and (device is None or taken.arrives_seconds > first_device)
        wasted += taken.arrives_seconds >= ambulance or is_in_vain
    first = min((each.seconds for each in there), default=ambulance)
    truly = Patient(scene.patient.since_seconds, ambulance, scene.patient.has_cpr)
    since = scene.patient.since_seconds
    shock = min(first_device, ambulance) + numbers.settings.survival.pads_seconds
    return SimulatedOutcome(
        cpr_seconds=0.0 if scene.patient.has_cpr else min(first, ambulance),
        shock_seconds=shock,
        is_shock_before_ambulance=first_device < ambulance,
        alerts=len(asked),
        wasted=wasted,
        survival=expected_survival(truly, there, numbers.settings.survival),
        valenzuela=float(
            valenzuela_survival(
                0.0 if scene.patient.has_cpr else since + min(first, ambulance), since + shock
            )
        ),
        is_alone=not scene.patient.has_cpr and first >= ambulance,
    )
