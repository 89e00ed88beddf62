"""Browsers that an account was signed in with before, known by a signed cookie; nothing is stored here."""

from __future__ import annotations

import hmac
import secrets
from datetime import UTC, datetime
from typing import Final

from aed.accounts.rules.sign_in import ACCOUNTS_OF_A_BROWSER, KNOWN_FOR
from aed.database.encryption.keyring import KeyRing

_PURPOSE: Final = "known browser"
_LONGEST_COOKIE: Final = 1_000


def known_as(keys: KeyRing, cookie: str | None, phone: str, *, at: datetime) -> str | None:
    """Return what the browser is counted under for the account of that number; None for a stranger's.

    Each entry of the cookie is `NAME.DAY.SIGNATURE`, signed for one number: it tells nobody which.
    """
    for name, day, signature in _entries(cookie):
        age = at - datetime.fromtimestamp(day * 86_400, UTC)
        if age > KNOWN_FOR or age.days < -1:
            continue
        made = keys.keyed_hashes(_PURPOSE, f"{phone}|{name}|{day}")
        if any(hmac.compare_digest(each, signature) for each in made):
            return name
    return None


def remember(keys: KeyRing, cookie: str | None, phone: str, *, at: datetime) -> str:
    """Return the cookie of a browser in which the account of that number is signed in now."""
    known = known_as(keys, cookie, phone, at=at)
    others = [each for each in _entries(cookie) if each[0] != known]
    name, day = secrets.token_urlsafe(12), int(at.timestamp() // 86_400)
    entries = [(name, day, keys.keyed_hashes(_PURPOSE, f"{phone}|{name}|{day}")[0]), *others]
    return "~".join(f"{name}.{day}.{signature}" for name, day, signature in entries[:ACCOUNTS_OF_A_BROWSER])


def _entries(cookie: str | None) -> list[tuple[str, int, str]]:
    found = []
    for each in (cookie or "")[:_LONGEST_COOKIE].split("~"):
        name, _, rest = each.partition(".")
        day, _, signature = rest.partition(".")
        if name and signature.isascii() and day.isascii() and day.isdecimal() and len(day) <= 6:
            found.append((name, int(day), signature))
    return found
