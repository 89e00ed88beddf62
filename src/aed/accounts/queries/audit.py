"""Reading the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.models import AuditEntry, RoleGrant, Token
from aed.accounts.rules.audit import NOTHING_BEFORE, AuditSubject


def head(session: Session) -> tuple[int, str] | None:
    """The number and the hash of the last entry.

    visibility: they tell nothing.
    """
    last = session.execute(
        select(AuditEntry.number, AuditEntry.hash).order_by(AuditEntry.number.desc()).limit(1)
    ).first()
    return (last.number, last.hash) if last is not None else None


def entry_hash(session: Session, number: int) -> str | None:
    """visibility: it tells nothing."""
    return session.scalar(select(AuditEntry.hash).where(AuditEntry.number == number))


@dataclass
class Replayed:
    """What the audit log says, entry by entry."""

    entries: int = 0
    first_broken: int | None = None
    """The number of the first entry that is not what was written, or that follows a gap."""
    began: dict[str, Any] | None = None
    """Details of the first entry."""
    roles: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    """By id of the grant, the last action and its details."""
    tokens: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)


def replay(session: Session, expected_hash: Callable[[str, AuditEntry], str]) -> Replayed:
    """Go through the log, and look whether each entry is as it was written.

    visibility: for who verifies, on the machine itself.
    """
    found, before = Replayed(), NOTHING_BEFORE
    for entry in _entries(session):
        if entry.number != found.entries + 1 or entry.hash != expected_hash(before, entry):
            found.first_broken = found.entries + 1
            return found
        before, found.entries = entry.hash, entry.number
        details = json.loads(entry.details)
        if entry.number == 1:
            found.began = details
        if entry.subject is AuditSubject.ROLE:
            action, earlier = found.roles.get(entry.subject_id, (entry.action, {}))
            if entry.action != "moved":  # to another entry of the same person: it stands, or not, as before
                action = entry.action
            found.roles[entry.subject_id] = (action, {**earlier, **details})
        if entry.subject is AuditSubject.TOKEN:
            found.tokens[entry.subject_id] = (entry.action, details)
    return found


def _entries(session: Session) -> Iterator[AuditEntry]:
    after = 0
    while True:
        page = session.scalars(
            select(AuditEntry).where(AuditEntry.number > after).order_by(AuditEntry.number).limit(1000)
        ).all()
        yield from page
        if not page:
            return
        after = page[-1].number
        session.expunge_all()


def unrecorded(session: Session, said: Replayed) -> list[str]:
    """What stands in the tables of roles and tokens and is not what the log says, each in a sentence.

    Roles and tokens from before the log began are not in it, and are left out.
    visibility: for who verifies, on the machine itself.
    """
    before = said.began or {}
    wrong = []
    for grant in session.scalars(select(RoleGrant).where(RoleGrant.id > before.get("last_role", 0))):
        known = said.roles.get(str(grant.id))
        place = {
            "role": grant.role,
            "person": grant.person_id,
            "estate": grant.estate_id,
            "region": grant.region_id,
        }
        if known is None:
            wrong.append(f"Role {grant.id} of person {grant.person_id} was granted past the audit log.")
        elif any(known[1].get(name) != value for name, value in place.items()):
            wrong.append(f"Role {grant.id} of person {grant.person_id} is not the one that was granted.")
    for grant_id, (action, _details) in said.roles.items():
        row = session.get(RoleGrant, int(grant_id))
        if row is None:
            wrong.append(f"Role {grant_id} is in the audit log, and gone.")
        elif action == "revoked" and row.revoked_at is None:
            wrong.append(f"Role {grant_id} was revoked, and stands again.")
    for token in session.scalars(select(Token).where(Token.id > before.get("last_token", 0))):
        known = said.tokens.get(str(token.id))
        if known is None:
            wrong.append(f"Token {token.id} ('{token.name}') was made past the audit log.")
        elif known[0] == "revoked" and token.revoked_at is None:
            wrong.append(f"Token {token.id} ('{token.name}') was revoked, and is good again.")
        elif known[0] == "made" and (
            known[1].get("role") != token.role or known[1].get("key_hash") != token.key_hash
        ):
            wrong.append(f"Token {token.id} ('{token.name}') is not the one that was made.")
    return wrong


def last_ids(session: Session) -> dict[str, int]:
    """The newest role and token, as of now.

    visibility: numbers.
    """
    return {
        "last_role": session.scalar(select(func.max(RoleGrant.id))) or 0,
        "last_token": session.scalar(select(func.max(Token.id))) or 0,
    }
