"""Signing in: how long things are good for, how often one may try, and what a page must send back."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

CODE_DIGITS: Final = 6
CODE_IS_GOOD_FOR: Final = timedelta(minutes=10)
TRIES_OF_A_CODE: Final = 5
SHORTEST_PASSWORD: Final = 10
LONGEST_PASSWORD: Final = 200
COOKIE: Final = "__Host-aed"
"""The prefix makes browsers refuse it unless Secure, with Path=/ and without Domain."""
CSRF_HEADER: Final = "X-CSRF-Token"
PROVIDER_COOKIE: Final = "__Host-aed-provider"
"""Of a browser that is with the identity provider."""
PROVIDER_MAY_TAKE: Final = timedelta(minutes=10)
"""From leaving for the provider until coming back: a password, a second factor, a lost phone."""


class Way(StrEnum):
    """What is counted. The ways are counted apart: whoever is locked out of one has the other."""

    PASSWORD = "password"
    CODE = "code"
    ASK_FOR_CODE = "ask_for_code"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many within a time that begins with the first."""

    most: int
    within: timedelta


FOR_AN_ACCOUNT: Final = {
    Way.PASSWORD: (Limit(10, timedelta(minutes=15)), Limit(100, timedelta(days=1))),
    # 30 guesses a day at a million codes: a chance of one in a hundred in a year.
    Way.CODE: (Limit(10, timedelta(hours=1)), Limit(30, timedelta(days=1))),
    Way.ASK_FOR_CODE: (Limit(5, timedelta(hours=1)), Limit(20, timedelta(days=1))),
}
# An estate's office, or a whole mobile network, may share one address.
FOR_AN_ADDRESS: Final = {
    Way.PASSWORD: (Limit(50, timedelta(minutes=15)),),
    Way.CODE: (Limit(50, timedelta(minutes=15)),),
    Way.ASK_FOR_CODE: (Limit(30, timedelta(minutes=15)),),
    Way.PROVIDER: (Limit(50, timedelta(minutes=15)),),
}


def address_key(address: str) -> str:
    """What an address is counted under: an IPv6 customer has a whole /64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        network = address
    else:
        network = str(ipaddress.ip_network((found, 64 if found.version == 6 else 32), strict=False))
    return hashlib.sha256(f"address:{network}".encode()).hexdigest()


def csrf_token(key: str) -> str:
    """What a page sends back with every change: only who was told it, or holds the cookie's key, knows it."""
    return hmac.new(key.encode("utf-8", "surrogatepass"), b"csrf", hashlib.sha256).hexdigest()


def is_csrf_token(given: str | None, key: str) -> bool:
    return given is not None and hmac.compare_digest(
        given.encode("utf-8", "replace"), csrf_token(key).encode()
    )
