"""Reads: regions.py, tokens.py, people.py (with their accounts and roles)."""

from __future__ import annotations

from aed.accounts.queries.people import (
    account_by_email,
    account_by_phone,
    account_of,
    holdings_of,
    identities_of,
    own_or_office,
    people,
    people_known_to,
    people_signed_in,
    person,
    person_by_identity,
    person_history,
    role_grant,
    role_grants,
    signed_in,
)
from aed.accounts.queries.regions import (
    codes_of_regions,
    estates_sharing,
    region_by_code,
    region_of_estate,
    regions,
    regions_below,
)
from aed.accounts.queries.tokens import has_expired, tokens, valid_token

__all__ = [
    "account_by_email",
    "account_by_phone",
    "account_of",
    "codes_of_regions",
    "estates_sharing",
    "has_expired",
    "holdings_of",
    "identities_of",
    "own_or_office",
    "people",
    "people_known_to",
    "people_signed_in",
    "person",
    "person_by_identity",
    "person_history",
    "region_by_code",
    "region_of_estate",
    "regions",
    "regions_below",
    "role_grant",
    "role_grants",
    "signed_in",
    "tokens",
    "valid_token",
]
