"""Signing in by password or one-time code, and out again.

What a stranger sees does not depend on whether there is an account: the same answer, after the same counting
and the same hashing. Tries are counted in a transaction of their own, before anything is compared, so that
neither a failure nor many processes at once lose one. No hash is computed within a transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import CursorResult, bindparam, delete, text, update
from sqlalchemy.orm import Session

from aed.accounts import queries
from aed.accounts.actions.passwords import hashed, is_right, may_be_one, put_password
from aed.accounts.actions.tokens import key_hash
from aed.accounts.models import Account, Person, ProviderRequest, SignIn, SignInCode, SignInTries
from aed.accounts.rules.message import Message
from aed.accounts.rules.person import Language
from aed.accounts.rules.sign_in import (
    CODE_DIGITS,
    CODE_IS_GOOD_FOR,
    FOR_AN_ACCOUNT,
    FOR_AN_ADDRESS,
    TRIES_OF_A_CODE,
    Limit,
    Way,
    address_key,
)
from aed.db import Database, UtcMoment, reads, transaction
from aed.errors import NotSignedIn, TooBusy
from aed.sealing import KeyRing, ring_of

type Send = Callable[[Session, Message, datetime], object]
"""Puts a message where it is sent from, within the transaction. What sends it lies on a floor above."""

WRONG: Final = (
    "The number, the password or the code is not right, or the code is no longer good. Ask for a new code."
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new sign-in. The key is stored nowhere."""

    key: str
    person_id: int
    name: str
    expires_at: datetime


def sign_in_by_password(
    database: Database, *, phone: str, password: str, address: str, lasts: timedelta, at: datetime
) -> SignedIn:
    """Raises NotSignedIn, in one sentence for every reason, and TooBusy after too many tries."""
    count_one(database, Way.PASSWORD, phone=phone, address=address, at=at)
    with reads(database) as session:
        found = queries.account_by_phone(session, phone)
    kept = found[0].password_hash if found is not None else None
    if not is_right(password, kept):
        raise NotSignedIn(WRONG)
    with transaction(database) as session:
        again = queries.account_by_phone(session, phone)
        if again is None or again[0].password_hash != kept:
            raise NotSignedIn(WRONG)  # changed at this moment
        return _signed_in(session, *again, way=Way.PASSWORD, lasts=lasts, at=at)


def sign_in_by_code(
    database: Database,
    *,
    phone: str,
    code: str,
    address: str,
    lasts: timedelta,
    at: datetime,
    new_password: str | None = None,
) -> SignedIn:
    """The same with a code: good for ten minutes, for five tries, and once.

    With a new password, which counts from now on, every other sign-in ends: so it is set the first time,
    changed, and set again when it was forgotten.

    1. Take one of the tries; a code without any left is as good as none.
    2. Compare.
    3. Use it up, if nobody else did meanwhile.
    """
    if new_password is not None:
        may_be_one(new_password, field="new_password")
    count_one(database, Way.CODE, phone=phone, address=address, at=at)
    account = account_keys(database.keys, phone)
    good = (SignInCode.account_key.in_(account), SignInCode.used_at.is_(None), SignInCode.expires_at > at)
    with transaction(database) as session:
        kept = session.scalar(
            update(SignInCode)
            .where(*good, SignInCode.tries < TRIES_OF_A_CODE)
            .values(tries=SignInCode.tries + 1)
            .returning(SignInCode.code_hash)
        )
    if not is_right("".join(code.split()), kept):
        raise NotSignedIn(WRONG)
    new_hash = hashed(new_password) if new_password is not None else None
    with transaction(database) as session:
        used = session.execute(
            update(SignInCode).where(*good, SignInCode.code_hash == kept).values(used_at=at)
        )
        assert isinstance(used, CursorResult)
        found = queries.account_by_phone(session, phone)
        if used.rowcount != 1 or found is None:
            raise NotSignedIn(WRONG)
        if new_hash is not None:
            put_password(session, found[0], new_hash, who=f"person:{found[1].id}", at=at)
        return _signed_in(session, *found, way=Way.CODE, lasts=lasts, at=at)


def ask_for_code(database: Database, *, phone: str, address: str, send: Send, at: datetime) -> None:
    """A new code is on its way, if there is an account; the one before is no longer good.

    Without an account a code is made and kept all the same, which nobody learns. Raises TooBusy.
    """
    count_one(database, Way.ASK_FOR_CODE, phone=phone, address=address, at=at)
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
    kept, expires_at = hashed(code), at + CODE_IS_GOOD_FOR
    with transaction(database) as session:
        account, *others = account_keys(database.keys, phone)
        session.execute(delete(SignInCode).where(SignInCode.account_key.in_(others)))
        session.execute(_PUT_CODE, {"account": account, "hash": kept, "expires_at": expires_at})
        found = queries.account_by_phone(session, phone)
        if found is not None:
            send(session, _message(*found, code=code, expires_at=expires_at), at)


_PUT_CODE: Final = text(
    "INSERT INTO sign_in_codes (account_key, code_hash, expires_at, tries, used_at) "
    "VALUES (:account, :hash, :expires_at, 0, NULL) ON CONFLICT (account_key) DO UPDATE "
    "SET code_hash = excluded.code_hash, expires_at = excluded.expires_at, tries = 0, used_at = NULL"
).bindparams(bindparam("expires_at", type_=UtcMoment))


def _message(account: Account, person: Person, *, code: str, expires_at: datetime) -> Message:
    minutes = int(CODE_IS_GOOD_FOR.total_seconds() // 60)
    return Message(
        person_id=person.id,
        channel=person.channel,
        phone=account.phone,
        language=Language.EN if person.language == Language.EN else Language.ZH,
        text_en=f"{code} is your code for signing in, good for {minutes} minutes. Tell it to nobody.",
        text_zh=f"登录验证码：{code}，{minutes}分钟内有效。请勿告诉任何人。",
        expires_at=expires_at,
        is_secret=True,
    )


def _signed_in(
    session: Session, account: Account, person: Person, *, way: Way, lasts: timedelta, at: datetime
) -> SignedIn:
    for limit in FOR_AN_ACCOUNT[way]:  # one by one, in the order of the counting: else the two could deadlock
        keys = account_keys(ring_of(session.get_bind().dialect), account.phone)
        what = [_what(way, "account", key, limit) for key in keys]
        session.execute(delete(SignInTries).where(SignInTries.what.in_(what)))
    return open_sign_in(session, person, lasts=lasts, at=at)


def open_sign_in(session: Session, person: Person, *, lasts: timedelta, at: datetime) -> SignedIn:
    """A new sign-in of somebody of whom it is certain who it is."""
    key = secrets.token_urlsafe(32)
    session.add(SignIn(person_id=person.id, key_hash=key_hash(key), created_at=at, expires_at=at + lasts))
    session.flush()
    return SignedIn(key=key, person_id=person.id, name=person.name, expires_at=at + lasts)


def sign_out(session: Session, key: str, *, at: datetime) -> None:
    """The cookie with that key opens nothing from now on. An unknown key changes nothing."""
    session.execute(
        update(SignIn).where(SignIn.key_hash == key_hash(key), SignIn.ended_at.is_(None)).values(ended_at=at)
    )


def account_keys(keys: KeyRing, phone: str) -> tuple[str, ...]:
    """What an account is counted under, whether there is one or not; under the newest key first.

    Numbers could be tried out against a hash without a key.
    """
    return keys.hidden("account", phone)


# --- how often ------------------------------------------------------------------------------------------


def _what(way: Way, whose: str, key: str, limit: Limit) -> str:
    return f"{way}:{whose}:{int(limit.within.total_seconds())}:{key}"


# One row for each limit; a count that began too long ago begins anew. Counting and looking are one statement,
# so that of several at once each sees another count.
_COUNT_ONE: Final = text(
    "INSERT INTO sign_in_tries (what, since, count) VALUES (:what, :at, 1) ON CONFLICT (what) DO UPDATE SET "
    "count = CASE WHEN sign_in_tries.since <= :over THEN 1 ELSE sign_in_tries.count + 1 END, "
    "since = CASE WHEN sign_in_tries.since <= :over THEN excluded.since ELSE sign_in_tries.since END "
    "RETURNING count"
).bindparams(bindparam("at", type_=UtcMoment), bindparam("over", type_=UtcMoment))


def count_one(database: Database, way: Way, *, address: str, at: datetime, phone: str | None = None) -> None:
    """One more try, kept whatever comes of it. Raises TooBusy when that is too many."""
    counted: list[tuple[str, str, tuple[Limit, ...]]] = [
        ("address", address_key(address), FOR_AN_ADDRESS[way])
    ]
    if phone is not None:
        counted.insert(0, ("account", account_keys(database.keys, phone)[0], FOR_AN_ACCOUNT[way]))
    is_within = True
    with transaction(database) as session:
        for whose, key, limits in counted:
            for limit in limits:
                parameters = {
                    "what": _what(way, whose, key, limit),
                    "at": at,
                    "over": at - limit.within,
                }
                count = session.execute(_COUNT_ONE, parameters).scalar_one()
                is_within = is_within and count <= limit.most
    if not is_within:
        raise TooBusy("Too many tries. Wait a quarter of an hour, then try again, or sign in another way.")


LONGEST_LIMIT: Final = max(
    limit.within for each in (FOR_AN_ACCOUNT, FOR_AN_ADDRESS) for limits in each.values() for limit in limits
)


def forget_what_is_over(session: Session, *, at: datetime) -> None:
    """Counts, codes, sign-ins and visits to a provider that matter to nobody any longer are gone."""
    session.execute(delete(SignInTries).where(SignInTries.since <= at - LONGEST_LIMIT))
    session.execute(delete(SignInCode).where(SignInCode.expires_at <= at - LONGEST_LIMIT))
    session.execute(delete(SignIn).where(SignIn.expires_at <= at))
    session.execute(delete(ProviderRequest).where(ProviderRequest.expires_at <= at))
