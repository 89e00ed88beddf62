"""Limits on sign-in attempts, and the cookie by which an account knows a browser."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.orm import Session

from aed.accounts.people.rules import is_number_of
from aed.accounts.security_log import SecurityEvent, SecurityEventKind, log_event
from aed.accounts.sign_in.models import SignInAttempts
from aed.accounts.sign_in.rules import (
    DAY,
    KNOWN_BROWSER_LIFETIME,
    LIMITS_PER_ACCOUNT,
    LIMITS_PER_ACCOUNT_AND_ADDRESS,
    LIMITS_PER_ADDRESS,
    LIMITS_PER_KNOWN_BROWSER,
    MAX_ACCOUNTS_PER_BROWSER,
    MAX_TRIES_WHEN_SLOWED,
    QUARTER,
    SIGN_UP_LIMIT_PER_ADDRESS,
    SLOWDOWN_THRESHOLD,
    AttemptLimit,
    Browser,
    SignInMethod,
    SignUp,
    address_key,
)
from aed.database.encryption.keyring import KeyRing
from aed.database.session import Database, transaction
from aed.database.types import UtcDateTime
from aed.errors import CodeNeeded, TooBusy

TOO_MANY_ATTEMPTS: Final = "Too many attempts. Try again in fifteen minutes, or sign in another way."
RETRY_AFTER_SECONDS: Final = int(QUARTER.total_seconds())
USE_A_CODE: Final = (
    "Too many passwords were tried for this phone number. Sign in with a code, or in "
    "a browser that you have used before."
)


def account_keys(keys: KeyRing, phone: str) -> tuple[str, ...]:
    """Return the keyed hashes under which attempts at a number are counted, the newest key's first.

    They are computed for numbers without an account too. Numbers could be recovered by trial from a hash
    without a key.
    """
    return keys.keyed_hashes("account", phone)


def count_attempt_from_address(database: Database, way: SignInMethod, *, address: str, at: datetime) -> None:
    """Count an attempt from the address, whatever its result. Raises TooBusy."""
    with transaction(database) as session:
        is_within = _is_within(session, way, "address", address_key(address), LIMITS_PER_ADDRESS[way], at)
    if not is_within:
        raise TooBusy(TOO_MANY_ATTEMPTS, retry_after_seconds=RETRY_AFTER_SECONDS)


def count_attempt(
    database: Database, way: SignInMethod, *, phone: str, browser: Browser, at: datetime
) -> None:
    """Count an attempt at an account, whatever its result.

    1. A browser that the account knows: by this browser alone.
    2. Any other: by its address, by account and address, and by account. After many recent passwords from
       unknown browsers, an address has fewer attempts; after too many, a code is required.

    Raises TooBusy, and CodeNeeded.
    """
    account = account_keys(database.keys, phone)[0]
    with transaction(database) as session:
        if browser.known_as is not None:
            own, limits = f"{browser.known_as}:{account}", LIMITS_PER_KNOWN_BROWSER[way]
            is_within, is_over = _is_within(session, way, "browser", own, limits, at), False
        else:
            is_within, is_over = _count_try_of_stranger(session, way, account, browser.address, at)
        if not is_within or is_over:
            _log_lock_out(session, account, browser.address, at)
    if not is_within:
        raise TooBusy(TOO_MANY_ATTEMPTS, retry_after_seconds=RETRY_AFTER_SECONDS)
    if is_over:
        raise (
            CodeNeeded(USE_A_CODE)
            if way is SignInMethod.PASSWORD
            else TooBusy(TOO_MANY_ATTEMPTS, retry_after_seconds=RETRY_AFTER_SECONDS)
        )


def _log_lock_out(session: Session, account: str, address: str, at: datetime) -> None:
    """Log a lock-out at most once in a quarter of an hour for each account.

    visibility: only whether it was logged already.
    """
    lately = select(SecurityEvent.id).where(
        SecurityEvent.account_key == account,
        SecurityEvent.kind == SecurityEventKind.LOCKED_OUT,
        SecurityEvent.at > at - QUARTER,
    )
    if session.scalar(lately.limit(1)) is None:
        log_event(session, SecurityEventKind.LOCKED_OUT, at=at, account_key=account, address=address)


def _count_try_of_stranger(
    session: Session, way: SignInMethod, account: str, address: str, at: datetime
) -> tuple[bool, bool]:
    """Return whether the address is within its limits, and whether all unknown browsers exceed theirs.

    An attempt that the address may not make is not counted against the account.
    """
    pair = f"{address_key(address)[:32]}:{account}"
    is_within = _is_within(session, way, "address", address_key(address), LIMITS_PER_ADDRESS[way], at)
    limits = LIMITS_PER_ACCOUNT_AND_ADDRESS[way]
    tried = [_count(session, way, "pair", pair, limit, at) for limit in limits]
    is_within = is_within and all(count <= limit.most for count, limit in zip(tried, limits, strict=True))
    if not is_within:
        return False, False
    if (
        way is SignInMethod.PASSWORD
        and _count(session, way, "lately", account, SLOWDOWN_THRESHOLD, at) > SLOWDOWN_THRESHOLD.most
    ):
        is_within = tried[0] <= MAX_TRIES_WHEN_SLOWED
    return is_within, not _is_within(session, way, "account", account, LIMITS_PER_ACCOUNT[way], at)


def count_sign_up(session: Session, phone: str, browser: Browser, sign_up: SignUp, at: datetime) -> bool:
    """Count a code to a number without an account; return False if there were too many.

    Nothing is raised: a stranger would learn from it that the number has no account.
    """
    if not sign_up.codes_per_day or not is_number_of(phone, country=sign_up.country):
        return False
    way, address = SignInMethod.ASK_FOR_CODE, address_key(browser.address)
    if not _is_within(session, way, "new", address, [SIGN_UP_LIMIT_PER_ADDRESS], at):
        return False
    return _is_within(session, way, "new", "all", [AttemptLimit(sign_up.codes_per_day, DAY)], at)


def count_request(session: Session, what: str, key: str, limit: AttemptLimit, at: datetime) -> None:
    """Count a request, such as one that sends a message to another person. Raises TooBusy."""
    found: int = session.execute(
        _COUNT_ONE, {"what": f"{what}:{key}", "at": at, "over": at - limit.within}
    ).scalar_one()
    if found > limit.most:
        raise TooBusy(TOO_MANY_ATTEMPTS, retry_after_seconds=RETRY_AFTER_SECONDS)


def clear_attempts(
    session: Session, keys: KeyRing, way: SignInMethod, *, phone: str, browser: Browser
) -> None:
    """Clear the attempts of this browser or address after a successful sign-in."""
    ends = [
        *(f"pair:{{}}:{address_key(browser.address)[:32]}:{each}" for each in account_keys(keys, phone)),
        *(f"browser:{{}}:{browser.known_as}:{each}" for each in account_keys(keys, phone)),
    ]
    limits = (*LIMITS_PER_ACCOUNT_AND_ADDRESS[way], *LIMITS_PER_KNOWN_BROWSER[way])
    seconds = sorted({int(limit.within.total_seconds()) for limit in limits})
    for each in seconds:  # in the order of counting, to avoid deadlocks
        what = [f"{way}:{end.format(each)}" for end in ends]
        session.execute(delete(SignInAttempts).where(SignInAttempts.what.in_(what)))


def _is_within(
    session: Session, way: SignInMethod, whose: str, key: str, limits: Sequence[AttemptLimit], at: datetime
) -> bool:
    counts = [_count(session, way, whose, key, limit, at) for limit in limits]
    return all(count <= limit.most for count, limit in zip(counts, limits, strict=True))


def _count(
    session: Session, way: SignInMethod, whose: str, key: str, limit: AttemptLimit, at: datetime
) -> int:
    what = f"{way}:{whose}:{int(limit.within.total_seconds())}:{key}"
    given = {"what": what, "at": at, "over": at - limit.within}
    found: int = session.execute(_COUNT_ONE, given).scalar_one()
    return found


# One row for each limit; an expired count restarts. Counting and reading are one statement, so that
# concurrent attempts see different counts.
_COUNT_ONE: Final = text(
    "INSERT INTO sign_in_attempts (what, since, count) VALUES (:what, :at, 1) ON CONFLICT (what) DO UPDATE "
    "SET count = CASE WHEN sign_in_attempts.since <= :over THEN 1 ELSE sign_in_attempts.count + 1 END, "
    "since = CASE WHEN sign_in_attempts.since <= :over THEN excluded.since ELSE sign_in_attempts.since END "
    "RETURNING count"
).bindparams(bindparam("at", type_=UtcDateTime), bindparam("over", type_=UtcDateTime))


_PURPOSE: Final = "known browser"
_MAX_COOKIE_LENGTH: Final = 1_000


def known_browser_id(keys: KeyRing, cookie: str | None, phone: str, *, at: datetime) -> str | None:
    """Return the id under which the browser is counted for that account; None for an unknown browser.

    Each entry of the cookie is `NAME.DAY.SIGNATURE`, signed for one number, which it does not reveal.
    """
    for name, day, signature in _entries(cookie):
        age = at - datetime.fromtimestamp(day * 86_400, UTC)
        if age > KNOWN_BROWSER_LIFETIME or age.days < -1:
            continue
        made = keys.keyed_hashes(_PURPOSE, f"{phone}|{name}|{day}")
        if any(hmac.compare_digest(each, signature) for each in made):
            return name
    return None


def remember_browser(keys: KeyRing, cookie: str | None, phone: str, *, at: datetime) -> str:
    """Return the cookie of a browser in which the account of that number has just signed in."""
    known = known_browser_id(keys, cookie, phone, at=at)
    others = [each for each in _entries(cookie) if each[0] != known]
    name, day = secrets.token_urlsafe(12), int(at.timestamp() // 86_400)
    entries = [(name, day, keys.keyed_hashes(_PURPOSE, f"{phone}|{name}|{day}")[0]), *others]
    return "~".join(
        f"{name}.{day}.{signature}" for name, day, signature in entries[:MAX_ACCOUNTS_PER_BROWSER]
    )


def _entries(cookie: str | None) -> list[tuple[str, int, str]]:
    found = []
    for each in (cookie or "")[:_MAX_COOKIE_LENGTH].split("~"):
        name, _, rest = each.partition(".")
        day, _, signature = rest.partition(".")
        if name and signature.isascii() and day.isascii() and day.isdecimal() and len(day) <= 6:
            found.append((name, int(day), signature))
    return found
