"""Routes behind the link of an alert: its data, replies and locations. Its page is `aed.web.call_pages`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse

from aed import clock
from aed.accounts.tokens import hash_key
from aed.database.dependencies import ReadSession, WriteSession
from aed.geo import position_from
from aed.http.pages import WantsPage
from aed.incidents import queries
from aed.incidents.alerts.actions import ALERT_PATH
from aed.incidents.alerts.answers import alert_details, take_location, take_reply
from aed.incidents.alerts.schemas import AlertDetailsOut, AlertLocationIn
from aed.incidents.schemas import AlertReplyIn
from aed.responders.rules import location_moment

router = APIRouter(tags=["incidents"])

AlertKey = Annotated[
    str,
    Path(
        min_length=1,
        max_length=100,
        pattern="^[A-Za-z0-9_-]+$",
        description="Key from the link in the alert message",
        examples=["call_d8s0Zk1u3Gv5Jm7Qp9TbXw"],
    ),
]


@router.get(
    "/alerts/{alert_key}",
    response_model=AlertDetailsOut,
    responses={307: {"description": "For a browser: the page of the alert"}},
)
def get_alert(
    session: ReadSession, wants_page: WantsPage, alert_key: AlertKey, response: Response
) -> AlertDetailsOut | Response:
    """Get an alert by its secret link; a browser is sent to its page.

    The patient's location is included once the person has accepted. Opening the link does not count as a
    reply.
    """
    if wants_page:
        return RedirectResponse(ALERT_PATH + alert_key, headers={"Vary": "Accept"})
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept"
    return alert_details(session, hash_key(alert_key), at=clock.now())


@router.post("/alerts/{alert_key}")
def reply_to_alert(
    request: Request, session: WriteSession, alert_key: AlertKey, reply: AlertReplyIn
) -> AlertDetailsOut:
    """Reply to an alert: accept, decline, report progress, or report what happened at the cabinet.

    A reply that is sent again under the same `key` counts once.
    """
    alert, state = queries.alert_by_key(session, hash_key(alert_key)), request.app.state
    take_reply(
        session,
        alert.id,
        reply.reply,
        by=f"alert {alert.id}",
        at=clock.now(),
        network=state.network,
        settings=state.settings,
        key=reply.key,
    )
    return alert_details(session, hash_key(alert_key), at=clock.now())


@router.put("/alerts/{alert_key}/location", status_code=204)
def set_responder_position(
    request: Request, session: WriteSession, alert_key: AlertKey, given: AlertLocationIn
) -> None:
    """Share the exact location of a person who has accepted, for the dispatchers and the arrival estimate.

    Once every ten seconds is enough. Accepted while the incident is open. The exact location is deleted after
    a day, the rough area after 90 days.
    """
    alert, state, now = queries.alert_by_key(session, hash_key(alert_key)), request.app.state, clock.now()
    take_location(
        session,
        alert.id,
        position_from(given.lat, given.lon, given.datum),
        at=location_moment(given.at, now=now),
        network=state.network,
        settings=state.settings,
    )
