"""Writes: tokens, regions, accounts, roles, passwords, sign_in; known_people for lists."""

from __future__ import annotations

from aed.accounts.actions.known_people import people, person
from aed.accounts.actions.regions import put_region
from aed.accounts.actions.tokens import create_token, key_hash, revoke_token

__all__ = ["create_token", "key_hash", "people", "person", "put_region", "revoke_token"]
