"""What is behind the link of a call: what is told, what is answered, where one is on the way."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from aed import clock
from aed.accounts.tokens import key_hash
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotFound
from aed.geo import position_from
from aed.http.pages import OR_A_PAGE, WantsPage
from aed.incidents import queries
from aed.incidents.alerts.actions.answers import take_location, take_reply
from aed.incidents.alerts.page import alert_page, refusal_page
from aed.incidents.alerts.queries import child_pads_of
from aed.incidents.alerts.schemas import AlertDetailsOut, AlertLocationIn
from aed.incidents.rules import NEEDS_CHILD_PADS, ChildPads
from aed.incidents.schemas import AlertReplyIn
from aed.registry.devices.cabinet_codes import cabinet_code
from aed.responders.rules import location_moment

router = APIRouter(tags=["incidents"])

AlertKey = Annotated[
    str,
    Path(
        min_length=1,
        max_length=100,
        pattern="^[A-Za-z0-9_-]+$",
        description="From the link of the call",
        examples=["call_d8s0Zk1u3Gv5Jm7Qp9TbXw"],
    ),
]


@router.get("/alerts/{alert_key}", response_model=AlertDetailsOut, responses=OR_A_PAGE)
def get_alert(
    session: ReadSession, wants_page: WantsPage, alert_key: AlertKey, response: Response
) -> AlertDetailsOut | Response:
    """What is told to whoever was called, by the link of the call; as a page with buttons for a browser. The
    patient's place comes with having accepted. Nothing is answered by opening it."""
    try:
        told = _told(session, alert_key)
    except NotFound as error:
        if not wants_page:
            raise
        page = refusal_page(error.detail)
        return HTMLResponse(page.html, status_code=404, headers=page.headers)
    if wants_page:
        page = alert_page(told)
        return HTMLResponse(page.html, headers=page.headers)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept"
    return told


@router.post("/alerts/{alert_key}")
def reply_to_alert(
    request: Request, session: WriteSession, alert_key: AlertKey, reply: AlertReplyIn
) -> AlertDetailsOut:
    """What somebody who was called says, with one tap: whether they come, how far they are, and before the
    cabinet whether they have the device, it is not there, or it cannot be got out. However often the phone
    sends a tap under its `key`, it counts once."""
    alert, state = queries.alert_by_key(session, key_hash(alert_key)), request.app.state
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
    return _told(session, alert_key)


@router.put("/alerts/{alert_key}/location", status_code=204)
def set_responder_position(
    request: Request, session: WriteSession, alert_key: AlertKey, given: AlertLocationIn
) -> None:
    """Where somebody who comes is, exactly: for the dispatchers, and for when the person will be there. Every
    ten seconds is enough. Taken from whoever has accepted, as long as the incident is open; after a day only
    the rough area is kept, after 90 days nothing."""
    alert, state, now = queries.alert_by_key(session, key_hash(alert_key)), request.app.state, clock.now()
    take_location(
        session,
        alert.id,
        position_from(given.lat, given.lon, given.datum),
        at=location_moment(given.at, now=now),
        network=state.network,
        settings=state.settings,
    )


def _told(session: ReadSession, alert_key: str) -> AlertDetailsOut:
    """visibility: whoever has the key was called."""
    alert = queries.alert_by_id(session, queries.alert_by_key(session, key_hash(alert_key)).id)
    incident = queries.incident_by_id(session, alert.incident_id)
    kept = cabinet_code(session, alert.device_id) if alert.device_id is not None else None
    code, now = kept.code if kept is not None else None, clock.now()
    pads = ChildPads.NOT_KNOWN
    if alert.device_id is not None and incident.age_group in NEEDS_CHILD_PADS:
        pads = child_pads_of(session, alert.device_id, today=now.date())
    return AlertDetailsOut.of(incident, alert, cabinet_code=code, child_pads=pads, at=now)
