"""Numbers on labels, ranges of serial numbers, and when to ask for a device that was fetched."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aed.errors import InvalidInput
from aed.imports.devices.rules import DEFAULT_RANK
from aed.settings.upkeep import Returns
from aed.upkeep.rounds import rules as rounds
from aed.upkeep.rules import (
    device_id_of,
    first_follow_up_at,
    in_range,
    is_retrieval_abandoned,
    next_follow_up_at,
    short_number,
)
from aed.upkeep.sightings import rules as sightings
from aed.upkeep.spares import rules as spares
from tests.make import NOW

MINUTE = timedelta(minutes=1)
MOMENT = timedelta(microseconds=1)
RETURNS = Returns(ask_after_minutes=15, ask_again_minutes=45, quarantine_after_minutes=120)


def test_the_limits_of_rounds_sightings_and_spares_are_as_agreed() -> None:
    assert (rounds.WALKING_METRES_PER_SECOND, rounds.DEFAULT_CHECK_MINUTES) == (1.25, 5)
    assert (rounds.MAX_DAYS_AHEAD, rounds.MAX_LATE_DAYS) == (366, 30)
    assert (sightings.MAX_SHOWN, sightings.NEAR_METRES, sightings.SAME_FROM) == (5, 100.0, 0.45)
    assert (sightings.MAX_PER_ADDRESS, sightings.MAX_PER_DAY, sightings.MAX_WORDS) == (5, 500, 200)
    assert (timedelta(days=1), timedelta(days=365)) == (sightings.DRAFT_KEPT_FOR, sightings.PHOTO_KEPT_FOR)
    assert sightings.RANK < DEFAULT_RANK, "what a passer-by says is below every list"
    assert (spares.MAX_SPARES, spares.MAX_SCOPE_LENGTH) == (10_000, 300)
    assert (90, range(9, 18)) == (spares.NOTICE_DAYS, spares.NOTICE_HOURS)


# --- Numbers on labels ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device_id", "number"),
    [
        (1, "1-8"),
        (2, "2-6"),
        (5, "5-9"),
        (9, "9-1"),
        (10, "10-9"),
        (1234, "1234-4"),
        (7992739871, "7992739871-3"),
    ],
)
def test_a_number_has_the_check_digit_of_luhn(device_id: int, number: str) -> None:
    assert short_number(device_id) == number
    assert device_id_of(number) == device_id
    assert device_id_of(f" {number.replace('-', ' ')} ") == device_id


def test_one_wrong_digit_is_noticed() -> None:
    for device_id in (1, 47, 1234, 90_909):
        digits = short_number(device_id).replace("-", "")
        for place, right in enumerate(digits):
            for wrong in set("0123456789") - {right}:
                with pytest.raises(InvalidInput):
                    device_id_of(digits[:place] + wrong + digits[place + 1 :])


@pytest.mark.parametrize("number", ["", "8", "0-0", "00", "-18", "1-8x", "１-８", "1" * 20])
def test_what_is_no_number_is_refused(number: str) -> None:
    if number == "-18":
        assert device_id_of(number) == 1, "hyphens are ignored wherever they are"
        return
    with pytest.raises(InvalidInput) as refused:
        device_id_of(number)
    assert refused.value.field == "number"


def test_a_number_has_at_most_nineteen_digits() -> None:
    longest = 10**18 - 1
    assert device_id_of(short_number(longest)) == longest
    with pytest.raises(InvalidInput):
        device_id_of(short_number(10**18))


# --- Serial numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("serial", "is_in"),
    [
        ("B99", False),
        ("B100", True),
        ("b-100", True),
        ("B150", True),
        ("B200", True),
        ("B201", False),
        ("C150", False),
        ("150", False),
        ("B150X", False),
    ],
)
def test_a_range_of_serial_numbers_includes_both_ends_and_one_pattern(serial: str, is_in: bool) -> None:
    assert in_range(serial, "B100", "B200") is is_in


# --- Devices that were fetched --------------------------------------------------------------------------


def test_people_are_asked_after_a_while_and_again_until_it_is_given_up() -> None:
    assert first_follow_up_at(NOW, RETURNS) == NOW + 15 * MINUTE
    assert next_follow_up_at(NOW, NOW + 15 * MINUTE, RETURNS) == NOW + 60 * MINUTE
    assert next_follow_up_at(NOW, NOW + 75 * MINUTE, RETURNS) == NOW + 120 * MINUTE
    assert next_follow_up_at(NOW, NOW + 76 * MINUTE, RETURNS) == NOW + 120 * MINUTE, "not after that"
    soon = Returns(ask_after_minutes=15, ask_again_minutes=45, quarantine_after_minutes=10)
    assert first_follow_up_at(NOW, soon) == NOW + 10 * MINUTE


def test_it_is_given_up_at_its_moment() -> None:
    end = NOW + 120 * MINUTE
    assert [is_retrieval_abandoned(NOW, at, RETURNS) for at in (end - MOMENT, end)] == [False, True]
