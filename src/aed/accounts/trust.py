"""How far a certificate is believed, and how far it must be before its holder is called."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Trust(StrEnum):
    """Who says that a certificate is right."""

    SELF_DECLARED = "self_declared"
    """Its holder."""
    DOCUMENTED = "documented"
    """A person who saw it, or the list of an organisation that is responsible for its people."""
    VERIFIED = "verified"
    """Who issued it: by a roster, by an answer, or because it was awarded here."""


TRUST_LEVELS: Final = tuple(Trust)
"""From the least to the most."""


def is_enough(trust: Trust, needed: Trust) -> bool:
    return TRUST_LEVELS.index(trust) >= TRUST_LEVELS.index(needed)
