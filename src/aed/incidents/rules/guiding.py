"""What a guide is worth: somebody who opens the gate and holds the lift for those who come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aed.incidents.rules.offer import Offer
from aed.incidents.rules.survival import Patient, expected_score, expected_survival
from aed.registry.rules.gate import Passing
from aed.settings import Arrival, Survival


def wait_of(passed: Passing, numbers: Arrival) -> float:
    """Seconds that a gate keeps somebody waiting who comes from outside."""
    match passed:
        case Passing.FREELY:
            return 0.0
        case Passing.AFTER_A_WAIT:
            return numbers.guarded_gate_seconds
        case Passing.NOT:
            return numbers.closed_gate_seconds


def guided(seconds: float, saved: float, guide_seconds: float) -> float:
    """When somebody is at the patient's side whom a guide saves so much, if the guide is at the gate then.

    Who was there before the guide has waited already; who waits when the guide comes, waits no longer.
    """
    return max(seconds - saved, min(seconds, guide_seconds))


class Guide(NamedTuple):
    """Somebody who may guide."""

    offer: Offer
    ambulance_saved: float
    """Seconds that this saves the ambulance's crew."""

    def eased(self, patient: Patient) -> Patient:
        """The patient, if the guide comes."""
        seconds = guided(patient.ambulance_seconds, self.ambulance_saved, self.offer.seconds)
        return patient._replace(ambulance_seconds=seconds)

    def sooner(self, offer: Offer) -> Offer:
        """The same person, if the guide comes."""
        if offer.saved <= 0:
            return offer
        seconds = guided(offer.seconds, offer.saved, self.offer.seconds)
        # Said out: `_replace` takes twice as long, of what a plan does most.
        return Offer(offer.person_id, offer.task, seconds, offer.chance, offer.device_id, offer.works)


def expected_with_guide(patient: Patient, coming: Sequence[Offer], guide: Guide, numbers: Survival) -> float:
    """The expected survival, in per cent, over whether the guide comes too. Exact."""
    without = expected_survival(patient, coming, numbers)
    sooner = [guide.sooner(each) for each in coming]
    chance = guide.offer.chance
    return chance * expected_survival(guide.eased(patient), sooner, numbers) + (1 - chance) * without


def expected_score_with_guide(
    patient: Patient, coming: Sequence[Offer], guide: Guide, numbers: Survival, *, spread: float = 0.0
) -> float:
    """The same of the score (`survival.expected_score`)."""
    without = expected_score(patient, coming, numbers, spread=spread)
    sooner = [guide.sooner(each) for each in coming]
    chance = guide.offer.chance
    eased = expected_score(guide.eased(patient), sooner, numbers, spread=spread)
    return chance * eased + (1 - chance) * without
