"""Servers that follow the documented protocols of WeCom and DingTalk, as far as the network uses them."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.imports.servers import Behave, Source, answers, serving

CORP_ID, AGENT_ID, SECRET = "ww0123456789abcdef", 1000002, "5ecre7"


@dataclass
class Member:
    """A member of the organisation."""

    user_id: str
    phone: str | None = None
    """With the country code; None: not given."""


@dataclass
class SmallPlatform:
    """What both servers have: codes of members, tokens, delivered texts, deviations."""

    source: Source
    codes: dict[str, Member] = field(default_factory=dict)
    """Unused codes of redirects. A code of a person outside the organisation has an empty user_id."""
    members: set[str] = field(default_factory=set)
    """Who may see the app, by user_id."""
    tokens: set[str] = field(default_factory=set)
    delivered: list[tuple[str, str]] = field(default_factory=list)
    """User and text of each message that was delivered."""
    calls: Counter[str] = field(default_factory=Counter)
    instead: dict[str, Behave] = field(default_factory=dict)
    result: dict[str, int] = field(default_factory=dict)
    """Result codes that replace success, by path."""
    send_results: list[dict[str, Any]] = field(default_factory=list)
    """What getsendresult of DingTalk answers next, in place of delivery to all members."""

    @property
    def url(self) -> str:
        return self.source.url("")

    def redirect_back(self, location: str, member: Member) -> str:
        """Return the address to which the platform sends the browser, after consent on its page.

        Each platform's server overrides it.
        """
        raise NotImplementedError

    def code_for(self, member: Member) -> str:
        code = secrets.token_urlsafe(16)
        self.codes[code] = member
        if member.user_id:
            self.members.add(member.user_id)
        return code

    def new_token(self) -> str:
        if not self.tokens:
            self.tokens.add(f"token-{secrets.token_hex(8)}")
        return next(iter(self.tokens))

    # Each platform's server overrides it.
    def ways(self) -> dict[str, Callable[[dict[str, str], dict[str, Any], Any], tuple[int, Any]]]:
        raise NotImplementedError

    def behave(self, to: BaseHTTPRequestHandler) -> None:
        path = urlsplit(to.path).path
        self.calls[path] += 1
        if path in self.instead:
            self.instead[path](to)
            return
        query = {name: values[0] for name, values in parse_qs(urlsplit(to.path).query).items()}
        body = json.loads(self.source.asked[-1].get("body") or "{}")
        if path in self.result:
            status, said = 200, {"errcode": self.result[path], "errmsg": "as the test says"}
        else:
            status, said = self.ways()[path](query, body, to.headers)
        answers(json.dumps(said), status=status, Content_Type="application/json")(to)


class SmallWecom(SmallPlatform):
    """WeCom: gettoken, getuserinfo, getuserdetail, message/send."""

    def redirect_back(self, location: str, member: Member) -> str:
        query = parse_qs(urlsplit(location).query)
        assert query["appid"] == [CORP_ID]
        assert query["agentid"] == [str(AGENT_ID)]
        if "scope" in query:
            assert query["response_type"] == ["code"]
            assert query["scope"] == ["snsapi_privateinfo"]
            assert location.endswith("#wechat_redirect")
        else:
            assert query["login_type"] == ["CorpApp"]
            member = Member(member.user_id)  # a QR code does not tell the number
        code = self.code_for(member)
        return f"{query['redirect_uri'][0]}?code={code}&state={query['state'][0]}&appid={CORP_ID}"

    # Each platform's server overrides it.
    def ways(self) -> dict[str, Callable[[dict[str, str], dict[str, Any], Any], tuple[int, Any]]]:
        return {
            "/cgi-bin/gettoken": self._token,
            "/cgi-bin/auth/getuserinfo": self._user,
            "/cgi-bin/auth/getuserdetail": self._detail,
            "/cgi-bin/message/send": self._send,
        }

    def _token(self, query: dict[str, str], _body: Any, _headers: Any) -> tuple[int, Any]:
        if (query["corpid"], query["corpsecret"]) != (CORP_ID, SECRET):
            return 200, {"errcode": 40001, "errmsg": "invalid credential"}
        return 200, {"errcode": 0, "errmsg": "ok", "access_token": self.new_token(), "expires_in": 7200}

    def _user(self, query: dict[str, str], _body: Any, _headers: Any) -> tuple[int, Any]:
        if query["access_token"] not in self.tokens:
            return 200, {"errcode": 40014, "errmsg": "invalid access_token"}
        member = self.codes.pop(query["code"], None)
        if member is None:
            return 200, {"errcode": 40029, "errmsg": "invalid code"}
        if not member.user_id:
            return 200, {"errcode": 0, "errmsg": "ok", "openid": "somebody"}
        said = {"errcode": 0, "errmsg": "ok", "userid": member.user_id}
        if member.phone is None:
            return 200, said
        self.codes[ticket := secrets.token_urlsafe(16)] = member
        return 200, said | {"user_ticket": ticket}

    def _detail(self, _query: Any, body: dict[str, Any], _headers: Any) -> tuple[int, Any]:
        member = self.codes.pop(body["user_ticket"])
        mobile = (member.phone or "").removeprefix("+86")
        return 200, {"errcode": 0, "errmsg": "ok", "userid": member.user_id, "mobile": mobile}

    def _send(self, query: dict[str, str], body: dict[str, Any], _headers: Any) -> tuple[int, Any]:
        if query["access_token"] not in self.tokens:
            return 200, {"errcode": 42001, "errmsg": "access_token expired"}
        assert (body["agentid"], body["msgtype"]) == (AGENT_ID, "text")
        if body["touser"] not in self.members:
            return 200, {"errcode": 81013, "errmsg": "user & party & tag all invalid"}
        sent = (body["touser"], body["text"]["content"])
        assert len(sent[1].encode()) <= 2048
        if not (body["enable_duplicate_check"] and sent in self.delivered):
            self.delivered.append(sent)
        return 200, {"errcode": 0, "errmsg": "ok", "msgid": "m"}


class SmallDingtalk(SmallPlatform):
    """DingTalk: userAccessToken, contact/users/me, gettoken, getbyunionid, asyncsend_v2, getsendresult."""

    def redirect_back(self, location: str, member: Member) -> str:
        query = parse_qs(urlsplit(location).query)
        assert query["client_id"] == [CORP_ID]
        assert (query["response_type"], query["scope"], query["prompt"]) == (
            ["code"],
            ["openid"],
            ["consent"],
        )
        code = self.code_for(member)
        return f"{query['redirect_uri'][0]}?authCode={code}&state={query['state'][0]}"

    # Each platform's server overrides it.
    def ways(self) -> dict[str, Callable[[dict[str, str], dict[str, Any], Any], tuple[int, Any]]]:
        return {
            "/v1.0/oauth2/userAccessToken": self._user_token,
            "/v1.0/contact/users/me": self._me,
            "/gettoken": self._token,
            "/topapi/user/getbyunionid": self._by_union_id,
            "/topapi/message/corpconversation/asyncsend_v2": self._send,
            "/topapi/message/corpconversation/getsendresult": self._send_result,
        }

    def _user_token(self, _query: Any, body: dict[str, Any], _headers: Any) -> tuple[int, Any]:
        assert body["grantType"] == "authorization_code"
        if (body["clientId"], body["clientSecret"]) != (CORP_ID, SECRET):
            return 403, {"code": "Forbidden.AccessDenied", "message": "wrong secret"}
        member = self.codes.pop(body["code"], None)
        if member is None:
            return 400, {"code": "invalidParameter.authCode.notFound", "message": "authCode not found"}
        self.codes[token := secrets.token_urlsafe(16)] = member
        return 200, {"accessToken": token, "refreshToken": "r", "expireIn": 7200}

    def _me(self, _query: Any, _body: Any, headers: Any) -> tuple[int, Any]:
        member = self.codes[headers["x-acs-dingtalk-access-token"]]
        said = {"nick": "Nick", "openId": "o", "unionId": f"union-{member.user_id or 'somebody'}"}
        if member.phone is not None:
            said |= {"mobile": member.phone.removeprefix("+86"), "stateCode": "86"}
        return 200, said

    def _token(self, query: dict[str, str], _body: Any, _headers: Any) -> tuple[int, Any]:
        if (query["appkey"], query["appsecret"]) != (CORP_ID, SECRET):
            return 200, {"errcode": 40089, "errmsg": "invalid appkey or appsecret"}
        return 200, {"errcode": 0, "errmsg": "ok", "access_token": self.new_token(), "expires_in": 7200}

    def _refusal(self, query: dict[str, str]) -> Any:
        if query["access_token"] not in self.tokens:
            return {"errcode": 88, "sub_code": "40014", "sub_msg": "wrong access_token", "errmsg": "ding"}
        return None

    def _by_union_id(self, query: dict[str, str], body: dict[str, Any], _headers: Any) -> tuple[int, Any]:
        if (refusal := self._refusal(query)) is not None:
            return 200, refusal
        user_id = body["unionid"].removeprefix("union-")
        if user_id not in self.members:
            return 200, {"errcode": 60121, "errmsg": "user not found"}
        return 200, {"errcode": 0, "errmsg": "ok", "result": {"contact_type": 0, "userid": user_id}}

    def _send(self, query: dict[str, str], body: dict[str, Any], _headers: Any) -> tuple[int, Any]:
        if (refusal := self._refusal(query)) is not None:
            return 200, refusal
        assert (body["agent_id"], body["msg"]["msgtype"]) == (AGENT_ID, "text")
        if body["userid_list"] not in self.members:
            return 200, {"errcode": 33012, "errmsg": "invalid userid"}
        sent = (body["userid_list"], body["msg"]["text"]["content"])
        if sent not in self.delivered:  # the same text is dropped in silence for the rest of the day
            self.delivered.append(sent)
        return 200, {"errcode": 0, "errmsg": "ok", "task_id": 1}

    def _send_result(self, query: dict[str, str], body: dict[str, Any], _headers: Any) -> tuple[int, Any]:
        if (refusal := self._refusal(query)) is not None:
            return 200, refusal
        assert (body["agent_id"], body["task_id"]) == (AGENT_ID, 1)
        result = self.send_results.pop(0) if self.send_results else {"unread_user_id_list": [*self.members]}
        return 200, {"errcode": 0, "errmsg": "ok", "send_result": result}


@contextmanager
def small_platform(kind: type[SmallPlatform]) -> Iterator[SmallPlatform]:
    """Run the server of a platform until the end of the block."""
    with serving(answers("")) as source:
        platform = kind(source)
        source.behave = platform.behave
        yield platform
