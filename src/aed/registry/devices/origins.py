"""Which source each attribute of a device comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

BY_HAND: Final = "registry"
"""The source of what people amend in the register itself."""

ALL_OTHER_ATTRIBUTES: Final = "*"
"""In a device's origins: every attribute that is not named beside it."""

ATTRIBUTES: Final = (
    "position",
    "belongs_to",
    "place_en",
    "place_zh",
    "floor",
    "opening_hours",
    "entry",
    "access_instructions_en",
    "access_instructions_zh",
    "cabinet",
    "maker",
    "model",
    "serial",
    "keeper",
    "audience",
    "state",
    "last_checked_on",
    "pads_expire_on",
    "child_pads_expire_on",
    "battery_expires_on",
)
"""What of a device comes from a source of its own. Some are told in several fields: `opening_hours` with
`opening_hours_raw`, `state` with its reason, `belongs_to` an estate or a region."""

_TOLD_IN: Final = {
    "opening_hours_raw": "opening_hours",
    "out_of_service_reason": "state",
    "estate_id": "belongs_to",
    "region_id": "belongs_to",
    "keeper_id": "keeper",
    "origin_datum": "position",
    "origin_lat": "position",
    "origin_lon": "position",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Which source said it, and when that was taken; None: before that was recorded."""

    source: str
    at: datetime | None

    def as_json(self) -> dict[str, str | None]:
        return {"source": self.source, "at": self.at.isoformat() if self.at is not None else None}


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the attributes of one device come from."""

    named: Mapping[str, Origin]
    others: Origin
    """Of those that are not named."""

    def of(self, attribute: str) -> Origin:
        return self.named.get(attribute, self.others)

    def with_(self, attributes: Iterable[str], origin: Origin) -> Origins:
        return Origins({**self.named, **dict.fromkeys(attributes, origin)}, self.others)

    def as_json(self) -> dict[str, Any]:
        """As a device keeps them."""
        kept = {name: origin.as_json() for name, origin in self.named.items() if origin != self.others}
        return {**kept, ALL_OTHER_ATTRIBUTES: self.others.as_json()}


def origins_in(stored: Mapping[str, Any], own_source: str) -> Origins:
    """The origins of a device, from what its row keeps. One that keeps nothing has all from its source."""
    found = {
        attribute: Origin(each["source"], datetime.fromisoformat(each["at"]) if each["at"] else None)
        for attribute, each in stored.items()
    }
    others = found.pop(ALL_OTHER_ATTRIBUTES, Origin(own_source, None))
    return Origins(found, others)


def attributes_of(columns: Iterable[str]) -> set[str]:
    """The attributes that these columns of a device tell."""
    return {_TOLD_IN.get(column, column) for column in columns} & set(ATTRIBUTES)
