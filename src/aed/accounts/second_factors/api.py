"""Routes of a person's own second factors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import OwnSessionDep, client_address
from aed.accounts.people import queries as people_queries
from aed.accounts.second_factors import actions, passkeys
from aed.accounts.second_factors.schemas import (
    AppIn,
    AppOut,
    FactorOut,
    OptionsOut,
    PasskeyGivenIn,
    PasskeyIn,
    RecoveryCodesOut,
    SecondFactorIn,
    SecondFactorsOut,
)
from aed.accounts.security_log import SecurityEventKind, log_event
from aed.accounts.sessions import SignIn, csrf_token, sign_in_by_key
from aed.accounts.sign_in import queries as sign_in_queries
from aed.accounts.sign_in.requests import TOO_MANY_SIGN_INS
from aed.accounts.sign_in.rules import KNOWN_BROWSER_COOKIE, Browser, SignInMethod
from aed.accounts.sign_in.throttling import count_attempt, known_browser_id
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.database.session import Database, read_session, transaction
from aed.errors import NotSignedIn
from aed.http.parameters import SettingsDep, one_at_a_time

router = APIRouter(tags=["accounts"])

AT_ONCE: Final = 3
_places = threading.BoundedSemaphore(AT_ONCE)
FactorId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


# --- Giving a second factor -----------------------------------------------------------------------------


@router.get("/sign-in/second-factor")
def get_second_factors(session: ReadSession, key: OwnSessionDep) -> SecondFactorsOut:
    """Get your second factors, and whether this session needs one."""
    own = sign_in_by_key(session, key, at=clock.now())
    is_demanded = own.is_limited or sign_in_queries.needs_second_factor(session, own.person_id)
    return SecondFactorsOut(
        is_needed=own.second_factor_at is None and is_demanded,
        factors=[FactorOut.of(each) for each in sign_in_queries.second_factors(session, own.person_id)],
        recovery_codes_left=sign_in_queries.recovery_codes_left(session, own.person_id),
        csrf_token=csrf_token(key),
    )


@router.post("/sign-in/second-factor", status_code=204)
def sign_in_with_second_factor(
    request: Request, database: DatabaseDep, key: OwnSessionDep, given: SecondFactorIn
) -> None:
    """Give the code of an authenticator app, or a recovery code."""
    code, address = given.code.get_secret_value(), client_address(request)

    def give(session: Session, own: SignIn, at: datetime) -> bool:
        return actions.verify_code(session, own, code, address=address, at=at)

    _give(request, database, key, give)


@router.post("/sign-in/second-factor/passkey/options")
def get_passkey_sign_in_options(
    session: WriteSession, settings: SettingsDep, key: OwnSessionDep
) -> OptionsOut:
    """Get the options for signing with a passkey, valid once within five minutes."""
    own = sign_in_by_key(session, key, at=clock.now(), lock=True)
    made = passkeys.passkey_sign_in_options(session, own, public_url=settings.public_url, at=clock.now())
    return OptionsOut(public_key=made)


@router.post("/sign-in/second-factor/passkey", status_code=204)
def sign_in_with_passkey(
    request: Request, database: DatabaseDep, settings: SettingsDep, key: OwnSessionDep, given: PasskeyGivenIn
) -> None:
    """Give the assertion of a passkey as the second factor."""
    address = client_address(request)

    def give(session: Session, own: SignIn, at: datetime) -> bool:
        return passkeys.verify_passkey(
            session, own, given.credential, public_url=settings.public_url, address=address, at=at
        )

    _give(request, database, key, give)


def _give(
    request: Request, database: Database, key: str, give: Callable[[Session, SignIn, datetime], bool]
) -> None:
    """Count the attempt in its own transaction, then verify it. Failures are counted and logged."""
    at = clock.now()
    with read_session(database) as session:
        own = sign_in_by_key(session, key, at=at)
        account = people_queries.account_of(session, own.person_id)
        whose = account.phone if account is not None else f"person:{own.person_id}"
    cookie = request.cookies.get(KNOWN_BROWSER_COOKIE)
    browser = Browser(client_address(request), known_browser_id(database.keys, cookie, whose, at=at))
    with one_at_a_time(_places, TOO_MANY_SIGN_INS):
        count_attempt(database, SignInMethod.SECOND_FACTOR, phone=whose, browser=browser, at=at)
        with transaction(database) as session:
            own = sign_in_by_key(session, key, at=at, lock=True)
            is_right = give(session, own, at)
            if not is_right:
                kind = SecurityEventKind.SECOND_FACTOR_FAILED
                log_event(session, kind, at=at, person_id=own.person_id, address=browser.address)
    if not is_right:
        raise NotSignedIn(actions.WRONG_CODE)


# --- Adding and removing --------------------------------------------------------------------------------


@router.post("/me/second-factors/app", status_code=201)
def add_authenticator_app(session: WriteSession, key: OwnSessionDep, new: AppIn) -> AppOut:
    """Begin to add an authenticator app: show its URI as a QR code, then confirm with its first code."""
    own = sign_in_by_key(session, key, at=clock.now(), lock=True)
    made = actions.add_app(session, own, new.name, at=clock.now())
    return AppOut(id=made.factor_id, secret=made.secret, uri=made.uri)


@router.post("/me/second-factors/{factor_id}/confirm")
def confirm_authenticator_app(
    session: WriteSession, key: OwnSessionDep, factor_id: FactorId, given: SecondFactorIn
) -> RecoveryCodesOut:
    """Confirm an authenticator app by its first code. Your first factor comes with recovery codes."""
    own = sign_in_by_key(session, key, at=clock.now(), lock=True)
    codes = actions.confirm_app(session, own, factor_id, given.code.get_secret_value(), at=clock.now())
    return RecoveryCodesOut(recovery_codes=codes)


@router.post("/me/second-factors/passkey/options")
def get_passkey_creation_options(
    session: WriteSession, settings: SettingsDep, key: OwnSessionDep
) -> OptionsOut:
    """Get the options for creating a passkey, valid once within five minutes."""
    own = sign_in_by_key(session, key, at=clock.now(), lock=True)
    made = passkeys.passkey_creation_options(session, own, public_url=settings.public_url, at=clock.now())
    return OptionsOut(public_key=made)


@router.post("/me/second-factors/passkey", status_code=201)
def add_passkey(
    session: WriteSession, settings: SettingsDep, key: OwnSessionDep, new: PasskeyIn
) -> RecoveryCodesOut:
    """Add a passkey. Your first factor comes with recovery codes."""
    own = sign_in_by_key(session, key, at=clock.now(), lock=True)
    codes = passkeys.add_passkey(
        session, own, new.name, new.credential, public_url=settings.public_url, at=clock.now()
    )
    return RecoveryCodesOut(recovery_codes=codes)


@router.post("/me/recovery-codes", status_code=201)
def create_recovery_codes(session: WriteSession, key: OwnSessionDep) -> RecoveryCodesOut:
    """Create new recovery codes; the previous ones become invalid."""
    own = sign_in_by_key(session, key, at=clock.now(), lock=True)
    return RecoveryCodesOut(recovery_codes=actions.new_recovery_codes(session, own))


@router.delete("/me/second-factors/{factor_id}", status_code=204)
def remove_second_factor(session: WriteSession, key: OwnSessionDep, factor_id: FactorId) -> None:
    """Remove one of your second factors."""
    own = sign_in_by_key(session, key, at=clock.now(), lock=True)
    actions.remove_factor(session, own, factor_id, at=clock.now())
