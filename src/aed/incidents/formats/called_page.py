"""The page behind the link of a call: what is asked, buttons to answer; the place once one has accepted."""

from __future__ import annotations

from html import escape
from typing import Final

from aed.incidents.rules.incident import COMES, AlertState, Kind, Said
from aed.incidents.rules.offer import Task
from aed.incidents.rules.reasons import floor_name
from aed.incidents.schemas.alerts import AlertToldOut, DeviceToFetch, PatientsPlace
from aed.pages import Page, page

_TASKS: Final = {
    Task.DIRECT: ("请直接前往患者处", "Go straight to the patient"),
    Task.FETCH: ("请取AED送往患者处", "Fetch the AED, bring it to the patient"),
    Task.GUIDE: ("请到大门或单元门接应，并留住电梯", "Open the gate, hold the lift"),
}
_BUTTONS: Final = {
    Said.ACCEPT: ("我能去", "I am coming"),
    Said.DECLINE: ("去不了", "I cannot come"),
    Said.ON_THE_WAY: ("已出发", "On my way"),
    Said.THERE: ("已到场", "I am there"),
    Said.DEVICE_ATTACHED: ("已贴电极片", "Pads are on"),
    Said.SHOCK_GIVEN: ("已除颤", "Shock given"),
    Said.HANDED_OVER: ("已移交120急救人员", "Handed over"),
}
_OFFERED: Final = {
    AlertState.ASKED: (Said.ACCEPT, Said.DECLINE),
    AlertState.SEEN: (Said.ACCEPT, Said.DECLINE),
    AlertState.ACCEPTED: (Said.ON_THE_WAY, Said.THERE, Said.DECLINE),
    AlertState.ON_THE_WAY: (Said.THERE, Said.DECLINE),
    AlertState.THERE: (Said.DEVICE_ATTACHED, Said.SHOCK_GIVEN, Said.HANDED_OVER),
    AlertState.DECLINED: (Said.ACCEPT,),
    AlertState.STOPPED: (),
}
_STYLE: Final = """
main{text-align:left}.drill{background:#fff3c4;border-radius:10px;padding:.5rem .8rem;font-weight:700}
button.no{background:#fff;color:#1c1c1c;border:1px solid #999}a{color:#8f1b12;font-weight:600}
.links a{display:inline-block;margin:.2rem .8rem .2rem 0}[role=status]{min-height:1.2rem;color:#8f1b12}
"""
_SCRIPT: Final = """
const status = document.querySelector("[role=status]"), buttons = document.querySelectorAll("button");
async function say(said, reload) {
  const answer = await fetch(location.pathname, {
    method: "POST", credentials: "omit", body: JSON.stringify({said}),
    headers: {"Content-Type": "application/json", "Accept": "application/json"}});
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.detail);
  if (reload) location.reload();
}
for (const button of buttons) button.onclick = async () => {
  buttons.forEach(each => { each.disabled = true; });
  for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
    try { await say(button.value, true); return; }
    catch (error) {
      status.textContent = "正在重试… trying again: " + error.message;
      await new Promise(done => setTimeout(done, wait));
    }
  }
};
if (document.body.dataset.state === "asked") say("seen", false).catch(() => {});
const told = document.querySelector(".place");
let sentAt = 0, watch = null;
async function send(found) {
  if (Date.now() - sentAt < 10000) return;
  sentAt = Date.now();
  const {latitude: lat, longitude: lon, accuracy} = found.coords;
  if (accuracy > 1000) return;
  const answer = await fetch(location.pathname + "/place", {
    method: "PUT", credentials: "omit", headers: {"Content-Type": "application/json"},
    body: JSON.stringify({lat, lon, accuracy_metres: Math.max(accuracy, 1)})});
  if (answer.status === 409) { navigator.geolocation.clearWatch(watch); location.reload(); }
  if (answer.ok) told.textContent = "位置已共享 Your place is shared.";
}
if (told && navigator.geolocation)
  watch = navigator.geolocation.watchPosition(found => send(found).catch(() => { sentAt = 0; }),
    () => { told.textContent = "未共享位置，仍请前往。 Your place is not shared; come all the same."; },
    {enableHighAccuracy: true, maximumAge: 5000});
"""
_SHARES_PLACE: Final = frozenset({AlertState.ACCEPTED, AlertState.ON_THE_WAY})
_PLACE_ZH: Final = "请允许获取位置：仅供调度员了解您何时到达，一天后仅保留大致区域。"
_PLACE_EN: Final = (
    "Please allow your place: it tells dispatchers when you arrive; after a day only the rough area is kept."
)
_MAPS: Final = {
    "amap": "高德地图",
    "baidu": "百度地图",
    "tencent": "腾讯地图",
    "apple": "Apple",
    "google": "Google",
    "osm": "OSM",
}


def called_page(told: AlertToldOut) -> Page:
    """In Chinese and English. It says "seen" by itself once it is shown, and nothing else."""
    zh, en = _TASKS[told.task]
    body = ""
    if told.kind is Kind.EXERCISE:
        body += '<p class="drill">演练，无真实患者 EXERCISE, no real patient</p>'
    if told.is_over:
        body += "<h1>呼叫已结束<br>The call is over</h1><p>感谢您的支持。 Thank you.</p>"
        return page("急救呼叫 Call", body, style=_STYLE)
    where = " ".join(each for each in (told.estate_zh, told.estate_en) if each)
    minutes = max(1, round(told.seconds / 60))
    body += (
        f"<h1>疑似心脏骤停<br>Suspected cardiac arrest</h1><p>{escape(where)}</p>"
        f"<p><b>{zh}</b> <span class=en>{en}</span></p>"
        f"<p>约{minutes}分钟路程 about {minutes} min. "
        f'<a href="tel:{escape(told.emergency_number)}">{escape(told.emergency_number)}</a></p>'
    )
    if told.patient is not None:
        body += _place(told.patient)
    elif told.state not in COMES:
        body += '<p class="en">接受后显示详细地址。 The address is shown once you accept.</p>'
    if told.state in _SHARES_PLACE:
        body += f'<p class="en place">{_PLACE_ZH} {_PLACE_EN}</p>'
    body += "".join(
        f'<button value="{said}"{" class=no" if said is Said.DECLINE else ""}>'
        f"{_BUTTONS[said][0]} {_BUTTONS[said][1]}</button>"
        for said in _OFFERED[told.state]
    )
    script = f'document.body.dataset.state = "{told.state}";' + _SCRIPT
    return page("急救呼叫 Call", body + '<p role="status"></p>', script=script, style=_STYLE)


def refusal_page(detail: str) -> Page:
    return page(
        "急救呼叫 Call",
        f"<h1>急救呼叫</h1><p>链接已失效，请使用最新消息中的链接。</p><p>{escape(detail)}</p>",
    )


def _place(place: PatientsPlace) -> str:
    rows = [_floor(place.floor)]
    if place.address:
        rows.insert(0, ("地址 Address", place.address))
    if place.door_code:
        rows.append(("门禁 Door code", place.door_code))
    told = "<h2>患者 Patient</h2>" + _rows(rows) + _links(place.links)
    return told + (_device(place.device) if place.device is not None else "")


def _device(device: DeviceToFetch) -> str:
    place = " ".join(each for each in (device.place_zh, device.place_en) if each)
    way = " ".join(each for each in (device.how_to_get_in_zh, device.how_to_get_in_en) if each)
    rows = [("位置 Place", place or "-"), _floor(device.floor)]
    if way:
        rows.append(("进入 Way in", way))
    if device.cabinet_code:
        rows.append(("箱锁密码 Cabinet code", device.cabinet_code))
    return "<h2>AED</h2>" + _rows(rows) + _links(device.links)


def _floor(floor: int) -> tuple[str, str]:
    name = floor_name(floor)
    return "楼层 Floor", f"{name['zh']} {name['en']}"


def _rows(rows: list[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows) + "</dl>"


def _links(links: dict[str, str]) -> str:
    shown = "".join(
        f'<a href="{escape(url)}" rel="noreferrer">{_MAPS.get(name, name)}</a>' for name, url in links.items()
    )
    return f'<p class="links">{shown}</p>'
