"""Search for the best arrangement: who goes direct, who fetches which device, who is not asked.

An arrangement must keep the promise, as far as the people near the patient allow (`PromiseLimits`). Among
those that do, the one with the highest expected score is best, less a price for each person who is asked.

1. Add people who go direct, soonest first, until the promise is kept.
2. Add the person who adds most, one after the other, while they add more than asking costs.
3. Apply each change of one person's task that improves it. If a change breaks the promise, others go direct
   in that person's place.

Small numbers of arrangements are all tried. The same offers give the same arrangement, in any order.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice, product
from typing import Final, NamedTuple

from aed.incidents.plan.rules.offers import (
    Guide,
    TaskOffer,
    expected_score_with_guide,
    probability_anyone_arrives,
)
from aed.incidents.plan.rules.survival import AmbulanceMoment, Patient, ambulance_moments, expected_score
from aed.incidents.rules import Task
from aed.settings.planning import Planning, Survival

MAX_EXHAUSTIVE_ARRANGEMENTS: Final = 2_000
"""Up to this many arrangements are all tried; about ten milliseconds."""
MAX_PEOPLE_PER_DEVICE: Final = 2
"""At most this many people are sent to one device: a second in case the first does not come."""
_MIN_BETTER: Final = 1e-9
"""Two arrangements closer than this are equally good."""
_MAX_EVALUATIONS: Final = 300
"""Arrangements evaluated to improve one, a few milliseconds; a quarter of it beside a guide."""
_MAX_DEVICES_PER_PERSON: Final = 3
"""Devices considered per person when an arrangement is improved: those that add most."""

_SMALL_GROUP_PEOPLE: Final = 12
_MAX_EVALUATIONS_SMALL_GROUP: Final = 1_500
"""With few people each counts, and any two may change their tasks."""

type Arrangement = Mapping[int, TaskOffer]
"""Who is asked to do what, by person id."""
type _Task = tuple[int, TaskOffer | None]
"""(person id, new task); None: nothing."""


class PromiseLimits(NamedTuple):
    """What every arrangement must reach."""

    probability_soon: float
    """Probability that somebody arrives within `promise_seconds`; 0 if too few people are that near."""
    probability_in_time: float
    """Probability that somebody arrives before the ambulance."""
    direct: int
    """How many go direct, including people who were asked before; one, to take turns, if CPR is under way."""


def _weighted(moments: Sequence[AmbulanceMoment]) -> list[tuple[float, float]]:
    """Return each moment with its unconditional probability."""
    found, not_yet = [], 1.0
    for each in moments:
        found.append((each.seconds, not_yet * each.probability))
        not_yet *= 1.0 - each.probability
    return found


class ArrangementSearch:
    """Find the best arrangement for a patient.

    `asked` were asked already; `choices`, in order, are what others could do, one task each. `guide` is asked
    too.
    """

    def __init__(
        self,
        patient: Patient,
        asked: Sequence[TaskOffer],
        choices: Sequence[TaskOffer],
        planning: Planning,
        survival: Survival,
        guide: Guide | None = None,
    ) -> None:
        self._patient, self._choices, self._guide = patient, choices, guide
        self._planning, self._survival = planning, survival
        self._by_person: dict[int, list[TaskOffer]] = {}
        for offer in choices:
            self._by_person.setdefault(offer.person_id, []).append(offer)
        self._directs = [offer for offer in choices if offer.task is Task.DIRECT]
        self._asked = [each for each in asked if each.task is not Task.GUIDE]
        self._likely_ways: dict[int, list[TaskOffer]] = {}
        self._soonest_by_device: dict[int, list[TaskOffer]] = {}
        self._price, self._spread = planning.min_gain_percent, planning.ambulance_spread
        self._ambulance = _weighted(ambulance_moments(patient.ambulance_seconds, self._spread))
        self._soon_seconds = min(planning.promise_seconds, patient.ambulance_seconds)
        self.limits = PromiseLimits(0.0, 0.0, 0)

    def score(self, chosen: Sequence[TaskOffer]) -> float:
        """Return the expected score in per cent if these are asked too."""
        coming = [*self._asked, *chosen]
        if self._guide is None:
            return expected_score(self._patient, coming, self._survival, spread=self._spread)
        return expected_score_with_guide(
            self._patient, coming, self._guide, self._survival, spread=self._spread
        )

    def worth(self, chosen: Sequence[TaskOffer]) -> float:
        """Return the score less the price of each person who is asked."""
        return self.score(chosen) - self._price * len(chosen)

    def best(self, begin: Sequence[TaskOffer] | None = None) -> list[TaskOffer]:
        """Return the best arrangement, in order: exact for few people, within a few per mille for many.

        `begin` is an arrangement to start from that keeps the promise.
        """
        promised = self._promised()
        self.limits = self._limits(promised)
        chosen = self._best_from(promised, begin)
        if self.limits.probability_soon > 0.0 and not self._is_device_fetched(chosen):
            # Everybody near is needed to be there soon, and nobody is left to fetch: in time has to do.
            limits, self.limits = self.limits, self.limits._replace(probability_soon=0.0)
            relaxed = self._best_from(promised) if self._can_fetch else chosen
            if self._is_device_fetched(relaxed):
                chosen = relaxed
            else:
                self.limits = limits
        if self._patient.has_cpr:
            chosen = self._soonest_relief(chosen)
        return sorted(chosen.values(), key=lambda each: each.order)

    def _soonest_relief(self, chosen: Arrangement) -> Arrangement:
        """Let the soonest of those who are free go direct: the score does not depend on who does."""
        fetching = {person: each for person, each in chosen.items() if each.task is Task.FETCH}
        free = [each for each in self._directs if each.person_id not in fetching]
        relief = free[: len(chosen) - len(fetching)]
        return fetching | {each.person_id: each for each in relief}

    def _best_from(self, promised: Arrangement, begin: Sequence[TaskOffer] | None = None) -> Arrangement:
        if math.prod(1 + len(ways) for ways in self._by_person.values()) <= MAX_EXHAUSTIVE_ARRANGEMENTS:
            return self._best_of_all(promised)
        grown = (
            self._with_more_people(promised) if begin is None else {each.person_id: each for each in begin}
        )
        return self._with_more_people(self._improved(grown))

    @property
    def _can_fetch(self) -> bool:
        return any(each.task is Task.FETCH for each in self._choices)

    def _is_device_fetched(self, chosen: Arrangement) -> bool:
        return any(each.task is Task.FETCH for each in (*self._asked, *chosen.values()))

    # --- the promise -------------------------------------------------------------------------------------

    def _promised(self) -> dict[int, TaskOffer]:
        """Return who goes direct for the promise, soonest first.

        People are added until somebody is there soon enough, or else before the ambulance, with the promised
        probability; or everybody who could be. If the promise takes more than one wave, the likeliest are
        chosen.
        """
        chosen: dict[int, TaskOffer] = {}
        for offer in self._directs:
            is_late = offer.seconds >= self._patient.ambulance_seconds
            if is_late and self._direct_count(chosen) >= self._planning.min_direct:
                break
            if self._is_promise_kept(chosen) or len(chosen) >= self._planning.max_alerts_per_wave:
                break
            chosen[offer.person_id] = offer
        if not self._is_promise_kept(chosen) and len(chosen) >= self._planning.max_alerts_per_wave:
            in_time = [each for each in self._directs if each.seconds < self._patient.ambulance_seconds]
            likeliest = sorted(in_time, key=lambda each: (-each.probability_arrives, each.order))
            chosen = {each.person_id: each for each in likeliest[: self._planning.max_alerts_per_wave]}
        return chosen

    def _is_promise_kept(self, chosen: Arrangement) -> bool:
        if self._patient.has_cpr:
            return self._direct_count(chosen) >= min(1, self._planning.min_direct)
        if self._direct_count(chosen) < self._planning.min_direct:
            return False
        return self._probability_in_time(chosen) >= self._planning.promise_probability

    def _limits(self, promised: Arrangement) -> PromiseLimits:
        """Return what the promise amounts to with the people who are near."""
        if self._patient.has_cpr:
            return PromiseLimits(0.0, 0.0, min(self._planning.min_direct, self._direct_count(promised), 1))
        promise = self._planning.promise_probability
        soon = self._probability_soon(promised)
        return PromiseLimits(
            promise if soon >= promise else 0.0,
            min(promise, self._probability_in_time(promised)),
            min(self._planning.min_direct, self._direct_count(promised)),
        )

    def _probability_soon(self, chosen: Arrangement) -> float:
        return probability_anyone_arrives([*self._asked, *chosen.values()], before_seconds=self._soon_seconds)

    def _probability_in_time(self, chosen: Arrangement) -> float:
        coming = [*self._asked, *chosen.values()]
        return probability_anyone_arrives(coming, before_seconds=self._patient.ambulance_seconds)

    def _direct_count(self, chosen: Arrangement) -> int:
        return sum(each.task is Task.DIRECT for each in (*self._asked, *chosen.values()))

    def is_allowed(self, chosen: Arrangement) -> bool:
        """True if it keeps the promise, fits in one wave, and sends not too many people to one device."""
        if len(chosen) > self._planning.max_alerts_per_wave:
            return False
        if self._is_below_promise(chosen):
            return False
        return all(self._has_room(offer, chosen) for offer in chosen.values())

    def _is_below_promise(self, chosen: Arrangement) -> bool:
        limits = self.limits
        return (
            self._direct_count(chosen) < limits.direct
            or self._probability_in_time(chosen) < limits.probability_in_time - _MIN_BETTER
            or self._probability_soon(chosen) < limits.probability_soon - _MIN_BETTER
        )

    def _has_room(self, offer: TaskOffer, chosen: Arrangement) -> bool:
        """True if the device is not one that enough others are sent to."""
        if offer.device_id is None:
            return True
        device, others = offer.device_id, 0
        for each in (*self._asked, *chosen.values()):
            if each.device_id == device and each.person_id != offer.person_id:
                others += 1
        return others < MAX_PEOPLE_PER_DEVICE

    # --- what an arrangement is worth --------------------------------------------------------------------

    def _score(self, chosen: Arrangement) -> float:
        return self.worth(tuple(chosen.values()))

    def bound(self, offer: TaskOffer) -> float:
        """Return an upper bound of what that offer adds, regardless of who else is asked."""
        numbers = self._survival
        seconds = offer.seconds if self._guide is None else offer.seconds - offer.saved
        sooner = sum(weight * max(0.0, at - seconds) for at, weight in self._ambulance) / 60
        per_minute = 0.0 if self._patient.has_cpr else numbers.per_minute_to_cpr
        if offer.device_id is not None:
            per_minute += offer.works * numbers.per_minute_to_shock
        return offer.probability_arrives * per_minute * sooner

    # --- the search --------------------------------------------------------------------------------------

    def _best_of_all(self, promised: Arrangement) -> Arrangement:
        best, worth = promised, -math.inf
        ways = [[None, *self._by_person[person]] for person in sorted(self._by_person)]
        for each in product(*ways):
            chosen = {way.person_id: way for way in each if way is not None}
            if self.is_allowed(chosen) and (found := self._score(chosen)) > worth + _MIN_BETTER:
                best, worth = chosen, found
        return best

    def _with_more_people(self, chosen: Arrangement) -> Arrangement:
        """Add the person who adds most, one after the other.

        What a person adds never rises while others are added: the last computed value is a bound, and only
        the first by that bound is computed again.
        """
        grown, worth = dict(chosen), self._score(chosen)
        waiting = [(-self.bound(offer), offer.order, offer) for offer in self._choices]
        heapq.heapify(waiting)
        while waiting and len(grown) < self._planning.max_alerts_per_wave:
            bound, order, offer = heapq.heappop(waiting)
            if -bound <= self._price:
                break
            if offer.person_id in grown or not self._has_room(offer, grown):
                continue
            adds = self._score({**grown, offer.person_id: offer}) - worth + self._price
            if waiting and adds < -waiting[0][0]:
                heapq.heappush(waiting, (-adds, order, offer))
            elif adds > self._price + _MIN_BETTER:
                grown[offer.person_id] = offer
                worth += adds - self._price
        return grown

    def _improved(self, chosen: Arrangement) -> Arrangement:
        """Apply changes that improve it until there is none."""
        worth, left = self._score(chosen), _MAX_EVALUATIONS if self._guide is None else _MAX_EVALUATIONS // 4
        if len(self._by_person) <= _SMALL_GROUP_PEOPLE:
            left = _MAX_EVALUATIONS_SMALL_GROUP
        is_better = True
        while is_better and left > 0:
            is_better = False
            for change in islice(self._possible_changes(chosen), left):
                left -= 1
                changed = self._with_change(chosen, change)
                if changed is not None and (found := self._score(changed)) > worth + _MIN_BETTER:
                    chosen, worth, is_better = changed, found, True
        return chosen

    def _possible_changes(self, chosen: Arrangement) -> Iterator[tuple[_Task, ...]]:
        """Yield possible changes: one person does something else; two swap tasks; a person who is not asked
        fetches in another's place; with few people, any two do something else.
        """
        asked = sorted(chosen, key=lambda each: chosen[each].order)
        for person in asked:
            yield from ((one,) for one in self._other_tasks(person, chosen))
        for one, other in combinations(asked, 2):
            takes = self._offer_to(one, chosen[other].device_id)
            gives = self._offer_to(other, chosen[one].device_id)
            if takes is not None and gives is not None and chosen[one].device_id != chosen[other].device_id:
                yield (one, takes), (other, gives)
        for person in asked:
            for way in self._nearest_to(chosen[person].device_id):
                if way.person_id not in chosen:
                    yield from (((way.person_id, way), one) for one in self._other_tasks(person, chosen))
        if len(self._by_person) <= _SMALL_GROUP_PEOPLE:
            every = [one for person in self._by_person for one in self._other_tasks(person, chosen)]
            yield from ((one, two) for one, two in combinations(every, 2) if one[0] != two[0])

    def _other_tasks(self, person: int, chosen: Arrangement) -> list[_Task]:
        now = chosen.get(person)
        tasks: list[_Task] = [(person, way) for way in self._likely_tasks(person) if way != now]
        return tasks if now is None else [(person, None), *tasks]

    def _nearest_to(self, device_id: int | None) -> list[TaskOffer]:
        """Return who could fetch that device soonest."""
        if device_id is None:
            return []
        if device_id not in self._soonest_by_device:
            ways = [way for way in self._choices if way.device_id == device_id]
            self._soonest_by_device[device_id] = ways[:_MAX_DEVICES_PER_PERSON]
        return self._soonest_by_device[device_id]

    def _likely_tasks(self, person: int) -> list[TaskOffer]:
        if person not in self._likely_ways:
            ways = self._by_person[person]
            direct = [way for way in ways if way.task is Task.DIRECT]
            fetch = sorted(
                (way for way in ways if way.task is Task.FETCH),
                key=lambda way: (-self.bound(way), way.order),
            )
            self._likely_ways[person] = direct + fetch[:_MAX_DEVICES_PER_PERSON]
        return self._likely_ways[person]

    def _offer_to(self, person: int, device_id: int | None) -> TaskOffer | None:
        return next((each for each in self._by_person[person] if each.device_id == device_id), None)

    def _with_change(self, chosen: Arrangement, change: Iterable[_Task]) -> Arrangement | None:
        """Apply a change; others go direct where the promise would break. None: it is not possible."""
        tasks: dict[int, TaskOffer | None] = {**chosen, **dict(change)}
        changed = {person: way for person, way in tasks.items() if way is not None}
        for _, way in change:
            if way is not None and not self._has_room(way, changed):
                return None
        if self._is_below_promise(changed):
            for offer in self._directs:
                if offer.person_id not in tasks:
                    changed[offer.person_id] = offer
                    if not self._is_below_promise(changed):
                        break
            else:
                return None
        return changed if len(changed) <= self._planning.max_alerts_per_wave else None
