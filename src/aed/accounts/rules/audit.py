"""Chains of entries that nobody can change unnoticed without the key: each is signed with the one before."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

NOTHING_BEFORE: Final = "0" * 64


class AuditSubject(StrEnum):
    """What an entry of the audit log is about."""

    ROLE = "role"
    PERSON = "person"
    TOKEN = "token"
    AGREEMENT = "agreement"
    """Who opened what to whom."""
    LOG = "log"
    """The log itself: its beginning, and how the records of incidents stood at a moment."""


def keyed_hash(key: bytes, before: str, *parts: str) -> str:
    """Return the hash of an entry. Each part goes in with its length, so that no two entries look alike."""
    told = "".join(f"{len(part)}:{part}" for part in (before, *parts))
    return hmac.digest(key, told.encode("utf-8", "surrogatepass"), "sha256").hex()


def moment_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
