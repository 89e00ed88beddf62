"""Make the one-time code of a new installation, and add its first administrator."""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime
from typing import Final

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session

from aed.accounts.first_run.models import FirstRunCode
from aed.accounts.people.actions import add_person
from aed.accounts.people.models import Person
from aed.accounts.people.queries import account_of
from aed.accounts.people.schemas import PersonIn
from aed.accounts.permissions import Role, TokenRole, TokenScope, Viewer
from aed.accounts.role_grants import RoleGrant
from aed.accounts.roles.schemas import RoleIn
from aed.accounts.sign_in.passwords import hash_password, require_strong_password, store_password
from aed.accounts.tokens import Token, hash_key
from aed.database.locks import exclusive_lock
from aed.database.session import Database, transaction
from aed.errors import InvalidInput, NotFound, TooBusy

MAX_TRIES: Final = 10
ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without letters and digits that look alike."""
GROUPS: Final = 3
GROUP_LENGTH: Final = 4
_WHO: Final = Viewer(role=TokenRole.ADMINISTRATOR, name="first-run", scopes=frozenset(TokenScope))
_LOCK: Final = "first administrator"


def has_administrator(session: Session, *, at: datetime) -> bool:
    """Return True if a person administers the network, or a token may.

    visibility: only whether there is one.
    """
    person = exists().where(
        RoleGrant.role == Role.ADMINISTRATOR,
        RoleGrant.region_id.is_(None),
        RoleGrant.estate_id.is_(None),
        RoleGrant.revoked_at.is_(None),
    )
    if session.scalar(select(person)):
        return True
    tokens = session.scalars(
        select(Token.scopes).where(
            Token.role == TokenRole.ADMINISTRATOR,
            Token.revoked_at.is_(None),
            or_(Token.expires_at.is_(None), Token.expires_at > at),
        )
    )
    return any(TokenScope.WRITE in scopes for scopes in tokens)


def require_first_run(session: Session, *, at: datetime) -> None:
    """Raise NotFound once the network has an administrator."""
    if has_administrator(session, at=at):
        raise NotFound("This installation has an administrator already. Sign in instead.")


def make_first_run_code(session: Session, *, at: datetime) -> str | None:
    """Return a new one-time code, which replaces an earlier one; None if there is an administrator.

    Only its hash is stored. The caller prints it once.
    """
    exclusive_lock(session, _LOCK)
    session.execute(delete(FirstRunCode))
    if has_administrator(session, at=at):
        return None
    code = "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))
    session.add(FirstRunCode(id=1, code_hash=_hash(code), made_at=at, tries=0))
    session.flush()
    return code


def _hash(code: str) -> str:
    return hash_key("".join(each for each in code.upper() if each in ALPHABET))


def wrong_code() -> InvalidInput:
    """Return the error of a code that is not, or no longer, the valid one."""
    return InvalidInput(
        "This is not the code that the program printed last. Copy it from there.", field="code"
    )


def check_first_run_code(database: Database, code: str, *, at: datetime) -> None:
    """Compare the code in constant time. The try is counted first, in a transaction of its own.

    Raises NotFound once there is an administrator, TooBusy after MAX_TRIES, InvalidInput for a wrong code.
    """
    with transaction(database) as session:
        require_first_run(session, at=at)
        expected = session.scalar(
            update(FirstRunCode)
            .where(FirstRunCode.tries < MAX_TRIES)
            .values(tries=FirstRunCode.tries + 1)
            .returning(FirstRunCode.code_hash)
            .execution_options(synchronize_session=False)
        )
    if expected is None:
        raise TooBusy("No code is valid any more. Restart the program (aed serve): it prints a new one.")
    if not hmac.compare_digest(expected, _hash(code)):
        raise wrong_code()


def add_first_administrator(
    database: Database, code: str, new: PersonIn, password: str, *, country: str, at: datetime
) -> int:
    """Add the first administrator of the network, and return their id. The code works once.

    1. The password is checked and hashed first, so that a weak one costs no try.
    2. The code is compared.
    3. Under a lock the code is deleted, and the person added with account, password and role.

    `country`: that of a number without a country code. Raises InvalidInput for a weak password or a wrong
    code, NotFound, TooBusy, and Conflict for a number that is taken; the code stays valid after a Conflict.
    """
    require_strong_password(password, field="password", about=[new.name, new.phone])
    hashed = hash_password(password)
    check_first_run_code(database, code, at=at)
    with transaction(database) as session:
        exclusive_lock(session, _LOCK)
        require_first_run(session, at=at)
        used = delete(FirstRunCode).where(FirstRunCode.code_hash == _hash(code)).returning(FirstRunCode.id)
        if session.scalar(used) is None:
            raise wrong_code()
        given = new.model_copy(update={"role": RoleIn(role=Role.ADMINISTRATOR)})
        person: Person = add_person(session, _WHO, given, country=country, at=at)
        account = account_of(session, person.id)
        assert account is not None  # `add_person` opens it
        store_password(session, account, hashed, who=_WHO.name, at=at)
        return person.id
