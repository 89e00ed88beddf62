"""Sign in through the operator's identity provider: redirect, callback, and linking to a person."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditSubject, add_audit_entry
from aed.accounts.identity_provider.openid_connect import authorization_url, fetch_identity
from aed.accounts.masking import mask_phone
from aed.accounts.people import actions as people_actions
from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Account, Person, PersonChange
from aed.accounts.permissions import TokenScope, Viewer
from aed.accounts.sessions import end_sessions
from aed.accounts.sign_in.actions import open_session, remember_redirect, take_redirect
from aed.accounts.sign_in.rules import (
    Browser,
    NewSession,
    ProviderIdentity,
    SignInMethod,
)
from aed.accounts.sign_in.throttling import count_attempt_from_address
from aed.database.session import Database, transaction
from aed.errors import Conflict, NotAllowed, NotFound, NotSignedIn
from aed.settings.services import SignInProvider


@dataclass(frozen=True, slots=True)
class ProviderRedirect:
    """The redirect of a browser to the provider."""

    url: str
    browser_key: str
    """Key for the browser's cookie: only this browser can complete the sign-in."""


def start_sign_in(
    database: Database, provider: SignInProvider, *, address: str, return_to: str | None, at: datetime
) -> ProviderRedirect:
    """Begin a sign-in, valid for ten minutes.

    Raises NotFound if no provider is configured, TooBusy, IdentityProviderFailed.
    """
    require_configured(provider)
    count_attempt_from_address(database, SignInMethod.PROVIDER, address=address, at=at)
    state, nonce, browser_key = (secrets.token_urlsafe(32) for _ in range(3))
    verifier = secrets.token_urlsafe(64)
    url = authorization_url(provider, state=state, nonce=nonce, verifier=verifier)
    remember_redirect(
        database,
        state=state,
        browser_key=browser_key,
        nonce=nonce,
        verifier=verifier,
        return_to=return_to,
        at=at,
    )
    return ProviderRedirect(url, browser_key)


def require_configured(provider: SignInProvider) -> None:
    if not provider.is_set_up:
        raise NotFound("No identity provider is configured. Sign in by password or code.")


@dataclass(frozen=True, slots=True)
class ProviderCallback:
    """The parameters of the provider's callback (RFC 6749 4.1.2, RFC 9207)."""

    browser_key: str | None
    state: str | None
    code: str | None
    error: str | None
    said_by: str | None


def complete_sign_in(
    database: Database,
    provider: SignInProvider,
    came: ProviderCallback,
    *,
    country: str,
    browser: Browser,
    lasts: timedelta,
    at: datetime,
) -> tuple[NewSession, str | None]:
    """Complete a sign-in; return the session and the page to go to.

    1. Take the stored request, which is valid once and for the same browser.
    2. Ask the provider for the identity, outside of any transaction.
    3. Find the person: by the linked identity; else by the number or address that the provider has verified;
       else, if configured, add a person without roles.

    Raises NotFound if no provider is configured, NotSignedIn, IdentityProviderFailed, Conflict.
    """
    require_configured(provider)
    left = take_redirect(database, state=came.state, browser_key=came.browser_key, at=at)
    if came.error is not None or not came.code:
        raise NotSignedIn(
            "The identity provider did not sign anyone in. Start again, or sign in another way."
        )
    found = fetch_identity(
        provider,
        code=came.code,
        said_by=came.said_by,
        nonce=left.nonce,
        verifier=left.verifier,
        country=country,
        at=at,
    )
    try:
        with transaction(database) as session:
            person = _account_of(session, found, adds_people=provider.adds_people, at=at)
            return open_session(session, person, browser=browser, lasts=lasts, at=at), left.return_to
    except IntegrityError:
        raise Conflict("The same person is signing in elsewhere at this moment. Try again.") from None


def _account_of(session: Session, found: ProviderIdentity, *, adds_people: bool, at: datetime) -> Person:
    """Return the person of the identity. The link is stored, so that it survives a new number or address."""
    known = people_queries.person_by_identity(session, found.provider, found.subject)
    if known is not None:
        return known
    by_claim: dict[str, Person] = {}
    if found.phone is not None and (row := people_queries.account_by_phone(session, found.phone)) is not None:
        by_claim["phone_number"] = row[1]
    if found.email is not None and (row := people_queries.account_by_email(session, found.email)) is not None:
        by_claim["email"] = row[1]
    if len({person.id for person in by_claim.values()}) > 1:
        raise Conflict(
            "The phone number and e-mail address from the identity provider belong to two "
            "different people here. An administrator must correct one of them, or merge the "
            "two (aed people duplicates)."
        )
    if by_claim:
        claim, person = next(iter(by_claim.items()))
        people_actions.link_identity(
            session, person, provider=found.provider, subject=found.subject, claim=claim, at=at
        )
        return person
    if not adds_people or found.name is None:
        raise NotSignedIn(
            "The identity provider confirmed your identity, but no person here has that "
            "phone number or e-mail address. Ask an administrator to add it to your entry, "
            "then sign in again."
        )
    person = Person(name=found.name, phone=found.phone, language="zh")
    session.add(person)
    session.flush()
    fields: dict[str, Any] = {"name": [None, found.name]}
    if found.phone is not None:
        account = Account(person_id=person.id, phone=found.phone, email=found.email, opened_at=at)
        session.add(account)
        fields["phone"] = [None, mask_phone(found.phone)]
    people_actions.link_identity(
        session,
        person,
        provider=found.provider,
        subject=found.subject,
        claim="added",
        fields=fields,
        at=at,
    )
    return person


def unlink(session: Session, who: Viewer, person_id: int, *, at: datetime) -> int:
    """Unlink all identity providers of a person and end their sessions; return how many links there were.

    A matching number or address links a provider again. For the person and network administrators. Raises
    NotSignedIn, NotFound, NotAllowed.
    """
    if not who.is_signed_in:
        raise NotSignedIn("Unlinking an identity requires a token or a session. Send a token, or sign in.")
    people_queries.person(session, who, person_id)
    is_office = who.is_administrator and TokenScope.WRITE in who.scopes
    if who.person_id != person_id and not is_office:
        raise NotAllowed("Only the person or a network administrator may unlink an identity.")
    linked = people_queries.identities_of(session, who, person_id)
    for each in linked:
        session.delete(each)
        fields = {"identity": [each.provider, None]}
        session.add(PersonChange(person_id=person_id, at=at, who=who.name, fields=fields))
    if linked:
        add_audit_entry(session, who.name, AuditSubject.PERSON, person_id, "identities unlinked", at=at)
        end_sessions(session, person_id, at=at)
    session.flush()
    return len(linked)
