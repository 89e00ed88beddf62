"""Find rows of a list that may describe the same device, with array operations that stay fast for long lists.

Two rows are compared in full if they are near each other and their words may be similar, or if they share a
serial number. Most lists contain each device once and often several in one building. Rows whose words differ
in a number (floor 1, floor 2) are therefore different devices, and the required score is high.
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

from aed.imports.devices.likeness import FAR_METRES, DeviceLikeness
from aed.imports.devices.rules import plain_words, similarity
from aed.imports.lint.places import on_the_globe, tree_of

type Hashes = NDArray[np.uint64]
type Pairs = NDArray[np.int64]
"""Array of shape (n, 2): the index of an earlier row and of a later one."""

SAME_ROW_SCORE: Final = 0.95
"""Minimum likeness at which two rows of one list count as the same device."""
SAME_DEVICE_SCORE: Final = 0.9
"""Minimum likeness at which entries of different sources count as the same device."""
NO_HASH: Final = 0
SKETCH_WORDS: Final = 4
"""Number of 64-bit words in a sketch, which approximates the letter pairs of a text."""
MIN_SIMILARITY: Final = 0.7
NEIGHBOURS: Final = 6
PAIRS_AT_ONCE: Final = 200_000
ROWS_OF_A_PLACE: Final = 4
MAX_ROWS_OF_A_SERIAL: Final = 3
"""A value shared by more rows than this is a placeholder, not a serial number."""
MIN_SERIAL_LENGTH: Final = 4
MIN_TEXT_LENGTH: Final = 5

_DIGITS: Final = re.compile(
    r"[0-9]+|[一二三四五六七八九十]+(?=[階樓楼层層號号棟栋])|(?<![a-z])[a-z](?![a-z])"
)


def hashed(text: str) -> int:
    """Return a 64-bit hash of a text; NO_HASH for an empty one."""
    if not text:
        return NO_HASH
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big") or 1


def serial_hash(serial: str | None) -> int:
    """Return the hash of a serial number; NO_HASH if it is too short or has no digit."""
    if not serial:
        return NO_HASH
    plain = plain_words(serial)
    is_one = len(plain) >= MIN_SERIAL_LENGTH and any(each.isdigit() for each in plain) and len(set(plain)) > 1
    return hashed(plain) if is_one else NO_HASH


def numbers_hash(words: str) -> int:
    """Return a hash of the numbers and single letters in the words, which distinguish doors and floors."""
    folded = unicodedata.normalize("NFKC", words).casefold()
    return hashed("|".join(_DIGITS.findall(folded))) if words else NO_HASH


def sketch_of(plain: str) -> tuple[int, ...]:
    """Return a 256-bit sketch of the letter pairs in normalised words."""
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
    """Return pairs of rows that are near each other and may have similar words.

    Only a few neighbours of each row are considered.
    """
    good = np.flatnonzero(np.isfinite(lats) & np.isfinite(lons))
    if len(good) < 2:
        return np.empty((0, 2), dtype=np.int64)
    points = np.round(on_the_globe(lats[good], lons[good]), 0)
    places, inverse = np.unique(points, axis=0, return_inverse=True)
    inverse = inverse.ravel()
    # Within a place, sort by words so that equal words are adjacent.
    order = np.lexsort((good, words[good], inverse))
    groups = _in_groups(good[order], inverse[order], reach=ROWS_OF_A_PLACE)
    # Between places, compare the first rows of each.
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
    """Return the pairs with equal numbers and possibly similar words.

    Pairs with a missing row (-1) are dropped. The pairs are processed in batches, because a long list has far
    more pairs than rows.
    """
    found = [np.empty((0, 2), dtype=np.int64)]
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        some = pairs[start : start + PAIRS_AT_ONCE]
        some = some[(some >= 0).all(axis=1)]
        some = some[numbers[some[:, 0]] == numbers[some[:, 1]]]
        found.append(some[_alike(sketches[some[:, 0]], sketches[some[:, 1]]) >= MIN_SIMILARITY])
    return np.vstack(found)


def same_text_pairs(words: Hashes, *, at_most: int) -> Pairs:
    """Return pairs of rows with the same words; skip words shared by more than `at_most` rows."""
    return _same(words, at_most=at_most)


def same_serial_pairs(serials: Hashes) -> Pairs:
    return _same(serials, at_most=MAX_ROWS_OF_A_SERIAL)


def repeated_ids(ids: Hashes) -> Pairs:
    """Return pairs of the first row with an id and each later row that repeated_ids it."""
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
    """Return pairs of rows of the same group that are less than `reach` positions apart."""
    found = [np.empty((0, 2), dtype=np.int64)]
    for step in range(1, reach):
        same = groups[step:] == groups[:-step]
        if not same.any():
            break
        found.append(np.column_stack([rows[:-step][same], rows[step:][same]]))
    return np.vstack(found)


def _first_rows(rows: Pairs, groups: Pairs, count: int, *, most: int) -> Pairs:
    """Return the first `most` rows of each group, padded with -1."""
    firsts = np.full((count, most), -1, dtype=np.int64)
    starts = np.searchsorted(groups, np.arange(count))
    ends = np.searchsorted(groups, np.arange(count), side="right")
    for place in range(most):
        there = starts + place < ends
        firsts[there, place] = rows[(starts + place)[there]]
    return firsts


def _alike(one: Hashes, other: Hashes) -> NDArray[np.float64]:
    """Return an upper estimate of the share of letter pairs that two texts have in common, from their
    sketches."""
    common = np.bitwise_count(one & other).sum(axis=1)
    both = np.bitwise_count(one).sum(axis=1).astype(np.float64) + np.bitwise_count(other).sum(axis=1)
    shares: NDArray[np.float64] = np.where(both > 0, 2.0 * common / np.maximum(both, 1), 0.0)
    return shares


def _unique(pairs: Pairs) -> Pairs:
    return np.unique(np.sort(pairs, axis=1), axis=0) if len(pairs) else pairs.reshape(0, 2)


def is_same_entrance(one: str, other: str) -> bool:
    """Return whether the words of two rows of one list clearly describe the same door.

    Rows in one building share most of their words, such as its name and address; only a part distinguishes
    them. Each part of one text must therefore have a similar part in the other.
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


def because(found: DeviceLikeness, *, least: float) -> str:
    """Return the reasons why two entries count as one device, strongest first, with the score and its
    threshold."""
    signs: Iterable[str] = (
        sign.reason
        for sign in sorted(found.signs, key=lambda sign: -abs(sign.weight))
        if abs(sign.weight) >= 0.1
    )
    asked = f", threshold: {least:.2f}" if least > 0 else ""
    return f"likeness {found.score:.2f} of 1{asked}; {', '.join(signs)}"
