"""Channels of delivery, one file each, all with a function `deliver` that sends a message or raises.

posting.py  HTTP requests to addresses that were checked
bots.py     shared code of chat bots
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from aed.notifications.channels import (
    dingtalk,
    dingtalk_app,
    email,
    feishu,
    gateway,
    spool,
    through_apprise,
    web_push,
    webhook,
    wechat,
    wecom,
    wecom_app,
)
from aed.notifications.channels.posting import Post
from aed.notifications.rules import Channel, Delivery, TemporaryFailure
from aed.platforms import dingtalk as platforms_dingtalk
from aed.platforms import wecom as platforms_wecom
from aed.platforms.wechat import wechat_app
from aed.settings import Settings

NOISY_LOGGERS: Final = {
    "apprise": logging.CRITICAL,
    "httpx2": logging.WARNING,
    "httpcore2": logging.WARNING,
    "urllib3": logging.WARNING,
    "requests": logging.WARNING,
}
"""Libraries whose log messages below these levels contain addresses, and so the secrets of bots."""


class Deliver(Protocol):
    def __call__(self, letter: Delivery, *, at: datetime) -> None:
        """Send a message. Raises PermanentFailure or TemporaryFailure."""


def channels_of(settings: Settings) -> Mapping[Channel, Deliver]:
    """Return the configured channels. Unconfigured SMS, calls and e-mail are spooled to files."""
    for name, level in NOISY_LOGGERS.items():
        logging.getLogger(name).setLevel(level)
    post = Post(is_private_allowed=settings.notify_allow_private)
    spooled: Deliver = partial(spool.deliver, folder=settings.outbox_spool)
    telephone: Deliver = spooled
    if settings.sms.url is not None:
        telephone = partial(gateway.deliver, gateway=_gateway(settings), post=post)
    mail: Deliver = spooled
    if settings.smtp.host is not None:
        mail = partial(email.deliver, mailer=_mailer(settings))
    push: Deliver = _without_a_key
    if settings.web_push.private_key is not None:
        key = settings.web_push.private_key.get_secret_value()
        push = partial(web_push.deliver, pusher=web_push.Pusher(key, settings.web_push.contact), post=post)
    return {
        Channel.SMS: telephone,
        Channel.VOICE: telephone,
        Channel.EMAIL: mail,
        Channel.WEB_PUSH: push,
        Channel.DINGTALK: partial(dingtalk.deliver, post=post),
        Channel.WECOM: partial(wecom.deliver, post=post),
        Channel.FEISHU: partial(feishu.deliver, post=post),
        Channel.WECHAT: partial(wechat.deliver, app=wechat_app(settings)),
        Channel.WECOM_APP: partial(wecom_app.deliver, app=platforms_wecom.wecom_app(settings)),
        Channel.DINGTALK_APP: partial(dingtalk_app.deliver, app=platforms_dingtalk.dingtalk_app(settings)),
        Channel.WEBHOOK: partial(webhook.deliver, post=post),
        Channel.APPRISE: partial(through_apprise.deliver, is_private_allowed=settings.notify_allow_private),
    }


def _without_a_key(letter: Delivery, *, at: datetime) -> None:
    raise TemporaryFailure(
        "Set AED_WEB_PUSH__PRIVATE_KEY to the key with which browsers subscribed.", is_channel_down=True
    )


def _gateway(settings: Settings) -> gateway.Gateway:
    sms = settings.sms
    return gateway.Gateway(
        url=sms.url.get_secret_value() if sms.url is not None else "",
        secret=sms.secret.get_secret_value() if sms.secret is not None else None,
        form=sms.form,
        names=sms.names,
        fixed=sms.fixed,
        headers={name: value.get_secret_value() for name, value in sms.headers.items()},
    )


def _mailer(settings: Settings) -> email.Mailer:
    smtp = settings.smtp
    return email.Mailer(
        host=smtp.host or "",
        port=smtp.port,
        security=smtp.security,
        user=smtp.user,
        password=smtp.password.get_secret_value() if smtp.password is not None else None,
        sender=smtp.sender,
        authorities=str(smtp.authorities) if smtp.authorities is not None else None,
    )
