"""Order the stops of a day's inspection rounds, a routing problem with time windows.

The method is *ruin and recreate* (Schrimpf et al. 2000): remove a few neighbouring stops, insert each where
it costs least, and keep the result if it is better or, at first, only a little worse. Random numbers have a
fixed seed, so the same question has the same answer. `docs/decide/rounds.md` says how good the orders are.

Times are seconds after midnight of the round's day.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

MAX_STOPS: Final = 200
MAX_INSPECTORS: Final = 20
SECONDARY_WEIGHT: Final = 0.02
"""Weight of everybody's hours and walks against the moment at which the last inspector is done."""
NOT_VISITED_COST: Final = 1e7
TRIALS: Final = 60_000
"""Trials times stops: fewer trials for more stops keep the time about constant."""
MAX_TRIALS: Final = 1_500
FIRST_TEMPERATURE: Final = 0.03
"""Of the cost per stop: how much worse an order may be and still be kept at first."""


class Window(NamedTuple):
    """A stretch of time in which a device can be reached."""

    opens: float
    closes: float


class Stop(NamedTuple):
    """A device to check. The whole check must lie in one of the windows, which are in order."""

    service_seconds: float
    windows: tuple[Window, ...]


class Visit(NamedTuple):
    """A check in a round; `begins` is later than `arrives` where the inspector waits for an opening."""

    stop: int
    arrives: float
    begins: float
    leaves: float
    closes: float
    """The end of the window that the check lies in."""


class Route(NamedTuple):
    """The visits of one inspector, in order."""

    visits: tuple[Visit, ...]
    ends_at: float
    """When the inspector is at the end, or has left the last stop if the round has no end."""
    walking_seconds: float


class NotVisitedReason(StrEnum):
    """Why a device is not in a round."""

    CLOSED = "closed"
    """It is closed during the whole round."""
    NO_WAY = "no_way"
    """There is no way to it on foot from the start, or from it to the end."""
    HOURS_MISSED = "hours_missed"
    """Even the inspector who goes there first arrives too late for a check within its hours."""
    TOO_FAR = "too_far"
    """Even a round to it alone would last too long."""
    NO_TIME_LEFT = "no_time_left"
    """It would fit, but not together with the others."""


class NotVisited(NamedTuple):
    """A stop that is in no route."""

    stop: int
    reason: NotVisitedReason


@dataclass(frozen=True, slots=True)
class RoundOrder:
    """One route for each inspector, and the stops that none of them visits."""

    routes: tuple[Route, ...]
    not_visited: tuple[NotVisited, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """When a round starts and by when it must have ended, and how many inspectors walk."""

    starts_at: float
    ends_by: float
    inspectors: int = 1


def order_stops(
    stops: Sequence[Stop],
    walks: Sequence[Sequence[float]],
    *,
    shift: Shift,
    has_end: bool,
) -> RoundOrder:
    """Divide the stops among the inspectors and order them.

    Visits as many stops as possible; among these orders takes one in which the last inspector is done early,
    with little walking. `walks[i][j]` are seconds from place i to place j, infinite if there is no way; the
    places are the stops, then the start and, if `has_end`, the end. Without an end a round ends at its last
    stop.

    1. Leave out stops that cannot be visited even alone, with the reason.
    2. Insert the others one by one where each costs least.
    3. Improve the order by ruin and recreate.
    """
    routing = _Routing(stops, walks, shift, has_end=has_end)
    alone = [routing.reason_alone(stop) for stop in range(len(stops))]
    possible = [stop for stop, reason in enumerate(alone) if reason is None]
    routes, left = routing.best_routes(possible)
    not_visited = [NotVisited(stop, reason) for stop, reason in enumerate(alone) if reason is not None]
    not_visited += [NotVisited(stop, NotVisitedReason.NO_TIME_LEFT) for stop in left]
    return RoundOrder(tuple(routing.route(each) for each in routes), tuple(sorted(not_visited)))


class _Timing(NamedTuple):
    """The times of one route, by position; position 0 is the start, the last one the end."""

    leaves: list[float]
    latest: list[float]
    """The latest arrival at each position with which the rest of the route can still be walked."""
    waits_from: list[float]
    """Seconds of waiting from each position on."""
    ends_at: float
    walking: float


class _Routing:
    """One routing problem: its stops, walks and shift."""

    def __init__(
        self, stops: Sequence[Stop], walks: Sequence[Sequence[float]], shift: Shift, *, has_end: bool
    ) -> None:
        self.stops, self.shift = stops, shift
        self.start, self.end = len(stops), len(stops) + 1
        self.walks = [list(row) for row in walks]
        if not has_end:
            for row in self.walks:
                row.append(0.0)
            self.walks.append([0.0] * (len(stops) + 2))
        self.near = [
            sorted(
                range(len(stops)),
                key=lambda other: (self.walks[stop][other] + self.walks[other][stop], other),
            )
            for stop in range(len(stops))
        ]

    def begins(self, stop: int, arrives: float) -> float:
        """Return when a check can begin after an arrival; infinite if its hours have passed."""
        service, windows = self.stops[stop]
        for opens, closes in windows:
            begins = arrives if arrives > opens else opens
            if begins + service <= closes:
                return begins
        return math.inf

    def latest_begin(self, stop: int, leaves_by: float) -> float:
        """Return the latest moment at which a check can begin that must be over by `leaves_by`."""
        service, windows = self.stops[stop]
        for opens, closes in reversed(windows):
            begins = min(closes, leaves_by) - service
            if begins >= opens:
                return begins
        return -math.inf

    def reason_alone(self, stop: int) -> NotVisitedReason | None:
        """Return why a round to this stop alone is impossible, or None."""
        shift = self.shift
        service, windows = self.stops[stop]
        if not any(
            min(closes, shift.ends_by) - max(opens, shift.starts_at) >= service for opens, closes in windows
        ):
            return NotVisitedReason.CLOSED
        there, back = self.walks[self.start][stop], self.walks[stop][self.end]
        if math.isinf(there) or math.isinf(back):
            return NotVisitedReason.NO_WAY
        begins = self.begins(stop, shift.starts_at + there)
        if math.isinf(begins):
            return NotVisitedReason.HOURS_MISSED
        return NotVisitedReason.TOO_FAR if begins + service + back > shift.ends_by else None

    def timing(self, route: Sequence[int]) -> _Timing:
        """Return the times of a route, which must be possible."""
        places = [self.start, *route, self.end]
        size = len(places)
        leaves, waits = [self.shift.starts_at] * size, [0.0] * (size + 1)
        walking = 0.0
        if route:
            for i in range(1, size):
                walk = self.walks[places[i - 1]][places[i]]
                walking += walk
                leaves[i] = leaves[i - 1] + walk
                if i < size - 1:
                    begins = self.begins(places[i], leaves[i])
                    waits[i] = begins - leaves[i]
                    leaves[i] = begins + self.stops[places[i]].service_seconds
        latest = [self.shift.ends_by] * size
        for i in range(size - 2, 0, -1):
            latest[i] = self.latest_begin(places[i], latest[i + 1] - self.walks[places[i]][places[i + 1]])
            waits[i] += waits[i + 1]
        return _Timing(leaves, latest, waits, leaves[-1], walking)

    def cost(self, timings: Sequence[_Timing], left: int) -> float:
        """Return the cost of an order with these times that leaves out `left` stops."""
        last = max(each.ends_at for each in timings)
        spent = sum(each.ends_at + each.walking for each in timings)
        return NOT_VISITED_COST * left + last + SECONDARY_WEIGHT * spent

    def insert(self, stop: int, routes: list[list[int]], timings: list[_Timing]) -> bool:
        """Insert a stop where it costs least; return False if it fits nowhere."""
        best, best_at = math.inf, (-1, -1)
        walks, stops, service = self.walks, self.stops, self.stops[stop].service_seconds
        from_stop = walks[stop]
        for r, route in enumerate(routes):
            leaves, latest, waits_from, ends_at, _ = timings[r]
            others = max((each.ends_at for i, each in enumerate(timings) if i != r), default=-math.inf)
            places = [self.start, *route, self.end]
            for i in range(1, len(places)):
                before, after = places[i - 1], places[i]
                arrives = leaves[i - 1] + walks[before][stop]
                if arrives > self.shift.ends_by:
                    break
                moment = self.begins(stop, arrives) + service + from_stop[after]
                if moment > latest[i]:
                    continue
                now = walks[before][after] if route else 0.0
                added = SECONDARY_WEIGHT * (walks[before][stop] + from_stop[after] - now)
                later = moment - (leaves[i - 1] + now)
                least = ends_at + max(0.0, later - waits_from[i])
                if max(others, least) + SECONDARY_WEIGHT * (least - ends_at) + added >= best:
                    continue
                for j in range(i, len(places) - 1):
                    moment = self.begins(places[j], moment) + stops[places[j]].service_seconds
                    if moment == leaves[j]:  # a wait has absorbed the delay
                        moment = ends_at
                        break
                    moment += walks[places[j]][places[j + 1]]
                cost = max(others, moment) + SECONDARY_WEIGHT * (moment - ends_at) + added
                if cost < best:
                    best, best_at = cost, (r, i - 1)
        if math.isinf(best):
            return False
        r, i = best_at
        routes[r].insert(i, stop)
        timings[r] = self.timing(routes[r])
        return True

    def best_routes(self, stops: Sequence[int]) -> tuple[list[list[int]], list[int]]:
        """Search by simulated annealing; return the best routes, and the stops for which no time is left."""
        chance = random.Random(0)
        routes: list[list[int]] = [[] for _ in range(self.shift.inspectors)]
        timings = [self.timing(each) for each in routes]
        far_first = sorted(stops, key=lambda stop: (-self.walks[self.start][stop], stop))
        left = [stop for stop in far_first if not self.insert(stop, routes, timings)]
        cost = self.cost(timings, len(left))
        best = (cost, [list(each) for each in routes], sorted(left))
        if len(stops) < 2:
            return best[1], best[2]
        trials = min(MAX_TRIALS, TRIALS // len(stops))
        spent = max(each.ends_at for each in timings) - self.shift.starts_at
        heat = FIRST_TEMPERATURE * spent / len(stops)
        for trial in range(trials):
            tried, out = [list(each) for each in routes], list(left)
            changed = self._ruin(tried, out, chance, stops)
            times = [self.timing(each) if r in changed else timings[r] for r, each in enumerate(tried)]
            self._shuffle(out, chance)
            out = [stop for stop in out if not self.insert(stop, tried, times)]
            found = self.cost(times, len(out))
            temperature = heat * (1 - trial / trials)
            if found < cost - temperature * math.log(1 - chance.random()):
                routes, timings, left, cost = tried, times, out, found
                if cost < best[0]:
                    best = (cost, [list(each) for each in routes], sorted(left))
        return best[1], best[2]

    def _ruin(
        self, routes: list[list[int]], out: list[int], chance: random.Random, stops: Sequence[int]
    ) -> set[int]:
        """Move a few neighbouring stops, and those beside them in their routes, from `routes` to `out`.

        Returns the indices of the routes that have changed.
        """
        wanted = min(len(stops), chance.randint(2, 10))
        changed, gone = set(), 0
        for stop in self.near[chance.choice(stops)]:
            if gone >= wanted:
                break
            r = next((r for r, route in enumerate(routes) if stop in route), None)
            if r is None:
                continue
            length = min(len(routes[r]), chance.randint(1, 3), wanted - gone)
            at = max(0, routes[r].index(stop) - chance.randrange(length))
            out += routes[r][at : at + length]
            gone += len(routes[r][at : at + length])
            del routes[r][at : at + length]
            changed.add(r)
        return changed

    def _shuffle(self, out: list[int], chance: random.Random) -> None:
        """Put the stops to insert in an order: at random, those far away or those with short hours first."""
        chance.shuffle(out)
        way = chance.randrange(3)
        if way == 1:
            out.sort(key=lambda stop: -self.walks[self.start][stop])
        elif way == 2:
            out.sort(key=lambda stop: sum(each.closes - each.opens for each in self.stops[stop].windows))

    def route(self, route: Sequence[int]) -> Route:
        """Return a route with its times."""
        visits, place, moment, walking = [], self.start, self.shift.starts_at, 0.0
        for stop in route:
            walking += self.walks[place][stop]
            arrives = moment + self.walks[place][stop]
            begins = self.begins(stop, arrives)
            service, windows = self.stops[stop]
            closes = next(
                each.closes for each in windows if each.opens <= begins and begins + service <= each.closes
            )
            place, moment = stop, begins + service
            visits.append(Visit(stop, arrives, begins, moment, closes))
        if visits:
            walking += self.walks[place][self.end]
            moment += self.walks[place][self.end]
        return Route(tuple(visits), moment, walking)
