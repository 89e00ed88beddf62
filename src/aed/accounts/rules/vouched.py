"""What an identity provider says of somebody, as far as it is to be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aed.accounts.rules.phone import e164
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


def plain_email(written: str) -> str:
    """As it is kept and compared."""
    return written.strip().casefold()


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
