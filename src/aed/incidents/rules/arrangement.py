"""The search for the best arrangement: who goes direct, who fetches which device, who is left alone.

Few arrangements are all tried. Of many, whoever adds most is taken one after the other, and what comes of
it is improved by changes of one and of two people.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice, product
from typing import Final

from aed.incidents.rules.guiding import Guide, expected_with_guide
from aed.incidents.rules.offer import Offer, Task
from aed.incidents.rules.survival import Patient, expected_survival
from aed.settings import Planning, Survival

FEW: Final = 4_000
"""So many arrangements are all tried; a dozen milliseconds."""
_LEAST_BETTER: Final = 1e-9
"""Two arrangements nearer than this are equally good."""
_MOST_CHANGES: Final = 20
_MOST_LOOKS: Final = 1_500
"""So many arrangements are looked at to improve one; some ten milliseconds."""
_NEAR_MISSES: Final = 12
"""So many of those who are not asked are tried in others' place."""
_SOONEST: Final = 8
"""Of those who go direct, so many of the soonest begin together with one who fetches."""
_FEW_PEOPLE: Final = 12
_SEVERAL: Final = 5

type _Arrangement = Mapping[int, Offer]
"""Who is asked, by person."""
type _Change = tuple[int, Offer | None]
"""What a person does from now on; None: nothing."""


class Search:
    """The best arrangement so far, and what it is worth.

    Worth is the expected survival in per cent, less the price of each who is asked. `asked` have been asked
    already; `choices`, in order, are what others could do, each of them one thing. `guide` is asked too.
    """

    def __init__(
        self,
        patient: Patient,
        asked: Sequence[Offer],
        choices: Sequence[Offer],
        planning: Planning,
        survival: Survival,
        guide: Guide | None = None,
    ) -> None:
        self._patient, self._choices, self._guide = patient, choices, guide
        self._planning, self._survival = planning, survival
        self._by_person: dict[int, list[Offer]] = {}
        for offer in choices:
            self._by_person.setdefault(offer.person_id, []).append(offer)
        self._asked = [each for each in asked if each.task is not Task.GUIDE]
        self._has_direct = any(each.task is Task.DIRECT for each in asked)
        self._chosen: _Arrangement = {}
        self._worth = self._worth_of({})

    @property
    def _are_few(self) -> bool:
        """Each of few people counts: then more is tried."""
        return len(self._by_person) <= _FEW_PEOPLE

    def best(self) -> list[Offer]:
        """The best arrangement: of few the very best, of many within a few in a thousand of it."""
        if math.prod(1 + len(ways) for ways in self._by_person.values()) <= FEW:
            self._try_all()
        else:
            self._try_some()
        return sorted(self._chosen.values(), key=lambda each: each.order)

    def expected(self, chosen: Iterable[Offer]) -> float:
        """The survival that is expected when these are asked too, in per cent."""
        coming = [*self._asked, *chosen]
        if self._guide is None:
            return expected_survival(self._patient, coming, self._survival)
        return expected_with_guide(self._patient, coming, self._guide, self._survival)

    # --- what an arrangement is worth --------------------------------------------------------------------

    def _worth_of(self, chosen: _Arrangement) -> float:
        return self.expected(chosen.values()) - self._planning.min_gain_percent * len(chosen)

    def _is_better(self, chosen: _Arrangement) -> bool:
        if len(chosen) > self._planning.max_alerts_per_wave:
            return False
        if chosen and not self._has_direct and all(each.task is Task.FETCH for each in chosen.values()):
            return False
        return self._worth_of(chosen) > self._worth + _LEAST_BETTER

    def _take(self, chosen: _Arrangement) -> None:
        self._chosen, self._worth = chosen, self._worth_of(chosen)

    def _adds(self, offer: Offer) -> float:
        return self._worth_of({**self._chosen, offer.person_id: offer}) - self._worth

    # --- trying all --------------------------------------------------------------------------------------

    def _try_all(self) -> None:
        ways = [[None, *self._by_person[person]] for person in sorted(self._by_person)]
        for each in product(*ways):
            chosen = {way.person_id: way for way in each if way is not None}
            if self._is_better(chosen):
                self._take(chosen)

    # --- trying some -------------------------------------------------------------------------------------

    def _try_some(self) -> None:
        """From the best beginnings, each grown and improved: from several where there are few people."""
        nobody = self._worth
        begins = sorted(self._begins(), key=lambda begin: -self._worth_of(begin))
        best: _Arrangement = {}
        for begin in begins[: _SEVERAL if self._are_few else 1]:
            self._take(begin)
            self._grow()
            self._improve()
            if self._worth > max(nobody, self._worth_of(best)) + _LEAST_BETTER:
                best = self._chosen
        self._take(best)

    def _begins(self) -> Iterator[_Arrangement]:
        """One goes direct; or, since one alone may change nothing where the ambulance comes late, one goes
        direct and another fetches. Nobody, where somebody has been asked to go direct already."""
        if self._has_direct:
            yield {}
            return
        directs = [offer for offer in self._choices if offer.task is Task.DIRECT]
        fetches = [offer for offer in self._choices if offer.task is Task.FETCH]
        yield from ({one.person_id: one} for one in directs)
        for one, two in product(directs[:_SOONEST], fetches[: 4 * _SOONEST]):
            if one.person_id != two.person_id:
                yield {one.person_id: one, two.person_id: two}

    def _grow(self) -> None:
        """Whoever adds most, one after the other.

        What somebody adds hardly ever rises while others are added: what it was when it was last reckoned
        bounds it, and only who stands first by that bound is reckoned again.
        """
        waiting = [(-math.inf, offer.order, offer) for offer in self._choices]
        heapq.heapify(waiting)
        while waiting and len(self._chosen) < self._planning.max_alerts_per_wave:
            _, order, offer = heapq.heappop(waiting)
            if offer.person_id in self._chosen:
                continue
            adds = self._adds(offer)
            if waiting and adds < -waiting[0][0]:
                heapq.heappush(waiting, (-adds, order, offer))
            elif adds > _LEAST_BETTER:
                self._take({**self._chosen, offer.person_id: offer})
            else:
                return

    # --- improving ---------------------------------------------------------------------------------------

    def _improve(self) -> None:
        """Each change that makes it better is made, until there is none."""
        left = _MOST_LOOKS
        for _ in range(_MOST_CHANGES):
            looks = islice(self._neighbours(), left)
            better = None
            for each in looks:
                left -= 1
                if self._is_better(each):
                    better = each
                    break
            if better is None:
                return
            self._take(better)

    def _neighbours(self) -> Iterator[_Arrangement]:
        """What differs by one person, and some of what differs by two, the likeliest first."""
        changes = self._changes()
        for change in changes:
            yield self._changed(change)
        added = [change for change in changes if change[0] not in self._chosen]
        for person, change in product(sorted(self._chosen), added):
            yield self._changed((person, None), change)
        yield from self._exchanges()
        if self._are_few:
            # Where survival comes down to nothing before the ambulance, what one adds depends on the others.
            for one, other in combinations(changes, 2):
                if one[0] != other[0]:
                    yield self._changed(one, other)

    def _changes(self) -> list[_Change]:
        """Nothing or another task for somebody who is asked; a task for somebody who nearly was."""
        found: list[_Change] = []
        for person, taken in sorted(self._chosen.items()):
            found.append((person, None))
            found += [(person, way) for way in self._by_person[person] if way != taken]
        others = [offer for offer in self._choices if offer.person_id not in self._chosen]
        nearest = heapq.nsmallest(_NEAR_MISSES, others, key=lambda each: (-self._adds(each), each.order))
        return found + [(each.person_id, each) for each in nearest]

    def _changed(self, *changes: _Change) -> _Arrangement:
        changed: dict[int, Offer | None] = {**self._chosen, **dict(changes)}
        return {person: way for person, way in changed.items() if way is not None}

    def _exchanges(self) -> Iterator[_Arrangement]:
        """Two who change their tasks."""
        for one, other in combinations(sorted(self._chosen), 2):
            takes = self._way(one, self._chosen[other].device_id)
            gives = self._way(other, self._chosen[one].device_id)
            if takes is not None and gives is not None and takes.device_id != gives.device_id:
                yield self._changed((one, takes), (other, gives))

    def _way(self, person_id: int, device_id: int | None) -> Offer | None:
        return next((each for each in self._by_person[person_id] if each.device_id == device_id), None)
