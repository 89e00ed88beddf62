"""Regions, people with their accounts and roles, tokens, sign-ins."""

from __future__ import annotations

from aed.accounts.models.people import Account, Identity, Person, PersonChange, RoleGrant
from aed.accounts.models.regions import Region
from aed.accounts.models.sign_in import ProviderRequest, SignIn, SignInCode, SignInTries
from aed.accounts.models.tokens import Token

__all__ = [
    "Account",
    "Identity",
    "Person",
    "PersonChange",
    "ProviderRequest",
    "Region",
    "RoleGrant",
    "SignIn",
    "SignInCode",
    "SignInTries",
    "Token",
]
