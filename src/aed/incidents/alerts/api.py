"""Routes behind the link of an alert: read it, reply, share a location."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from aed import clock
from aed.accounts.tokens import hash_key
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotFound
from aed.geo import position_from
from aed.http.pages import PAGE_RESPONSE, WantsPage
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


@router.get("/alerts/{alert_key}", response_model=AlertDetailsOut, responses=PAGE_RESPONSE)
def get_alert(
    session: ReadSession, wants_page: WantsPage, alert_key: AlertKey, response: Response
) -> AlertDetailsOut | Response:
    """Get an alert by its secret link; a browser gets a page with buttons.

    The patient's location is included once the person has accepted. Opening the link does not count as a
    reply.
    """
    try:
        details = _details(session, alert_key)
    except NotFound as error:
        if not wants_page:
            raise
        page = refusal_page(error.detail)
        return HTMLResponse(page.html, status_code=404, headers=page.headers)
    if wants_page:
        page = alert_page(details)
        return HTMLResponse(page.html, headers=page.headers)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept"
    return details


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
    return _details(session, alert_key)


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


def _details(session: ReadSession, alert_key: str) -> AlertDetailsOut:
    """visibility: a person with the key was alerted."""
    alert = queries.alert_by_id(session, queries.alert_by_key(session, hash_key(alert_key)).id)
    incident = queries.incident_by_id(session, alert.incident_id)
    kept = cabinet_code(session, alert.device_id) if alert.device_id is not None else None
    code, now = kept.code if kept is not None else None, clock.now()
    pads = ChildPads.NOT_KNOWN
    if alert.device_id is not None and incident.age_group in NEEDS_CHILD_PADS:
        pads = child_pads_of(session, alert.device_id, today=now.date())
    return AlertDetailsOut.of(incident, alert, cabinet_code=code, child_pads=pads, at=now)
