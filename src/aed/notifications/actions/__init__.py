"""Putting messages into the outbox, taking them out of it under a claim, and the endpoints they go to.

putting.py    within the caller's transaction
claiming.py   claims, and how each ended
endpoints.py  bots, programs, mailboxes, browsers
"""

from __future__ import annotations

from aed.notifications.actions.putting import (
    Call,
    Notice,
    call,
    put,
    put_body,
    put_to_endpoint,
    take_back,
    tell,
)

__all__ = ["Call", "Notice", "call", "put", "put_body", "put_to_endpoint", "take_back", "tell"]
