"""In which countries the ground floor is commonly called the first."""

from __future__ import annotations

from typing import Final

COUNTED_FROM_ONE: Final = frozenset({"CN", "TW", "JP", "KR", "US", "CA", "RU", "NO"})


def counts_ground_as_one(country: str) -> bool:
    """Return what a region of that country does unless it says otherwise. Hong Kong counts from G."""
    return country in COUNTED_FROM_ONE
