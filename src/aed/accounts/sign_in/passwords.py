"""Hash, verify, check and set passwords."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditSubject, add_audit_entry
from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Account, PersonChange
from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.security_log import SecurityEventKind, log_event
from aed.accounts.sessions import end_sessions
from aed.accounts.sign_in.rules import MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH, MIN_PASSWORD_SCORE
from aed.errors import Conflict, InvalidInput

# 19 MiB, two passes, one lane: OWASP's first choice. The library's default, 64 MiB on eight threads, would
# take more memory than the whole process.
HASHER: Final = PasswordHash((Argon2Hasher(memory_cost=19_456, time_cost=2, parallelism=1),))
# fmt: off
LOCAL_COMMON_PASSWORDS: Final = (
    "woaini", "woaiwojia", "5201314", "1314520", "520520", "1314", "nihao", "zhongguo", "beijing", "shanghai",
    "hangzhou", "aini", "laopo", "laogong", "baobei", "xiaoqu", "jijiu", "aed", "defibrillator", "redcross",
    "hongshizi",
)
# fmt: on
"""Common in Chinese passwords, or obvious here; zxcvbn's own lists are English."""
MAX_JUDGED_CHARACTERS: Final = 72
"""Only this many characters are checked, since the check takes longer for long passwords."""
DUMMY_HASH: Final = (
    "$argon2id$v=19$m=19456,t=2,p=1$gfk/zpCI7TXlW1GxG6l84w$6poY1cot+lYpzh4R7+rLNOrMU1ly4wyJqA+QeEGqW5c"
)
"""Hash of a random secret with the same parameters, so that an unknown number takes the same time."""


def is_correct_password(given: str, kept: str | None) -> bool:
    """Return True if `kept` is the hash of `given`; takes the same time if `kept` is None."""
    matches = HASHER.verify(given.encode("utf-8", "surrogatepass"), kept if kept is not None else DUMMY_HASH)
    return matches and kept is not None


def hash_password(secret: str) -> str:
    return HASHER.hash(secret.encode("utf-8", "surrogatepass"))


def set_password(session: Session, who: Viewer, person_id: int, password: str, *, at: datetime) -> None:
    """Set a person's password and end their sessions.

    Raises InvalidInput for a weak password, Conflict for a person without an account.
    """
    if who.person_id != person_id:
        require_administrator(who)
    person, account = people_queries.person(session, who, person_id)
    require_strong_password(
        password, field="password", about=[person.name, *([account.phone] if account else [])]
    )
    if account is None:
        raise Conflict(
            "The person has no account yet. Add a phone number to the person first.", field="person_id"
        )
    store_password(session, account, hash_password(password), who=who.name, at=at)


def require_strong_password(password: str, *, field: str, about: Collection[str] = ()) -> None:
    """Require a password that is long enough and hard to guess. Raises InvalidInput.

    Common passwords, keyboard patterns, dates, and words that others know `about` the person are guessed in
    far fewer attempts than their length suggests (zxcvbn).
    """
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise InvalidInput(
            "A password must have {min_password_length} to {max_password_length} "
            "characters. Four unrelated words make a good one.",
            field=field,
            min_password_length=MIN_PASSWORD_LENGTH,
            max_password_length=MAX_PASSWORD_LENGTH,
        )
    from zxcvbn import zxcvbn  # imported here because it loads 10 MB of lists

    if (
        zxcvbn(password[:MAX_JUDGED_CHARACTERS], user_inputs=[*about, *LOCAL_COMMON_PASSWORDS])["score"]
        < MIN_PASSWORD_SCORE
    ):
        raise InvalidInput(
            "This password is easy to guess: it is common, or based on a pattern, a date or "
            "a name. Four unrelated words make a good one.",
            field=field,
        )


def store_password(session: Session, account: Account, kept: str, *, who: str, at: datetime) -> None:
    """Store the hash as the account's password and end all sessions."""
    account.password_hash, account.password_set_at = kept, at
    change = PersonChange(person_id=account.person_id, at=at, who=who, fields={"password": [None, "set"]})
    session.add(change)
    end_sessions(session, account.person_id, at=at)
    add_audit_entry(session, who, AuditSubject.PERSON, account.person_id, "password set", at=at)
    log_event(session, SecurityEventKind.PASSWORD_SET, at=at, person_id=account.person_id, detail=who)
    session.flush()
