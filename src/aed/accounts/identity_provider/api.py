"""Routes of signing in through the operator's identity provider."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from aed import clock
from aed.accounts.authentication import ViewerDep, client_address, session_key_in_cookie
from aed.accounts.identity_provider import actions as identity_provider
from aed.accounts.identity_provider.actions import ProviderCallback
from aed.accounts.people.queries import identities_of
from aed.accounts.people.schemas import IdentityOut
from aed.accounts.sessions import csrf_token, sign_out
from aed.accounts.sign_in.requests import OWN_PAGE, TOO_MANY_SIGN_INS, set_sign_in_cookie
from aed.accounts.sign_in.rules import PROVIDER_COOKIE, PROVIDER_TIMEOUT, Browser
from aed.accounts.sign_in.schemas import SignedInOut
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.database.session import transaction
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
    return_to: Annotated[
        str | None,
        Query(
            max_length=500,
            pattern=OWN_PAGE,
            description="Path of the page to go to after sign-in",
            examples=["/"],
        ),
    ] = None,
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
    answer = RedirectResponse(sent.url, status_code=303, headers={"Cache-Control": "no-store"})
    answer.set_cookie(
        PROVIDER_COOKIE,
        sent.browser_key,
        max_age=int(PROVIDER_TIMEOUT.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )
    return answer


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
    before = session_key_in_cookie(request)
    if before is not None:
        with transaction(database) as session:  # its cookie is overwritten, so nobody could end it later
            sign_out(session, before, at=clock.now())
    going_on = RedirectResponse(return_to, status_code=303) if return_to is not None else None
    answer = going_on if going_on is not None else response
    set_sign_in_cookie(answer, done.key, lasts=lasts)
    answer.delete_cookie(PROVIDER_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return going_on or SignedInOut(
        person_id=done.person_id,
        name=done.name,
        csrf_token=csrf_token(done.key),
        expires_at=done.expires_at,
        needs_second_factor=done.needs_second_factor,
    )


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
