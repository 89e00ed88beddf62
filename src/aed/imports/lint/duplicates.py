"""Which rows of a list may be one device: candidates by arrays, so that a long list stays cheap.

Two rows are compared in full when they stand near each other and their words may be alike, or when they have
the same serial number. A list names most devices once and often several in one house, so rows whose words
differ in a number (floor 1, floor 2) are two devices, and the score that is asked for is high.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aed.imports.devices.likeness import FAR_METRES, Likeness
from aed.imports.devices.rules import plain_words, similarity
from aed.imports.lint.places import on_the_globe, tree_of

type Hashes = NDArray[np.uint64]
type Pairs = NDArray[np.int64]
"""Two columns: an earlier row and a later one."""

SAME_ROW_SCORE: Final = 0.95
"""From this likeness on two rows of one list are called one device."""
SAME_DEVICE_SCORE: Final = 0.9
"""The same for rows of different sources."""
NO_HASH: Final = 0
SKETCH_WORDS: Final = 4
"""Of 64 bits: which pairs of letters a text has, roughly."""
MIN_SIMILARITY: Final = 0.7
NEIGHBOURS: Final = 6
PAIRS_AT_ONCE: Final = 200_000
ROWS_OF_A_PLACE: Final = 4
MAX_ROWS_OF_A_SERIAL: Final = 3
"""What more rows have in common is no serial number but a word for none."""
SHORTEST_SERIAL: Final = 4
SHORTEST_WORDS: Final = 5

_DIGITS: Final = re.compile(
    r"[0-9]+|[一二三四五六七八九十]+(?=[階樓楼层層號号棟栋])|(?<![a-z])[a-z](?![a-z])"
)


def hashed(text: str) -> int:
    """64 bits of a text; NO_HASH for an empty one."""
    if not text:
        return NO_HASH
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big") or 1


def serial_hash(serial: str | None) -> int:
    """NO_HASH for what is too short or has no digit: it is a word for none."""
    if not serial:
        return NO_HASH
    plain = plain_words(serial)
    is_one = len(plain) >= SHORTEST_SERIAL and any(each.isdigit() for each in plain) and len(set(plain)) > 1
    return hashed(plain) if is_one else NO_HASH


def numbers_hash(words: str) -> int:
    """Of the numbers and single letters in the words: those that tell two doors or floors apart."""
    folded = unicodedata.normalize("NFKC", words).casefold()
    return hashed("|".join(_DIGITS.findall(folded))) if words else NO_HASH


def sketch_of(plain: str) -> tuple[int, ...]:
    """Which pairs of letters plain words have, in 256 bits."""
    bits = 0
    for one, other in pairwise(map(ord, plain)):
        bits |= 1 << ((one * 31 + other) & 0xFF)
    return tuple(bits >> (64 * part) & 0xFFFF_FFFF_FFFF_FFFF for part in range(SKETCH_WORDS))


def near_pairs(
    lats: NDArray[np.float64],
    lons: NDArray[np.float64],
    *,
    words: Hashes,
    numbers: Hashes,
    sketches: Hashes,
) -> Pairs:
    """Rows near each other whose words may be alike: a few of each row's neighbours."""
    good = np.flatnonzero(np.isfinite(lats) & np.isfinite(lons))
    if len(good) < 2:
        return np.empty((0, 2), dtype=np.int64)
    points = np.round(on_the_globe(lats[good], lons[good]), 0)
    places, inverse = np.unique(points, axis=0, return_inverse=True)
    inverse = inverse.ravel()
    # Within a place: neighbours in the order of their words, so that those with the same come together.
    order = np.lexsort((good, words[good], inverse))
    groups = _in_groups(good[order], inverse[order], reach=ROWS_OF_A_PLACE)
    # Between places: the first rows of each.
    firsts = _first_rows(good[order], inverse[order], len(places), most=3)

    def alike(pairs: Pairs) -> Pairs:
        return _alike_pairs(pairs, numbers, sketches)

    found = [alike(groups)]
    if len(places) > 1:
        count = min(NEIGHBOURS + 1, len(places))
        _, near = tree_of(places).query(places, k=count, distance_upper_bound=FAR_METRES)
        near = near.reshape(len(places), count)
        one = np.repeat(np.arange(len(places)), count)
        other = near.ravel()
        is_pair = (other < len(places)) & (one < other)
        one, other = one[is_pair], other[is_pair]
        for i in range(firsts.shape[1]):
            for j in range(firsts.shape[1]):
                found.append(alike(np.column_stack([firsts[one, i], firsts[other, j]])))
    return _unique(np.vstack(found))


def _alike_pairs(pairs: Pairs, numbers: Hashes, sketches: Hashes) -> Pairs:
    """Those of rows that there are, with the same numbers and words that may be alike; some at a time, since
    a long list has far more pairs than rows."""
    found = [np.empty((0, 2), dtype=np.int64)]
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        some = pairs[start : start + PAIRS_AT_ONCE]
        some = some[(some >= 0).all(axis=1)]
        some = some[numbers[some[:, 0]] == numbers[some[:, 1]]]
        found.append(some[_alike(sketches[some[:, 0]], sketches[some[:, 1]]) >= MIN_SIMILARITY])
    return np.vstack(found)


def same_words_pairs(words: Hashes, *, at_most: int) -> Pairs:
    """Rows with the same words; none of words that more rows than that have."""
    return _same(words, at_most=at_most)


def same_serial_pairs(serials: Hashes) -> Pairs:
    return _same(serials, at_most=MAX_ROWS_OF_A_SERIAL)


def repeats(ids: Hashes) -> Pairs:
    """Each row that has the id of an earlier one, with the first."""
    rows = np.flatnonzero(ids != NO_HASH)
    order = rows[np.argsort(ids[rows], kind="stable")]
    _, starts, inverse = np.unique(ids[order], return_index=True, return_inverse=True)
    firsts = order[starts][inverse.ravel()]
    is_repeat = firsts != order
    return np.column_stack([firsts[is_repeat], order[is_repeat]]).astype(np.int64)


def _same(hashes: Hashes, *, at_most: int) -> Pairs:
    rows = np.flatnonzero(hashes != NO_HASH)
    order = rows[np.argsort(hashes[rows], kind="stable")]
    _, inverse, counts = np.unique(hashes[order], return_inverse=True, return_counts=True)
    kept = counts[inverse.ravel()] <= at_most
    return _unique(_in_groups(order[kept], inverse.ravel()[kept], reach=at_most))


def _in_groups(rows: Pairs, groups: Pairs, *, reach: int) -> Pairs:
    """Pairs of rows of one group that stand no farther apart in it than `reach`."""
    found = [np.empty((0, 2), dtype=np.int64)]
    for step in range(1, reach):
        same = groups[step:] == groups[:-step]
        if not same.any():
            break
        found.append(np.column_stack([rows[:-step][same], rows[step:][same]]))
    return np.vstack(found)


def _first_rows(rows: Pairs, groups: Pairs, count: int, *, most: int) -> Pairs:
    """The first rows of each group, -1 where it has fewer."""
    firsts = np.full((count, most), -1, dtype=np.int64)
    starts = np.searchsorted(groups, np.arange(count))
    ends = np.searchsorted(groups, np.arange(count), side="right")
    for place in range(most):
        there = starts + place < ends
        firsts[there, place] = rows[(starts + place)[there]]
    return firsts


def _alike(one: Hashes, other: Hashes) -> NDArray[np.float64]:
    """At least the share of letter pairs that the words have in common, as far as the sketches tell."""
    common = np.bitwise_count(one & other).sum(axis=1)
    both = np.bitwise_count(one).sum(axis=1).astype(np.float64) + np.bitwise_count(other).sum(axis=1)
    shares: NDArray[np.float64] = np.where(both > 0, 2.0 * common / np.maximum(both, 1), 0.0)
    return shares


def _unique(pairs: Pairs) -> Pairs:
    return np.unique(np.sort(pairs, axis=1), axis=0) if len(pairs) else pairs.reshape(0, 2)


def same_door(one: str, other: str) -> bool:
    """Whether the words of two rows of one list leave no doubt that one door is meant.

    Rows of one house share most of their words, its name and address: what tells them apart is a part of
    them. So each part of the one must have its like in the other.
    """
    parts, others = _parts(one), _parts(other)
    return _all_found(parts, others) and _all_found(others, parts)


def _parts(words: str) -> list[str]:
    between = r"[·,，、;；\n\s\u3000]+" if _EASTERN.search(words) else r"[·,;\n]+"
    return [plain for part in re.split(between, words) if (plain := plain_words(part))]


def _all_found(parts: Sequence[str], among: Sequence[str]) -> bool:
    return bool(parts) and all(any(similarity(part, each) >= _PART_ALIKE for each in among) for part in parts)


_EASTERN: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_PART_ALIKE: Final = 0.7


def because(found: Likeness, *, least: float) -> str:
    """Why two entries are taken for one device, strongest first, and what score is asked for."""
    signs: Iterable[str] = (
        sign.said
        for sign in sorted(found.signs, key=lambda sign: -abs(sign.weight))
        if abs(sign.weight) >= 0.1
    )
    asked = f", asked for: {least:.2f}" if least > 0 else ""
    return f"likeness {found.score:.2f} of 1{asked}; {', '.join(signs)}"
