"""Give a second factor: for the routes of programs and for the page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

from fastapi import Request
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import client_address
from aed.accounts.people import queries as people_queries
from aed.accounts.second_factors import actions
from aed.accounts.security_log import SecurityEventKind, log_event
from aed.accounts.sessions import SignIn, sign_in_by_key
from aed.accounts.sign_in.requests import TOO_MANY_SIGN_INS
from aed.accounts.sign_in.rules import KNOWN_BROWSER_COOKIE, Browser, SignInMethod
from aed.accounts.sign_in.throttling import count_attempt, known_browser_id
from aed.database.session import Database, read_session, transaction
from aed.errors import NotSignedIn
from aed.http.parameters import one_at_a_time

AT_ONCE: Final = 3
_places = threading.BoundedSemaphore(AT_ONCE)


def give_second_factor_code(request: Request, database: Database, key: str, code: str) -> None:
    """Give the code of an authenticator app, or a recovery code, for the session. Raises NotSignedIn."""
    address = client_address(request)

    def give(session: Session, own: SignIn, at: datetime) -> bool:
        return actions.verify_code(session, own, code, address=address, at=at)

    give_second_factor(request, database, key, give)


def give_second_factor(
    request: Request, database: Database, key: str, give: Callable[[Session, SignIn, datetime], bool]
) -> None:
    """Count the attempt in its own transaction, then verify it. Failures are counted and logged."""
    at = clock.now()
    with read_session(database) as session:
        own = sign_in_by_key(session, key, at=at)
        account = people_queries.account_of(session, own.person_id)
        account_name = account.phone if account is not None else f"person:{own.person_id}"
    cookie = request.cookies.get(KNOWN_BROWSER_COOKIE)
    browser = Browser(client_address(request), known_browser_id(database.keys, cookie, account_name, at=at))
    with one_at_a_time(_places, TOO_MANY_SIGN_INS):
        count_attempt(database, SignInMethod.SECOND_FACTOR, phone=account_name, browser=browser, at=at)
        with transaction(database) as session:
            own = sign_in_by_key(session, key, at=at, lock=True)
            is_right = give(session, own, at)
            if not is_right:
                kind = SecurityEventKind.SECOND_FACTOR_FAILED
                log_event(session, kind, at=at, person_id=own.person_id, address=browser.address)
    if not is_right:
        raise NotSignedIn(actions.WRONG_CODE)
