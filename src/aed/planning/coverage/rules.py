"""The arithmetic of a preview: who gains a device, how soon, and what that may be worth.

People are *cells*: one floor of one building. Each hour of a week has the seconds in which a device can be
fetched, there and back, before and after the step; infinite where none is in reach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aed.planning.arrests import WEIGHTS_OF_HOURS, Range, arrests_at_home, product
from aed.planning.bands import BANDS, HOURS, Band, band_at
from aed.planning.survival import larsen_survival, valenzuela_survival
from aed.settings.arrival import Arrival
from aed.settings.planning import ArrestRates, Survival

type Floats = NDArray[np.float64]
type Bools = NDArray[np.bool_]

MINUTES: Final = (3, 5)
SINCE_COLLAPSE_SECONDS: Final = 120.0
"""From the collapse to the call; compressions begin then, with and without a device."""

_WEIGHTS: Final = np.array([WEIGHTS_OF_HOURS[hour % 24] for hour in range(HOURS)])
ARRESTS_BY_HOUR: Final[Floats] = _WEIGHTS / _WEIGHTS.sum()
"""(168,) share of a week's arrests in each hour."""
BAND_BY_HOUR: Final = tuple(band_at(hour // 24, hour % 24) for hour in range(HOURS))


class RegionPreviewState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """It stopped with an error, which the log has."""


class Pattern(NamedTuple):
    """Hours of the week with the same devices and gates, and the seconds of a fetch in them."""

    hours: tuple[int, ...]
    before: Floats
    """(cells,)"""
    after: Floats
    own: Floats
    """Before, with the estate's own devices alone."""
    mirrored: Floats
    """Before, if the neighbouring estates took the same step."""
    by_proposed: Floats
    """The proposed devices alone, after the step."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """(cells,) arrays."""

    people: Floats
    is_resident: Bools
    """Of the estate that opens; the others are outsiders."""


class Gain(NamedTuple):
    """People on average over the hours of a band."""

    residents: float
    outsiders: float


@dataclass(frozen=True, slots=True)
class BandGain:
    band: Band
    hours: int
    gains: Mapping[int, Gain]
    """By minutes there and back: who gains a device within them."""
    served_before: Mapping[int, Gain]
    before_ambulance: Gain
    """People who gain a device that can be there before the ambulance."""
    arrests: Range
    """A year, in these hours, among the people who gain one before the ambulance."""
    in_reach: Range
    """A year, in these hours, among all people around."""


@dataclass(frozen=True, slots=True)
class Reciprocity:
    """Own residents, in people on average over the week, for a device within the longest of `MINUTES`."""

    by_own: float
    """Served by the estate's own devices."""
    by_others_today: float
    """Further ones served by what others have opened already."""
    if_neighbours_follow: float
    """Further ones if the neighbouring estates took the same step."""


@dataclass(frozen=True, slots=True)
class Worth:
    """Figures of a year. Low takes every low value together, high every high one."""

    arrests: Range
    """With a device in reach before the ambulance through this step."""
    device_first: Range
    """Of these, with a device really fetched and usable."""
    larsen: Range
    """Survivors by Larsen 1993, for comparing only."""
    valenzuela: Range
    """Survivors by Valenzuela 1997, for comparing only."""
    uses: Range
    """Times that outsiders fetch one of the devices."""
    money: Range
    cost_per_survivor: Range | None


class Prices(NamedTuple):
    pads: float = 600.0
    """A pair of pads after each use. Assumption, in yuan."""
    per_device: float = 300.0
    """A year: more checks and cleaning of a device that is opened. Assumption, in yuan."""


def gains_by_band(
    people: People, patterns: Sequence[Pattern], *, ambulance_seconds: float, rates: ArrestRates
) -> list[BandGain]:
    """Return who gains what in each part of the week."""
    found = []
    for band in BANDS:
        hours = [hour for hour in range(HOURS) if BAND_BY_HOUR[hour] is band]
        gains = dict.fromkeys(MINUTES, Gain(0.0, 0.0))
        served = dict.fromkeys(MINUTES, Gain(0.0, 0.0))
        ambulance, arrests, around = Gain(0.0, 0.0), 0.0, 0.0
        for pattern in patterns:
            those = [hour for hour in pattern.hours if BAND_BY_HOUR[hour] is band]
            if not those:
                continue
            share = len(those) / len(hours)
            for minutes in MINUTES:
                new = _newly(pattern, 60.0 * minutes)
                gains[minutes] = _plus(gains[minutes], people, new, share)
                served[minutes] = _plus(served[minutes], people, pattern.before <= 60.0 * minutes, share)
            first = _newly(pattern, ambulance_seconds)
            ambulance = _plus(ambulance, people, first, share)
            weight = float(ARRESTS_BY_HOUR[those].sum())
            arrests += weight * float(people.people[first].sum())
            around += weight * float(people.people.sum())
        rate = arrests_at_home(rates)
        found.append(
            BandGain(band, len(hours), gains, served, ambulance, rate.times(arrests), rate.times(around))
        )
    return found


def _newly(pattern: Pattern, seconds: float) -> Bools:
    return np.logical_and(pattern.after <= seconds, pattern.before > seconds)


def _plus(gain: Gain, people: People, which: Bools, share: float) -> Gain:
    residents = float(people.people[which & people.is_resident].sum())
    outsiders = float(people.people[which & ~people.is_resident].sum())
    return Gain(gain.residents + share * residents, gain.outsiders + share * outsiders)


def reciprocity(people: People, patterns: Sequence[Pattern]) -> Reciprocity:
    """Return what the estate's own residents get from their own devices, from others, and would get."""
    seconds, own, today, follow = 60.0 * MINUTES[-1], 0.0, 0.0, 0.0
    for pattern in patterns:
        share = len(pattern.hours) / HOURS
        mine = people.people * people.is_resident
        by_own = pattern.own <= seconds
        now = pattern.before <= seconds
        own += share * float(mine[by_own].sum())
        today += share * float(mine[now & ~by_own].sum())
        follow += share * float(mine[(pattern.mirrored <= seconds) & ~now].sum())
    return Reciprocity(own, today, follow)


def worth(
    people: People,
    patterns: Sequence[Pattern],
    *,
    ambulance_seconds: float,
    devices: int,
    accessible: float,
    numbers: Arrival,
    rates: ArrestRates,
    survival: Survival,
    prices: Prices,
) -> Worth:
    """Return the figures of a year.

    1. Arrests: people x rate x share at home x share of the hour, where a device comes into reach in time.
    2. Device first: of these, a person fetches it, it is accessible, and it works.
    3. Survivors: arrests that a formula applies to, times what the shock comes sooner by.
    4. Uses: suspected arrests among outsiders to whom a proposed device is now the nearest, times the share
       that is fetched.
    """
    in_time = larsen = valenzuela = nearest = 0.0
    since, pads = SINCE_COLLAPSE_SECONDS, survival.pads_seconds
    for pattern in patterns:
        share = float(ARRESTS_BY_HOUR[list(pattern.hours)].sum())
        in_time += share * float(people.people[_newly(pattern, ambulance_seconds)].sum())
        before = since + np.minimum(pattern.before, ambulance_seconds) + pads
        after = since + np.minimum(pattern.after, ambulance_seconds) + pads
        care = since + ambulance_seconds
        by_larsen = larsen_survival(since, after, care, survival) - larsen_survival(
            since, before, care, survival
        )
        by_valenzuela = valenzuela_survival(since, after) - valenzuela_survival(since, before)
        larsen += share * float((people.people * by_larsen).sum()) / 100
        valenzuela += share * float((people.people * by_valenzuela).sum()) / 100
        uses_it = (
            ~people.is_resident
            & (pattern.by_proposed <= ambulance_seconds)
            & (pattern.by_proposed < pattern.before)
        )
        nearest += share * float(people.people[uses_it].sum())
    rate, share_fetched = arrests_at_home(rates), Range(*rates.fetched)
    works = Range(
        accessible * numbers.probability_ready,
        accessible * (numbers.probability_ready + numbers.probability_ready_checked) / 2,
        accessible * numbers.probability_ready_checked,
    )
    arrests = rate.times(in_time)
    fetched = product(works, share_fetched)
    saved = product(rate, fetched, Range(*rates.witnessed_and_shockable))
    uses = product(rate, share_fetched).times(nearest / rates.confirmed)
    money = Range(*(devices * prices.per_device + each * prices.pads for each in uses))
    survivors = Range(
        saved.low * min(larsen, valenzuela),
        saved.middle * (larsen + valenzuela) / 2,
        saved.high * max(larsen, valenzuela),
    )
    return Worth(
        arrests=arrests,
        device_first=product(arrests, fetched),
        larsen=saved.times(larsen),
        valenzuela=saved.times(valenzuela),
        uses=uses,
        money=money,
        cost_per_survivor=(
            Range(money.low / survivors.high, money.middle / survivors.middle, money.high / survivors.low)
            if survivors.low > 0
            else None
        ),
    )


def share_within(seconds: Floats, climbs: Floats, limit_seconds: float) -> Floats:
    """Return the share of a building's floors from which an AED is fetched in time, in each band.

    `seconds` (bands,) is there and back from the ground floor, `climbs` (floors,) one way between each floor
    and the ground. Residents live on all floors alike.
    """
    found: Floats = ((seconds[:, None] + 2 * climbs[None, :]) <= limit_seconds).mean(axis=1)
    return found
