"""HTML pages for phones and the trainer's screen. Each page is one file that loads no other resource.

User-provided text is escaped. Scripts and styles carry a nonce, so that the browser runs no injected ones.
"""

from __future__ import annotations

import re
from functools import partial
from html import escape
from typing import Final

from aed.http.pages import Page, as_script, page

_STYLE: Final = """
body{display:flex;min-height:100vh;align-items:center;justify-content:center}
main{padding:1.6rem 1.8rem;margin:1rem;max-width:30rem;width:100%;text-align:center}
h1{font-size:1.5rem;margin:.2rem 0 .6rem}p{margin:.5rem 0}
.mark{font-size:2rem;font-weight:700;border-radius:10px;padding:.6rem}.yes{background:#e2f3e4;color:#14602a}
.no{background:#fbe3e1;color:#8f1b12}
dl{display:grid;grid-template-columns:auto 1fr;gap:.4rem 1rem;text-align:left}
dt{color:#555}dd{margin:0;font-weight:600;overflow-wrap:anywhere}
button,input{font:inherit;padding:.7rem 1rem;border-radius:8px;border:1px solid #999;width:100%;
 box-sizing:border-box;margin:.3rem 0}button{background:#a8201a;color:#fff;border:0}[hidden]{display:none}
.said{font-size:1.15rem;line-height:1.6}#code svg{width:min(70vh,100%);height:auto}.wide{max-width:44rem}
"""
centred_page: Final = partial(page, style=_STYLE)


def presence_page(*, course_zh: str, course_en: str, when: str, path: str) -> Page:
    """Return the page that a scanned code opens: one button to check in, or a sign-in form."""
    body = f"""
<h1>培训签到<br>Attendance</h1>
<p><b>{escape(course_zh)}</b><br><span class="en">{escape(course_en)}</span></p><p>{escape(when)}</p>
<button id="here" hidden>我已到场 I am here</button>
{_FORM.format(then="然后重新扫描屏幕上的二维码", then_en="then scan the code on the screen again")}
<p id="said" role="status"></p>"""
    done = "已登录，请重新扫描屏幕上的二维码。Signed in: scan the code on the screen again."
    script = _SIGN_IN.replace("DONE", f"said.textContent = {as_script(done)}") + _PRESENCE
    return centred_page("培训签到 Attendance", body, script=script.replace("PATH", as_script(path)))


_FORM: Final = """
<form id="first" hidden>
<p>请先登录，{then}。</p>
<p class="en">Sign in first, {then_en}.</p>
<input id="phone" type="tel" autocomplete="tel" placeholder="手机号 Telephone" required>
<button id="ask" type="button">获取验证码 Send me a code</button>
<input id="given" inputmode="numeric" autocomplete="one-time-code" placeholder="验证码 Code" required>
<button>登录 Sign in</button></form>"""

_SIGN_IN: Final = """
const path = PATH, said = document.getElementById("said");
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
document.getElementById("ask").onclick = () =>
  ask("POST", root + "sign-in/code", {phone: phone.value})
    .then(() => { said.textContent = "验证码已发送。The code is on its way."; }).catch(tell);
first.onsubmit = event => { event.preventDefault();
  ask("POST", root + "sign-in", {phone: phone.value, code: document.getElementById("given").value})
    .then(() => { first.hidden = true; DONE; }).catch(tell); };
"""

_PRESENCE: Final = """
const here = document.getElementById("here");
let csrf = "";
ask("GET", root + "me").then(me => {
  csrf = me.csrf_token || ""; here.hidden = !csrf; first.hidden = !!csrf;
}).catch(() => { first.hidden = false; });
here.onclick = () => { here.disabled = true;
  ask("POST", path, undefined, {"X-CSRF-Token": csrf})
    .then(told => { here.hidden = true; said.className = "mark yes said";
      said.textContent = told.said_zh + " " + told.said_en; })
    .catch(error => { here.disabled = false; tell(error); }); };
"""


def sign_in_page(*, path: str) -> Page:
    """Return the sign-in page for the trainer's screen; after sign-in it reloads the page at `path`."""
    body = f"""
<h1>签到码<br>Attendance code</h1>
{_FORM.format(then="然后显示签到码", then_en="then the code is shown")}
<p id="said" role="status"></p>"""
    script = _SIGN_IN.replace("DONE", "location.reload()").replace("PATH", as_script(path))
    return centred_page("登录 Sign in", body, script=script + "first.hidden = false;")


def screen_page(*, course_zh: str, course_en: str, when: str, path: str, every_seconds: int) -> Page:
    """Return the page for the trainer's screen: the changing QR code and the number of people checked in."""
    body = f"""
<h1>{escape(course_zh)}</h1><p class="en">{escape(course_en)}</p><p>{escape(when)}</p>
<div id="code" aria-label="QR"></div>
<p>请用手机扫码签到 <span class="en">Scan with your phone to sign in</span></p>
<p class="mark yes">已签到 Here: <span id="here">–</span> / <span id="places">–</span></p><p id="said"></p>"""
    script = _SCREEN.replace("PATH", as_script(path)).replace("EVERY", str(every_seconds * 1000))
    return centred_page("签到码 Attendance code", body, script=script, wide=True)


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
    """Return a page that explains why a code was refused."""
    by_language = "<br>".join(escape(each) for each in _LANGUAGES_MEET.split(detail))
    return centred_page(title, f'<h1>{escape(title)}</h1><p class="mark no said">{by_language}</p>')


_LANGUAGES_MEET: Final = re.compile("(?<=。)(?=[A-Za-z])")
