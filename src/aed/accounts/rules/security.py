"""Second factors, and what is written into the log of security events."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

from aed.accounts.rules.roles import HeldRole


class FactorKind(StrEnum):
    TOTP = "totp"
    """Six digits from an authenticator app (RFC 6238)."""
    PASSKEY = "passkey"
    """A key in a telephone, computer or security key (WebAuthn)."""


class SecurityEventKind(StrEnum):
    SIGN_IN = "sign_in"
    SIGN_IN_FAILED = "sign_in_failed"
    LOCKED_OUT = "locked_out"
    """Too many tries: an address, or all strangers together, have to wait."""
    SIGN_OUT = "sign_out"
    """Sessions were ended by the person or an administrator."""
    PASSWORD_SET = "password_set"
    SECOND_FACTOR = "second_factor"
    SECOND_FACTOR_FAILED = "second_factor_failed"
    SECOND_FACTOR_ADDED = "second_factor_added"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    RECOVERY_CODE_USED = "recovery_code_used"
    ROLE_GRANTED = "role_granted"
    ROLE_REVOKED = "role_revoked"
    TOKEN_MADE = "token_made"
    TOKEN_REVOKED = "token_revoked"
    TOKEN_EXPIRED_USED = "token_expired_used"


NEED_A_SECOND_FACTOR: Final = frozenset({HeldRole.ADMINISTRATOR, HeldRole.DISPATCHER})
"""Who holds one of these in a region that demands a second factor must give one."""
RECOVERY_CODES: Final = 10
FACTORS_OF_A_PERSON: Final = 10
CHALLENGE_GOOD_FOR: Final = timedelta(minutes=5)
SEEN_WITHIN: Final = timedelta(minutes=15)
"""How exactly it is known when a session was last used: more would be a write with every request."""
MIN_PASSWORD_SCORE: Final = 3
"""zxcvbn: "safely unguessable, moderate protection from an offline attack", at least 10^8 guesses."""
