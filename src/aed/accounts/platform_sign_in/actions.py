"""Sign in by a platform's account, linked to a person by the phone number that the platform has proved."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aed.accounts.people import actions as people_actions
from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Person
from aed.accounts.people.rules import e164
from aed.accounts.sign_in.actions import FindPerson, open_account_of_number, open_session
from aed.accounts.sign_in.rules import Browser, NewAccount, NewSession, SignInMethod
from aed.accounts.sign_in.throttling import count_attempt_from_address
from aed.database.session import Database, read_session, transaction
from aed.errors import Conflict, NameNeeded, NotFound, PhoneNeeded
from aed.platforms.wechat import WechatApp, deadline


def sign_in_by_wechat(
    database: Database,
    app: WechatApp | None,
    *,
    code: str,
    phone_code: str | None,
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

    All requests to WeChat together take no longer than the setting. Raises NotFound if no mini program is
    configured, TooBusy, NotSignedIn, PhoneNeeded, NameNeeded, PlatformFailed.
    """
    if app is None:
        raise NotFound("No WeChat mini program is configured. Sign in by password or code.")
    until = deadline(app.settings)
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
    """Return the person of a number that WeChat has proved, now linked to the user's id."""
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
