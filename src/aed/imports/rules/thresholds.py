"""How sure the program must be before it does something by itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    same_device_score: float = 0.9
    """From this score on, an entry of another list is taken for the registered device."""
    maybe_same_score: float = 0.6
    """From this score on, a person is asked; below, it is a new device."""
    shrink_share: float = 0.2
    """When more than this share of a list is missing (and more than a few), a person is asked."""

    def holds_back(self, missing: int, of: int) -> bool:
        return missing > FEW and missing > self.shrink_share * of


FEW = 5
"""So many may go from the shortest list."""
