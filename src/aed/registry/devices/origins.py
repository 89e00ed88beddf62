"""The source of each attribute of a device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

BY_HAND: Final = "registry"
"""The source of attributes that people amend in the register itself."""

ALL_OTHER_ATTRIBUTES: Final = "*"
"""The key for all attributes that are not listed individually."""

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
    "registration_number",
    "udi_di",
    "manufactured_on",
    "end_of_life_on",
    "keeper",
    "audience",
    "state",
    "last_checked_on",
    "pads_expire_on",
    "child_pads_expire_on",
    "battery_expires_on",
    "cartridge_expires_on",
)
"""Attributes that have a source of their own. Some consist of several fields: `opening_hours` with
`opening_hours_raw`, `state` with its reason, `belongs_to` with an estate or a region.
"""

_SOURCE_FIELDS: Final = {
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
    """The source of an attribute, and when it was read; None: before that was recorded."""

    source: str
    at: datetime | None

    def as_json(self) -> dict[str, str | None]:
        return {"source": self.source, "at": self.at.isoformat() if self.at is not None else None}


@dataclass(frozen=True, slots=True)
class Origins:
    """The sources of all attributes of one device."""

    named: Mapping[str, Origin]
    others: Origin
    """The source of attributes that are not listed individually."""

    def of(self, attribute: str) -> Origin:
        return self.named.get(attribute, self.others)

    def with_(self, attributes: Iterable[str], origin: Origin) -> Origins:
        return Origins({**self.named, **dict.fromkeys(attributes, origin)}, self.others)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON that is stored with the device."""
        kept = {name: origin.as_json() for name, origin in self.named.items() if origin != self.others}
        return {**kept, ALL_OTHER_ATTRIBUTES: self.others.as_json()}


def origins_in(stored: Mapping[str, Any], own_source: str) -> Origins:
    """Return the origins from a device's stored JSON; if it is empty, all come from the device's source."""
    found = {
        attribute: Origin(each["source"], datetime.fromisoformat(each["at"]) if each["at"] else None)
        for attribute, each in stored.items()
    }
    others = found.pop(ALL_OTHER_ATTRIBUTES, Origin(own_source, None))
    return Origins(found, others)


def attributes_of(columns: Iterable[str]) -> set[str]:
    """Return the attributes that these columns of a device belong to."""
    return {_SOURCE_FIELDS.get(column, column) for column in columns} & set(ATTRIBUTES)
