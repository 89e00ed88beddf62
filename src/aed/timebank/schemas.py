"""Amounts in requests and responses."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from aed.timebank.rules import to_units


def _whole_units(points: Decimal) -> Decimal:
    if to_units(points) is None:
        raise ValueError("must be a whole number of hundredths of a point")
    return points


Points = Annotated[
    Decimal,
    Field(gt=0, le=1_000_000, decimal_places=2, examples=[1], description="Points, such as 2.5"),
    AfterValidator(_whole_units),
]
Key = Annotated[
    UUID,
    Field(
        description="Made up by the client: a repeated request with the same key counts once",
        examples=["0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a11"],
    ),
]


def units_of(points: Decimal) -> int:
    """Return validated points as units."""
    units = to_units(points)
    assert units is not None
    return units
