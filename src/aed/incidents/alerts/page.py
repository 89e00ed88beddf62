"""The page behind the link of an alert: the task, buttons to reply, and the location once accepted.

It is readable without scripts, and loads nothing from elsewhere. Script and style are in `call/`.
"""

from __future__ import annotations

from typing import Final

from aed.http.pages import Page, render_page
from aed.incidents.alerts.schemas import AlertDetailsOut
from aed.incidents.rules import (
    AGE_GROUP_LABELS,
    CHILD_PADS_ADVICE,
    COMING_STATES,
    AlertReply,
    AlertState,
    FetchFailure,
    Task,
)

_TITLE: Final = "急救呼叫 Call"
_TASKS: Final = {
    Task.DIRECT: ("请直接前往患者处", "Go straight to the patient"),
    Task.FETCH: ("请取AED送往患者处", "Fetch the AED, bring it to the patient"),
    Task.GUIDE: ("请到大门或单元门接应，并留住电梯", "Open the gate, hold the lift"),
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
    AlertReply.DEVICE_RETURNED: ("AED已放回原处，未使用", "The AED is back, unused"),
    AlertReply.DEVICE_ATTACHED: ("已贴电极片", "Pads are on"),
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
    FetchFailure.NOT_THERE: ("已记录：AED不在原位。请直接前往患者处。", "Noted: the AED is not there."),
    FetchFailure.CANNOT_OPEN: ("已记录：柜门打不开。请直接前往患者处。", "Noted: it cannot be opened."),
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
        "Centre of the chest, 5 to 6 cm deep, let it come up fully.",
    ),
    ("不要停。受过训练者每30次按压后人工呼吸2次。", "Do not stop. If trained: 2 breaths after every 30."),
    (
        "AED到：开机，按语音提示贴电极片；除颤时勿碰患者。",
        "AED here: switch it on, do as it says; stand clear.",
    ),
    ("每2分钟换人按压。", "Change over every 2 minutes."),
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
