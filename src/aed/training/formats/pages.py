"""The pages that a phone or the trainer's screen shows: one file each, nothing fetched from anywhere else.

Whatever a person gave is escaped; scripts and styles run by a nonce, so that nothing else would.
"""

from __future__ import annotations

from datetime import date
from html import escape
from typing import Final

from aed.pages import Page, as_script, page


def certificate_page(*, is_valid: bool, holder: str | None, valid_until: date | None) -> Page:
    """Valid or not valid; whose it is, masked, and until when, unless nothing is known of it."""
    mark = '<p class="mark yes">有效 Valid</p>' if is_valid else '<p class="mark no">无效 Not valid</p>'
    rest = (
        "<p>此码不是本网络签发的证书，或已被改动。</p>"
        '<p class="en">This code is of no certificate of this network, or was altered.</p>'
    )
    if holder is not None and valid_until is not None:
        rest = (
            f"<dl><dt>持证人 Holder</dt><dd>{escape(holder)}</dd>"
            f"<dt>有效期至 Valid until</dt><dd>{valid_until.isoformat()}</dd></dl>"
        )
    return page("证书查验 Certificate check", f"<h1>证书查验<br>Certificate check</h1>{mark}{rest}")


def presence_page(*, course_zh: str, course_en: str, when: str, path: str) -> Page:
    """What a phone shows that scanned the code: who is signed in confirms with one touch; others sign in."""
    body = f"""
<h1>培训签到<br>Attendance</h1>
<p><b>{escape(course_zh)}</b><br><span class="en">{escape(course_en)}</span></p><p>{escape(when)}</p>
<button id="here" hidden>我已到场 I am here</button>
<form id="first" hidden>
<p>请先登录，然后重新扫描屏幕上的二维码。</p>
<p class="en">Sign in first, then scan the code on the screen again.</p>
<input id="phone" type="tel" autocomplete="tel" placeholder="手机号 Telephone" required>
<button id="ask" type="button">获取验证码 Send me a code</button>
<input id="given" inputmode="numeric" autocomplete="one-time-code" placeholder="验证码 Code" required>
<button>登录 Sign in</button></form>
<p id="said" role="status"></p>"""
    return page("培训签到 Attendance", body, script=_PRESENCE.replace("PATH", as_script(path)))


_PRESENCE: Final = """
const path = PATH, said = document.getElementById("said"), here = document.getElementById("here");
const first = document.getElementById("first"), phone = document.getElementById("phone");
const root = path.slice(0, path.indexOf("/v1/") + 4);
async function ask(method, where, body, more) {
  const answer = await fetch(where, {method, credentials: "same-origin",
    headers: {"Content-Type": "application/json", "Accept": "application/json", ...more},
    body: body === undefined ? undefined : JSON.stringify(body)});
  const text = await answer.text(), told = text ? JSON.parse(text) : {};
  if (!answer.ok) throw new Error(told.detail || answer.statusText);
  return told;
}
const tell = error => { said.textContent = error.message; };
let csrf = "";
ask("GET", root + "me").then(me => {
  csrf = me.csrf_token || ""; here.hidden = !csrf; first.hidden = !!csrf;
}).catch(() => { first.hidden = false; });
here.onclick = () => { here.disabled = true;
  ask("POST", path, undefined, {"X-CSRF-Token": csrf})
    .then(told => { here.hidden = true; said.className = "mark yes";
      said.textContent = told.said_zh + " " + told.said_en; })
    .catch(error => { here.disabled = false; tell(error); }); };
document.getElementById("ask").onclick = () =>
  ask("POST", root + "sign-in/code", {phone: phone.value})
    .then(() => { said.textContent = "验证码已发送。The code is on its way."; }).catch(tell);
first.onsubmit = event => { event.preventDefault();
  ask("POST", root + "sign-in", {phone: phone.value, code: document.getElementById("given").value})
    .then(() => { first.hidden = true;
      said.textContent = "已登录，请重新扫描屏幕上的二维码。Signed in: scan the code on the screen again."; })
    .catch(tell); };
"""


def screen_page(*, course_zh: str, course_en: str, when: str, path: str, every_seconds: int) -> Page:
    """The trainer's screen: the code, which changes every few seconds, and how many are there."""
    body = f"""
<h1>{escape(course_zh)}</h1><p class="en">{escape(course_en)}</p><p>{escape(when)}</p>
<div id="code" aria-label="QR"></div>
<p>请用手机扫码签到 <span class="en">Scan with your phone to sign in</span></p>
<p class="mark yes">已签到 Here: <span id="here">–</span> / <span id="places">–</span></p><p id="said"></p>"""
    script = _SCREEN.replace("PATH", as_script(path)).replace("EVERY", str(every_seconds * 1000))
    return page("签到码 Attendance code", body, script=script, wide=True)


_SCREEN: Final = """
const code = document.getElementById("code"), said = document.getElementById("said");
async function next() {
  try {
    const answer = await fetch(PATH, {credentials: "same-origin", headers: {"Accept": "application/json"}});
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.detail);
    const drawn = new DOMParser().parseFromString(told.svg, "image/svg+xml").documentElement;
    code.replaceChildren(document.importNode(drawn, true));
    document.getElementById("here").textContent = told.attended;
    document.getElementById("places").textContent = told.enrolled;
    said.textContent = "";
  } catch (error) { code.replaceChildren(); said.textContent = error.message; }
}
next(); setInterval(next, EVERY);
"""


def refusal_page(title: str, detail: str) -> Page:
    """What is wrong with a code, in a sentence."""
    return page(title, f'<h1>{escape(title)}</h1><p class="mark no">{escape(detail)}</p>')
