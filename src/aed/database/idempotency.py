"""Recognise a request that was sent before, under the key that its client made up.

A phone without a network repeats a request until it gets an answer, and it must count once.
"""

from __future__ import annotations

import hashlib

from aed.errors import Conflict


def content_digest(content: str | bytes) -> str:
    """Return the hex SHA-256 by which a repeated request is recognised."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def require_same_content(stored: object, sent: object, what: str, *, field: str = "key") -> None:
    """Raise Conflict if another `what` (such as "check") was sent with this key.

    `stored` and `sent` are the digests of both, or all values that must agree.
    """
    if stored != sent:
        raise Conflict(
            "A different {what} was already sent with this {name}: send this one with a new {name}.",
            field=field,
            what=what,
            name=field,
        )
