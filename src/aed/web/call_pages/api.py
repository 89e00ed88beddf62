"""The page of a call at `/a/{key}`, and the forms on it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from aed import clock
from aed.accounts.tokens import hash_key
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotFound
from aed.http.query import ANY_PARAMETER
from aed.incidents import queries
from aed.incidents.alerts.actions import ALERT_PATH
from aed.incidents.alerts.answers import alert_details, take_reply
from aed.incidents.alerts.queries import others_coming
from aed.incidents.rules import AlertReply
from aed.web.call_pages.page import AT_THE_CABINET, CPR_STEPS, MAPS, REPLIES, call_page
from aed.web.render import render

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])
AlertKey = Annotated[str, Path(max_length=100)]


@router.get(ALERT_PATH + "{alert_key}")
def show_call(
    request: Request,
    session: ReadSession,
    alert_key: AlertKey,
    said: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Show a call to the person who was alerted. Opening the page does not count as a reply.

    `said` is the reply that was just taken from a form.
    """
    try:
        alert = queries.alert_by_key(session, hash_key(alert_key))
    except NotFound:
        return _invalid_link(request)
    details = alert_details(session, alert.key_hash, at=clock.now())
    page = call_page(details, others=others_coming(session, alert), stop_reason=alert.stop_reason)
    return render(
        request,
        "call_pages/call_pages.html.jinja",
        emergency_number=details.emergency_number,
        path=ALERT_PATH + alert_key,
        api=f"/v1/alerts/{alert_key}",
        alert=details,
        page=page,
        said=REPLIES.get(said),
        replies=REPLIES,
        at_the_cabinet=AT_THE_CABINET,
        returned=AlertReply.DEVICE_RETURNED,
        cpr_steps=CPR_STEPS,
        maps=MAPS,
    )


@router.post(ALERT_PATH + "{alert_key}")
def send_reply(
    request: Request,
    session: WriteSession,
    alert_key: AlertKey,
    reply: Annotated[AlertReply, Form()],
    key: Annotated[UUID | None, Form()] = None,
) -> Response:
    """Take a reply from a form of the page; the same form sent twice counts once.

    The key of the link is the only authority, so that forms are not checked for the site that they come from.
    """
    try:
        alert = queries.alert_by_key(session, hash_key(alert_key))
    except NotFound:
        return _invalid_link(request)
    state = request.app.state
    take_reply(
        session,
        alert.id,
        reply,
        by=f"alert {alert.id}",
        at=clock.now(),
        network=state.network,
        settings=state.settings,
        key=key,
    )
    return RedirectResponse(f"{ALERT_PATH}{alert_key}?said={reply}", 303)


def _invalid_link(request: Request) -> Response:
    return render(request, "call_pages/invalid_link.html.jinja", status=404)
