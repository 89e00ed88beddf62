"""Compare the tables of roles and tokens with the audit log."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditReplay
from aed.accounts.role_grants import RoleGrant
from aed.accounts.tokens import Token


def unrecorded_changes(session: Session, replay: AuditReplay) -> list[str]:
    """Return a sentence for each difference between the tables of roles and tokens and the audit log.

    Roles and tokens from before the log began are not in it, and are left out. visibility: for verification
    on the machine itself.
    """
    before = replay.began or {}
    wrong = []
    for grant in session.scalars(select(RoleGrant).where(RoleGrant.id > before.get("last_role", 0))):
        known = replay.roles.get(str(grant.id))
        place = {
            "role": grant.role,
            "person": grant.person_id,
            "estate": grant.estate_id,
            "region": grant.region_id,
        }
        if known is None:
            wrong.append(
                f"Role {grant.id} of person {grant.person_id} was granted without an entry in the audit log."
            )
        elif any(known[1].get(name) != value for name, value in place.items()):
            wrong.append(
                f"Role {grant.id} of person {grant.person_id} differs from the entry in the audit log."
            )
    for grant_id, (action, _details) in replay.roles.items():
        row = session.get(RoleGrant, int(grant_id))
        if row is None:
            wrong.append(f"Role {grant_id} is in the audit log, but not in the database.")
        elif action == "revoked" and row.revoked_at is None:
            wrong.append(f"Role {grant_id} was revoked, but is active again.")
    for token in session.scalars(select(Token).where(Token.id > before.get("last_token", 0))):
        known = replay.tokens.get(str(token.id))
        if known is None:
            wrong.append(f"Token {token.id} ('{token.name}') was created without an entry in the audit log.")
        elif known[0] == "revoked" and token.revoked_at is None:
            wrong.append(f"Token {token.id} ('{token.name}') was revoked, but is active again.")
        elif known[0] == "made" and (
            known[1].get("role") != token.role or known[1].get("key_hash") != token.key_hash
        ):
            wrong.append(f"Token {token.id} ('{token.name}') differs from the entry in the audit log.")
    return wrong
