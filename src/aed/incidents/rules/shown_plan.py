"""A plan as dispatchers see it: reckoned from the centres of people's cells.

The plan of a real incident reckons with where people are. Its seconds, what each person adds and why somebody
is left out all follow from that, so that a few of them would tell where somebody lives. What is shown instead
is reckoned anew with `Offer.shown_seconds`, which is the same for every place in a person's cell. Whom the
plan asks is shown as it is: what that tells is bounded in docs/decide/responder-privacy.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aed.incidents.rules.offer import Offer, Task
from aed.incidents.rules.plan import Case, Left, Plan, Why
from aed.incidents.rules.survival import expected_survival
from aed.settings import Survival


@dataclass(frozen=True, slots=True)
class ShownOffer:
    """One task, with the time that may be shown. None: planned by a release that kept no such time."""

    person_id: int
    task: Task
    device_id: int | None
    seconds: float | None
    chance: float


@dataclass(frozen=True, slots=True)
class ShownLeft:
    """Somebody who is not asked, how soon they could be at the patient, and why they are not."""

    person_id: int
    seconds: float | None
    why: Why


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """Who is asked and who is left, the soonest first; expected survival in per cent, of what is shown."""

    asked_before: tuple[ShownOffer, ...]
    asked: tuple[ShownOffer, ...]
    left: tuple[ShownLeft, ...]
    survival_before: float | None
    survival: float | None


def shown_plan(case: Case, made: Plan, survival: Survival) -> ShownPlan:
    """Return what may be shown of a plan that was made of this case."""
    asked = sorted((step.offer for step in made.steps), key=_order)
    before = sorted(case.asked, key=_order)
    direct = {offer.person_id: offer for offer in case.offers if offer.task is Task.DIRECT}
    left = [_left(each, direct.get(each.offer.person_id, each.offer), case) for each in made.left]
    return ShownPlan(
        tuple(_shown(each) for each in before),
        tuple(_shown(each) for each in asked),
        tuple(sorted(left, key=lambda each: (each.seconds or 0.0, each.person_id))),
        _expected(case, before, survival),
        _expected(case, [*before, *asked], survival),
    )


def _order(offer: Offer) -> tuple[float, int]:
    return offer.shown_seconds or 0.0, offer.person_id


def _shown(offer: Offer) -> ShownOffer:
    return ShownOffer(offer.person_id, offer.task, offer.device_id, offer.shown_seconds, offer.chance)


def _left(left: Left, direct: Offer, case: Case) -> ShownLeft:
    """Whether somebody is too late is judged by the time that is shown."""
    why, seconds = left.why, direct.shown_seconds
    if seconds is not None:
        if seconds >= case.patient.ambulance_seconds:
            why = Why.AFTER_THE_AMBULANCE
        elif why is Why.AFTER_THE_AMBULANCE:
            why = Why.GAINS_TOO_LITTLE
    return ShownLeft(left.offer.person_id, seconds, why)


def _expected(case: Case, coming: Iterable[Offer], survival: Survival) -> float | None:
    """None where a time is not known. A guide is not reckoned with."""
    shown: list[Offer] = []
    for offer in coming:
        if offer.shown_seconds is None:
            return None
        if offer.task is not Task.GUIDE:
            shown.append(offer._replace(seconds=offer.shown_seconds))
    return expected_survival(case.patient, shown, survival)
