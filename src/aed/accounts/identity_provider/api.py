"""Routes of signing in through the operator's identity provider."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from aed import clock
from aed.accounts.authentication import ViewerDep, client_address
from aed.accounts.identity_provider import actions as identity_provider
from aed.accounts.identity_provider.actions import ProviderCallback
from aed.accounts.people.queries import identities_of
from aed.accounts.people.schemas import IdentityOut
from aed.accounts.sign_in.requests import (
    TOO_MANY_SIGN_INS,
    ReturnTo,
    redirect_to_provider,
    return_from_provider,
)
from aed.accounts.sign_in.rules import PROVIDER_COOKIE, Browser
from aed.accounts.sign_in.schemas import SignedInOut
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.errors import NotSignedIn
from aed.http.parameters import RowId, SettingsDep, one_at_a_time
from aed.http.query import ANY_PARAMETER

router = APIRouter(tags=["accounts"])

AT_ONCE: Final = 2
_places = threading.BoundedSemaphore(AT_ONCE)
"""A slow provider occupies at most this many threads."""
_ELSEWHERE: Final[dict[int | str, dict[str, Any]]] = {303: {"description": "Redirect to another page"}}


@router.get("/sign-in/provider", status_code=303, response_class=RedirectResponse)
def start_provider_sign_in(
    request: Request,
    database: DatabaseDep,
    settings: SettingsDep,
    return_to: ReturnTo = None,
) -> RedirectResponse:
    """Redirect the browser to the identity provider; 404 if none is configured."""
    identity_provider.require_configured(settings.sign_in_provider)
    with one_at_a_time(_places, TOO_MANY_SIGN_INS):
        sent = identity_provider.start_sign_in(
            database,
            settings.sign_in_provider,
            address=client_address(request),
            return_to=return_to,
            at=clock.now(),
        )
    return redirect_to_provider(sent.url, browser_key=sent.browser_key)


@router.get(
    "/sign-in/provider/back",
    response_model=SignedInOut,
    responses=_ELSEWHERE,
    dependencies=[ANY_PARAMETER],  # providers add parameters of their own, such as session_state
)
def complete_provider_sign_in(
    request: Request,
    response: Response,
    database: DatabaseDep,
    settings: SettingsDep,
    state: Annotated[str | None, Query(max_length=200)] = None,
    code: Annotated[str | None, Query(max_length=4000)] = None,
    error: Annotated[str | None, Query(max_length=1000)] = None,
    iss: Annotated[str | None, Query(max_length=500, description="Issuer of the response (RFC 9207)")] = None,
) -> SignedInOut | RedirectResponse:
    """Complete a sign-in after the redirect back, and go on to the page given at the start, if any."""
    provider, lasts = settings.sign_in_provider, timedelta(hours=settings.sign_in_hours)
    identity_provider.require_configured(provider)
    came = ProviderCallback(
        browser_key=request.cookies.get(PROVIDER_COOKIE), state=state, code=code, error=error, said_by=iss
    )
    with one_at_a_time(_places, TOO_MANY_SIGN_INS):
        done, return_to = identity_provider.complete_sign_in(
            database,
            provider,
            came,
            country=settings.phone_country,
            browser=Browser(client_address(request), user_agent=request.headers.get("user-agent")),
            lasts=lasts,
            at=clock.now(),
        )
    return return_from_provider(request, response, database, done, return_to, lasts=lasts, at=clock.now())


@router.get("/people/{person_id}/identities")
def list_identities(session: ReadSession, viewer: ViewerDep, person_id: RowId) -> list[IdentityOut]:
    """List the identity providers linked to a person."""
    if not viewer.is_signed_in:
        raise NotSignedIn(
            "Identities are visible only to those responsible for the person. Send a token, or sign in."
        )
    return [IdentityOut.of(each) for each in identities_of(session, viewer, person_id)]


@router.delete("/people/{person_id}/identities", status_code=204)
def unlink_identities(session: WriteSession, viewer: ViewerDep, person_id: RowId) -> None:
    """Unlink all identity providers of a person, and end their sessions."""
    identity_provider.unlink(session, viewer, person_id, at=clock.now())
