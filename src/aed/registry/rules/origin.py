"""Where an attribute of a device comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

BY_HAND: Final = "registry"
"""The source of what people amend in the register itself."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which source said it, and when that was taken."""

    source: str
    at: datetime

    def as_json(self) -> dict[str, str]:
        return {"source": self.source, "at": self.at.isoformat()}


def origins_in(stored: Mapping[str, Any]) -> dict[str, Origin]:
    """The origins of a device by attribute, from what its row keeps."""
    return {
        attribute: Origin(each["source"], datetime.fromisoformat(each["at"]))
        for attribute, each in stored.items()
    }
