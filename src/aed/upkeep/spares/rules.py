"""Rules of spare stock: reasons, which lot is taken, when to order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from aed.registry.devices.rules import ConsumableKind

MAX_SPARES: Final = 10_000
MAX_SCOPE_LENGTH: Final = 300
NOTICE_DAYS: Final = 90
"""How long before a spare expires the managers are notified, as for fitted consumables."""
NOTICE_HOURS: Final = range(9, 18)
"""The local hours in which they are."""


class SpareState(StrEnum):
    """Whether a stock is kept."""

    KEPT = "kept"
    WITHDRAWN = "withdrawn"


class SpareReason(StrEnum):
    """Why spares came in or went out."""

    RECEIVED = "received"
    FITTED = "fitted"
    DISCARDED = "discarded"
    """Expired or damaged."""
    PASSED_ON = "passed_on"
    """Given to another estate, or sent back."""
    COUNTED = "counted"
    """A count on the shelf found another number."""


KIND_WORDS: Final = {
    ConsumableKind.PADS: ("spare pads", "备用电极片"),
    ConsumableKind.CHILD_PADS: ("spare child pads", "备用儿童电极片"),
    ConsumableKind.BATTERY: ("spare batteries", "备用电池"),
    ConsumableKind.CARTRIDGE: ("spare combined cartridges", "备用电极电池盒"),
}
"""English, Chinese."""


@dataclass(frozen=True, slots=True)
class SpareLot:
    """What is left of a lot."""

    lot: str
    """Empty if it is not known."""
    expires_on: date
    quantity: int


def usable_quantity(lots: Sequence[SpareLot], *, on: date) -> int:
    """Return how many spares have not expired on a day."""
    return sum(each.quantity for each in lots if each.expires_on >= on)


def lot_to_take(
    lots: Sequence[SpareLot], *, lot: str | None, expires_on: date | None, usable_on: date | None = None
) -> SpareLot | None:
    """Return the lot from which a spare is taken, or None if it comes from elsewhere.

    1. With `usable_on`, leave out what has expired before that day: it is not fitted.
    2. With a lot number: the lot of that number, ignoring case.
    3. Otherwise the lot with the same expiry date, or the first to expire.
    """
    left = sorted(
        (each for each in lots if each.quantity > 0 and (usable_on is None or each.expires_on >= usable_on)),
        key=lambda each: (each.expires_on, each.lot),
    )
    if lot:
        return next((each for each in left if each.lot.casefold() == lot.casefold()), None)
    same = (each for each in left if each.expires_on == expires_on)
    return next(same, left[0] if left else None)


def scope_key(kind: ConsumableKind, *, maker: str | None, model: str | None) -> str:
    """Return kind, maker and model as one key, equal for those that differ in case alone.

    A name may grow when its case is folded: one that no longer fits its column is replaced by a digest.
    """
    key = "|".join((str(kind), (maker or "").casefold(), (model or "").casefold()))
    return key if len(key) <= MAX_SCOPE_LENGTH else hashlib.sha256(key.encode()).hexdigest()


def must_order(*, before: int, after: int, reorder_point: int) -> bool:
    """Return whether a movement from `before` to `after` usable spares reaches the reorder point."""
    return before > reorder_point >= after
