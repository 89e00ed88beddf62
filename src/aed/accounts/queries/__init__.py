"""Reads: regions.py, tokens.py, people.py (with their accounts and roles)."""

from __future__ import annotations

from aed.accounts.queries.people import (
    account_by_email,
    account_by_phone,
    account_of,
    holdings_of,
    identities_of,
    idle_since,
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
from aed.accounts.queries.security import (
    is_second_factor_demanded,
    must_give_second_factor,
    open_sessions,
    recovery_codes_left,
    second_factors,
    security_events,
)
from aed.accounts.queries.tokens import expired_token, tokens, valid_token

__all__ = [
    "account_by_email",
    "account_by_phone",
    "account_of",
    "codes_of_regions",
    "estates_sharing",
    "expired_token",
    "holdings_of",
    "identities_of",
    "idle_since",
    "is_second_factor_demanded",
    "must_give_second_factor",
    "open_sessions",
    "own_or_office",
    "people",
    "people_known_to",
    "people_signed_in",
    "person",
    "person_by_identity",
    "person_history",
    "recovery_codes_left",
    "region_by_code",
    "region_of_estate",
    "regions",
    "regions_below",
    "role_grant",
    "role_grants",
    "second_factors",
    "security_events",
    "signed_in",
    "tokens",
    "valid_token",
]
