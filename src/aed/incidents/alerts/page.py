"""The page behind the link of an alert: the task, buttons to reply, and the location once accepted.

It is readable without scripts, and loads nothing from elsewhere. Script and style are in `call/`.
"""

from __future__ import annotations

from functools import cache
from html import escape
from importlib import resources
from typing import Final

from aed.http.pages import Page, page
from aed.incidents.alerts.schemas import AlertDetailsOut, DeviceToFetch, PatientLocation
from aed.incidents.rules import (
    AGE_GROUP_LABELS,
    CHILD_PADS_ADVICE,
    COMING_STATES,
    AlertReply,
    AlertState,
    FetchFailure,
    Hazard,
    IncidentKind,
    Task,
)
from aed.registry.fields import StoreyOut

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
_TAKEN_AFTER_ALL: Final = ("点错了，AED已取到", "I do have it")
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
_AT_THE_CABINET: Final = (AlertReply.DEVICE_TAKEN, AlertReply.DEVICE_NOT_THERE, AlertReply.CANNOT_OPEN)
_LESS: Final = frozenset({AlertReply.DECLINE, AlertReply.DEVICE_NOT_THERE, AlertReply.CANNOT_OPEN})
_SHARES_PLACE: Final = frozenset({AlertState.ACCEPTED, AlertState.ON_THE_WAY})
_PLACE_ZH: Final = "请允许获取位置：仅供调度员了解您何时到达，一天后仅保留大致区域。"
_PLACE_EN: Final = (
    "Please allow your place: it tells dispatchers when you arrive; after a day only the rough area is kept."
)
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


def alert_page(alert: AlertDetailsOut) -> Page:
    """Render the page in Chinese and English. Once shown, its script replies "seen", and nothing else by
    itself.
    """
    body = '<p role="status"></p>'
    if alert.kind is IncidentKind.EXERCISE:
        body = f'<p class="drill">演练，无真实患者 EXERCISE, no real patient</p>{body}'
    if alert.is_over:
        body += _over(alert)
    elif alert.is_stood_down:
        body += _stood_down()
    else:
        body += _open(alert)
    is_live = "no" if alert.is_over else "yes"
    state = AlertState.ASKED if alert.state is AlertState.SEEN else alert.state
    now = (state, alert.task, alert.is_over, alert.has_device, alert.fetch_failure or "", alert.notes)
    facts = f'data-state="{alert.state}" data-live="{is_live}" data-number="{escape(alert.emergency_number)}"'
    facts += f' data-now="{",".join(str(each).lower() for each in now)}"'
    html = f"<section {facts}>{body}</section>{_without_scripts(alert.emergency_number)}"
    return page(_TITLE, html, script=_asset("call.js"), style=_asset("call.css"))


def _notes(alert: AlertDetailsOut) -> str:
    """Render what people must know before they go on: a hazard, a corrected location, the age group."""
    notes = ""
    if alert.hazard is not Hazard.NONE:
        note = f"<br>{escape(alert.hazard_note)}" if alert.hazard_note else ""
        notes += f'<p class="drill" role="alert">现场可能有危险 Danger at the scene{note}</p>'
    if alert.place_corrected_at is not None:
        notes += '<p class="drill" role="alert">患者位置已更正 The place was corrected</p>'
    if alert.age_group in AGE_GROUP_LABELS:
        en, zh = AGE_GROUP_LABELS[alert.age_group]
        notes += f"<p>患者 Patient: <b>{zh} {en}</b></p>"
    return notes


def refusal_page(detail: str) -> Page:
    return page(
        _TITLE,
        f"<h1>急救呼叫</h1><p>链接已失效，请使用最新消息中的链接。</p><p>{escape(detail)}</p>",
    )


@cache
def _asset(name: str) -> str:
    return resources.files("aed.incidents.alerts").joinpath("call", name).read_text("utf-8")


def _open(alert: AlertDetailsOut) -> str:
    where = " ".join(each for each in (alert.estate_zh, alert.estate_en) if each)
    zh, en = _WITH_DEVICE if alert.has_device else _TASKS[alert.task]
    is_there = alert.state is AlertState.THERE
    parts = [f"<h1>疑似心脏骤停<br>Suspected cardiac arrest</h1><p>{escape(where)}</p>"]
    if alert.fetch_failure is not None:
        parts.append(_news(*_FAILED[alert.fetch_failure], is_bad=True))
    if not is_there:
        parts.append(f'<p class="task"><b>{zh}</b> <span class=en>{en}</span></p>')
    if alert.seconds is not None:
        minutes = max(1, round(alert.seconds / 60))
        parts.append(f"<p>约{minutes}分钟 <span class=en>about {minutes} min</span></p>")
    number = escape(alert.emergency_number)
    parts.append(f'<a class="tel" href="tel:{number}">拨打 {number} Call {number}</a>')
    parts.append(_notes(alert))
    if is_there:
        parts += [CPR, _buttons(alert)]
    if alert.patient is not None:
        parts.append(_place(alert.patient, alert))
    elif alert.state not in COMING_STATES:
        parts.append('<p class="en">接受后显示详细地址。 The address is shown once you accept.</p>')
    if not is_there:
        parts.append(_buttons(alert))
    if alert.state in _SHARES_PLACE:
        parts.append(f'<p class="en place">{_PLACE_ZH} {_PLACE_EN}</p>')
        if alert.task is not Task.GUIDE:
            summary = "如何做心肺复苏 How to do CPR"
            parts.append(f"<details><summary>{summary}</summary>{CPR}</details>")
    return "".join(parts)


def _over(alert: AlertDetailsOut) -> str:
    body = "<h1>呼叫已结束<br>The call is over</h1><p>感谢您的支持。 Thank you.</p>"
    if alert.has_returned_device:
        return body + _news("已记录：AED已放回原处。", "Noted: the AED is back in its place.")
    if alert.has_device:
        body += (
            "<p>AED还在您手中？请放回原处后点按。 <span class=en>Do you still have the AED? Put it back, "
            f"then tap.</span></p>{_button(AlertReply.DEVICE_RETURNED)}"
        )
    return body


def _stood_down() -> str:
    return (
        "<h1>人手已足，您无需前往<br>Enough people are coming</h1>"
        "<p>感谢您！请不要再出发；如再次需要，我们会重新呼叫您。 <span class=en>Thank you. Please do not set "
        "out; if you are needed after all, you are called again.</span></p>"
        "<p>如您已在患者身边，请点按。 <span class=en>If you are with the patient already, tap.</span></p>"
        + _button(AlertReply.THERE)
    )


def _without_scripts(number: str) -> str:
    number = escape(number)
    return (
        f'<noscript><p class="drill">此页按钮需启用JavaScript。仍请前往；请致电调度员（{number}）代为答复。 '
        f"The buttons need JavaScript. Come all the same; the dispatcher ({number}) can answer for you."
        "</p></noscript>"
    )


def _buttons(alert: AlertDetailsOut) -> str:
    offered = list(_OFFERED[alert.state])
    if alert.has_device and AlertReply.ON_THE_WAY in offered:
        offered.remove(AlertReply.ON_THE_WAY)
    shown = "".join(_button(reply) for reply in offered)
    if alert.fetch_failure is not None:
        zh, en = _TAKEN_AFTER_ALL
        shown += f'<button class=no value="{AlertReply.DEVICE_TAKEN}">{zh} {en}</button>'
    return shown


def _button(reply: AlertReply) -> str:
    zh, en = _BUTTONS[reply]
    kind = " class=no" if reply in _LESS else " class=done" if reply is AlertReply.DEVICE_TAKEN else ""
    return f'<button value="{reply}"{kind}>{zh} {en}</button>'


def _news(zh: str, en: str, *, is_bad: bool = False) -> str:
    return f'<p class="news{" bad" if is_bad else ""}">{zh} <span class=en>{en}</span></p>'


def _place(place: PatientLocation, alert: AlertDetailsOut) -> str:
    rows = [_floor(place.storey)]
    if place.address:
        rows.insert(0, ("地址 Address", place.address))
    if place.door_code:
        rows.append(("门禁 Door code", place.door_code))
    patient = "<h2>患者 Patient</h2>" + _rows(rows) + _links(place.links)
    if place.device is None or alert.state is AlertState.THERE:
        return patient
    if alert.has_device:
        return _news("AED在您手中。", "You have the AED.") + patient
    at_the_cabinet = "".join(_button(reply) for reply in _AT_THE_CABINET)
    asked = "<p>到柜前请点按： <span class=en>At the cabinet, tap:</span></p>"
    return f'{_device(place.device)}{asked}<div class="at">{at_the_cabinet}</div>{patient}'


def _device(device: DeviceToFetch) -> str:
    place = " ".join(each for each in (device.place_zh, device.place_en) if each)
    way = " ".join(each for each in (device.access_instructions_zh, device.access_instructions_en) if each)
    rows = [("位置 Place", place or "-"), _floor(device.storey)]
    if way:
        rows.append(("进入 Way in", way))
    if device.cabinet_code:
        rows.append(("箱锁密码 Cabinet code", device.cabinet_code))
    if device.child_pads is not None:
        en, zh = CHILD_PADS_ADVICE[device.child_pads]
        rows.append(("儿童电极片 Child pads", f"{zh} {en}"))
    return "<h2>AED</h2>" + _rows(rows) + _links(device.links)


def _floor(storey: StoreyOut) -> tuple[str, str]:
    return "楼层 Floor", f"{storey.zh} {storey.en}"


def _rows(rows: list[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows) + "</dl>"


def _links(links: dict[str, str]) -> str:
    shown = "".join(
        f'<a href="{escape(url)}" rel="noreferrer">{_MAPS.get(name, name)}</a>' for name, url in links.items()
    )
    return f'<p class="links">{shown}</p>'


BEATS_PER_MINUTE: Final = 110
"""Compressions at 100 to 120 a minute, 5 to 6 cm deep, rescuers change over every 2 minutes: European
Resuscitation Council 2021, American Heart Association 2020.
"""

_STEPS: Final = (
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


def _cpr() -> str:
    steps = "".join(f"<li>{zh} <span class=en>{en}</span></li>" for zh, en in _STEPS)
    start, stop = "开始节拍 Start the beat", "停止节拍 Stop the beat"
    return (
        '<div class="cpr"><h2>心肺复苏 CPR</h2>'
        f'<div class="beat" data-per-minute="{BEATS_PER_MINUTE}">'
        '<span class="dot" aria-hidden="true">1</span>'
        f"<p>每分钟{BEATS_PER_MINUTE}次 <span class=en>{BEATS_PER_MINUTE} a minute</span><br>"
        '<b class="change" hidden>换人按压 Change over</b></p></div>'
        f'<button type="button" id="start" data-start="{start}" data-stop="{stop}">{start}</button>'
        f"<ol>{steps}</ol></div>"
    )


CPR: Final = _cpr()
"""HTML without any user input."""
