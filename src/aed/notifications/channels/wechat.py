"""Subscribe messages 订阅消息 of the WeChat mini program: each uses up a consent of its recipient.

https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-message-management/subscribe-message/
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from aed.accounts.people.rules import Language
from aed.errors import TooBusy
from aed.notifications.rules import Delivery, PermanentFailure, TemporaryFailure
from aed.platforms.calls import TOKEN_REFUSED, PlatformFailed
from aed.platforms.wechat import WechatApp
from aed.settings.platforms import WechatTemplate

SECONDS: Final = 15.0
BEIJING: Final = ZoneInfo("Asia/Shanghai")
"""WeChat shows times, and counts days, in Beijing time."""
MAX_CHARACTERS: Final[Mapping[str, int]] = {
    "thing": 20,
    "character_string": 32,
    "number": 32,
    "letter": 32,
    "phrase": 5,
    "symbol": 5,
    "name": 10,
    "phone_number": 17,
}
"""Maximum length of a keyword's value, by its kind: `thing1` is of the kind `thing`."""
LATER: Final = (-1, 43108)
"""WeChat is busy; another message to the same person is being sent."""
MISTAKES: Final[Mapping[int, str]] = {
    40037: "the template id is wrong: compare AED_WECHAT__TEMPLATES with WeChat's console",
    41030: "the page does not exist in the published mini program: correct AED_WECHAT__PAGE",
    45168: "the text contains words that WeChat does not allow",
    47003: "a field of the template has a wrong name or form: compare AED_WECHAT__TEMPLATES with WeChat's "
    "console",
}
"""Errors that another attempt would not mend."""


def deliver(letter: Delivery, app: WechatApp | None, *, at: datetime) -> None:
    """Send a message by the template that was chosen when it was enqueued.

    WeChat does not detect duplicates, but it refuses a second message for one consent.
    """
    if app is None:
        raise TemporaryFailure("Set AED_WECHAT__APP_ID to the mini program's AppID.", is_channel_down=True)
    if letter.endpoint is None:
        raise PermanentFailure("The message has no endpoint.")
    template = next((each for each in app.settings.templates.values() if each.id == letter.body), None)
    if template is None:
        raise PermanentFailure("The template of this message is no longer in AED_WECHAT__TEMPLATES.")
    message = {
        "touser": letter.endpoint.address,
        "template_id": template.id,
        "page": app.settings.page,
        "miniprogram_state": app.settings.version,
        "lang": "zh_CN" if letter.language is Language.ZH else "en_US",
        "data": {name: {"value": value} for name, value in values_of(template, letter).items()},
    }
    try:
        code = app.send_message(message, until=time.monotonic() + SECONDS)
    except (PlatformFailed, TooBusy) as error:
        raise TemporaryFailure(error.detail, is_channel_down=True) from None
    _judge(code, at=at)


def values_of(template: WechatTemplate, letter: Delivery) -> dict[str, str]:
    """Return the value of each keyword, cut to what WeChat accepts for its kind; it must not be empty."""
    sources = {
        "subject": letter.subject or letter.text,
        "text": letter.text,
        "time": f"{letter.created_at.astimezone(BEIJING):%Y-%m-%d %H:%M}",
    }
    return {
        name: _fitted(" ".join(sources.get(source, source).split()), name)
        for name, source in template.fields.items()
    }


def _fitted(value: str, name: str) -> str:
    most = MAX_CHARACTERS.get(re.sub(r"\d+$", "", name))
    if most is None or len(value) <= most:
        return value or "-"
    return value[: most - 1] + "…"


def _judge(code: int, *, at: datetime) -> None:
    """Check a result code; 0 is success. Raises PermanentFailure or TemporaryFailure."""
    said = f"WeChat responded with code {code}"
    match code:
        case 0:
            return
        case 43101:
            raise PermanentFailure(f"{said}: the person has not consented.", is_consent_gone=True)
        case 40003:
            raise PermanentFailure(f"{said}: the user is unknown.", is_endpoint_gone=True)
        case 45009:
            raise TemporaryFailure(
                f"{said}: today's quota is used up.", wait=_until_tomorrow(at), is_channel_down=True
            )
        case 45011:
            raise TemporaryFailure(f"{said}: too many messages.", wait=timedelta(minutes=1))
        case 43107:
            raise TemporaryFailure(
                f"{said}: WeChat has switched off subscribe messages of this mini program.",
                is_channel_down=True,
            )
        case busy if busy in LATER:
            raise TemporaryFailure(f"{said}.")
        case refused if refused in TOKEN_REFUSED:
            raise TemporaryFailure(f"{said}: the new access token was refused too.", is_channel_down=True)
        case mistake if mistake in MISTAKES:
            raise PermanentFailure(f"{said}: {MISTAKES[mistake]}.")
        case _:
            raise TemporaryFailure(
                f"{said}. Compare AED_WECHAT__… with WeChat's console.", is_channel_down=True
            )


def _until_tomorrow(at: datetime) -> timedelta:
    """Return the time until quotas begin anew, at midnight in Beijing."""
    here = at.astimezone(BEIJING)
    return here.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - here
