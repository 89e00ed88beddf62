"""Questions that only a person can answer, and the answers that there are."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ReviewKind(StrEnum):
    DUPLICATE = "duplicate"
    """Is this entry of a list a device that is registered already?"""
    CONFLICT = "conflict"
    """Two sources ranked alike disagree about an attribute: which is right?"""
    SHRINK = "shrink"
    """A list has lost many of its devices: are they gone?"""


class Decision(StrEnum):
    SAME = "same"
    DIFFERENT = "different"
    TAKE = "take"
    """What was offered is right."""
    KEEP = "keep"
    """What stands is right."""
    ACCEPT = "accept"
    """They are gone."""
    REFUSE = "refuse"
    """The list was wrong."""


DECISIONS: Final = {
    ReviewKind.DUPLICATE: (Decision.SAME, Decision.DIFFERENT),
    ReviewKind.CONFLICT: (Decision.TAKE, Decision.KEEP),
    ReviewKind.SHRINK: (Decision.ACCEPT, Decision.REFUSE),
}
"""What can be answered to each."""
