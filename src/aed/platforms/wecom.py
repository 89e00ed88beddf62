"""An app of an organisation in WeCom 企业微信: who signs in, and messages to one member.

https://developer.work.weixin.qq.com/document/path/91022 (sign-in), /90236 (messages)
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
    PlatformUser,
    call_with_token,
    code_of,
    require_success,
    text_at,
    token_in,
)
from aed.settings import Settings
from aed.settings.platforms import Wecom

NAME: Final = "WeCom"
CODE_REFUSED: Final = (40029, 42003)
BUSY: Final = (-1, 45009, 45033)


@dataclass(frozen=True)
class WecomApp:
    """An app of an organisation, and its access token."""

    settings: Wecom
    api: PlatformApi
    token: AccessToken = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "token", AccessToken(NAME, self._fetch_token))

    @property
    def issuer(self) -> str:
        """The name under which members' ids of this organisation are stored."""
        return f"wecom:{self.settings.corp_id}"

    @property
    def seconds(self) -> float:
        return self.settings.seconds

    def sign_in_url(self, *, redirect_url: str, state: str, user_agent: str) -> str:
        """Return the page that asks for consent in WeCom's own browser, and shows a QR code in any other.

        Only the first can tell the phone number.
        """
        if "wxwork" in user_agent.lower():
            query = {
                "appid": self.settings.corp_id,
                "redirect_uri": redirect_url,
                "response_type": "code",
                "scope": "snsapi_privateinfo",
                "state": state,
                "agentid": str(self.settings.agent_id),
            }
            return f"{self.settings.consent_url}?{urlencode(query)}#wechat_redirect"
        query = {
            "login_type": "CorpApp",
            "appid": self.settings.corp_id,
            "agentid": str(self.settings.agent_id),
            "redirect_uri": redirect_url,
            "state": state,
        }
        return f"{self.settings.qr_url}?{urlencode(query)}"

    def user_of(self, code: str, *, until: float) -> PlatformUser:
        """Exchange the code of a redirect for the member (getuserinfo, getuserdetail).

        Raises NotSignedIn for an invalid code and for a person outside the organisation, PlatformFailed.
        """
        said = self._call("GET", "/cgi-bin/auth/getuserinfo", {"code": code}, None, until)
        if code_of(said) in CODE_REFUSED:
            raise NotSignedIn("This sign-in has expired, or its code was used. Start again.")
        self._require_success(said)
        if not said.get("userid"):
            raise NotSignedIn("You are not a member of this organisation in {platform}.", platform=NAME)
        user_id = text_at(said, "userid", platform=NAME)
        if not said.get("user_ticket"):
            return PlatformUser(user_id)
        body = {"user_ticket": said["user_ticket"]}
        detail = self._call("POST", "/cgi-bin/auth/getuserdetail", {}, body, until)
        self._require_success(detail)
        return PlatformUser(user_id, phone=detail.get("mobile") or None)

    def send_message(self, user_id: str, text: str, *, until: float) -> dict[str, Any]:
        """Send a text to one member (message/send); the same text is not delivered again for half an hour.

        Raises PlatformFailed.
        """
        body = {
            "touser": user_id,
            "msgtype": "text",
            "agentid": self.settings.agent_id,
            "text": {"content": text},
            "enable_duplicate_check": 1,
            "duplicate_check_interval": 1800,
        }
        return self._call("POST", "/cgi-bin/message/send", {}, body, until)

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        until: float,
    ) -> dict[str, Any]:
        url = self._url(path)
        return call_with_token(self.api, self.token, method, url, query=query, body=body, until=until)

    def _require_success(self, said: Mapping[str, Any]) -> None:
        require_success(code_of(said), busy=BUSY, platform=NAME, settings="AED_WECOM__")

    def _fetch_token(self, _by_force: bool, until: float) -> tuple[str, float]:
        """Fetch the token: WeCom hands out the same one while it is valid."""
        query = {
            "corpid": self.settings.corp_id,
            "corpsecret": self.settings.secret.get_secret_value(),
        }
        _, said = self.api.call("GET", self._url("/cgi-bin/gettoken"), query=query, until=until)
        self._require_success(said)
        return token_in(said, platform=NAME)

    def _url(self, path: str) -> str:
        return self.settings.url.rstrip("/") + path


def wecom_app(settings: Settings) -> WecomApp | None:
    """Return the app of the settings; None if there is none."""
    if not settings.wecom.is_set_up:
        return None
    return WecomApp(
        settings.wecom, PlatformApi(NAME, OutboundClient(is_private_allowed=settings.notify_allow_private))
    )
