"""Sign in by a platform's account, linked to a person by the phone number that the platform has proved."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aed.accounts.people import actions as people_actions
from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Person
from aed.accounts.people.rules import e164
from aed.accounts.sign_in.actions import (
    START_SIGN_IN_AGAIN,
    FindPerson,
    open_account_of_number,
    open_session,
    remember_redirect,
    take_redirect,
)
from aed.accounts.sign_in.rules import Browser, NewAccount, NewSession, SignInMethod
from aed.accounts.sign_in.throttling import count_attempt_from_address
from aed.database.session import Database, read_session, transaction
from aed.errors import Conflict, NameNeeded, NotFound, NotSignedIn, PhoneNeeded
from aed.platforms.calls import PlatformUser
from aed.platforms.wechat import WechatApp


class Platform(StrEnum):
    """A platform on which an organisation has an app."""

    WECOM = "wecom"
    DINGTALK = "dingtalk"


class PlatformApp(Protocol):
    """An app at a platform that signs in members of its organisation."""

    @property
    def issuer(self) -> str: ...

    @property
    def seconds(self) -> float:
        """Time limit of all requests for one sign-in."""

    def sign_in_url(self, *, redirect_url: str, state: str, user_agent: str) -> str: ...

    def user_of(self, code: str, *, until: float) -> PlatformUser: ...


@dataclass(frozen=True, slots=True)
class PlatformRedirect:
    """The redirect of a browser to a platform."""

    url: str
    browser_key: str
    """Key for the browser's cookie: only this browser can complete the sign-in."""


def start_sign_in(
    database: Database,
    platform: Platform,
    app: PlatformApp | None,
    *,
    redirect_url: str,
    browser: Browser,
    return_to: str | None,
    at: datetime,
) -> PlatformRedirect:
    """Begin a sign-in at a platform, valid for ten minutes. Raises NotFound, TooBusy."""
    app = _configured(app)
    count_attempt_from_address(database, SignInMethod.PROVIDER, address=browser.address, at=at)
    state, browser_key = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    remember_redirect(
        database,
        state=state,
        browser_key=browser_key,
        nonce=platform.value,
        verifier="",
        return_to=return_to,
        at=at,
    )
    url = app.sign_in_url(redirect_url=redirect_url, state=state, user_agent=browser.user_agent or "")
    return PlatformRedirect(url, browser_key)


def complete_sign_in(
    database: Database,
    platform: Platform,
    app: PlatformApp | None,
    *,
    code: str | None,
    state: str | None,
    browser_key: str | None,
    find_person: FindPerson,
    country: str,
    browser: Browser,
    lasts: timedelta,
    at: datetime,
) -> tuple[NewSession, str | None]:
    """Complete a sign-in; return the session and the page to go to.

    1. Take the stored redirect, which is valid once, for the same browser and the same platform.
    2. Ask the platform for the member, outside of any transaction.
    3. Find the person: by the linked id; else by the number that the platform has proved.

    Raises NotFound, NotSignedIn, PhoneNeeded, PlatformFailed.
    """
    app = _configured(app)
    left = take_redirect(database, state=state, browser_key=browser_key, at=at)
    if left.nonce != platform.value:
        raise NotSignedIn(START_SIGN_IN_AGAIN)
    if not code:
        raise NotSignedIn("The platform did not sign anyone in. Start again, or sign in another way.")
    user = app.user_of(code, until=time.monotonic() + app.seconds)
    phone = e164(user.phone, country=country) if user.phone is not None else None
    try:
        with transaction(database) as session:
            person = people_queries.person_by_identity(session, app.issuer, user.user_id)
            if person is None:
                if phone is None:
                    raise PhoneNeeded(
                        "The platform did not tell your phone number, by which you are found here. Open this "
                        "page in its own app and agree to share the number, or sign in by code."
                    )
                person = _linked(session, app.issuer, user.user_id, phone, None, find_person, at=at)
            return open_session(session, person, browser=browser, lasts=lasts, at=at), left.return_to
    except IntegrityError:
        raise Conflict("The same person is signing in elsewhere at this moment. Try again.") from None


def _configured(app: PlatformApp | None) -> PlatformApp:
    if app is None:
        raise NotFound("No such app is configured. Sign in by password or code.")
    return app


def sign_in_by_wechat(
    database: Database,
    app: WechatApp | None,
    *,
    code: str,
    phone_code: str | None,
    until: float,
    new_account: NewAccount | None,
    find_person: FindPerson,
    browser: Browser,
    lasts: timedelta,
    at: datetime,
) -> NewSession:
    """Sign in a user of the mini program; return a session whose key is a bearer token.

    1. Exchange the login code for the user's id, outside of any transaction.
    2. A linked id is its person's.
    3. Otherwise exchange the phone code for the number, and link the person who signs in with it; the keeper
       whom the register names by it, as with a code by SMS; or, with `new_account`, a new person.

    `until`: the moment (`time.monotonic()`) after which nobody waits for WeChat any longer. Raises NotFound
    if no mini program is configured, TooBusy, NotSignedIn, PhoneNeeded, NameNeeded, PlatformFailed.
    """
    if app is None:
        raise NotFound("No WeChat mini program is configured. Sign in by password or code.")
    count_attempt_from_address(database, SignInMethod.WECHAT, address=browser.address, at=at)
    openid, phone = app.openid_of(code, until=until), None
    with read_session(database) as session:
        known = people_queries.person_by_identity(session, app.issuer, openid)
    if known is None:
        if phone_code is None:
            raise PhoneNeeded(
                "No person here is linked to this WeChat account yet. Let the user press a button with "
                "open-type=getPhoneNumber, and send its code as phone_code with a new code of wx.login."
            )
        phone = e164(app.phone_number_of(phone_code, until=until), country="CN")
    try:
        with transaction(database) as session:
            person = people_queries.person_by_identity(session, app.issuer, openid)
            if person is None:
                person = _linked(session, app.issuer, openid, phone, new_account, find_person, at=at)
            return open_session(session, person, browser=browser, lasts=lasts, at=at, is_bearer=True)
    except IntegrityError:
        raise Conflict("The same person is signing in elsewhere at this moment. Try again.") from None


def _linked(
    session: Session,
    issuer: str,
    openid: str,
    phone: str | None,
    new_account: NewAccount | None,
    find_person: FindPerson,
    *,
    at: datetime,
) -> Person:
    """Return the person of a number that the platform has proved, now linked to the user's id."""
    if phone is None:  # it was linked a moment ago, and unlinked since
        raise PhoneNeeded("No person here is linked to this WeChat account yet.")
    found = people_queries.account_by_phone(session, phone)
    if found is None:
        found = open_account_of_number(session, phone, find_person, new_account, at=at)
    if found is None:
        raise NameNeeded(
            "No person here has this phone number. Send a name with new codes to open an account for it."
        )
    person = found[1]
    people_actions.link_identity(
        session, person, provider=issuer, subject=openid, claim="phone_number", at=at
    )
    return person
