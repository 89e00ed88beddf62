"""Who is asked to do what: a pure function of what is known at a moment.

The plan seeks the arrangement that is worth most to the patient (`survival`), less a price for each person
who is asked (`arrangement`). It is the same for the same inputs, in whatever order they come.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from aed.incidents.rules.arrangement import Search
from aed.incidents.rules.guiding import Guide
from aed.incidents.rules.offer import Offer, Task
from aed.incidents.rules.survival import Patient, expected_survival
from aed.settings import Planning, Survival

_ROUNDING: Final = 1e-6


class Why(StrEnum):
    """Why somebody who could be asked is not."""

    GAINS_TOO_LITTLE = "gains_too_little"
    """It would help less than asking costs."""
    AFTER_THE_AMBULANCE = "after_the_ambulance"
    WAVE_IS_FULL = "wave_is_full"
    """More would help; they are asked if too few of these come."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is known at a moment."""

    patient: Patient
    offers: tuple[Offer, ...]
    """What people who have not been asked could do: each person's ways, one of which may be taken."""
    asked: tuple[Offer, ...] = ()
    """What people have been asked to do who have not said no, with the chances of now."""
    on_the_way: frozenset[int] = frozenset()
    """Of those, by person, who has said that he comes: after a device that he brings no other is sent for."""
    guides: tuple[Offer, ...] = ()
    """Who could open the gate and hold the lift, whoever is asked first in front: one of them at once."""
    ambulance_saved: float = 0.0
    """Seconds that a guide saves the ambulance's crew."""


class Step(NamedTuple):
    """One who is asked, and what that adds to the expected survival in the end, in per cent."""

    offer: Offer
    adds: float


class Left(NamedTuple):
    """The best that somebody who is not asked could have done."""

    offer: Offer
    adds: float
    why: Why


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is to be asked now, whoever matters most first; what that is expected to be worth; who is left."""

    steps: tuple[Step, ...]
    survival_before: float
    """With those alone who have been asked already, in per cent."""
    survival: float
    left: tuple[Left, ...]


def is_the_same(one: Plan, other: Plan) -> bool:
    """Whether two plans ask the same people for the same, for the same gain but for rounding: a release may
    add up in another order."""
    return (
        [step.offer for step in one.steps] == [step.offer for step in other.steps]
        and [(left.offer, left.why) for left in one.left] == [(left.offer, left.why) for left in other.left]
        and all(
            math.isclose(a, b, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
            for a, b in zip(_figures(one), _figures(other), strict=True)
        )
    )


def _figures(made: Plan) -> list[float]:
    adds = [*(step.adds for step in made.steps), *(left.adds for left in made.left)]
    return [made.survival_before, made.survival, *adds]


def choices(case: Case) -> list[Offer]:
    """The offers that are worth a thought: of people who have not been asked, there before the ambulance, and
    with a device before one that is on its way. In order."""
    ambulance = case.patient.ambulance_seconds
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
        and each.chance > 0
        and each.seconds < (ambulance if each.device_id is None else min(no_device_after, ambulance))
    )
    return sorted(found, key=lambda each: each.order)


def plan(case: Case, *, planning: Planning, survival: Survival) -> Plan:
    """Whom to ask now.

    1. What cannot be there in time is no choice (`choices`).
    2. The best arrangement of what is left: at least one goes direct before anybody fetches, nobody is asked
       who adds less than asking costs, and no more than a wave takes (`arrangement`).
    3. Where that asks nobody to go direct, nobody has been and nobody does compressions: the soonest do.
    4. One guides where that adds enough, with those who come then, and where nobody is asked to yet. Where
       the formula has come down to nothing, saving time is enough.
    5. It is told what each adds, and why everybody else is not asked.
    """
    from_now = choices(case)
    standing = next((each for each in case.asked if each.task is Task.GUIDE), None)
    guide, chosen = _arranged(case, from_now, standing, planning, survival)
    expected = _worth(case, guide, planning, survival).expected
    steps = [
        Step(each, expected(chosen) - expected([other for other in chosen if other is not each]))
        for each in chosen
    ]
    steps.sort(key=lambda step: (-step.adds, step.offer.order))
    if guide is not None and guide is not standing:
        steps.append(Step(guide, _guide_adds(case, guide, chosen, planning, survival)))
    return Plan(
        tuple(steps),
        _worth(case, standing, planning, survival).expected([]),
        expected(chosen),
        _left(case, from_now, chosen, guide, planning, survival),
    )


def _arranged(
    case: Case, from_now: Sequence[Offer], standing: Offer | None, planning: Planning, survival: Survival
) -> tuple[Offer | None, list[Offer]]:
    """Who guides, and the best arrangement beside that.

    As long as the formula is above nothing, whatever is done, a guide changes little of who else is best to
    ask, and is thought of afterwards. Else saving time is what makes anybody worth asking.
    """

    def is_worth_asking(guide: Offer, beside: Sequence[Offer]) -> bool:
        if _guide_adds(case, guide, beside, planning, survival) > planning.min_gain_percent:
            return True
        comes_to_nothing = _worth(case, guide, planning, survival).expected(beside) <= 0.0
        return comes_to_nothing and _saves(case, beside)

    if expected_survival(case.patient, (), survival) > 0.0:
        chosen = _searched(case, from_now, None, planning, survival)
        guide = standing or _free_guide(case, from_now, chosen)
        if guide is standing or (guide is not None and is_worth_asking(guide, chosen)):
            return guide, chosen
        return None, chosen
    guide = standing or _free_guide(case, from_now, ())
    chosen = _searched(case, from_now, guide, planning, survival)
    if guide is standing or (guide is not None and is_worth_asking(guide, chosen)):
        return guide, chosen
    return None, _searched(case, from_now, None, planning, survival)


def _searched(
    case: Case, from_now: Sequence[Offer], guide: Offer | None, planning: Planning, survival: Survival
) -> list[Offer]:
    """The best arrangement beside that guide."""
    others = [each for each in from_now if guide is None or each.person_id != guide.person_id]
    search = Search(case.patient, case.asked, others, planning, survival, _as_guide(case, guide))
    chosen = search.best()
    if not case.patient.has_cpr and all(each.task is not Task.DIRECT for each in (*case.asked, *chosen)):
        chosen = [each for each in others if each.task is Task.DIRECT][: planning.min_direct]
    return chosen


def _worth(case: Case, guide: Offer | None, planning: Planning, survival: Survival) -> Search:
    """What arrangements beside that guide are worth."""
    return Search(case.patient, case.asked, (), planning, survival, _as_guide(case, guide))


def _as_guide(case: Case, offer: Offer | None) -> Guide | None:
    return Guide(offer, case.ambulance_saved) if offer is not None else None


def _guide_adds(
    case: Case, guide: Offer, beside: Sequence[Offer], planning: Planning, survival: Survival
) -> float:
    with_guide, alone = (_worth(case, each, planning, survival) for each in (guide, None))
    return with_guide.expected(beside) - alone.expected(beside)


def _free_guide(case: Case, from_now: Sequence[Offer], chosen: Sequence[Offer]) -> Offer | None:
    """Who could guide, where there is anything to save: the first, of those who can do nothing else in time
    if there are any."""
    if not _saves(case, from_now):
        return None
    busy = {each.person_id for each in (*case.asked, *chosen)}
    free = [
        each
        for each in case.guides
        if each.person_id not in busy and each.chance > 0 and each.seconds < case.patient.ambulance_seconds
    ]
    useful = {each.person_id for each in from_now}
    return next((each for each in free if each.person_id not in useful), free[0] if free else None)


def _saves(case: Case, coming: Sequence[Offer]) -> bool:
    return case.ambulance_saved > 0 or any(each.saved > 0 for each in (*case.asked, *coming))


def _left(
    case: Case,
    from_now: Sequence[Offer],
    chosen: Sequence[Offer],
    guide: Offer | None,
    planning: Planning,
    survival: Survival,
) -> tuple[Left, ...]:
    """Everybody who could have been asked and is not, whoever would have added most first."""
    busy = {each.person_id for each in (*case.asked, *chosen)} | ({guide.person_id} if guide else set())
    expected = _worth(case, guide, planning, survival).expected
    now, is_full = expected(chosen), len(chosen) >= planning.max_alerts_per_wave
    best: dict[int, Left] = {}
    for offer in from_now:
        if offer.person_id not in busy:
            adds = expected([*chosen, offer]) - now
            why = Why.WAVE_IS_FULL if is_full and adds > planning.min_gain_percent else Why.GAINS_TOO_LITTLE
            known = best.get(offer.person_id)
            if known is None or adds > known.adds:
                best[offer.person_id] = Left(offer, adds, why)
    for offer in sorted(case.offers, key=lambda each: each.order):
        if offer.person_id not in busy and offer.chance > 0:
            best.setdefault(offer.person_id, Left(offer, 0.0, Why.AFTER_THE_AMBULANCE))
    return tuple(sorted(best.values(), key=lambda left: (-left.adds, left.offer.order)))
