"""Putting messages into the outbox, taking them out of it under a claim, and the endpoints they go to.

putting.py    within the caller's transaction
claiming.py   claims, and how each ended
endpoints.py  bots, programs, mailboxes, browsers
"""

from __future__ import annotations

from aed.notifications.actions.putting import Notice, put, put_to_endpoint, tell

__all__ = ["Notice", "put", "put_to_endpoint", "tell"]
