"""Sign in by password or one-time code.

Responses do not reveal whether an account exists: the counting of attempts, the hashing and the response are
the same without one. Attempts are counted in a transaction of their own before anything is compared, so that
neither a failure nor concurrent processes lose one. No hash is computed within a transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, CursorResult, bindparam, delete, select, text, update
from sqlalchemy.orm import Session

from aed.accounts.people import actions as people_actions
from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Account, Person
from aed.accounts.people.rules import Language, PersonMessage, PhoneChannel
from aed.accounts.security_log import SecurityEventKind, log_event
from aed.accounts.sessions import SESSION_KEY_PREFIX, SignIn
from aed.accounts.sign_in import queries as sign_in_queries
from aed.accounts.sign_in.models import ProviderRequest, SignInAttempts, SignInCode
from aed.accounts.sign_in.passwords import (
    hash_password,
    is_correct_password,
    require_strong_password,
    store_password,
)
from aed.accounts.sign_in.rules import (
    CODE_DIGITS,
    CODE_LIFETIME,
    MAX_CODE_TRIES,
    MAX_LIMIT_PERIOD,
    PROVIDER_TIMEOUT,
    Browser,
    NewAccount,
    NewSession,
    SignInMethod,
    SignUp,
)
from aed.accounts.sign_in.throttling import (
    account_keys,
    clear_attempts,
    count_attempt,
    count_sign_up,
)
from aed.accounts.tokens import hash_key
from aed.database.encryption.columns import keyring_of
from aed.database.encryption.keyring import KeyRing
from aed.database.session import Database, read_session, transaction
from aed.database.types import UtcDateTime
from aed.errors import NotSignedIn

type FindPerson = Callable[[Session, str], Person | None]
"""Finds the person for whom the holder of an E.164 number may open an account: the keeper whom the register
names by that number. It is passed in, since devices are on a higher layer."""
type SendMessage = Callable[[Session, PersonMessage, datetime], object]
"""Enqueues a message within the transaction. It is passed in, since the outbox is on a higher layer."""

START_SIGN_IN_AGAIN: Final = (
    "This sign-in was not started in this browser, or it has expired. Start again, "
    "and return within ten minutes."
)
WRONG_CREDENTIALS: Final = (
    "The phone number, password or code is wrong, or the code has expired. Request a new code."
)


def sign_in_by_password(
    database: Database,
    *,
    phone: str,
    password: str,
    browser: Browser,
    lasts: timedelta,
    at: datetime,
    is_bearer: bool = False,
) -> NewSession:
    """Sign in with a password.

    Raises NotSignedIn with the same sentence for every reason; TooBusy and CodeNeeded after too many
    attempts.
    """
    count_attempt(database, SignInMethod.PASSWORD, phone=phone, browser=browser, at=at)
    with read_session(database) as session:
        found = people_queries.account_by_phone(session, phone)
    kept = found[0].password_hash if found is not None else None
    if not is_correct_password(password, kept):
        raise _wrong(database, phone, browser, at=at)
    with transaction(database) as session:
        again = people_queries.account_by_phone(session, phone)
        if again is None or again[0].password_hash != kept:
            raise NotSignedIn(WRONG_CREDENTIALS)  # changed in the meantime
        way = SignInMethod.PASSWORD
        return _signed_in(session, *again, way=way, browser=browser, lasts=lasts, at=at, is_bearer=is_bearer)


def sign_in_by_code(
    database: Database,
    *,
    phone: str,
    code: str,
    browser: Browser,
    lasts: timedelta,
    at: datetime,
    new_password: str | None = None,
    find_person: FindPerson | None = None,
    new_account: NewAccount | None = None,
    is_bearer: bool = False,
) -> NewSession:
    """Sign in with a one-time code, valid for ten minutes, five attempts and one use.

    A new password, if given, is set, and every other session ends. Passwords are set, changed and reset this
    way. With `new_account`, an account is opened if the number has none: the code has proved it.

    1. Count an attempt at the code that this browser requested; other browsers cannot use these up. In
       another browser, count one of the few attempts that others have at the newest code.
    2. Compare.
    3. Mark the code as used, unless another request has used it in the meantime.
    4. Without an account, open one for the person whom `find_person` finds: the code has proved the number.
    """
    if new_password is not None:
        require_strong_password(new_password, field="new_password", about=[phone])
    with transaction(database) as session:
        kept = _take_own_try(session, database.keys, phone, browser.code_key, at=at)
    if kept is None:
        count_attempt(database, SignInMethod.CODE, phone=phone, browser=browser, at=at)
        with transaction(database) as session:
            kept = _take_others_try(session, database.keys, phone, browser.code_key, at=at)
    if not is_correct_password("".join(code.split()), kept):
        raise _wrong(database, phone, browser, at=at)
    new_hash = hash_password(new_password) if new_password is not None else None
    with transaction(database) as session:
        used = session.execute(
            update(SignInCode)
            .where(*_usable_codes(database.keys, phone, at), SignInCode.code_hash == kept)
            .values(used_at=at)
        )
        assert isinstance(used, CursorResult)
        found = people_queries.account_by_phone(session, phone)
        if used.rowcount == 1 and found is None:
            found = open_account_of_number(session, phone, find_person, new_account, at=at)
        if used.rowcount != 1 or found is None:
            raise NotSignedIn(WRONG_CREDENTIALS)
        if new_hash is not None:
            store_password(session, found[0], new_hash, who=f"person:{found[1].id}", at=at)
        way = SignInMethod.CODE
        return _signed_in(session, *found, way=way, browser=browser, lasts=lasts, at=at, is_bearer=is_bearer)


def open_account_of_number(
    session: Session,
    phone: str,
    find_person: FindPerson | None,
    new_account: NewAccount | None,
    *,
    at: datetime,
) -> tuple[Account, Person] | None:
    """Open an account for a number that has just been proved; None if there is nobody to open one for."""
    person = find_person(session, phone) if find_person is not None else None
    if person is not None:
        return people_actions.open_proved_account(session, person, phone, at=at), person
    if new_account is None:
        return None
    return people_actions.sign_up(
        session,
        phone=phone,
        name=new_account.name,
        language=new_account.language,
        country=new_account.country,
        at=at,
    )


def _wrong(database: Database, phone: str, browser: Browser, *, at: datetime) -> NotSignedIn:
    """Log a failed sign-in, in the same way whether the account exists or not."""
    account = account_keys(database.keys, phone)[0]
    with transaction(database) as session:
        kind = SecurityEventKind.SIGN_IN_FAILED
        log_event(session, kind, at=at, account_key=account, address=browser.address)
    return NotSignedIn(WRONG_CREDENTIALS)


def _usable_codes(keys: KeyRing, phone: str, at: datetime) -> tuple[ColumnElement[bool], ...]:
    """Select the unused, unexpired codes of an account."""
    return (
        SignInCode.account_key.in_(account_keys(keys, phone)),
        SignInCode.used_at.is_(None),
        SignInCode.expires_at > at,
    )


def _take_own_try(
    session: Session, keys: KeyRing, phone: str, code_key: str | None, *, at: datetime
) -> str | None:
    """Return the hash of the code that this browser requested, if it has an attempt left."""
    if code_key is None:
        return None
    return session.scalar(
        update(SignInCode)
        .where(
            *_usable_codes(keys, phone, at),
            SignInCode.browser_hash == hash_key(code_key),
            SignInCode.tries < MAX_CODE_TRIES,
        )
        .values(tries=SignInCode.tries + 1)
        .returning(SignInCode.code_hash)
    )


def _take_others_try(
    session: Session, keys: KeyRing, phone: str, code_key: str | None, *, at: datetime
) -> str | None:
    """Return the hash of the newest code that another browser requested, if others have an attempt left."""
    newest = session.scalar(
        select(SignInCode.browser_hash)
        .where(*_usable_codes(keys, phone, at), SignInCode.browser_hash != hash_key(code_key or ""))
        .order_by(SignInCode.expires_at.desc())
        .limit(1)
    )
    return session.scalar(
        update(SignInCode)
        .where(
            *_usable_codes(keys, phone, at),
            SignInCode.browser_hash == newest,
            SignInCode.others_tries < MAX_CODE_TRIES,
        )
        .values(others_tries=SignInCode.others_tries + 1)
        .returning(SignInCode.code_hash)
    )


def request_code(
    database: Database,
    *,
    phone: str,
    browser: Browser,
    send: SendMessage,
    at: datetime,
    find_person: FindPerson | None = None,
    sign_up: SignUp | None = None,
) -> str:
    """Send a new code if the account exists; return the key for the cookie of the requesting browser.

    The previous code of this browser becomes invalid. Without an account, the code is sent if `find_person`
    finds the person for whom it will open one, and with `sign_up`, within its limits; otherwise a code is
    stored but not sent. Raises TooBusy.
    """
    count_attempt(database, SignInMethod.ASK_FOR_CODE, phone=phone, browser=browser, at=at)
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
    code_key = browser.code_key or secrets.token_urlsafe(32)
    kept, expires_at = hash_password(code), at + CODE_LIFETIME
    with transaction(database) as session:
        account, *others = account_keys(database.keys, phone)
        session.execute(delete(SignInCode).where(SignInCode.account_key.in_(others)))
        given = {"account": account, "browser": hash_key(code_key), "hash": kept, "expires_at": expires_at}
        session.execute(_PUT_CODE, given)
        found = people_queries.account_by_phone(session, phone)
        person = found[1] if found is not None else find_person(session, phone) if find_person else None
        if person is not None:
            language = Language.EN if person.language == Language.EN else Language.ZH
            message = _message(person.id, person.channel, phone, language, code, expires_at)
            send(session, message, at)
        elif sign_up is not None and count_sign_up(session, phone, browser, sign_up, at):
            send(session, _message(None, PhoneChannel.SMS, phone, sign_up.language, code, expires_at), at)
    return code_key


_PUT_CODE: Final = text(
    "INSERT INTO sign_in_codes "
    "(account_key, browser_hash, code_hash, expires_at, tries, others_tries, used_at) "
    "VALUES (:account, :browser, :hash, :expires_at, 0, 0, NULL) "
    "ON CONFLICT (account_key, browser_hash) DO UPDATE SET code_hash = excluded.code_hash, "
    "expires_at = excluded.expires_at, tries = 0, others_tries = 0, used_at = NULL"
).bindparams(bindparam("expires_at", type_=UtcDateTime))


def _message(
    person_id: int | None,
    channel: PhoneChannel,
    phone: str,
    language: Language,
    code: str,
    expires_at: datetime,
) -> PersonMessage:
    minutes = int(CODE_LIFETIME.total_seconds() // 60)
    return PersonMessage(
        person_id=person_id,
        channel=channel,
        phone=phone,
        language=language,
        text_en=f"Your sign-in code is {code}. It is valid for {minutes} minutes. Do not share it "
        "with anyone.",
        text_zh=f"登录验证码：{code}，{minutes}分钟内有效。请勿告诉任何人。",
        expires_at=expires_at,
        is_secret=True,
    )


def _signed_in(
    session: Session,
    account: Account,
    person: Person,
    *,
    way: SignInMethod,
    browser: Browser,
    lasts: timedelta,
    at: datetime,
    is_bearer: bool,
) -> NewSession:
    keys = keyring_of(session.get_bind().dialect)
    clear_attempts(session, keys, way, phone=account.phone, browser=browser)
    return open_session(session, person, browser=browser, lasts=lasts, at=at, is_bearer=is_bearer)


def open_session(
    session: Session,
    person: Person,
    *,
    browser: Browser,
    lasts: timedelta,
    at: datetime,
    is_bearer: bool = False,
) -> NewSession:
    """Open a session for an authenticated person; a limited one if a second factor is needed.

    `is_bearer`: an app sends its key in the header, and has no cookie.
    """
    key = (SESSION_KEY_PREFIX if is_bearer else "") + secrets.token_urlsafe(32)
    is_limited = sign_in_queries.needs_second_factor(session, person.id)
    session.add(
        SignIn(
            person_id=person.id,
            key_hash=hash_key(key),
            created_at=at,
            expires_at=at + lasts,
            last_seen_at=at,
            user_agent=browser.user_agent[:200] if browser.user_agent else None,
            address=browser.address[:64],
            is_limited=is_limited,
        )
    )
    kind = SecurityEventKind.SIGN_IN
    log_event(session, kind, at=at, person_id=person.id, address=browser.address)
    session.flush()
    return NewSession(
        key=key,
        person_id=person.id,
        name=person.name,
        expires_at=at + lasts,
        needs_second_factor=is_limited,
    )


@dataclass(frozen=True, slots=True)
class RedirectTaken:
    """What was stored when a browser was redirected to sign in elsewhere."""

    nonce: str
    verifier: str
    return_to: str | None


def remember_redirect(
    database: Database,
    *,
    state: str,
    browser_key: str,
    nonce: str,
    verifier: str,
    return_to: str | None,
    at: datetime,
) -> None:
    """Store a redirect to an identity provider or a platform, valid once within ten minutes."""
    with transaction(database) as session:
        session.add(
            ProviderRequest(
                state_hash=hash_key(state),
                browser_hash=hash_key(browser_key),
                nonce=nonce,
                verifier=verifier,
                return_to=return_to,
                expires_at=at + PROVIDER_TIMEOUT,
            )
        )


def take_redirect(
    database: Database, *, state: str | None, browser_key: str | None, at: datetime
) -> RedirectTaken:
    """Take what was stored for this browser. Raises NotSignedIn for another browser, or too late."""
    left = None
    if state is not None and browser_key is not None:
        with transaction(database) as session:
            left = session.execute(
                delete(ProviderRequest)
                .where(
                    ProviderRequest.state_hash == hash_key(state),
                    ProviderRequest.browser_hash == hash_key(browser_key),
                    ProviderRequest.expires_at > at,
                )
                .returning(ProviderRequest.nonce, ProviderRequest.verifier, ProviderRequest.return_to)
            ).first()
    if left is None:
        raise NotSignedIn(START_SIGN_IN_AGAIN)
    return RedirectTaken(*left)


def delete_expired(session: Session, *, at: datetime) -> None:
    """Delete expired attempt counts, codes, sessions and identity-provider requests."""
    session.execute(delete(SignInAttempts).where(SignInAttempts.since <= at - MAX_LIMIT_PERIOD))
    session.execute(delete(SignInCode).where(SignInCode.expires_at <= at - MAX_LIMIT_PERIOD))
    session.execute(delete(SignIn).where(SignIn.expires_at <= at))
    session.execute(delete(ProviderRequest).where(ProviderRequest.expires_at <= at))
