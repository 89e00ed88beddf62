"""Routes of dispatch centres: connect them, and receive their signed messages."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.incidents.centres import actions, queries
from aed.incidents.centres.actions import process_message
from aed.incidents.centres.rules import SignedMessage
from aed.incidents.centres.schemas import (
    CENTRE_MESSAGE_BODY,
    CentreIn,
    CentreMade,
    CentreOut,
    SecretIn,
    SecretOut,
)
from aed.incidents.schemas import IncidentOut
from aed.notifications.queries import backlog

router = APIRouter(tags=["incidents"])

CentreName = Annotated[str, Path(max_length=64, pattern="^[a-z0-9][a-z0-9_.-]*$", examples=["lake-120"])]


@router.get("/centres")
def list_centres(session: ReadSession, viewer: ViewerDep) -> list[CentreOut]:
    """List the connected dispatch centres. For network administrators."""
    found = queries.centres(session, viewer)
    waiting = backlog(session, [each.endpoint_id for each in found])
    return [CentreOut.of(each, waiting) for each in found]


@router.post("/centres", status_code=201)
def add_centre(
    request: Request, session: WriteSession, viewer: ViewerDep, new: CentreIn, response: Response
) -> CentreMade:
    """Connect a dispatch centre: its signed messages are accepted, and it is notified of incidents in its
    region.

    The secret that both sides sign with is shown only in this response.
    """
    made, secret = actions.add_centre(
        session,
        viewer,
        new.name,
        region=new.region,
        address=new.address,
        at=clock.now(),
        is_private_allowed=request.app.state.settings.notify_allow_private,
    )
    response.headers["Location"] = f"/v1/centres/{new.name}"
    return CentreMade.with_secret(made, secret)


@router.get("/centres/{centre}")
def get_centre(session: ReadSession, viewer: ViewerDep, centre: CentreName) -> CentreOut:
    """Get a dispatch centre, without its address and secret."""
    found = queries.centre(session, viewer, centre)
    return CentreOut.of(found, backlog(session, [found.endpoint_id]))


@router.post("/centres/{centre}/secret")
def rotate_centre_secret(
    session: WriteSession, viewer: ViewerDep, centre: CentreName, how: SecretIn, response: Response
) -> SecretOut:
    """Create a new secret, shown only in this response.

    The previous one stays valid for a while; notifications are signed with both meanwhile.
    """
    overlap = timedelta(hours=how.overlap_hours)
    response.headers["Cache-Control"] = "no-store"
    return SecretOut(secret=actions.rotate_secret(session, viewer, centre, at=clock.now(), overlap=overlap))


@router.delete("/centres/{centre}", status_code=204)
def withdraw_centre(session: WriteSession, viewer: ViewerDep, centre: CentreName) -> None:
    """Disconnect a dispatch centre and delete its secret."""
    actions.withdraw_centre(session, viewer, centre, at=clock.now())


async def _signed(
    request: Request,
    webhook_id: Annotated[str, Header(description="Identifies the message; the same in every retry")] = "",
    webhook_timestamp: Annotated[str, Header(description="Unix time in seconds")] = "",
    webhook_signature: Annotated[
        str, Header(description="`v1,` followed by the base64 of the HMAC-SHA256 of `id.timestamp.body`")
    ] = "",
) -> SignedMessage:
    return SignedMessage(webhook_id, webhook_timestamp, webhook_signature, await request.body())


@router.post("/centres/{centre}/messages", openapi_extra=CENTRE_MESSAGE_BODY)
def receive_centre_message(
    request: Request,
    session: WriteSession,
    centre: CentreName,
    sent: Annotated[SignedMessage, Depends(_signed)],
) -> IncidentOut:
    """Receive a message that a dispatch centre has signed (standardwebhooks.com).

    It reports a patient or, by case number, sets the ambulance's arrival or the patient's signs, or closes
    the incident. A message with the same webhook-id is processed once and answered the same. Authenticated by
    the signature; no token is needed.
    """
    state = request.app.state
    return process_message(
        session, centre, sent, at=clock.now(), network=state.network, settings=state.settings
    )
