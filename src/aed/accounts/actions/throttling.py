"""How often somebody may try to sign in: counted before anything is compared, shared by all processes.

A stranger must not be able to lock somebody out. So tries are counted by account *and* address, and a browser
in which the account was signed in before is counted by itself. What all strangers together may try on one
account is bounded too: then each of them is slowed, and in the end a code is asked for instead of a password.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.orm import Session

from aed.accounts.actions.security import log_event
from aed.accounts.models import SecurityEvent, SignInTries
from aed.accounts.rules.security import SecurityEventKind
from aed.accounts.rules.sign_in import (
    FOR_A_KNOWN_BROWSER,
    FOR_AN_ACCOUNT,
    FOR_AN_ACCOUNT_FROM_AN_ADDRESS,
    FOR_AN_ADDRESS,
    QUARTER,
    SLOWED_FROM,
    SLOWED_TO,
    Browser,
    Limit,
    Way,
    address_key,
)
from aed.database.encryption.keyring import KeyRing
from aed.database.session import Database, transaction
from aed.database.types import UtcDateTime
from aed.errors import CodeNeeded, TooBusy

TOO_MANY: Final = "Too many tries. Wait a quarter of an hour, then try again, or sign in another way."
CODE_INSTEAD: Final = (
    "Too many passwords were tried for this number. Sign in with a code, or in a browser that you have used."
)


def account_keys(keys: KeyRing, phone: str) -> tuple[str, ...]:
    """What an account is counted under, whether there is one or not; under the newest key first.

    Numbers could be tried out against a hash without a key.
    """
    return keys.keyed_hashes("account", phone)


def count_address(database: Database, way: Way, *, address: str, at: datetime) -> None:
    """Count one more try from the address, kept whatever comes of it. Raises TooBusy."""
    with transaction(database) as session:
        is_within = _is_within(session, way, "address", address_key(address), FOR_AN_ADDRESS[way], at)
    if not is_within:
        raise TooBusy(TOO_MANY)


def count_try(database: Database, way: Way, *, phone: str, browser: Browser, at: datetime) -> None:
    """Count one more try at an account, kept whatever comes of it.

    1. A browser that the account knows: by itself alone.
    2. Any other: by its address, by account and address, and by account. Where strangers have tried many
       passwords lately, an address has fewer tries; where they have tried too many, a code is needed.

    Raises TooBusy, and CodeNeeded.
    """
    account = account_keys(database.keys, phone)[0]
    with transaction(database) as session:
        if browser.known_as is not None:
            own, limits = f"{browser.known_as}:{account}", FOR_A_KNOWN_BROWSER[way]
            is_within, is_over = _is_within(session, way, "browser", own, limits, at), False
        else:
            is_within, is_over = _count_stranger(session, way, account, browser.address, at)
        if not is_within or is_over:
            _log_lock_out(session, account, browser.address, at)
    if not is_within:
        raise TooBusy(TOO_MANY)
    if is_over:
        raise CodeNeeded(CODE_INSTEAD) if way is Way.PASSWORD else TooBusy(TOO_MANY)


def _log_lock_out(session: Session, account: str, address: str, at: datetime) -> None:
    """Once in a quarter of an hour for an account: no flood of tries floods the log.

    visibility: only whether it was written already.
    """
    lately = select(SecurityEvent.id).where(
        SecurityEvent.account_key == account,
        SecurityEvent.kind == SecurityEventKind.LOCKED_OUT,
        SecurityEvent.at > at - QUARTER,
    )
    if session.scalar(lately.limit(1)) is None:
        log_event(session, SecurityEventKind.LOCKED_OUT, at=at, account_key=account, address=address)


def _count_stranger(
    session: Session, way: Way, account: str, address: str, at: datetime
) -> tuple[bool, bool]:
    """Whether the address is within its limits, and whether all strangers together are beyond theirs.

    What the address may not do is not counted against the account.
    """
    pair = f"{address_key(address)[:32]}:{account}"
    is_within = _is_within(session, way, "address", address_key(address), FOR_AN_ADDRESS[way], at)
    limits = FOR_AN_ACCOUNT_FROM_AN_ADDRESS[way]
    tried = [_count(session, way, "pair", pair, limit, at) for limit in limits]
    is_within = is_within and all(count <= limit.most for count, limit in zip(tried, limits, strict=True))
    if not is_within:
        return False, False
    if way is Way.PASSWORD and _count(session, way, "lately", account, SLOWED_FROM, at) > SLOWED_FROM.most:
        is_within = tried[0] <= SLOWED_TO
    return is_within, not _is_within(session, way, "account", account, FOR_AN_ACCOUNT[way], at)


def forget_tries(session: Session, keys: KeyRing, way: Way, *, phone: str, browser: Browser) -> None:
    """Forget what this browser, or this address, has tried: somebody got in."""
    ends = [
        *(f"pair:{{}}:{address_key(browser.address)[:32]}:{each}" for each in account_keys(keys, phone)),
        *(f"browser:{{}}:{browser.known_as}:{each}" for each in account_keys(keys, phone)),
    ]
    limits = (*FOR_AN_ACCOUNT_FROM_AN_ADDRESS[way], *FOR_A_KNOWN_BROWSER[way])
    seconds = sorted({int(limit.within.total_seconds()) for limit in limits})
    for each in seconds:  # in the order of the counting: else two could wait for each other
        what = [f"{way}:{end.format(each)}" for end in ends]
        session.execute(delete(SignInTries).where(SignInTries.what.in_(what)))


def _is_within(
    session: Session, way: Way, whose: str, key: str, limits: Sequence[Limit], at: datetime
) -> bool:
    counts = [_count(session, way, whose, key, limit, at) for limit in limits]
    return all(count <= limit.most for count, limit in zip(counts, limits, strict=True))


def _count(session: Session, way: Way, whose: str, key: str, limit: Limit, at: datetime) -> int:
    what = f"{way}:{whose}:{int(limit.within.total_seconds())}:{key}"
    given = {"what": what, "at": at, "over": at - limit.within}
    found: int = session.execute(_COUNT_ONE, given).scalar_one()
    return found


# One row for each limit; a count that began too long ago begins anew. Counting and looking are one statement,
# so that of several at once each sees another count.
_COUNT_ONE: Final = text(
    "INSERT INTO sign_in_tries (what, since, count) VALUES (:what, :at, 1) ON CONFLICT (what) DO UPDATE SET "
    "count = CASE WHEN sign_in_tries.since <= :over THEN 1 ELSE sign_in_tries.count + 1 END, "
    "since = CASE WHEN sign_in_tries.since <= :over THEN excluded.since ELSE sign_in_tries.since END "
    "RETURNING count"
).bindparams(bindparam("at", type_=UtcDateTime), bindparam("over", type_=UtcDateTime))
