"""Routes behind the link of an alert: its data or its page, replies and locations.

The page shows the task, buttons to reply, and the location once accepted. It is readable without scripts,
and loads nothing from elsewhere. Script and style are in `call/`.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from aed import clock
from aed.accounts.tokens import hash_key
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotFound
from aed.geo import position_from
from aed.http.pages import PAGE_RESPONSE, Page, WantsPage, render_page
from aed.incidents import queries
from aed.incidents.alerts.answers import take_location, take_reply
from aed.incidents.alerts.queries import child_pads_of
from aed.incidents.alerts.schemas import AlertDetailsOut, AlertLocationIn
from aed.incidents.rules import (
    AGE_GROUP_LABELS,
    CHILD_PADS_ADVICE,
    COMING_STATES,
    NEEDS_CHILD_PADS,
    AlertReply,
    AlertState,
    ChildPads,
    FetchFailure,
    Task,
)
from aed.incidents.schemas import AlertReplyIn
from aed.registry.devices.cabinet_codes import cabinet_code
from aed.responders.rules import location_moment

_TITLE: Final = "急救呼叫 Call"
_TASKS: Final = {
    Task.DIRECT: ("请直接前往患者处", "Go straight to the patient"),
    Task.FETCH: ("请取AED送往患者处", "Fetch the AED and bring it to the patient"),
    Task.GUIDE: ("请到大门或单元门接应，并留住电梯", "Open the gate and hold the lift"),
}
_WITH_DEVICE: Final = ("请带AED前往患者处", "Bring the AED to the patient")
_BUTTONS: Final = {
    AlertReply.ACCEPT: ("我能去", "I am coming"),
    AlertReply.DECLINE: ("去不了", "I cannot come"),
    AlertReply.ON_THE_WAY: ("已出发", "On my way"),
    AlertReply.THERE: ("已到患者处", "I am with the patient"),
    AlertReply.DEVICE_TAKEN: ("已取到AED", "I have it"),
    AlertReply.DEVICE_NOT_THERE: ("AED不在", "Not there"),
    AlertReply.CANNOT_OPEN: ("打不开柜门", "Cannot open it"),
    AlertReply.DEVICE_RETURNED: ("AED已放回原处，未使用", "The AED is back in its place, unused"),
    AlertReply.DEVICE_ATTACHED: ("已贴电极片", "Pads attached"),
    AlertReply.SHOCK_GIVEN: ("已除颤", "Shock given"),
    AlertReply.HANDED_OVER: ("已移交120急救人员", "Handed over"),
}
_OFFERED: Final = {
    AlertState.ASKED: (AlertReply.ACCEPT, AlertReply.DECLINE),
    AlertState.SEEN: (AlertReply.ACCEPT, AlertReply.DECLINE),
    AlertState.ACCEPTED: (AlertReply.ON_THE_WAY, AlertReply.THERE, AlertReply.DECLINE),
    AlertState.ON_THE_WAY: (AlertReply.THERE, AlertReply.DECLINE),
    AlertState.THERE: (AlertReply.DEVICE_ATTACHED, AlertReply.SHOCK_GIVEN, AlertReply.HANDED_OVER),
    AlertState.DECLINED: (AlertReply.ACCEPT,),
    AlertState.STOPPED: (),
    AlertState.STOOD_DOWN: (AlertReply.THERE,),
}
_SECONDARY: Final = frozenset({AlertReply.DECLINE, AlertReply.DEVICE_NOT_THERE, AlertReply.CANNOT_OPEN})
_SHARES_LOCATION: Final = frozenset({AlertState.ACCEPTED, AlertState.ON_THE_WAY})
_FAILED: Final = {
    FetchFailure.NOT_THERE: (
        "已记录：AED不在原位。请直接前往患者处。",
        "Recorded: the AED is not there. Go straight to the patient.",
    ),
    FetchFailure.CANNOT_OPEN: (
        "已记录：柜门打不开。请直接前往患者处。",
        "Recorded: the cabinet cannot be opened. Go straight to the patient.",
    ),
}
_MAPS: Final = {
    "amap": "高德地图",
    "baidu": "百度地图",
    "tencent": "腾讯地图",
    "apple": "Apple",
    "google": "Google",
    "osm": "OSM",
}
BEATS_PER_MINUTE: Final = 110
"""Compressions at 100 to 120 a minute, 5 to 6 cm deep, rescuers change over every 2 minutes: European
Resuscitation Council 2021, American Heart Association 2020.
"""
_CPR_STEPS: Final = (
    ("叫患者、拍双肩：无反应、无正常呼吸？", "No response and no normal breathing?"),
    ("手机免提，保持与调度员通话。", "Phone on speaker, stay on the line with the dispatcher."),
    (
        "双手重叠，按压胸部正中，深5至6厘米，充分回弹。",
        "Push on the centre of the chest, 5 to 6 cm deep; let it come up fully each time.",
    ),
    ("不要停。受过训练者每30次按压后人工呼吸2次。", "Do not stop. If trained: 2 breaths after every 30."),
    (
        "AED到：开机，按语音提示贴电极片；除颤时勿碰患者。",
        "When the AED arrives, switch it on and follow its instructions. Do not touch the patient "
        "during a shock.",
    ),
    ("每2分钟换人按压。", "Swap rescuers every 2 minutes."),
)


def alert_page(alert: AlertDetailsOut) -> Page:
    """Render the page in Chinese and English.

    Once shown, its script replies "seen", and nothing else by itself.
    """
    offered = list(_OFFERED[alert.state])
    if alert.has_device and AlertReply.ON_THE_WAY in offered:
        offered.remove(AlertReply.ON_THE_WAY)
    state = AlertState.ASKED if alert.state is AlertState.SEEN else alert.state
    now = (state, alert.task, alert.is_over, alert.has_device, alert.fetch_failure or "", alert.notes)
    device = alert.patient.device if alert.patient is not None else None
    pads = device.child_pads if device is not None else None
    access = ""
    if device is not None:
        ways = (device.access_instructions_zh, device.access_instructions_en)
        access = " ".join(each for each in ways if each)
    return render_page(
        "incidents/alerts/alert.html.jinja",
        title=_TITLE,
        scripts=("incidents/alerts/call/call.js",),
        alert=alert,
        now=",".join(str(each).lower() for each in now),
        task=_WITH_DEVICE if alert.has_device else _TASKS[alert.task],
        minutes=max(1, round(alert.seconds / 60)) if alert.seconds is not None else None,
        failed=_FAILED[alert.fetch_failure] if alert.fetch_failure is not None else None,
        is_there=alert.state is AlertState.THERE,
        is_coming=alert.state in COMING_STATES,
        shares_location=alert.state in _SHARES_LOCATION,
        offered=offered,
        buttons=_BUTTONS,
        secondary=_SECONDARY,
        maps=_MAPS,
        access=access,
        age_group=AGE_GROUP_LABELS.get(alert.age_group),
        child_pads=CHILD_PADS_ADVICE[pads] if pads is not None else None,
        beats_per_minute=BEATS_PER_MINUTE,
        cpr_steps=_CPR_STEPS,
    )


def refusal_page(detail: str) -> Page:
    """Render the page of a link that is not valid."""
    return render_page(
        "http/templates/invalid_link.html.jinja", title=_TITLE, heading="急救呼叫", detail=detail
    )


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
