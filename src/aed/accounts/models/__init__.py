"""Regions, people with their accounts and roles, tokens, sign-ins."""

from __future__ import annotations

from aed.accounts.models.audit import AuditEntry, AuditKey
from aed.accounts.models.people import Account, Identity, Person, PersonChange, RoleGrant
from aed.accounts.models.regions import Region
from aed.accounts.models.security import RecoveryCode, SecondFactor, SecurityEvent
from aed.accounts.models.sign_in import ProviderRequest, SignIn, SignInCode, SignInTries
from aed.accounts.models.tokens import Token

__all__ = [
    "Account",
    "AuditEntry",
    "AuditKey",
    "Identity",
    "Person",
    "PersonChange",
    "ProviderRequest",
    "RecoveryCode",
    "Region",
    "RoleGrant",
    "SecondFactor",
    "SecurityEvent",
    "SignIn",
    "SignInCode",
    "SignInTries",
    "Token",
]
