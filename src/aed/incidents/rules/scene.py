"""What a dispatcher knows of the patient and the place: the age group, a hazard."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class AgeGroup(StrEnum):
    """How old the patient is, as far as it matters for the pads."""

    UNKNOWN = "unknown"
    ADULT = "adult"
    CHILD = "child"
    """From one year to about eight, or under 25 kg."""
    INFANT = "infant"
    """Under one year."""


NEEDS_CHILD_PADS: Final = frozenset({AgeGroup.CHILD, AgeGroup.INFANT})
AGE_WORDS: Final = {
    AgeGroup.ADULT: ("Adult", "成人"),
    AgeGroup.CHILD: ("Child (1-8 years)", "儿童（1-8岁）"),
    AgeGroup.INFANT: ("Infant (under 1 year)", "婴儿（1岁以下）"),
}


class Hazard(StrEnum):
    """Whether people may be sent to the scene."""

    NONE = "none"
    INFORM = "inform"
    """People are called, and told of it before they accept."""
    NOBODY_IS_SENT = "nobody_is_sent"
    """Nobody is called, and everybody who was is called back."""


class ChildPads(StrEnum):
    """What is known of a device's pads for children."""

    FITTED = "fitted"
    EXPIRED = "expired"
    NOT_KNOWN = "not_known"


CHILD_PADS_WORDS: Final = {
    ChildPads.FITTED: ("Child pads are with this device.", "该AED配有儿童电极片。"),
    ChildPads.EXPIRED: (
        "The child pads of this device have expired: use them if there are no others.",
        "该AED的儿童电极片已过期，仅在无其他电极片时使用。",
    ),
    ChildPads.NOT_KNOWN: (
        "No child pads are known here: look for a child key or mode. Else use adult pads, one on the chest "
        "and one on the back.",
        "未登记儿童电极片：先找儿童模式或儿童钥匙；没有时使用成人电极片，一片贴胸前、一片贴背后。",
    ),
}
"""European Resuscitation Council 2021, Paediatric Life Support: adult pads if there are no others."""
