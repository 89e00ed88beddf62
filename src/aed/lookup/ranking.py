"""Rank candidates by expected time, and bound how far the search must look to be exact.

Devices are ranked by the expected seconds until they are at the patient (`arrival`). Two lower bounds make
the result exact although not every device is fetched or walked to:

- a walk is at least as long as the straight line, so devices beyond `max_useful_metres` cannot win;
- a walk that was not found within `reach_metres` costs at least that much.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from typing import Final

from aed.lookup.arrival import (
    Basis,
    best_usable_probability,
    bringing,
    estimated_walk_metres,
    expected_seconds,
    fetch,
    is_too_far,
    max_cost_in_time,
    max_useful_metres,
)
from aed.lookup.candidates import Candidates, NearbyDevice
from aed.lookup.question import LookupQuestion
from aed.lookup.walks import WalksFromPatient
from aed.settings import Settings
from aed.walking.snapping import SnappedPoint, SnappedPoints
from aed.walking.travel import (
    Leg,
    Pace,
    fetch_seconds,
    least_leg_seconds,
    leg_seconds,
    quickest_pace,
)

MAX_UNUSABLE: Final = 5
_NO_SHORTER_THAN_STRAIGHT: Final = 1.001
"""Margin for street lengths, which planar 32-bit arithmetic may make too short by this factor."""
_ROUNDING_METRES: Final = 0.001

type _WalkTo = tuple[float, int, Basis, bool, bool]
"""One walk: cost in metres (waits converted to metres), index of the device, basis of the distance, whether
it is measured, and whether it passes a closed gate."""


class Ranking:
    """A ranking of the candidates fetched so far, by walks; without streets, by straight lines."""

    def __init__(
        self,
        candidates: Candidates,
        walks: WalksFromPatient | None,
        question: LookupQuestion,
        settings: Settings,
    ) -> None:
        self._candidates, self._walks = candidates, walks
        self._question, self._settings = question, settings
        self._snapped_points: list[SnappedPoint | None] = []
        """The position of each of the candidates' rows on the streets; None if no street is near."""

    @property
    def basis(self) -> Basis:
        """Whether distances are those of the walking network or estimates from straight lines."""
        return Basis.STRAIGHT_LINE if self._walks is None else Basis.WALKING_NETWORK

    # --- ranking ------------------------------------------------------------------------------------------

    def rank(self) -> list[NearbyDevice]:
        """Return the candidates by expected seconds, unusable ones last.

        Omits candidates whose walk is too long to beat the last of the `limit` best usable ones.
        """
        numbers, limit = self._settings.arrival, self._question.limit
        best: list[tuple[bool, float]] = []
        last, can_beat = (True, math.inf), math.inf
        found: list[NearbyDevice] = []
        for cost, number, basis, is_measured, by_closed_gate in self._walks_so_far():
            if cost > can_beat:
                break
            near = self._candidates.device(number)
            near.basis, near.is_measured, near.by_closed_gate = basis, is_measured, by_closed_gate
            if is_measured:
                near.way = self._way(number, cost, basis, by_closed_gate=by_closed_gate)
                leg = leg_seconds(near.way, near.floors, near.pace, numbers)
            else:
                near.way = Leg(cost)
                leg = least_leg_seconds(cost, near.pace, numbers) + near.floors
            near.fetch_seconds = fetch_seconds(leg, leg, near.pace)
            probability_usable = (
                near.probability_usable * numbers.probability_closed_gate
                if by_closed_gate
                else near.probability_usable
            )
            expected = near.expected_seconds = expected_seconds(
                near.fetch_seconds, probability_usable, numbers
            )
            near.is_too_far = near.is_fetch_too_far = self._is_too_far(near)
            found.append(near)
            if near.is_usable and (near.is_too_far, expected) < last:
                insort(best, (near.is_too_far, expected))
                if len(best) >= limit:
                    last = best[limit - 1]
                    can_beat = self._cost_that_can_beat(last[1], is_too_far=last[0]) + _ROUNDING_METRES
        found.sort(key=_by_expected)
        return found

    def unusable(self, ranked: list[NearbyDevice]) -> list[NearbyDevice]:
        """Return the unusable devices that are nearer in time than the last usable one, soonest first."""
        usable = [near for near in ranked if near.is_usable][: self._question.limit]
        latest = self._latest_fetch(usable[-1]) if len(usable) >= self._question.limit else math.inf
        sooner = [near for near in ranked if not near.is_usable and near.fetch_seconds <= latest]
        return sorted(sooner, key=lambda near: (near.fetch_seconds, near.row.id))[:MAX_UNUSABLE]

    def _latest_fetch(self, last: NearbyDevice) -> float:
        """Return the fetch up to which unusable devices are shown, given the last usable one.

        In an answer to be merged, `last` may be displaced by any device that ranks before it: so this is the
        longest fetch of such a device.
        """
        if not self._question.is_for_merge:
            return last.fetch_seconds
        numbers = self._settings.arrival
        lost = (1 - best_usable_probability(numbers)) * numbers.failed_fetch_penalty_seconds
        longest = last.expected_seconds - lost
        return max(longest, self._latest_ambulance()) if last.is_too_far else longest

    def _walks_so_far(self) -> list[_WalkTo]:
        """Return the walk to each candidate as far as it is known, shortest first."""
        order, straight = self._candidates.nearest_first, self._candidates.straight_metres
        detour, walks = self._settings.arrival.detour_factor, self._walks
        if walks is None or not order:
            return [(straight[each] * detour, each, Basis.STRAIGHT_LINE, True, False) for each in order]
        within = walks.within_metres
        is_last = within >= self._settings.walking_reach_metres
        self._snapped_points += walks.snapped_devices(self._candidates.rows[len(self._snapped_points) :])
        costs = walks.costs(self._snapped_points)
        opened = walks.costs_if_opened(self._snapped_points) or costs
        found: list[_WalkTo] = []
        for number in order:
            cost = costs[number]
            if cost != math.inf:
                walk = (cost, number, Basis.WALKING_NETWORK, True, False)
            elif self._snapped_points[number] is None:
                walk = (straight[number] * detour, number, Basis.STRAIGHT_LINE, True, False)
            elif opened[number] != math.inf:
                walk = (opened[number], number, Basis.WALKING_NETWORK, is_last, is_last)
            else:
                metres = max(straight[number], within)
                if is_last:
                    metres = estimated_walk_metres(straight[number], self._settings.arrival, at_least=within)
                walk = (metres, number, Basis.STRAIGHT_LINE, is_last, False)
            found.append(walk)
        found.sort()
        return found

    def _way(self, number: int, cost: float, basis: Basis, *, by_closed_gate: bool) -> Leg:
        """Split the cost of a walk into metres on foot and seconds of waiting at gates."""
        place = self._snapped_points[number] if basis is Basis.WALKING_NETWORK else None
        if place is None or self._walks is None:
            return Leg(cost)
        return self._walks.leg(place, cost, by_closed_gate=by_closed_gate)

    def _is_too_far(self, near: NearbyDevice) -> bool:
        if self._question.is_for_plan:
            return False
        return is_too_far(
            near.way.metres,
            near.fetch_seconds,
            ambulance_seconds=self._ambulance_seconds(near),
            numbers=self._settings.arrival,
        )

    def _ambulance_seconds(self, near: NearbyDevice) -> float:
        planning = self._settings.planning
        return planning.ambulance_seconds_by_region.get(near.row.region_code, planning.ambulance_seconds)

    # --- how far to look ----------------------------------------------------------------------------------

    def max_useful_metres(self, ranked: Sequence[NearbyDevice]) -> float:
        """Return the straight-line distance beyond which no device can be among the `limit` best."""
        usable = [near for near in ranked if near.is_usable]
        if len(usable) < self._question.limit:
            return math.inf
        last = usable[self._question.limit - 1]
        cost = self._cost_that_can_beat(last.expected_seconds, is_too_far=last.is_too_far)
        if self._walks is None:
            return cost / self._settings.arrival.detour_factor
        return cost * _NO_SHORTER_THAN_STRAIGHT

    def neighbour_reach_metres(self, ranked: Sequence[NearbyDevice]) -> float:
        """Return the straight-line distance beyond which no device of another cell can be in the answer.

        Its pace may be any that drills are believed for, and it may know streets where we know none.
        """
        settings = self._settings
        usable = [near for near in ranked if near.is_usable]
        if len(usable) < self._question.limit:
            return settings.search_radius_metres
        last = usable[self._question.limit - 1]
        quickest = quickest_pace(
            settings.arrival,
            seconds_per_metre=settings.drills.quickest_seconds_per_metre,
            pick_up_seconds=settings.drills.min_pick_up_seconds,
        )
        cost = self._cost_that_can_beat(last.expected_seconds, is_too_far=last.is_too_far, quickest=quickest)
        useful = min(cost * _NO_SHORTER_THAN_STRAIGHT, settings.search_radius_metres)
        return max(useful, settings.arrival.max_fetch_metres)  # within which devices out of service are shown

    def first_reach_metres(self) -> float | None:
        """Return the walking distance to search before ranking; None without streets or candidates.

        The first search reaches slightly farther than the usual detour to the `limit`-th usable device.
        """
        walks, candidates = self._walks, self._candidates
        if walks is None or not candidates.nearest_first:
            return None
        if walks.within_metres:
            return walks.within_metres
        straight = candidates.usable_within_metres(self._question.limit)
        usual = straight * 1.1 * self._settings.arrival.detour_factor + 50.0
        return min(usual, self._settings.walking_reach_metres)

    def next_reach_metres(self, ranked: list[NearbyDevice]) -> float | None:
        """Return the walking distance to search next; None once all walks in the answer are measured.

        The walk to a device out of reach is at least as long as the reach, or as the way through closed
        gates. If that already keeps it out of the answer, its exact length is not needed. The search need
        not go beyond the cost that can still beat the `limit`-th measured device.
        """
        if self._walks is None or not self._candidates.nearest_first:
            return None
        within, limit = self._walks.within_metres, self._question.limit
        usable = [near for near in ranked if near.is_usable]
        shown = [*usable[:limit], *self.unusable(ranked)]
        if within >= self._settings.walking_reach_metres or all(near.is_measured for near in shown):
            return None
        known = [near for near in usable if near.is_measured][:limit]
        enough = math.inf
        if len(known) == limit:
            last = known[-1]
            enough = self._cost_that_can_beat(last.expected_seconds, is_too_far=last.is_too_far) + 1.0
        further = enough if within < enough < 2.0 * within else 2.0 * within
        return min(max(further, within), self._settings.walking_reach_metres)

    def _cost_that_can_beat(
        self, expected_seconds: float, *, is_too_far: bool, quickest: Pace | None = None
    ) -> float:
        """Return the largest cost of a way, in metres, with which any device can beat a ranked device.

        `expected_seconds` and `is_too_far` are those of the device to beat. Devices in time rank before
        devices that are too far. `quickest` is a lower bound on all paces; by default, of those in the
        register.
        """
        numbers, quickest = self._settings.arrival, quickest or self._candidates.quickest
        sooner = max_useful_metres(expected_seconds, quickest, numbers)
        if not is_too_far:
            return sooner
        return max(sooner, max_cost_in_time(self._latest_ambulance(), quickest, numbers))

    def _latest_ambulance(self) -> float:
        """Return the seconds until the ambulance arrives in the region where it takes longest."""
        planning = self._settings.planning
        return max(planning.ambulance_seconds, *planning.ambulance_seconds_by_region.values(), 0.0)

    # --- details of the answer ----------------------------------------------------------------------------

    def describe(self, chosen: Sequence[NearbyDevice]) -> None:
        """Set the fetch, bringing, gates and (if requested) routes of the chosen devices."""
        for near in chosen:
            self._describe_times(near)
        walks, with_routes = self._walks, self._question.with_routes
        walked = [near for near in chosen if near.basis is Basis.WALKING_NETWORK]
        if walks is None or not walked or not (with_routes or walks.has_gates_to_mention):
            return
        snapped_points = SnappedPoints.of([self._snapped_points[near.number] for near in walked])
        for i, (near, may_meet) in enumerate(zip(walked, walks.may_meet_gates(snapped_points), strict=True)):
            if with_routes or may_meet or near.by_closed_gate:
                walk, near.gates = walks.walk_to(
                    snapped_points, i, by_closed_gate=near.by_closed_gate, with_line=with_routes
                )
                near.route = walk if with_routes else None

    def _describe_times(self, near: NearbyDevice) -> None:
        numbers, pace = self._settings.arrival, near.pace
        probability_usable = (
            near.probability_usable * numbers.probability_closed_gate
            if near.by_closed_gate
            else near.probability_usable
        )
        near.fetch = fetch(
            near.way,
            floors_seconds=near.floors,
            probability_usable=probability_usable,
            pace=pace,
            numbers=numbers,
        )
        if not near.is_usable or self._question.is_for_plan:
            return
        near.bringing = bringing(
            near.row.guard_phone,
            near.access.access,
            near.way,
            near.floors,
            probability_usable=near.probability_usable,
            pace=pace,
            numbers=numbers,
        )
        is_brought = near.bringing is not None and near.bringing.seconds <= self._ambulance_seconds(near)
        near.is_too_far = near.is_too_far and not is_brought


def _by_expected(near: NearbyDevice) -> tuple[bool, bool, float, float, int]:
    return not near.is_usable, near.is_too_far, near.expected_seconds, near.straight_metres, near.row.id
