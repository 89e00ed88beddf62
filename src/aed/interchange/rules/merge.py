"""Which of a source's attributes a device takes: each attribute comes from the best source that gives it.

The result does not depend on the order in which sources come, as long as those that disagree are not ranked
alike; those that are make a conflict, which waits for a person.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aed.registry.rules.origin import BY_HAND, Origin

HAND_RANK: Final = 100
"""What people amend by hand outranks every list."""
DEFAULT_RANK: Final = 50
SAME_PLACE_METRES: Final = 30.0
"""Two sources that put a device this near each other agree on where it is."""
_METRES_PER_DEGREE: Final = 111_195.0


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two sources ranked alike that disagree about one attribute."""

    attribute: str
    present: Any
    present_source: str
    offered: Any


@dataclass(frozen=True, slots=True)
class Merged:
    """What of a record the device takes, and what a person must decide."""

    taken: frozenset[str]
    conflicts: tuple[Conflict, ...]


def merge(
    offered: Mapping[str, Any],
    *,
    source: str,
    present: Mapping[str, Any],
    origins: Mapping[str, Origin],
    ranks: Mapping[str, int],
    own_source: str,
) -> Merged:
    """Decides attribute by attribute.

    `offered` and `present` hold plain values by attribute; `origins` says where a present value comes from,
    `own_source` where those come from that it does not name.
    """
    taken: set[str] = set()
    conflicts: list[Conflict] = []
    for attribute, value in offered.items():
        if value is None:
            continue
        standing = present.get(attribute)
        origin = origins[attribute].source if attribute in origins else own_source
        if standing is None or origin == source:
            taken.add(attribute)
            continue
        mine, theirs = rank_of(source, ranks), rank_of(origin, ranks)
        if mine > theirs:
            taken.add(attribute)
        elif mine == theirs and not agree(attribute, value, standing):
            conflicts.append(Conflict(attribute, standing, origin, value))
    return Merged(frozenset(taken), tuple(sorted(conflicts, key=lambda each: each.attribute)))


def rank_of(source: str, ranks: Mapping[str, int]) -> int:
    return HAND_RANK if source == BY_HAND else ranks.get(source, DEFAULT_RANK)


def agree(attribute: str, one: Any, other: Any) -> bool:
    """Whether two values say the same in substance."""
    if attribute == "position":
        return metres_apart(one, other) <= SAME_PLACE_METRES
    if isinstance(one, str) and isinstance(other, str):
        return plain_words(one) == plain_words(other)
    return bool(one == other)


def metres_apart(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Between two positions {lat, lon}, roughly: for telling "the same place" from "another"."""
    dy = one["lat"] - other["lat"]
    dx = (one["lon"] - other["lon"]) * math.cos(math.radians((one["lat"] + other["lat"]) / 2))
    return math.hypot(dx, dy) * _METRES_PER_DEGREE


def plain_words(text: str) -> str:
    """Without what does not matter: width, case, punctuation, spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if character.isalnum())
