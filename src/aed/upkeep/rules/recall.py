"""Which devices a recall means."""

from __future__ import annotations

import re


def serial_key(serial: str) -> tuple[tuple[int, int, str], ...]:
    """Serial numbers in the order in which makers count: digits by their value, letters whatever their case.

    `B-9` comes before `b10`; spaces and hyphens do not count.
    """
    parts = re.findall(r"\d+|[^\W\d_]+", serial.casefold())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def in_range(serial: str, first: str, last: str) -> bool:
    """Whether a serial number lies in a range of which both ends are in it.

    Only one that is built alike does: as many runs of digits and letters, so that `X1200` is not taken for
    one of `1000` to `2000`.
    """
    key, low, high = serial_key(serial), serial_key(first), serial_key(last)
    return _shape(key) == _shape(low) == _shape(high) and low <= key <= high


def _shape(key: tuple[tuple[int, int, str], ...]) -> tuple[int, ...]:
    return tuple(part[0] for part in key)
