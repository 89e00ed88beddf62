"""The arithmetic of a preview, recomputed by hand for three cells and two patterns of hours."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from aed.planning.arrests import WEIGHTS_OF_HOURS
from aed.planning.bands import Band
from aed.planning.coverage.rules import (
    BAND_BY_HOUR,
    BandGain,
    Gain,
    Pattern,
    People,
    Prices,
    Reciprocity,
    Worth,
    gains_by_band,
    reciprocity,
    share_within,
    worth,
)
from aed.settings.arrival import Arrival
from aed.settings.planning import ArrestRates, Survival

PEOPLE = People(np.array([10.0, 20.0, 40.0]), np.array([True, False, False]))
RATES = ArrestRates(
    per_100_000=(50.0, 100.0, 200.0),
    at_home=(0.6, 0.7, 0.8),
    witnessed_and_shockable=(0.05, 0.1, 0.2),
    fetched=(0.1, 0.25, 0.5),
    confirmed=0.5,
)
PER_PERSON = (50.0 * 0.6 / 100_000, 100.0 * 0.7 / 100_000, 200.0 * 0.8 / 100_000)
NEVER = math.inf
AMBULANCE = 400.0
NIGHT_HOURS = tuple(hour for hour, band in enumerate(BAND_BY_HOUR) if band is Band.NIGHT)
OTHER_HOURS = tuple(hour for hour, band in enumerate(BAND_BY_HOUR) if band is not Band.NIGHT)
NIGHT_SHARE = 7 * sum(WEIGHTS_OF_HOURS[hour] for hour in (23, *range(8))) / (7 * sum(WEIGHTS_OF_HOURS))


def pattern(
    hours: tuple[int, ...],
    before: list[float],
    after: list[float],
    *,
    own: list[float] | None = None,
    mirrored: list[float] | None = None,
    by_proposed: list[float] | None = None,
) -> Pattern:
    nothing = [NEVER] * len(before)
    return Pattern(
        hours, *(np.array(each or nothing) for each in (before, after, own, mirrored, by_proposed))
    )


BY_DAY = pattern(
    OTHER_HOURS,
    [100.0, 350.0, NEVER],
    [100.0, 170.0, 380.0],
    own=[100.0, NEVER, NEVER],
    mirrored=[100.0, 350.0, NEVER],
    by_proposed=[100.0, 170.0, 380.0],
)
BY_NIGHT = pattern(
    NIGHT_HOURS,
    [290.0, 170.0, 170.0],
    [290.0, 170.0, 170.0],
    own=[310.0, NEVER, NEVER],
    mirrored=[290.0, 100.0, NEVER],
)
UNSERVED = pattern(NIGHT_HOURS, [NEVER] * 3, [NEVER] * 3, mirrored=[300.0, 300.0, 300.0])


def by_band(*patterns: Pattern) -> dict[Band, BandGain]:
    return {
        each.band: each for each in gains_by_band(PEOPLE, patterns, ambulance_seconds=AMBULANCE, rates=RATES)
    }


def test_residents_who_gain_are_counted_apart_from_those_served_before() -> None:
    found = by_band(BY_DAY, BY_NIGHT)

    for band in (Band.DAY, Band.EVENING, Band.WEEKEND):
        assert found[band].gains == {3: Gain(0, 20), 5: Gain(0, 20)}
        assert found[band].served_before == {3: Gain(10, 0), 5: Gain(10, 0)}
        assert found[band].before_ambulance == Gain(0, 40)
    assert found[Band.NIGHT].gains == {3: Gain(0, 0), 5: Gain(0, 0)}
    assert found[Band.NIGHT].served_before == {3: Gain(0, 60), 5: Gain(10, 60)}
    assert [found[band].hours for band in Band] == [60, 15, 63, 30]


def test_a_band_with_two_patterns_is_their_average_over_hours() -> None:
    found = by_band(
        pattern(NIGHT_HOURS[:21], [NEVER] * 3, [300.0, 180.0, 301.0]),
        pattern(NIGHT_HOURS[21:], [NEVER] * 3, [NEVER] * 3),
    )[Band.NIGHT]

    assert found.gains[3] == pytest.approx((0, 20 / 3))
    assert found.gains[5] == pytest.approx((10 / 3, 20 / 3))
    assert found.before_ambulance == pytest.approx((10 / 3, 60 / 3))


def test_arrests_follow_people_rate_and_hours() -> None:
    found = by_band(BY_DAY, BY_NIGHT)

    newly = [each.arrests for each in found.values()]
    around = [each.in_reach for each in found.values()]
    for number, rate in enumerate(PER_PERSON):
        assert sum(each[number] for each in newly) == pytest.approx(40 * rate * (1 - NIGHT_SHARE))
        assert around[2][number] == pytest.approx(70 * rate * NIGHT_SHARE)
        assert sum(each[number] for each in around) == pytest.approx(70 * rate)


def test_reciprocity_counts_own_residents_once() -> None:
    found = reciprocity(PEOPLE, [BY_DAY, BY_NIGHT])
    assert found.by_own == pytest.approx(10 * 105 / 168)
    assert found.by_others_today == pytest.approx(10 * 63 / 168)
    assert found.if_neighbours_follow == 0

    unserved = reciprocity(PEOPLE, [BY_DAY, UNSERVED])
    assert unserved.by_others_today == 0
    assert unserved.if_neighbours_follow == pytest.approx(10 * 63 / 168)


def worth_of(*patterns: Pattern, devices: int = 2) -> Worth:
    return worth(
        PEOPLE,
        patterns,
        ambulance_seconds=AMBULANCE,
        devices=devices,
        accessible=0.8,
        numbers=Arrival(probability_ready=0.5, probability_ready_checked=0.9),
        rates=RATES,
        survival=Survival(),
        prices=Prices(pads=600.0, per_device=300.0),
    )


def test_a_year_is_what_the_formulas_say() -> None:
    found = worth_of(BY_DAY, BY_NIGHT)

    day = 1 - NIGHT_SHARE
    works = (0.8 * 0.5, 0.8 * 0.7, 0.8 * 0.9)
    rate = PER_PERSON
    fetched, shockable = (0.1, 0.25, 0.5), (0.05, 0.1, 0.2)
    minutes_sooner = {20: (350 - 170) / 60, 40: (400 - 380) / 60}
    larsen = day * sum(people * 1.1 * sooner / 100 for people, sooner in minutes_sooner.items())

    def alive(seconds: float) -> float:
        return 1 / (1 + math.exp(-0.260 + 0.106 * 2 + 0.139 * (2 + 1.5 + seconds / 60)))

    valenzuela = day * (20 * (alive(170) - alive(350)) + 40 * (alive(380) - alive(400)))
    for number in range(3):
        assert found.arrests[number] == pytest.approx(rate[number] * 40 * day)
        assert found.device_first[number] == pytest.approx(
            rate[number] * 40 * day * works[number] * fetched[number]
        )
        saved = rate[number] * works[number] * fetched[number] * shockable[number]
        assert found.larsen[number] == pytest.approx(saved * larsen)
        assert found.valenzuela[number] == pytest.approx(saved * valenzuela)
        uses = rate[number] * fetched[number] * 60 * day / 0.5
        assert found.uses[number] == pytest.approx(uses)
        assert found.money[number] == pytest.approx(2 * 300 + 600 * uses)


def test_the_cost_of_a_survivor_spans_both_formulas() -> None:
    found = worth_of(BY_DAY, BY_NIGHT)

    cost = found.cost_per_survivor
    assert cost is not None
    assert cost.low == pytest.approx(found.money.low / max(found.larsen.high, found.valenzuela.high))
    middle = (found.larsen.middle + found.valenzuela.middle) / 2
    assert cost.middle == pytest.approx(found.money.middle / middle)
    assert cost.high == pytest.approx(found.money.high / min(found.larsen.low, found.valenzuela.low))
    assert worth_of(BY_NIGHT).cost_per_survivor is None


def test_a_device_that_is_nearer_for_residents_is_no_use_by_outsiders() -> None:
    nearer = pattern(NIGHT_HOURS, [NEVER] * 3, [100.0] * 3, by_proposed=[100.0, 401.0, 400.0])
    as_near = pattern(NIGHT_HOURS, [100.0] * 3, [100.0] * 3, by_proposed=[100.0] * 3)

    assert worth_of(nearer).uses.middle == pytest.approx(PER_PERSON[1] * 0.25 * 40 * NIGHT_SHARE / 0.5)
    assert worth_of(as_near).uses == (0, 0, 0)


def test_a_fetch_of_exactly_five_minutes_is_within_them() -> None:
    at_the_limit = pattern(NIGHT_HOURS, [300.0] * 3, [180.0] * 3, own=[300.0] * 3, mirrored=[180.0] * 3)
    found = by_band(at_the_limit)[Band.NIGHT]
    assert found.gains == {3: Gain(10, 60), 5: Gain(0, 0)}
    assert found.served_before == {3: Gain(0, 0), 5: Gain(10, 60)}
    mutual = reciprocity(PEOPLE, [at_the_limit])
    assert mutual.by_own == pytest.approx(10 * 63 / 168)
    assert mutual.by_others_today == 0
    assert mutual.if_neighbours_follow == 0

    just_beyond = pattern(NIGHT_HOURS, [301.0] * 3, [301.0] * 3, own=[301.0] * 3, mirrored=[301.0] * 3)
    assert reciprocity(PEOPLE, [just_beyond]) == Reciprocity(0, 0, 0)
    assert by_band(just_beyond)[Band.NIGHT].served_before[5] == (0, 0)
    on_the_second = pattern(NIGHT_HOURS, [301.0, 400.0, 181.0], [300.0, 399.0, 180.0], own=[NEVER] * 3)
    assert by_band(on_the_second)[Band.NIGHT].before_ambulance == (0, 0)
    by_others = pattern(NIGHT_HOURS, [300.0, NEVER, NEVER], [300.0, NEVER, NEVER])
    assert reciprocity(PEOPLE, [by_others]).by_others_today == pytest.approx(10 * 63 / 168)


def test_larsen_gives_nobody_less_than_nothing() -> None:
    """With an ambulance after 20 minutes a shock after 18 saves nobody, and one after 2 saves a few."""
    found = worth(
        People(np.array([100.0, 100.0]), np.array([False, False])),
        [pattern(NIGHT_HOURS, [NEVER, NEVER], [1_080.0, 120.0])],
        ambulance_seconds=1_200.0,
        devices=1,
        accessible=1.0,
        numbers=Arrival(probability_ready=1.0, probability_ready_checked=1.0),
        rates=RATES,
        survival=Survival(),
        prices=Prices(),
    )

    alive = (67 - 2.3 * 2 - 1.1 * (2 + 2 + 1.5) - 2.1 * (2 + 20)) / 100
    assert alive == pytest.approx(0.1015)
    expected = 100 * alive * NIGHT_SHARE * PER_PERSON[1] * 0.25 * 0.1
    assert found.larsen.middle == pytest.approx(expected)
    assert found.valenzuela.middle > 0
    assert found.money.low == pytest.approx(300 + 600 * found.uses.low)


def test_hours_of_the_week_begin_on_monday() -> None:
    assert [BAND_BY_HOUR[hour] for hour in (0, 8, 20, 23, 24)] == [
        Band.NIGHT,
        Band.DAY,
        Band.EVENING,
        Band.NIGHT,
        Band.NIGHT,
    ]
    assert [BAND_BY_HOUR[5 * 24 + hour] for hour in (7, 8, 22, 23)] == [
        Band.NIGHT,
        Band.WEEKEND,
        Band.WEEKEND,
        Band.NIGHT,
    ]


def test_an_interval_that_does_not_ascend_is_refused() -> None:
    with pytest.raises(ValidationError, match="the lowest value comes first"):
        ArrestRates(fetched=(0.5, 0.2, 0.6))


def test_a_floor_is_in_reach_to_the_second_there_and_back() -> None:
    seconds, climbs = np.array([100.0, 101.0, NEVER]), np.array([0.0, 40.0, 40.5])

    shares = share_within(seconds, climbs, 180.0)

    assert shares.tolist() == pytest.approx([2 / 3, 1 / 3, 0.0])
