"""Score how likely two entries of lists describe the same device."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from aed.imports.devices.rules import digits, plain_words, similarity

FAR_METRES: Final = 150.0
"""Entries farther apart are never compared."""

LONG_SERIAL: Final = 5
"""Minimum length of a significant serial number; shorter ones are local counters that occur in many lists."""
UNLIKE: Final = 0.35
"""Descriptions of spots with a lower similarity are different."""

_BEFORE: Final = -0.5
"""The prior log-odds that two nearby entries of two lists describe one device.

The weights below are log-odds, too. They are set by hand so that neighbouring devices of one list (305 pairs
in five published lists) are not merged, and so that a repeated device, a few metres off and with some fields
missing, is at least referred to a person: see the tests.
"""
_UP_TO_METRES: Final = ((0.5, 2.8), (1.0, 2.0), (10.0, 1.6), (30.0, 0.6), (75.0, -1.5), (FAR_METRES, -3.0))
"""Weights by distance in metres. Within half a metre, one list copied the other or both used one address."""


@dataclass(frozen=True, slots=True)
class ComparedEntry:
    """The fields of an entry by which it is compared, apart from its position."""

    place_en: str | None = None
    place_zh: str | None = None
    floor: int | None = None
    opening_hours: str | None = None
    maker: str | None = None
    model: str | None = None
    serial: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class Sign:
    """One piece of evidence for the same device (weight above 0) or against it."""

    what: str
    weight: float
    reason: str


@dataclass(frozen=True, slots=True)
class DeviceLikeness:
    score: float
    """A probability, from 0 to 1."""
    signs: tuple[Sign, ...]


def likeness(one: ComparedEntry, other: ComparedEntry, *, metres: float) -> DeviceLikeness:
    """Sum the evidence as log-odds and convert it to a score.

    An equal serial number nearly decides alone, and a different one nearly excludes. Distance and similar
    words make a match likely together but not alone, because two devices in one building have both.
    """
    signs = (
        Sign("distance", _distance(metres), f"{metres:.0f} m apart"),
        *_words(one, other),
        *_floor(one.floor, other.floor),
        *_serial(one.serial, other.serial),
        *_compare_names("maker", one.maker, other.maker, 0.5, -1.5),
        *_compare_names("model", one.model, other.model, 0.7, -1.0),
        *_hours(one.opening_hours, other.opening_hours),
        *_phone(one.phone, other.phone),
    )
    total = _BEFORE + sum(sign.weight for sign in signs)
    return DeviceLikeness(round(1.0 / (1.0 + math.exp(-total)), 3), signs)


def _distance(metres: float) -> float:
    """Return the weight of a distance by linear interpolation."""
    (near, high), *others = _UP_TO_METRES
    for far, low in others:
        if metres <= near:
            return high
        if metres <= far:
            return round(high + (low - high) * (metres - near) / (far - near), 2)
        near, high = far, low
    return high


def _words(one: ComparedEntry, other: ComparedEntry) -> Iterable[Sign]:
    """Compare the descriptions in the language in which they are most similar, and any door numbers in
    them."""
    compared = [
        _compared(mine, theirs)
        for mine, theirs in ((one.place_en, other.place_en), (one.place_zh, other.place_zh))
        if mine and theirs and plain_words(mine) and plain_words(theirs)
    ]
    if not compared:
        return
    share, rest, other_rest = max(compared, key=itemgetter(0))  # of two alike, the English ones
    yield Sign("words", round(4.5 * share - 1.8, 2), f"{share:.0%} of the words agree")
    first, second = plain_words(rest), plain_words(other_rest)
    if first and second and not (first in second or second in first) and similarity(first, second) < UNLIKE:
        yield Sign("spot", -1.3, f"only one says '{rest}', only the other '{other_rest}'")
    numbers, others = _numbers(rest), _numbers(other_rest)
    if numbers and others and not numbers & others:
        yield Sign("numbers", -2.0, f"{', '.join(sorted(numbers))} and {', '.join(sorted(others))}")


def _compared(one: str, other: str) -> tuple[float, str, str]:
    """Return the similarity of two descriptions, and the words that only the one or the other contains.

    Half of the similarity is that of the words they do not share, because devices in one building share its
    name and address.
    """
    parts, others = _split_words(one), _split_words(other)
    rest = " ".join(part for part in parts if part not in others)
    other_rest = " ".join(part for part in others if part not in parts)
    first, second = plain_words(rest), plain_words(other_rest)
    share = similarity(plain_words(one), plain_words(other))
    if first in second or second in first:
        return 0.5 + 0.5 * share, rest, other_rest
    return 0.5 * share + 0.5 * similarity(first, second), rest, other_rest


def _split_words(words: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", words).casefold()
    return [part for part in re.split(r"[\s·,;:()/、。，；]+", folded) if part]


def _numbers(words: str) -> set[str]:
    return {number.lstrip("0") for number in re.findall(r"[0-9]+", words)}


def _floor(one: int | None, other: int | None) -> Iterable[Sign]:
    """Compare the floors; a ground floor is weak evidence, since lists also state it if it is unknown."""
    if one is None or other is None or one == other == 0:
        return
    if one == other:
        yield Sign("floor", 0.5, "the same floor")
    else:
        yield Sign("floor", -0.7 if 0 in (one, other) else -3.0, f"floors {one} and {other}")


def _serial(one: str | None, other: str | None) -> Iterable[Sign]:
    if not one or not other:
        return
    number = plain_words(one)
    if number == plain_words(other):
        weight = 7.0 if len(number) >= LONG_SERIAL else 2.0
        yield Sign("serial", weight, f"the same serial number {one}")
    else:
        yield Sign("serial", -6.0, f"serial numbers {one} and {other}")


def _compare_names(
    what: str, one: str | None, other: str | None, same: float, different: float
) -> Iterable[Sign]:
    if not one or not other:
        return
    first, second = plain_words(one), plain_words(other)
    if not first or not second:
        return
    if first in second or second in first:
        yield Sign(what, same, f"the same {what}")
    else:
        yield Sign(what, different, f"{what}s {one} and {other}")


def _hours(one: str | None, other: str | None) -> Iterable[Sign]:
    if not one or not other:
        return
    if one != other:
        yield Sign("hours", -0.4, "different hours")
    elif one != "24/7":
        yield Sign("hours", 0.6, f"the same hours {one}")


def _phone(one: str | None, other: str | None) -> Iterable[Sign]:
    if one and other and len(digits(one)) >= 7 and digits(one)[-7:] == digits(other)[-7:]:
        yield Sign("phone", 1.0, f"the same phone, ending in {digits(one)[-2:]}")
