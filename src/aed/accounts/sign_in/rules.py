"""Signing in: time limits, rate limits, second factors, CSRF tokens, identity-provider claims."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from aed.accounts.people.rules import Language, e164, plain_email
from aed.errors import InvalidInput

MAX_SUBJECT_LENGTH = 255
MAX_NAME_LENGTH = 200
MAX_EMAIL_LENGTH = 254


@dataclass(frozen=True, slots=True)
class ProviderIdentity:
    """An identity from a provider. Unverified numbers and addresses are left out."""

    provider: str
    """Its issuer identifier."""
    subject: str
    """Subject identifier, never reassigned by the provider."""
    name: str | None
    phone: str | None
    """E.164."""
    email: str | None
    """In lower case."""


def identity_from_claims(claims: Mapping[str, object], *, country: str) -> ProviderIdentity | None:
    """Read the identity from claims (OpenID Connect Core 5.1); None if they lack a subject.

    `country` is assumed for a number without a country code.
    """
    provider, subject = claims.get("iss"), claims.get("sub")
    if not isinstance(provider, str) or not isinstance(subject, str):
        return None
    if not 0 < len(subject) <= MAX_SUBJECT_LENGTH:
        return None
    name = claims.get("name")
    return ProviderIdentity(
        provider=provider,
        subject=subject,
        name=name.strip()[:MAX_NAME_LENGTH] if isinstance(name, str) and name.strip() else None,
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
    return plain_email(written) if 3 <= len(written.strip()) <= MAX_EMAIL_LENGTH else None


class FactorKind(StrEnum):
    TOTP = "totp"
    """Six digits from an authenticator app (RFC 6238)."""
    PASSKEY = "passkey"
    """A key in a phone, computer or security key (WebAuthn)."""


RECOVERY_CODE_COUNT: Final = 10
MAX_FACTORS: Final = 10
CHALLENGE_LIFETIME: Final = timedelta(minutes=5)
MIN_PASSWORD_SCORE: Final = 3
"""zxcvbn: "safely unguessable, moderate protection from an offline attack", at least 10^8 guesses."""


CODE_DIGITS: Final = 6
CODE_LIFETIME: Final = timedelta(minutes=10)
MAX_CODE_TRIES: Final = 5
MIN_PASSWORD_LENGTH: Final = 10
MAX_PASSWORD_LENGTH: Final = 200
KNOWN_BROWSER_COOKIE: Final = "__Host-aed-device"
"""Identifies a browser in which accounts were signed in before."""
KNOWN_BROWSER_LIFETIME: Final = timedelta(days=180)
"""After this time without a sign-in, a browser is unknown to the account again."""
MAX_ACCOUNTS_PER_BROWSER: Final = 5
"""Accounts that can know one browser, such as the computer of an estate office."""
CODE_COOKIE: Final = "__Host-aed-code"
"""Identifies the browser that requested a code, which has tries of its own."""
PROVIDER_COOKIE: Final = "__Host-aed-provider"
"""Identifies a browser that was redirected to the identity provider."""
PROVIDER_TIMEOUT: Final = timedelta(minutes=10)
"""Time for signing in at the provider."""


class SignInMethod(StrEnum):
    """Ways to sign in, with separate attempt counts: a lock-out of one leaves the others."""

    PASSWORD = "password"
    CODE = "code"
    ASK_FOR_CODE = "ask_for_code"
    PROVIDER = "provider"
    WECHAT = "wechat"
    SECOND_FACTOR = "second_factor"
    SHORT_LINK = "short_link"
    """By the link in a message: wrong keys are counted."""


@dataclass(frozen=True, slots=True)
class AttemptLimit:
    """At most `most` attempts within a period that begins with the first."""

    most: int
    within: timedelta


QUARTER, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)

# A stranger who tries a number from one address is locked out at that address, and nobody else is: one
# address alone cannot use up the attempts of all strangers together.
LIMITS_PER_ACCOUNT_AND_ADDRESS: Final = {
    SignInMethod.PASSWORD: (AttemptLimit(10, QUARTER), AttemptLimit(30, DAY)),
    SignInMethod.CODE: (AttemptLimit(5, HOUR), AttemptLimit(10, DAY)),
    SignInMethod.ASK_FOR_CODE: (AttemptLimit(3, HOUR), AttemptLimit(10, DAY)),
    SignInMethod.SECOND_FACTOR: (AttemptLimit(5, QUARTER), AttemptLimit(20, DAY)),
}
# All browsers in which the account was never signed in, together.
LIMITS_PER_ACCOUNT: Final = {
    # NIST SP 800-63B 3.2.2: at most 100 consecutive failures; after that, a code is required.
    SignInMethod.PASSWORD: (AttemptLimit(100, DAY),),
    # 30 guesses a day at a million codes: a chance of one in a hundred in a year.
    SignInMethod.CODE: (AttemptLimit(10, HOUR), AttemptLimit(30, DAY)),
    # The maximum of SMS that strangers can cause to a phone number.
    SignInMethod.ASK_FOR_CODE: (AttemptLimit(5, HOUR), AttemptLimit(20, DAY)),
    # These attempts follow a correct password.
    SignInMethod.SECOND_FACTOR: (AttemptLimit(30, DAY),),
}
# A browser in which the account was signed in before: strangers cannot use up its attempts.
LIMITS_PER_KNOWN_BROWSER: Final = {
    SignInMethod.PASSWORD: (AttemptLimit(20, QUARTER), AttemptLimit(200, DAY)),
    SignInMethod.CODE: (AttemptLimit(20, HOUR), AttemptLimit(60, DAY)),
    SignInMethod.ASK_FOR_CODE: (AttemptLimit(5, HOUR), AttemptLimit(20, DAY)),
    SignInMethod.SECOND_FACTOR: (AttemptLimit(10, QUARTER), AttemptLimit(60, DAY)),
}
SLOWDOWN_THRESHOLD: Final = AttemptLimit(30, HOUR)
"""After this many password attempts from anywhere, an unknown address has only MAX_TRIES_WHEN_SLOWED."""
MAX_TRIES_WHEN_SLOWED: Final = 3
# The office of an estate, or a whole mobile network, may share one address.
LIMITS_PER_ADDRESS: Final = {
    SignInMethod.PASSWORD: (AttemptLimit(50, QUARTER),),
    SignInMethod.CODE: (AttemptLimit(50, QUARTER),),
    SignInMethod.ASK_FOR_CODE: (AttemptLimit(30, QUARTER),),
    SignInMethod.PROVIDER: (AttemptLimit(50, QUARTER),),
    # Phones in a mobile network share addresses, and a mini program signs in whenever it is opened.
    SignInMethod.WECHAT: (AttemptLimit(300, QUARTER),),
    SignInMethod.SECOND_FACTOR: (AttemptLimit(50, QUARTER),),
    SignInMethod.SHORT_LINK: (AttemptLimit(50, QUARTER),),
}
SIGN_UP_LIMIT_PER_ADDRESS: Final = AttemptLimit(30, HOUR)
"""Codes from one address to numbers without an account: a training class behind one router signs up."""
MAX_LIMIT_PERIOD: Final = DAY


@dataclass(frozen=True, slots=True)
class SignUp:
    """To which numbers without an account codes are sent."""

    language: Language
    """Language of the message."""
    country: str
    """ISO 3166-1 alpha-2. Numbers of other countries get none: messages there are expensive, and abused."""
    codes_per_day: int
    """Maximum number of such codes in a day, from everywhere."""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What an account is opened with, if the number has none."""

    name: str
    language: Language
    country: str
    """The country of numbers in lists without a country code."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A new session. Its key is not stored."""

    key: str
    person_id: int
    name: str
    expires_at: datetime
    needs_second_factor: bool
    """The session permits nothing else until it is given."""


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser that signs in: its address, cookies and name."""

    address: str
    known_as: str | None = None
    """The id by which the account knows this browser; None for an unknown one."""
    code_key: str | None = None
    """The key from its cookie, set when it requested a code."""
    user_agent: str | None = None
    """The User-Agent header."""


def address_key(address: str) -> str:
    """Return the key by which an address is counted; IPv6 addresses by their /64 network."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        network = address
    else:
        network = str(ipaddress.ip_network((found, 64 if found.version == 6 else 32), strict=False))
    return hashlib.sha256(f"address:{network}".encode()).hexdigest()
