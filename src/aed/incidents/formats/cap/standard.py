"""What CAP 1.2 has: elements, values, and how a time is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE: Final = "application/cap+xml"
HEALTH: Final = "Health"

VALUES: Final[Mapping[str, frozenset[str]]] = {
    "scope": frozenset({"Public", "Restricted", "Private"}),
    "category": frozenset(
        [
            "Geo",
            "Met",
            "Safety",
            "Security",
            "Rescue",
            "Fire",
            "Health",
            "Env",
            "Transport",
            "Infra",
            "CBRNE",
            "Other",
        ]
    ),
    "responseType": frozenset(
        {"Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"}
    ),
    "urgency": frozenset({"Immediate", "Expected", "Future", "Past", "Unknown"}),
    "severity": frozenset({"Extreme", "Severe", "Moderate", "Minor", "Unknown"}),
    "certainty": frozenset({"Observed", "Likely", "Possible", "Unlikely", "Unknown"}),
}
ONCE: Final[Mapping[str, frozenset[str]]] = {
    "alert": frozenset(
        [
            "identifier",
            "sender",
            "sent",
            "status",
            "msgType",
            "source",
            "scope",
            "restriction",
            "addresses",
            "note",
            "references",
            "incidents",
        ]
    ),
    "info": frozenset(
        [
            "language",
            "event",
            "urgency",
            "severity",
            "certainty",
            "audience",
            "effective",
            "onset",
            "expires",
            "senderName",
            "headline",
            "description",
            "instruction",
            "web",
            "contact",
        ]
    ),
    "area": frozenset({"areaDesc", "altitude", "ceiling"}),
    "parameter": frozenset({"valueName", "value"}),
}
OFTEN: Final[Mapping[str, frozenset[str]]] = {
    "alert": frozenset({"code", "info"}),
    "info": frozenset({"category", "responseType", "eventCode", "parameter", "resource", "area"}),
    "area": frozenset({"polygon", "circle", "geocode"}),
    "parameter": frozenset(),
}
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", re.ASCII)


def written(moment: datetime) -> str:
    """UTC, to the second: -00:00, and never Z."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}-00:00"
