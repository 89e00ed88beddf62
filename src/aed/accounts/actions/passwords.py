"""Passwords: how they are hashed, set, and what ends with an old one."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import CursorResult, update
from sqlalchemy.orm import Session

from aed.accounts import queries
from aed.accounts.models import Account, PersonChange, SignIn
from aed.accounts.rules import Viewer, may_administer
from aed.accounts.rules.sign_in import LONGEST_PASSWORD, SHORTEST_PASSWORD
from aed.errors import Conflict, InvalidInput

# 19 MiB, two passes, one lane: OWASP's first choice. The library's own 64 MiB on eight threads would take
# more memory than the whole process.
HASHER: Final = PasswordHash((Argon2Hasher(memory_cost=19_456, time_cost=2, parallelism=1),))
NOBODYS: Final = (
    "$argon2id$v=19$m=19456,t=2,p=1$gfk/zpCI7TXlW1GxG6l84w$6poY1cot+lYpzh4R7+rLNOrMU1ly4wyJqA+QeEGqW5c"
)
"""The hash of something random, with the same parameters: an unknown number costs the same work."""


def is_right(given: str, kept: str | None) -> bool:
    """Whether `given` is what `kept` is the hash of; the same work where nothing is kept."""
    matches = HASHER.verify(given.encode("utf-8", "surrogatepass"), kept if kept is not None else NOBODYS)
    return matches and kept is not None


def hashed(secret: str) -> str:
    return HASHER.hash(secret.encode("utf-8", "surrogatepass"))


def set_password(session: Session, who: Viewer, person_id: int, password: str, *, at: datetime) -> None:
    """The person signs in with this password from now on; every sign-in ends.

    Raises InvalidInput for one that is too short, Conflict for a person without an account.
    """
    if who.person_id != person_id:
        may_administer(who)
    may_be_one(password, field="password")
    queries.person(session, who, person_id)
    account = queries.account_of(session, person_id)
    if account is None:
        raise Conflict("The person has no account yet: amend the person with a phone.", field="person_id")
    put_password(session, account, hashed(password), who=who.name, at=at)


def may_be_one(password: str, *, field: str) -> None:
    """Passes for what may be a password."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidInput(
            f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; four words make one.",
            field=field,
        )


def put_password(session: Session, account: Account, kept: str, *, who: str, at: datetime) -> None:
    """The account has the password of that hash from now on; every sign-in ends."""
    account.password_hash, account.password_set_at = kept, at
    change = PersonChange(person_id=account.person_id, at=at, who=who, fields={"password": [None, "set"]})
    session.add(change)
    end_sign_ins(session, account.person_id, at=at)
    session.flush()


def end_sign_ins(session: Session, person_id: int, *, at: datetime) -> int:
    """Signed out everywhere; how many sign-ins that were."""
    ended = session.execute(
        update(SignIn).where(SignIn.person_id == person_id, SignIn.ended_at.is_(None)).values(ended_at=at)
    )
    assert isinstance(ended, CursorResult)
    return ended.rowcount
