"""What anyone may learn of a certificate whose number he holds."""

from __future__ import annotations

from datetime import date, datetime


def masked(name: str) -> str:
    """A name that its holder recognises and nobody else can look up: 王小明 is 王**, Anna Berg is A*** B***.

    The number of asterisks of a Latin name says nothing of its length.
    """
    words = name.split()
    return " ".join(
        word[0] + ("***" if word.isascii() or len(word) > 4 else "*" * max(1, len(word) - 1))
        for word in words
    )


def is_valid(*, today: date, valid_until: date, revoked_at: datetime | None) -> bool:
    """Its last day included; a revoked one never."""
    return revoked_at is None and today <= valid_until
