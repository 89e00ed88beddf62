"""Routes of signing in and out, of the caller and their sessions, and of the log of security events."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts import sessions as accounts_sessions
from aed.accounts.authentication import OwnSessionDep, ViewerDep, session_key_of
from aed.accounts.people.rules import e164
from aed.accounts.security_log import SecurityEventKind, security_events
from aed.accounts.sessions import (
    SESSION_COOKIE,
    SignIn,
    active_sessions,
    csrf_token,
    end_session,
    end_sessions,
    sign_in_by_key,
)
from aed.accounts.sign_in import actions
from aed.accounts.sign_in.actions import FindPerson, SendMessage
from aed.accounts.sign_in.queries import awaits_second_factor
from aed.accounts.sign_in.requests import (
    SIGN_IN_TURN,
    FindPersonDep,
    browser_of,
    keep_session,
    set_cookie,
)
from aed.accounts.sign_in.rules import (
    CODE_COOKIE,
    CODE_LIFETIME,
    Browser,
    NewAccount,
    NewSession,
    SignUp,
)
from aed.accounts.sign_in.schemas import (
    CodeIn,
    CodeOut,
    HeldRoleOut,
    SecurityEventOut,
    SecurityEventsPage,
    SessionTokenOut,
    SignedInOut,
    SignedInViewerOut,
    SignInIn,
    SignInOut,
    ViewerOut,
)
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.database.session import Database
from aed.errors import NotSignedIn
from aed.http.parameters import Cursor, Limit, SettingsDep, cursor_id, next_cursor
from aed.settings import Settings

router = APIRouter(tags=["accounts"])

SignInId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


async def _send(request: Request) -> SendMessage:
    send: SendMessage = request.app.state.send
    return send


@router.get("/me")
def get_own_account(request: Request, viewer: ViewerDep) -> SignedInViewerOut | ViewerOut:
    """Get the caller of this token or session."""
    known = ViewerOut(
        role=viewer.role or "anyone",
        name=viewer.name,
        scopes=sorted(viewer.scopes),
        estate_id=viewer.estate_id,
        region_ids=list(viewer.region_ids),
    )
    key = session_key_of(request)
    if viewer.person_id is None or key is None:
        return known
    return SignedInViewerOut(
        **known.model_dump(),
        person_id=viewer.person_id,
        roles=[
            HeldRoleOut(role=each.role, estate_id=each.estate_id, region_ids=list(each.region_ids))
            for each in viewer.role_assignments
        ],
        csrf_token=csrf_token(key),
    )


@router.post("/sign-in", dependencies=[SIGN_IN_TURN])
def sign_in(
    request: Request,
    response: Response,
    database: DatabaseDep,
    settings: SettingsDep,
    find_person: FindPersonDep,
    given: SignInIn,
) -> SignedInOut:
    """Sign in by password or code; sets the session cookie.

    The keeper of a device, whose number came with a list, gets an account by proving it with a code.
    """
    phone, lasts, at = _phone_duration_and_time(given, settings)
    browser = browser_of(request, database, phone, at=at)
    done = _signed_in(
        database, given, find_person, settings, phone=phone, browser=browser, lasts=lasts, at=at
    )
    keep_session(request, response, database, done.key, phone=phone, lasts=lasts, at=at)
    return SignedInOut.of(done)


@router.post("/sign-in/token", dependencies=[SIGN_IN_TURN])
def sign_in_for_token(
    request: Request,
    response: Response,
    database: DatabaseDep,
    settings: SettingsDep,
    find_person: FindPersonDep,
    given: SignInIn,
) -> SessionTokenOut:
    """Sign in by password or code from an app; returns a bearer token and sets no cookie.

    The token is the person's session: send it as `Authorization: Bearer aeds_…`, without a CSRF token.
    """
    phone, lasts, at = _phone_duration_and_time(given, settings)
    browser = browser_of(request, database, phone, at=at)
    done = _signed_in(
        database,
        given,
        find_person,
        settings,
        phone=phone,
        browser=browser,
        lasts=lasts,
        at=at,
        is_bearer=True,
    )
    response.headers["Cache-Control"] = "no-store"
    return SessionTokenOut.of(done)


def _phone_duration_and_time(given: SignInIn, settings: Settings) -> tuple[str, timedelta, datetime]:
    """Return the number in E.164, how long the session lasts, and the time."""
    phone = e164(given.phone, country=settings.phone_country)
    return phone, timedelta(hours=settings.sign_in_hours), clock.now()


def _signed_in(
    database: Database,
    given: SignInIn,
    find_person: FindPerson,
    settings: Settings,
    *,
    phone: str,
    browser: Browser,
    lasts: timedelta,
    at: datetime,
    is_bearer: bool = False,
) -> NewSession:
    new_account = (
        NewAccount(given.name, given.language, settings.phone_country) if given.name is not None else None
    )
    if given.password is not None:
        return actions.sign_in_by_password(
            database,
            phone=phone,
            password=given.password.get_secret_value(),
            browser=browser,
            lasts=lasts,
            at=at,
            is_bearer=is_bearer,
        )
    assert given.code is not None
    return actions.sign_in_by_code(
        database,
        phone=phone,
        code=given.code.get_secret_value(),
        browser=browser,
        lasts=lasts,
        at=at,
        new_password=given.new_password.get_secret_value() if given.new_password is not None else None,
        find_person=find_person,
        new_account=new_account,
        is_bearer=is_bearer,
    )


@router.post("/sign-in/code", status_code=202, dependencies=[SIGN_IN_TURN])
def request_sign_in_code(
    request: Request,
    response: Response,
    database: DatabaseDep,
    settings: SettingsDep,
    send: Annotated[SendMessage, Depends(_send)],
    find_person: FindPersonDep,
    given: CodeIn,
) -> CodeOut:
    """Send a code to the phone number, if it has an account or is a keeper's in the register.

    The response is the same if it is neither.

    With `sign_up` the code is sent also if it has none; a sign-in with that code and a name opens one. Sets a
    cookie: the code has separate tries in the browser that requested it.
    """
    phone, at = e164(given.phone, country=settings.phone_country), clock.now()
    browser = browser_of(request, database, phone, at=at)
    sign_up = SignUp(given.language, settings.phone_country, settings.sign_up_codes_per_day)
    code_key = actions.request_code(
        database,
        phone=phone,
        browser=browser,
        send=send,
        at=at,
        find_person=find_person,
        sign_up=sign_up if given.sign_up else None,
    )
    set_cookie(response, CODE_COOKIE, code_key, lasts=CODE_LIFETIME)
    return CodeOut(
        detail="If this phone number has an account, a code has been sent to it."
        if not given.sign_up
        else "A code is on its way to this phone number, if messages can reach it.",
        good_for_minutes=int(CODE_LIFETIME.total_seconds() // 60),
    )


@router.delete("/sign-in", status_code=204)
def sign_out(
    request: Request,
    response: Response,
    session: WriteSession,
    viewer: ViewerDep,
    everywhere: Annotated[bool, Query(description="Sign out on all devices")] = False,
) -> None:
    """Sign this browser or app out. Does nothing without a session."""
    key = session_key_of(request)
    if key is None:
        return
    accounts_sessions.sign_out(session, key, at=clock.now())
    if everywhere and viewer.person_id is not None:
        end_sessions(session, viewer.person_id, at=clock.now())
    response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="lax")


# --- Sessions -------------------------------------------------------------------------------------------


def _complete_session(session: Session, key: str, *, at: datetime) -> SignIn:
    """Return the browser's session. Raises NotSignedIn if it needs a second factor."""
    found = sign_in_by_key(session, key, at=at)
    if awaits_second_factor(session, key, at=at):
        raise NotSignedIn("The session needs a second factor first: POST /v1/sign-in/second-factor.")
    return found


@router.get("/sign-in/sessions")
def list_sign_ins(session: ReadSession, key: OwnSessionDep) -> list[SignInOut]:
    """List your sessions, newest first."""
    own = _complete_session(session, key, at=clock.now())
    found = active_sessions(session, own.person_id, at=clock.now())
    return [SignInOut.of(each, own_id=own.id) for each in found]


@router.delete("/sign-in/sessions/{sign_in_id}", status_code=204)
def end_sign_in(session: WriteSession, key: OwnSessionDep, sign_in_id: SignInId) -> None:
    """End one of your sessions; its live streams end within seconds."""
    own = _complete_session(session, key, at=clock.now())
    end_session(session, own.person_id, sign_in_id, at=clock.now())


# --- Security events ------------------------------------------------------------------------------------


@router.get("/security-events")
def list_security_events(
    session: ReadSession,
    viewer: ViewerDep,
    kind: Annotated[SecurityEventKind | None, Query(description="Only events of these kinds")] = None,
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
