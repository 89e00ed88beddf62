"""Signing in: time limits, rate limits, second factors, CSRF tokens, identity-provider claims."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from aed.accounts.people.rules import e164, plain_email
from aed.accounts.permissions import HeldRole
from aed.errors import InvalidInput

LONGEST_SUBJECT = 255
LONGEST_NAME = 200
LONGEST_EMAIL = 254


@dataclass(frozen=True, slots=True)
class Vouched:
    """Somebody for whom a provider vouches. A number or an address that it has not verified is not here."""

    provider: str
    """Its issuer identifier."""
    subject: str
    """Who it is there; never given to anybody else."""
    name: str | None
    phone: str | None
    """E.164."""
    email: str | None
    """In small letters."""


def vouched(claims: Mapping[str, object], *, country: str) -> Vouched | None:
    """What the claims (OpenID Connect Core 5.1) say; None where they name nobody.

    `country`: where a number without a country code is at home.
    """
    provider, subject = claims.get("iss"), claims.get("sub")
    if not isinstance(provider, str) or not isinstance(subject, str):
        return None
    if not 0 < len(subject) <= LONGEST_SUBJECT:
        return None
    name = claims.get("name")
    return Vouched(
        provider=provider,
        subject=subject,
        name=name.strip()[:LONGEST_NAME] if isinstance(name, str) and name.strip() else None,
        phone=_phone(claims, country),
        email=_email(claims),
    )


def _phone(claims: Mapping[str, object], country: str) -> str | None:
    written = claims.get("phone_number")
    if claims.get("phone_number_verified") is not True or not isinstance(written, str):
        return None
    try:
        return e164(written, country=country)
    except InvalidInput:
        return None


def _email(claims: Mapping[str, object]) -> str | None:
    written = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(written, str):
        return None
    return plain_email(written) if 3 <= len(written.strip()) <= LONGEST_EMAIL else None


class FactorKind(StrEnum):
    TOTP = "totp"
    """Six digits from an authenticator app (RFC 6238)."""
    PASSKEY = "passkey"
    """A key in a telephone, computer or security key (WebAuthn)."""


NEED_A_SECOND_FACTOR: Final = frozenset({HeldRole.ADMINISTRATOR, HeldRole.DISPATCHER})
"""Who holds one of these in a region that demands a second factor must give one."""
RECOVERY_CODES: Final = 10
FACTORS_OF_A_PERSON: Final = 10
CHALLENGE_GOOD_FOR: Final = timedelta(minutes=5)
MIN_PASSWORD_SCORE: Final = 3
"""zxcvbn: "safely unguessable, moderate protection from an offline attack", at least 10^8 guesses."""


CODE_DIGITS: Final = 6
CODE_IS_GOOD_FOR: Final = timedelta(minutes=10)
TRIES_OF_A_CODE: Final = 5
SHORTEST_PASSWORD: Final = 10
LONGEST_PASSWORD: Final = 200
COOKIE: Final = "__Host-aed"
"""The prefix makes browsers refuse it unless Secure, with Path=/ and without Domain."""
CSRF_HEADER: Final = "X-CSRF-Token"
DEVICE_COOKIE: Final = "__Host-aed-device"
"""By it a browser is known in which somebody signed in."""
KNOWN_FOR: Final = timedelta(days=180)
"""A browser in which an account was not signed in for so long is a stranger to it."""
ACCOUNTS_OF_A_BROWSER: Final = 5
"""So many of the accounts used in one browser know it, as on the computer of an estate's office."""
CODE_COOKIE: Final = "__Host-aed-code"
"""Of the browser that asked for a code: nobody elsewhere uses up its tries."""
PROVIDER_COOKIE: Final = "__Host-aed-provider"
"""Of a browser that is with the identity provider."""
PROVIDER_MAY_TAKE: Final = timedelta(minutes=10)
"""From leaving for the provider until coming back: a password, a second factor, a lost phone."""


class Way(StrEnum):
    """What is counted, each apart: who is locked out of one way has the other."""

    PASSWORD = "password"
    CODE = "code"
    ASK_FOR_CODE = "ask_for_code"
    PROVIDER = "provider"
    SECOND_FACTOR = "second_factor"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many within a time that begins with the first."""

    most: int
    within: timedelta


QUARTER, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)

# A stranger who tries a number from one address locks that address out of the account, and nobody else: one
# address alone cannot use up what all strangers together may try.
FOR_AN_ACCOUNT_FROM_AN_ADDRESS: Final = {
    Way.PASSWORD: (Limit(10, QUARTER), Limit(30, DAY)),
    Way.CODE: (Limit(5, HOUR), Limit(10, DAY)),
    Way.ASK_FOR_CODE: (Limit(3, HOUR), Limit(10, DAY)),
    Way.SECOND_FACTOR: (Limit(5, QUARTER), Limit(20, DAY)),
}
# Of all browsers in which the account was never signed in, together.
FOR_AN_ACCOUNT: Final = {
    # NIST SP 800-63B 3.2.2: no more than 100 consecutive failures; beyond, a code is asked for instead.
    Way.PASSWORD: (Limit(100, DAY),),
    # 30 guesses a day at a million codes: a chance of one in a hundred in a year.
    Way.CODE: (Limit(10, HOUR), Limit(30, DAY)),
    # So many text messages a telephone gets from strangers at most.
    Way.ASK_FOR_CODE: (Limit(5, HOUR), Limit(20, DAY)),
    # Who gets here knows the password already.
    Way.SECOND_FACTOR: (Limit(30, DAY),),
}
# A browser in which the account was signed in before: strangers cannot use up what is its own.
FOR_A_KNOWN_BROWSER: Final = {
    Way.PASSWORD: (Limit(20, QUARTER), Limit(200, DAY)),
    Way.CODE: (Limit(20, HOUR), Limit(60, DAY)),
    Way.ASK_FOR_CODE: (Limit(5, HOUR), Limit(20, DAY)),
    Way.SECOND_FACTOR: (Limit(10, QUARTER), Limit(60, DAY)),
}
SLOWED_FROM: Final = Limit(30, HOUR)
"""After so many passwords from anywhere, an address that is unknown has only `SLOWED_TO` tries."""
SLOWED_TO: Final = 3
# An estate's office, or a whole mobile network, may share one address.
FOR_AN_ADDRESS: Final = {
    Way.PASSWORD: (Limit(50, QUARTER),),
    Way.CODE: (Limit(50, QUARTER),),
    Way.ASK_FOR_CODE: (Limit(30, QUARTER),),
    Way.PROVIDER: (Limit(50, QUARTER),),
    Way.SECOND_FACTOR: (Limit(50, QUARTER),),
}
LONGEST_LIMIT: Final = DAY


@dataclass(frozen=True, slots=True)
class Browser:
    """What a browser that wants to sign in brings along."""

    address: str
    known_as: str | None = None
    """By what it is known for this account: somebody signed in to it there, not long ago."""
    code_key: str | None = None
    """The key that it was given when it asked for a code."""
    user_agent: str | None = None
    """What it calls itself."""


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
