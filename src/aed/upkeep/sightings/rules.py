"""Limits of sightings, and the list that they appear in."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

from aed.imports.devices.rules import Decision

SOURCE: Final = "passers-by"
"""The list in which sent sightings are records, which administrators review like those of other lists."""
RANK: Final = 10
"""Below every list: what a passer-by says only fills in what is unknown."""
NEAR_METRES: Final = 100.0
"""Registered devices up to this distance are shown before a sighting is sent."""
MAX_SHOWN: Final = 5
SAME_FROM: Final = 0.45
"""Likeness from which a sighting may be a registered device: by distance alone, about 35 m."""
MAX_WORDS: Final = 200
MAX_PER_ADDRESS: Final = 5
"""Maximum number of sightings per hour from one address."""
MAX_PER_DAY: Final = 500
"""Maximum number of sightings per day from all addresses together."""
DRAFT_KEPT_FOR: Final = timedelta(days=1)
PHOTO_KEPT_FOR: Final = timedelta(days=365)


class SightingState(StrEnum):
    """What has come of a sighting."""

    DRAFT = "draft"
    """Not sent yet."""
    SENT = "sent"
    """A person has yet to decide."""
    TAKEN = "taken"
    """It has been registered, or helped a registered device."""
    REFUSED = "refused"


def state_after(decision: Decision | None) -> SightingState:
    """Return the state of a sent sighting by the decision of its review."""
    if decision is None:
        return SightingState.SENT
    return SightingState.REFUSED if decision is Decision.REFUSE else SightingState.TAKEN
