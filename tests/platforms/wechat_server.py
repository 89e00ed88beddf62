"""A server that follows WeChat's documented protocol, as far as the network uses it.

https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/: code2Session, getStableAccessToken,
getPhoneNumber, subscribeMessage.send.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.imports.servers import Behave, Source, answers, serving

APP_ID, APP_SECRET = "wx0123456789abcdef", "5ecre7"


@dataclass
class SmallWechat:
    """The server's state: users' codes, tokens, consents, and its deviations."""

    source: Source
    logins: dict[str, str] = field(default_factory=dict)
    """The user (openid) of each unused code of wx.login."""
    used: set[str] = field(default_factory=set)
    phones: dict[str, str] = field(default_factory=dict)
    """The number, with +86, of each unused code of a getPhoneNumber button."""
    templates: dict[str, set[str]] = field(default_factory=dict)
    """The keywords of each template."""
    pages: set[str] = field(default_factory=lambda: {"pages/index/index"})
    consents: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many messages each user allows, by user and template."""
    sent: list[dict[str, Any]] = field(default_factory=list)
    """The messages that were delivered."""
    daily_quota: int = 100
    token_seconds: float = 7200.0
    valid: dict[str, float] = field(default_factory=dict)
    """Until when each access token is valid."""
    current: str = ""
    fetched: list[bool] = field(default_factory=list)
    """Whether a new token was forced, for each token that was fetched."""
    calls: Counter[str] = field(default_factory=Counter)
    instead: dict[str, Behave] = field(default_factory=dict)
    """Handlers that replace the documented behaviour, by path."""
    result: dict[str, int] = field(default_factory=dict)
    """Result codes that replace success, by path."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return self.source.url("")

    def login(self, openid: str) -> str:
        """Return what wx.login gives the mini program of that user."""
        code = secrets.token_hex(16)
        self.logins[code] = openid
        return code

    def phone_button(self, number: str) -> str:
        """Return what a getPhoneNumber button gives the mini program of the user with that number."""
        code = secrets.token_hex(32)
        self.phones[code] = number
        return code

    def behave(self, to: BaseHTTPRequestHandler) -> None:
        path = urlsplit(to.path).path
        self.calls[path] += 1
        if path in self.instead:
            self.instead[path](to)
            return
        ways: dict[str, Callable[[dict[str, str], dict[str, Any]], dict[str, Any]]] = {
            "/sns/jscode2session": self._session,
            "/cgi-bin/stable_token": self._token,
            "/wxa/business/getuserphonenumber": self._phone,
            "/cgi-bin/message/subscribe/send": self._send,
        }
        query = {name: values[0] for name, values in parse_qs(urlsplit(to.path).query).items()}
        body = json.loads(self.source.asked[-1].get("body") or "{}")
        if path in self.result:
            reply: dict[str, Any] = {"errcode": self.result[path], "errmsg": "as the test says"}
        else:
            with self.lock:
                reply = ways[path](query, body)
        answers(json.dumps(reply), Content_Type="application/json; encoding=utf-8")(to)

    def _session(self, query: dict[str, str], _body: dict[str, Any]) -> dict[str, Any]:
        if query.get("appid") != APP_ID:
            return {"errcode": 40013, "errmsg": "invalid appid"}
        if query.get("secret") != APP_SECRET:
            return {"errcode": 40125, "errmsg": "invalid appsecret"}
        assert query["grant_type"] == "authorization_code"
        code = query["js_code"]
        if code in self.used:
            return {"errcode": 40163, "errmsg": "code been used"}
        openid = self.logins.pop(code, None)
        if openid is None:
            return {"errcode": 40029, "errmsg": "invalid code"}
        self.used.add(code)
        return {"openid": openid, "session_key": secrets.token_urlsafe(16)}

    def _token(self, _query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        """Hand out the same token while it is valid, and a new one within the last five minutes."""
        assert body["grant_type"] == "client_credential"
        if (body["appid"], body["secret"]) != (APP_ID, APP_SECRET):
            return {"errcode": 40001, "errmsg": "invalid credential"}
        self.fetched.append(body["force_refresh"])
        now = time.monotonic()
        left = self.valid.get(self.current, 0.0) - now
        if body["force_refresh"]:
            self.valid.clear()
        if body["force_refresh"] or left <= 300:
            self.current = f"token-{secrets.token_hex(8)}"
            self.valid[self.current] = now + self.token_seconds
            left = self.token_seconds
        return {"access_token": self.current, "expires_in": int(left)}

    def _phone(self, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        if (refusal := self.token_refusal(query)) is not None:
            return refusal
        number = self.phones.pop(body["code"], None)
        if number is None:
            return {"errcode": 40029, "errmsg": "invalid code"}
        return {
            "errcode": 0,
            "errmsg": "ok",
            "phone_info": {
                "phoneNumber": number.removeprefix("+86"),
                "purePhoneNumber": number.removeprefix("+86"),
                "countryCode": "86",
                "watermark": {"appid": APP_ID, "timestamp": int(time.time())},
            },
        }

    def _send(self, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        if (refusal := self.token_refusal(query)) is not None:
            return refusal
        if len(self.sent) >= self.daily_quota:
            return {"errcode": 45009, "errmsg": "reach max api daily quota limit"}
        if body["template_id"] not in self.templates:
            return {"errcode": 40037, "errmsg": "invalid template_id"}
        if body["page"] not in self.pages:
            return {"errcode": 41030, "errmsg": "invalid page"}
        keywords = self.templates[body["template_id"]]
        if set(body["data"]) != keywords or not all(
            self._is_valid(name, each["value"]) for name, each in body["data"].items()
        ):
            return {"errcode": 47003, "errmsg": "argument invalid! data.thing1.value invalid"}
        consent = (body["touser"], body["template_id"])
        if self.consents[consent] < 1:
            return {"errcode": 43101, "errmsg": "user refuse to accept the msg"}
        self.consents[consent] -= 1
        self.sent.append(body)
        return {"errcode": 0, "errmsg": "ok"}

    @staticmethod
    def _is_valid(name: str, value: str) -> bool:
        """Check a value as documented for the kinds thing and time."""
        if name.startswith("thing"):
            return 0 < len(value) <= 20
        if name.startswith("time"):
            return re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", value) is not None
        return bool(value)

    def token_refusal(self, query: dict[str, str]) -> dict[str, Any] | None:
        until = self.valid.get(query.get("access_token", ""))
        if until is None:
            return {"errcode": 40001, "errmsg": "invalid credential, access_token is invalid"}
        if until <= time.monotonic():
            return {"errcode": 42001, "errmsg": "access_token expired"}
        return None


@contextmanager
def small_wechat() -> Iterator[SmallWechat]:
    """Run the server until the end of the block."""
    with serving(answers("")) as source:
        wechat = SmallWechat(source)
        source.behave = wechat.behave
        yield wechat
