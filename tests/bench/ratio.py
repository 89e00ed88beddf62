"""One row of the table of benchmarks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """A measured value and its limit."""

    what: str
    value: float
    limit: float | None
    behind: str
    """The values that the ratio is computed from."""

    def __str__(self) -> str:
        limit = "" if self.limit is None else f"{self.limit:.2f}"
        over = "  OVER THE LIMIT" if self.limit is not None and self.value > self.limit else ""
        return f"{self.what:<52} {self.value:>6.2f} {limit:>8}{over}\n{'':4}{self.behind}"
