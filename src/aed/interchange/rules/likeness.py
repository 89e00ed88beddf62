"""How likely it is that two entries of lists are one device: a score, and what it is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aed.interchange.rules.merge import plain_words

LIKELY_METRES: Final = 30.0
"""Positions of one device in two lists lie about this far apart."""
FAR_METRES: Final = 150.0
"""Entries farther apart are not compared at all."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What of an entry tells it from another."""

    lat: float
    lon: float
    words: str
    """Its place in words, all languages together."""
    floor: int | None = None
    maker: str | None = None
    model: str | None = None
    serial: str | None = None


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that speaks for the same device (weight above 0) or against it."""

    what: str
    weight: float
    said: str


@dataclass(frozen=True, slots=True)
class Likeness:
    score: float
    """0 to 1."""
    signs: tuple[Sign, ...]


def likeness(one: Entry, other: Entry, *, metres: float) -> Likeness:
    """Weighs the signs as log-odds and turns their sum into a score.

    A serial number that is the same decides nearly alone, one that differs nearly rules it out; nearness and
    words in common make it likely together and not alone: two devices of one building have both.
    """
    signs = [
        Sign("distance", 2.0 - 4.0 * metres / FAR_METRES, f"{metres:.0f} m apart"),
        *_words(one.words, other.words),
        *_floor(one.floor, other.floor),
        *_serial(one.serial, other.serial),
        *_same("maker", one.maker, other.maker, 0.7, -1.5),
        *_same("model", one.model, other.model, 0.7, -1.0),
    ]
    total = -0.5 + sum(sign.weight for sign in signs)
    return Likeness(round(1.0 / (1.0 + math.exp(-total)), 3), tuple(signs))


def _words(one: str, other: str) -> Iterable[Sign]:
    first, second = plain_words(one), plain_words(other)
    if not first or not second:
        return
    share = similarity(first, second)
    yield Sign("words", 4.0 * share - 1.2, f"{share:.0%} of the words' letters in common")


def similarity(one: str, other: str) -> float:
    """The share of letter pairs that two texts have in common (Dice), 0 to 1; works for any script."""
    if one == other:
        return 1.0
    pairs, others = _pairs(one), _pairs(other)
    if not pairs or not others:
        return 0.0
    return 2.0 * len(pairs & others) / (len(pairs) + len(others))


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}


def _floor(one: int | None, other: int | None) -> Iterable[Sign]:
    if one is None or other is None:
        return
    if one == other:
        yield Sign("floor", 0.2, "the same floor")
    else:
        yield Sign("floor", -1.5, f"floors {one} and {other}")


def _serial(one: str | None, other: str | None) -> Iterable[Sign]:
    if not one or not other:
        return
    if plain_words(one) == plain_words(other):
        yield Sign("serial", 6.0, f"the same serial number {one}")
    else:
        yield Sign("serial", -5.0, f"serial numbers {one} and {other}")


def _same(what: str, one: str | None, other: str | None, same: float, different: float) -> Iterable[Sign]:
    if not one or not other:
        return
    first, second = plain_words(one), plain_words(other)
    if first == second or first in second or second in first:
        yield Sign(what, same, f"the same {what}")
    else:
        yield Sign(what, different, f"{what}s {one} and {other}")
