"""Identity numbers: checked, masked, compared. Masked ones alone are stored."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK: Final = "10X98765432"
"""GB 11643: the last character by the weighted sum of the others, modulo 11."""
_STARS: Final = re.compile("[*＊×•●#?_]")
SHOWN: Final = re.compile(r"[A-Z]{0,3}[0-9*]{3,28}[0-9X*]")
LAST_SHOWN: Final = 4


def written(text: str) -> str:
    """An identity number as it is compared: no spaces, small x as X, every kind of mask a star."""
    bare = "".join(unicodedata.normalize("NFKC", _STARS.sub("*", text)).upper().split())
    return bare.replace("-", "")


def is_whole(number: str) -> bool:
    return re.fullmatch(r"[0-9]{17}[0-9X]", number) is not None


def has_right_check_digit(number: str) -> bool:
    """Of a whole Chinese identity number of 18 characters."""
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], _WEIGHTS, strict=True))
    return _CHECK[total % 11] == number[17]


def masked(number: str) -> str:
    """The first six, where somebody was registered, and the last four; never the date of birth whole."""
    if is_whole(number):
        return f"{number[:6]}{'*' * 8}{number[-LAST_SHOWN:]}"
    if "*" in number:
        return number
    return f"{'*' * max(len(number) - LAST_SHOWN, 4)}{number[-LAST_SHOWN:]}"


def ids_agree(one: str | None, other: str | None) -> bool | None:
    """Whether two masked numbers may be one; None where that cannot be said.

    1. Of the same length: wherever both show something, it is the same, in three places at least.
    2. Of other lengths: their last four are the same, where both show them.
    """
    if one is None or other is None:
        return None
    if len(one) == len(other):
        shown = [(a, b) for a, b in zip(one, other, strict=True) if "*" not in (a, b)]
        return all(a == b for a, b in shown) if len(shown) >= 3 else None
    ends = one[-LAST_SHOWN:], other[-LAST_SHOWN:]
    if any("*" in end for end in ends):
        return None
    return ends[0] == ends[1]
