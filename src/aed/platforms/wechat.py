"""The server side of a WeChat mini program 微信小程序.

https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aed.errors import InvalidInput, NotAllowed, NotSignedIn, TooBusy
from aed.http.outbound import OutboundClient
from aed.platforms.calls import (
    AccessToken,
    PlatformApi,
    PlatformFailed,
    call_with_token,
    code_of,
    refused_server,
    text_at,
    token_in,
)
from aed.settings import Settings
from aed.settings.platforms import Wechat

NAME: Final = "WeChat"
BUSY: Final = (-1, 45011)
"""WeChat is busy, or was asked too often within a minute."""
CODE_REFUSED: Final = (40029, 40163, 41008)
"""The code is wrong or older than five minutes; it was used before; it is missing."""
USER_REFUSED: Final = 40226
"""WeChat considers the user a high risk."""


@dataclass(frozen=True)
class WechatApp:
    """A mini program, and the access token of its server."""

    settings: Wechat
    api: PlatformApi
    token: AccessToken = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "token", AccessToken(NAME, self._fetch_token))

    @property
    def issuer(self) -> str:
        """The name under which people's ids of this mini program are stored."""
        return f"wechat:{self.settings.app_id}"

    def openid_of(self, code: str, *, until: float) -> str:
        """Exchange the code of `wx.login` for the user's id in this mini program (code2Session).

        The session key of the response is not kept: nothing here is decrypted with it. Raises NotSignedIn for
        a code that is not valid, NotAllowed, TooBusy, PlatformFailed.
        """
        query = {
            "appid": self.settings.app_id,
            "secret": self.settings.app_secret.get_secret_value(),
            "js_code": code,
            "grant_type": "authorization_code",
        }
        _, reply = self.api.call("GET", self._url("/sns/jscode2session"), query=query, until=until)
        result = code_of(reply)
        if result in CODE_REFUSED:
            raise NotSignedIn(
                "The login code of WeChat is not valid: it is used up, or older than five minutes. Call "
                "wx.login again."
            )
        if result == USER_REFUSED:
            raise NotAllowed("WeChat has blocked this user. Sign in by password or code.")
        if result:
            raise self._failure(result)
        return text_at(reply, "openid", platform=NAME)

    def phone_number_of(self, code: str, *, until: float) -> str:
        """Exchange the code of a getPhoneNumber button for the user's number, with its country code.

        Raises InvalidInput for a code that is not valid, TooBusy, PlatformFailed.
        """
        reply = self._with_token("/wxa/business/getuserphonenumber", {"code": code}, until=until)
        result = code_of(reply)
        if result in CODE_REFUSED:
            raise InvalidInput(
                "The phone code of WeChat is not valid: it is used up, or older than five minutes. Let the "
                "user press the button again.",
                field="phone_code",
            )
        if result:
            raise self._failure(result)
        info = reply.get("phone_info")
        if not isinstance(info, Mapping):
            raise PlatformFailed("{platform} sent a response of an unknown form.", platform=NAME)
        watermark = info.get("watermark")
        if not isinstance(watermark, Mapping) or watermark.get("appid") != self.settings.app_id:
            raise InvalidInput("The phone code is of another mini program.", field="phone_code")
        number = text_at(info, "purePhoneNumber", platform=NAME)
        return f"+{text_at(info, 'countryCode', platform=NAME)}{number}"

    def send_message(self, message: Mapping[str, Any], *, until: float) -> int:
        """Send a subscribe message (subscribeMessage.send); return the result code, 0 for success.

        Raises PlatformFailed, TooBusy.
        """
        return code_of(self._with_token("/cgi-bin/message/subscribe/send", message, until=until))

    def _with_token(self, path: str, body: Mapping[str, Any], *, until: float) -> dict[str, Any]:
        return call_with_token(self.api, self.token, "POST", self._url(path), body=body, until=until)

    def _fetch_token(self, by_force: bool, until: float) -> tuple[str, float]:
        """Fetch the stable token: every process gets the same one, and fetching it ends no other."""
        body = {
            "grant_type": "client_credential",
            "appid": self.settings.app_id,
            "secret": self.settings.app_secret.get_secret_value(),
            "force_refresh": by_force,
        }
        _, reply = self.api.call("POST", self._url("/cgi-bin/stable_token"), body=body, until=until)
        if code_of(reply):
            raise self._failure(code_of(reply))
        return token_in(reply, platform=NAME)

    def _failure(self, code: int) -> TooBusy | PlatformFailed:
        if code in BUSY:
            return TooBusy("WeChat is busy. Try again in a minute.", retry_after_seconds=60)
        return refused_server(NAME, code, "AED_WECHAT__")

    def _url(self, path: str) -> str:
        return self.settings.url.rstrip("/") + path


def wechat_app(settings: Settings) -> WechatApp | None:
    """Return the mini program of the settings; None if there is none."""
    if not settings.wechat.is_set_up:
        return None
    return WechatApp(
        settings.wechat, PlatformApi(NAME, OutboundClient(is_private_allowed=settings.notify_allow_private))
    )
