"""Routes of apps of estates."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, PublicAddress, cursor_id, next_cursor
from aed.timebank.apps import actions, queries
from aed.timebank.apps.schemas import (
    AppLinkIn,
    AppLinkOut,
    ClientAppIn,
    ClientAppMade,
    ClientAppOut,
    ClientAppPage,
    ClientAppSecret,
)

router = APIRouter(tags=["time bank"])
ClientId = Annotated[str, Path(max_length=32, pattern="^[0-9a-f]+$", examples=["0a1b2c3d4e5f60718293a4b5"])]


@router.get("/time-bank/apps")
def list_apps(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> ClientAppPage:
    """List the apps of estates and regions that you manage."""
    found = queries.apps(session, viewer, limit=limit + 1, after_id=cursor_id(cursor))
    return ClientAppPage(
        apps=[ClientAppOut.of(each) for each in found[:limit]], next=next_cursor(found, limit)
    )


@router.post("/time-bank/apps", status_code=201)
def register_app(session: WriteSession, viewer: ViewerDep, new: ClientAppIn) -> ClientAppMade:
    """Register an app that shows people their time bank. For the estate's manager or the region's
    administrator.

    The secret is shown only in this response.
    """
    made, secret = actions.register_app(
        session,
        viewer,
        name=new.name,
        estate_id=new.estate_id,
        region=new.region,
        origins=new.origins,
        at=clock.now(),
    )
    return ClientAppMade(app=ClientAppOut.of(made), client_secret=secret)


@router.post("/time-bank/apps/{client_id}/secret")
def change_app_secret(session: WriteSession, viewer: ViewerDep, client_id: ClientId) -> ClientAppSecret:
    """Replace the secret of an app at once; the new one is shown only in this response."""
    return ClientAppSecret(client_secret=actions.change_secret(session, viewer, client_id))


@router.delete("/time-bank/apps/{client_id}", status_code=204)
def remove_app(session: WriteSession, viewer: ViewerDep, client_id: ClientId) -> None:
    """Remove an app: its links and open views end."""
    actions.remove_app(session, viewer, client_id, at=clock.now())


@router.post("/time-bank/app-links", status_code=201)
def create_app_link(
    session: WriteSession, viewer: ViewerDep, by: AppLinkIn, public_address: PublicAddress
) -> AppLinkOut:
    """Create a one-time link that opens your time bank, read-only, in an app.

    The app's server sends the person's session as the bearer token, and its own credentials in the body.
    """
    at = clock.now()
    key = actions.create_link(
        session,
        viewer,
        client_id=by.client_id,
        client_secret=by.client_secret.get_secret_value(),
        at=at,
    )
    return AppLinkOut(
        url=f"{public_address}/embed/time-bank/open/{key}", expires_at=at + actions.LINK_LIFETIME
    )
