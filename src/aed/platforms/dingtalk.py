"""An app of an organisation in DingTalk 钉钉: who signs in, and work notifications to one member.

https://open.dingtalk.com/document/orgapp/obtain-user-token (sign-in), /asynchronous-sending-of-enterprise-
session-messages (messages), /gets-the-result-of-sending-messages-asynchronously-to-the-
enterprise (their result)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from aed.errors import NotSignedIn
from aed.http.outbound import OutboundClient
from aed.platforms.calls import (
    AccessToken,
    PlatformApi,
    PlatformFailed,
    PlatformUser,
    call_with_token,
    code_of,
    refused_server,
    require_success,
    text_at,
    token_in,
)
from aed.settings import Settings
from aed.settings.platforms import Dingtalk

NAME: Final = "DingTalk"
TOO_OFTEN: Final = (90002, 90018)
"""The app, or the whole organisation, has called too often within a minute."""
BUSY: Final = (-1, *TOO_OFTEN)
NOT_A_MEMBER: Final = 60121


@dataclass(frozen=True)
class DingtalkApp:
    """An app of an organisation, and its access token."""

    settings: Dingtalk
    api: PlatformApi
    token: AccessToken = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "token", AccessToken(NAME, self._fetch_token))

    @property
    def issuer(self) -> str:
        """The name under which members' ids of this organisation are stored."""
        return f"dingtalk:{self.settings.client_id}"

    @property
    def seconds(self) -> float:
        return self.settings.seconds

    def sign_in_url(self, *, redirect_url: str, state: str, user_agent: str) -> str:
        """Return the page of DingTalk that asks for consent, in its own browser or by a QR code."""
        query = {
            "redirect_uri": redirect_url,
            "response_type": "code",
            "client_id": self.settings.client_id,
            "scope": "openid",
            "state": state,
            "prompt": "consent",
        }
        return f"{self.settings.consent_url}?{urlencode(query)}"

    def user_of(self, code: str, *, until: float) -> PlatformUser:
        """Exchange the code of a redirect for the member: userAccessToken, contact/users/me, getbyunionid.

        Raises NotSignedIn for an invalid code and for a person outside the organisation, PlatformFailed.
        """
        body = {
            "clientId": self.settings.client_id,
            "clientSecret": self.settings.client_secret.get_secret_value(),
            "code": code,
            "grantType": "authorization_code",
        }
        api = self.settings.api_url.rstrip("/")
        status, said = self.api.call("POST", f"{api}/v1.0/oauth2/userAccessToken", body=body, until=until)
        if status == 400:
            raise NotSignedIn("This sign-in has expired, or its code was used. Start again.")
        self._require_ok(status, said)
        token = {"x-acs-dingtalk-access-token": text_at(said, "accessToken", platform=NAME)}
        status, me = self.api.call("GET", f"{api}/v1.0/contact/users/me", headers=token, until=until)
        self._require_ok(status, me)
        found = self._call(
            "/topapi/user/getbyunionid", {"unionid": text_at(me, "unionId", platform=NAME)}, until
        )
        if result_of(found) == NOT_A_MEMBER:
            raise NotSignedIn("You are not a member of this organisation in {platform}.", platform=NAME)
        self._require_success(found)
        member = found.get("result")
        user_id = text_at(member if isinstance(member, Mapping) else {}, "userid", platform=NAME)
        mobile, country = me.get("mobile"), me.get("stateCode") or "86"
        return PlatformUser(user_id, phone=f"+{country}{mobile}" if mobile else None)

    def send_message(self, user_id: str, text: str, *, until: float) -> dict[str, Any]:
        """Send a work notification to one member (asyncsend_v2). Raises PlatformFailed."""
        body = {
            "agent_id": self.settings.agent_id,
            "userid_list": user_id,
            "msg": {"msgtype": "text", "text": {"content": text}},
        }
        return self._call("/topapi/message/corpconversation/asyncsend_v2", body, until)

    def send_result(self, task_id: object, *, until: float) -> Mapping[str, Any]:
        """Return which members got a work notification (getsendresult). Raises PlatformFailed."""
        body = {"agent_id": self.settings.agent_id, "task_id": task_id}
        said = self._call("/topapi/message/corpconversation/getsendresult", body, until)
        self._require_success(said)
        result = said.get("send_result")
        return result if isinstance(result, Mapping) else {}

    def _call(self, path: str, body: Mapping[str, Any], until: float) -> dict[str, Any]:
        url = self._url(path)
        return call_with_token(self.api, self.token, "POST", url, body=body, result_of=result_of, until=until)

    def _require_ok(self, status: int, said: Mapping[str, Any]) -> None:
        if status == 429 or status >= 500:
            raise PlatformFailed("{platform} is busy. Try again in a minute.", platform=NAME)
        if status != 200:
            raise refused_server(NAME, str(said.get("code", status))[:80], "AED_DINGTALK__")

    def _require_success(self, said: Mapping[str, Any]) -> None:
        require_success(result_of(said), busy=BUSY, platform=NAME, settings="AED_DINGTALK__")

    def _fetch_token(self, _by_force: bool, until: float) -> tuple[str, float]:
        """Fetch the token: DingTalk hands out the same one while it is valid."""
        query = {
            "appkey": self.settings.client_id,
            "appsecret": self.settings.client_secret.get_secret_value(),
        }
        _, said = self.api.call("GET", self._url("/gettoken"), query=query, until=until)
        self._require_success(said)
        return token_in(said, platform=NAME)

    def _url(self, path: str) -> str:
        return self.settings.url.rstrip("/") + path


def result_of(said: Mapping[str, Any]) -> int:
    """Return the result code: under 88, a code of the gateway, the actual one is `sub_code`."""
    code = code_of(said)
    sub_code = str(said.get("sub_code", ""))
    return int(sub_code) if code == 88 and sub_code.isdecimal() else code


def dingtalk_app(settings: Settings) -> DingtalkApp | None:
    """Return the app of the settings; None if there is none."""
    if not settings.dingtalk.is_set_up:
        return None
    return DingtalkApp(
        settings.dingtalk,
        PlatformApi(NAME, OutboundClient(is_private_allowed=settings.notify_allow_private)),
    )
