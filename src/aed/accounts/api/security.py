"""Routes of a person's own sessions and second factors, and of the log of security events."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.api.requests import TOO_MANY_SIGN_INS
from aed.accounts.authentication import OwnSessionDep, ViewerDep, client_address
from aed.accounts.people import queries as people_queries
from aed.accounts.security_log import SecurityEventKind, log_event, security_events
from aed.accounts.sessions import SignIn, active_sessions, end_session
from aed.accounts.sign_in import passkeys, second_factors
from aed.accounts.sign_in import queries as sign_in_queries
from aed.accounts.sign_in.rules import KNOWN_BROWSER_COOKIE, Browser, SignInMethod, csrf_token
from aed.accounts.sign_in.schemas import (
    AppIn,
    AppOut,
    FactorOut,
    OptionsOut,
    PasskeyGivenIn,
    PasskeyIn,
    RecoveryCodesOut,
    SecondFactorIn,
    SecondFactorsOut,
    SecurityEventOut,
    SecurityEventsPage,
    SignInOut,
)
from aed.accounts.sign_in.throttling import count_attempt, known_browser_id
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.database.session import Database, read_session, transaction
from aed.errors import NotSignedIn
from aed.http.parameters import Cursor, Limit, SettingsDep, cursor_id, next_cursor, one_at_a_time

router = APIRouter()

AT_ONCE: Final = 3
_places = threading.BoundedSemaphore(AT_ONCE)
SignInId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
FactorId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


# --- Sessions -------------------------------------------------------------------------------------------


def _whole(session: Session, key: str, *, at: datetime) -> SignIn:
    """Return the browser's session. Raises NotSignedIn if it needs a second factor."""
    found = second_factors.sign_in_by_key(session, key, at=at)
    if found.is_limited and found.second_factor_at is None:
        raise NotSignedIn("Give your second factor first: POST /v1/sign-in/second-factor.")
    return found


@router.get("/sign-in/sessions")
def list_sign_ins(session: ReadSession, key: OwnSessionDep) -> list[SignInOut]:
    """List your sessions, newest first."""
    own = _whole(session, key, at=clock.now())
    found = active_sessions(session, own.person_id, at=clock.now())
    return [SignInOut.of(each, own_id=own.id) for each in found]


@router.delete("/sign-in/sessions/{sign_in_id}", status_code=204)
def end_sign_in(session: WriteSession, key: OwnSessionDep, sign_in_id: SignInId) -> None:
    """End one of your sessions; its live streams end within seconds."""
    own = _whole(session, key, at=clock.now())
    end_session(session, own.person_id, sign_in_id, at=clock.now())


# --- Giving a second factor -----------------------------------------------------------------------------


@router.get("/sign-in/second-factor")
def get_second_factors(session: ReadSession, key: OwnSessionDep) -> SecondFactorsOut:
    """Get your second factors, and whether this session needs one."""
    own = second_factors.sign_in_by_key(session, key, at=clock.now())
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
        return second_factors.verify_code(session, own, code, address=address, at=at)

    _give(request, database, key, give)


@router.post("/sign-in/second-factor/passkey/options")
def get_passkey_sign_in_options(
    session: WriteSession, settings: SettingsDep, key: OwnSessionDep
) -> OptionsOut:
    """Get the options for signing with a passkey, valid once within five minutes."""
    own = second_factors.sign_in_by_key(session, key, at=clock.now(), lock=True)
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
        own = second_factors.sign_in_by_key(session, key, at=at)
        account = people_queries.account_of(session, own.person_id)
        whose = account.phone if account is not None else f"person:{own.person_id}"
    cookie = request.cookies.get(KNOWN_BROWSER_COOKIE)
    browser = Browser(client_address(request), known_browser_id(database.keys, cookie, whose, at=at))
    with one_at_a_time(_places, TOO_MANY_SIGN_INS):
        count_attempt(database, SignInMethod.SECOND_FACTOR, phone=whose, browser=browser, at=at)
        with transaction(database) as session:
            own = second_factors.sign_in_by_key(session, key, at=at, lock=True)
            is_right = give(session, own, at)
            if not is_right:
                kind = SecurityEventKind.SECOND_FACTOR_FAILED
                log_event(session, kind, at=at, person_id=own.person_id, address=browser.address)
    if not is_right:
        raise NotSignedIn(second_factors.WRONG_CODE)


# --- Adding and removing --------------------------------------------------------------------------------


@router.post("/me/second-factors/app", status_code=201)
def add_authenticator_app(session: WriteSession, key: OwnSessionDep, new: AppIn) -> AppOut:
    """Begin to add an authenticator app: show its URI as a QR code, then confirm with its first code."""
    own = second_factors.sign_in_by_key(session, key, at=clock.now(), lock=True)
    made = second_factors.add_app(session, own, new.name, at=clock.now())
    return AppOut(id=made.factor_id, secret=made.secret, uri=made.uri)


@router.post("/me/second-factors/{factor_id}/confirm")
def confirm_authenticator_app(
    session: WriteSession, key: OwnSessionDep, factor_id: FactorId, given: SecondFactorIn
) -> RecoveryCodesOut:
    """Confirm an authenticator app by its first code. Your first factor comes with recovery codes."""
    own = second_factors.sign_in_by_key(session, key, at=clock.now(), lock=True)
    codes = second_factors.confirm_app(session, own, factor_id, given.code.get_secret_value(), at=clock.now())
    return RecoveryCodesOut(recovery_codes=codes)


@router.post("/me/second-factors/passkey/options")
def get_passkey_creation_options(
    session: WriteSession, settings: SettingsDep, key: OwnSessionDep
) -> OptionsOut:
    """Get the options for creating a passkey, valid once within five minutes."""
    own = second_factors.sign_in_by_key(session, key, at=clock.now(), lock=True)
    made = passkeys.passkey_creation_options(session, own, public_url=settings.public_url, at=clock.now())
    return OptionsOut(public_key=made)


@router.post("/me/second-factors/passkey", status_code=201)
def add_passkey(
    session: WriteSession, settings: SettingsDep, key: OwnSessionDep, new: PasskeyIn
) -> RecoveryCodesOut:
    """Add a passkey. Your first factor comes with recovery codes."""
    own = second_factors.sign_in_by_key(session, key, at=clock.now(), lock=True)
    codes = passkeys.add_passkey(
        session, own, new.name, new.credential, public_url=settings.public_url, at=clock.now()
    )
    return RecoveryCodesOut(recovery_codes=codes)


@router.post("/me/recovery-codes", status_code=201)
def create_recovery_codes(session: WriteSession, key: OwnSessionDep) -> RecoveryCodesOut:
    """Create new recovery codes; the previous ones become invalid."""
    own = second_factors.sign_in_by_key(session, key, at=clock.now(), lock=True)
    return RecoveryCodesOut(recovery_codes=second_factors.new_recovery_codes(session, own))


@router.delete("/me/second-factors/{factor_id}", status_code=204)
def remove_second_factor(session: WriteSession, key: OwnSessionDep, factor_id: FactorId) -> None:
    """Remove one of your second factors."""
    own = second_factors.sign_in_by_key(session, key, at=clock.now(), lock=True)
    second_factors.remove_factor(session, own, factor_id, at=clock.now())


# --- Security events ------------------------------------------------------------------------------------


@router.get("/security-events")
def list_security_events(
    session: ReadSession,
    viewer: ViewerDep,
    kind: Annotated[SecurityEventKind | None, Query(description="Only these")] = None,
    person_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> SecurityEventsPage:
    """List security events, newest first. For network administrators."""
    found = security_events(
        session,
        viewer,
        limit=limit + 1,
        before_id=cursor_id(cursor) or None,
        kind=kind,
        person_id=person_id,
    )
    return SecurityEventsPage(
        events=[SecurityEventOut.of(each) for each in found[:limit]], next=next_cursor(found, limit)
    )
