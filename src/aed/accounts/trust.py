"""How far a certificate is trusted, and the trust that is needed before its holder is alerted."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class CertificateTrust(StrEnum):
    """The evidence for a certificate."""

    SELF_DECLARED = "self_declared"
    """The holder's own statement."""
    DOCUMENTED = "documented"
    """A person who saw it, or a list of an organisation that is responsible for its people."""
    VERIFIED = "verified"
    """The issuer: by a roster, by a query, or because it was awarded here."""


TRUST_LEVELS: Final = tuple(CertificateTrust)
"""In ascending order."""


def is_enough(trust: CertificateTrust, needed: CertificateTrust) -> bool:
    return TRUST_LEVELS.index(trust) >= TRUST_LEVELS.index(needed)
