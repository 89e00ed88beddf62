"""What a person could do for a patient, and the probability that enough people arrive in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from aed.incidents.plan.rules.survival import (
    ComingPerson,
    Patient,
    expected_score,
    expected_survival,
    probability_after_silence,
)
from aed.incidents.rules import AlertState, Task
from aed.registry.estates.rules import GatePassing
from aed.settings.arrival import Arrival
from aed.settings.planning import Planning, Survival


class TaskOffer(NamedTuple):
    """A task that a person could do, or has been given."""

    person_id: int
    task: Task
    seconds: float
    """From now until they are at the patient's side, with the device if they fetch one; for a guide, at the
    gate.
    """
    probability_arrives: float
    """Probability that the person comes; for a person who was asked already, as of now."""
    device_id: int | None = None
    works: float = 1.0
    """Probability that the device is in place and works."""
    saved: float = 0.0
    """How many of the seconds a guide saves."""
    shown_seconds: float | None = None
    """What dispatchers see instead of `seconds` until the person accepts, computed from the centre of their
    cell. None: an offer of an earlier release.
    """

    @property
    def order(self) -> tuple[float, int, int]:
        """Sort key: soonest first, then by person and device."""
        return self.seconds, self.person_id, -1 if self.device_id is None else self.device_id


def shown_seconds(offer: TaskOffer) -> float:
    """Return the seconds that may be shown. Raises ValueError if they are not known."""
    if offer.shown_seconds is None:
        raise ValueError("the shown_seconds of this offer are not known")
    return offer.shown_seconds


def shown_order(offer: TaskOffer) -> tuple[float, int]:
    """Sort key that does not reveal who is nearer within a cell."""
    return shown_seconds(offer), offer.person_id


MIN_RESCUERS: Final = 2
"""Compressions are exhausting: rescuers change over every two minutes, so one person is not enough."""


def probability_anyone_arrives(coming: Iterable[ComingPerson], *, before_seconds: float) -> float:
    """Return the probability that at least one of these people is at the patient before that moment."""
    nobody = 1.0
    for each in coming:
        if each.seconds < before_seconds:
            nobody *= 1.0 - each.probability_arrives
    return 1.0 - nobody


def probability_at_least_arrive(
    coming: Iterable[ComingPerson], *, at_least: int, before_seconds: float
) -> float:
    """Return the probability that at least `at_least` of these people are at the patient before that
    moment.
    """
    probabilities = [1.0] + [0.0] * at_least
    for each in coming:
        if each.seconds < before_seconds:
            for number in range(at_least, 0, -1):
                step = probabilities[number - 1] * each.probability_arrives
                probabilities[number] += (
                    step if number == at_least else step - probabilities[number] * each.probability_arrives
                )
            probabilities[0] *= 1.0 - each.probability_arrives
    return probabilities[at_least]


def probability_device_arrives(coming: Iterable[ComingPerson], *, before_seconds: float) -> float:
    """Return the probability that a working device is at the patient before that moment.

    Two people who are sent to the same device both fail if it does not work.
    """
    not_fetched: dict[int, float] = {}
    works: dict[int, float] = {}
    for each in coming:
        if each.device_id is not None and each.seconds < before_seconds:
            not_fetched[each.device_id] = not_fetched.get(each.device_id, 1.0) * (
                1.0 - each.probability_arrives
            )
            works[each.device_id] = each.works
    none = 1.0
    for device_id in sorted(works):
        none *= 1.0 - works[device_id] * (1.0 - not_fetched[device_id])
    return 1.0 - none


def is_promise_kept(
    accepted: Sequence[TaskOffer],
    *,
    ambulance_seconds: float,
    planning: Planning,
    needs_device: bool = False,
    at_least: int = MIN_RESCUERS,
) -> bool:
    """True if the people who accepted are enough, so that those who have not replied can be stood down.

    `accepted` have accepted, with the probabilities of now (`arrival_probability`); guides do not count.
    Enough means: with `planning.promise_probability`, `at_least` of them arrive before the ambulance and, if
    `needs_device`, one of them brings a working device before it.
    """
    people = [each for each in accepted if each.task is not Task.GUIDE]
    probability_arrives = probability_at_least_arrive(
        people, at_least=at_least, before_seconds=ambulance_seconds
    )
    if probability_arrives < planning.promise_probability:
        return False
    if not needs_device:
        return True
    return (
        probability_device_arrives(people, before_seconds=ambulance_seconds) >= planning.promise_probability
    )


def arrival_probability(state: AlertState, *, waited_seconds: float, numbers: Planning) -> float:
    """Return the probability that a person who was asked arrives in the end, by what is known now."""
    match state:
        case AlertState.ASKED:
            return probability_after_silence(
                numbers.probability_there, waited_seconds, numbers.answers_after_seconds
            )
        case AlertState.SEEN:
            seen = numbers.probability_there / numbers.probability_seen
            return probability_after_silence(seen, waited_seconds, numbers.answers_after_seconds)
        case AlertState.ACCEPTED | AlertState.ON_THE_WAY:
            return numbers.probability_there / numbers.probability_accepted
        case AlertState.THERE:
            return 1.0
        case AlertState.DECLINED | AlertState.STOPPED | AlertState.STOOD_DOWN:
            return 0.0


def gate_wait_seconds(passed: GatePassing, numbers: Arrival) -> float:
    """Return how long a gate keeps a person waiting who comes from outside."""
    match passed:
        case GatePassing.FREELY:
            return 0.0
        case GatePassing.AFTER_A_WAIT:
            return numbers.guarded_gate_seconds
        case GatePassing.NOT:
            return numbers.closed_gate_seconds


def arrival_with_guide(seconds: float, saved: float, guide_seconds: float) -> float:
    """Return when a person arrives if a guide, who saves them `saved` seconds, is at the gate at
    `guide_seconds`.

    A person who passed before the guide came has waited already; one who is waiting then waits no longer.
    """
    return max(seconds - saved, min(seconds, guide_seconds))


class Guide(NamedTuple):
    """A person who could guide."""

    offer: TaskOffer
    ambulance_saved: float
    """Seconds that the guide saves the ambulance's crew."""

    def eased(self, patient: Patient) -> Patient:
        """Return the patient as if the guide came."""
        seconds = arrival_with_guide(patient.ambulance_seconds, self.ambulance_saved, self.offer.seconds)
        return patient._replace(ambulance_seconds=seconds)

    def sooner(self, offer: TaskOffer) -> TaskOffer:
        """Return the same person's offer as if the guide came."""
        if offer.saved <= 0:
            return offer
        seconds = arrival_with_guide(offer.seconds, offer.saved, self.offer.seconds)
        # Said out: `_replace` takes twice as long, of what a plan does most.
        return TaskOffer(
            offer.person_id, offer.task, seconds, offer.probability_arrives, offer.device_id, offer.works
        )


def expected_with_guide(
    patient: Patient, coming: Sequence[TaskOffer], guide: Guide, numbers: Survival
) -> float:
    """Return the expected survival in per cent over whether the guide comes. Exact."""
    without = expected_survival(patient, coming, numbers)
    sooner = [guide.sooner(each) for each in coming]
    probability_arrives = guide.offer.probability_arrives
    return (
        probability_arrives * expected_survival(guide.eased(patient), sooner, numbers)
        + (1 - probability_arrives) * without
    )


def expected_score_with_guide(
    patient: Patient, coming: Sequence[TaskOffer], guide: Guide, numbers: Survival, *, spread: float = 0.0
) -> float:
    """Return the expected score (`survival.expected_score`) over whether the guide comes. Exact."""
    without = expected_score(patient, coming, numbers, spread=spread)
    sooner = [guide.sooner(each) for each in coming]
    probability_arrives = guide.offer.probability_arrives
    eased = expected_score(guide.eased(patient), sooner, numbers, spread=spread)
    return probability_arrives * eased + (1 - probability_arrives) * without
