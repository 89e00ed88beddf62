"""Channels, delivery failures, retries and rate limits of messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final
from urllib.parse import parse_qsl, unquote

from aed.accounts.people.rules import Language
from aed.errors import AedError


class Channel(StrEnum):
    """A channel of delivery. The first two need only a phone number."""

    SMS = "sms"
    VOICE = "voice"
    EMAIL = "email"
    WEB_PUSH = "web_push"
    DINGTALK = "dingtalk"
    WECOM = "wecom"
    FEISHU = "feishu"
    WECHAT = "wechat"
    """Subscribe messages of the mini program: one for each consent."""
    WECOM_APP = "wecom_app"
    """An app's messages to one member; `wecom` is the bot of a group."""
    DINGTALK_APP = "dingtalk_app"
    """An app's work notifications to one member; `dingtalk` is the bot of a group."""
    WEBHOOK = "webhook"
    APPRISE = "apprise"
    """Any service that Apprise supports."""


class MessageTopic(StrEnum):
    """What a message is about: WeChat has a template for each."""

    CALL = "call"
    """An alert to a patient, and what follows it."""
    DEVICE = "device"
    """Checks, reminders and faults of devices."""
    TRAINING = "training"
    """Courses, sessions and certificates."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ConsentsLeft:
    """How many more messages of a topic a person allows in WeChat."""

    topic: MessageTopic
    template_id: str
    left: int


OWN_CHANNELS: Final = (Channel.WECHAT, Channel.WECOM_APP, Channel.DINGTALK_APP)
"""Channels to a person's own account at a platform: they add it themselves."""
PHONE_CHANNELS: Final = (Channel.SMS, Channel.VOICE)
"""Channels to a phone number; all others go to an endpoint."""


class OutboxState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"
    """Given up: after too many attempts, after a permanent failure, or because it expired."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The recipient of a message on a channel that needs more than a phone number."""

    id: int
    name: str
    address: str
    """An e-mail address, or a URL; a bot's and Apprise's hold their secrets."""
    secret: str | None
    old_secret: str | None = None
    """The previous secret, while receivers may not know the new one yet."""
    is_closed_when_gone: bool = False
    """An answer of 410 closes it also after JSON that was sent as it is."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed message, in the recipient's language."""

    id: int
    key: str
    """The same for every attempt of this message: receivers detect duplicates by it."""
    channel: Channel
    recipient: str
    language: Language
    subject: str
    text: str
    created_at: datetime
    expires_at: datetime | None
    tries: int
    """Attempts, including this one."""
    endpoint: Endpoint | None = None
    ordering_key: str | None = None
    """Messages with the same key are sent one after the other. None: in any order."""
    is_secret: bool = False
    """It may have been cancelled since it was claimed, so this is checked again before it is sent."""
    body: str | None = None
    """JSON for a webhook, sent as it is in place of the text."""

    @property
    def own_server_id(self) -> int | None:
        """The id of a webhook's endpoint, since each has a server of its own; None for shared servers."""
        return self.endpoint.id if self.channel is Channel.WEBHOOK and self.endpoint is not None else None


# --- Failures -------------------------------------------------------------------------------------------


class DeliveryFailed(AedError):
    """A failed attempt. `detail` is stored and shown to administrators, so it holds no secrets."""

    status: ClassVar[int] = 502
    code: ClassVar[str] = "not-delivered"
    title: ClassVar[str] = "The message could not be delivered"


class PermanentFailure(DeliveryFailed):
    """Another attempt would fail too.

    `is_endpoint_gone`: every message to this endpoint would fail. `is_consent_gone`: every message that needs
    a consent of its recipient would fail, until they consent again.
    """

    def __init__(self, detail: str, *, is_endpoint_gone: bool = False, is_consent_gone: bool = False) -> None:
        super().__init__(detail)
        self.is_endpoint_gone = is_endpoint_gone
        self.is_consent_gone = is_consent_gone


class TemporaryFailure(DeliveryFailed):
    """The message is retried later.

    `wait`: the delay that the server asks for. `is_channel_down`: every other message of this channel (for
    webhooks: to the same server) would fail now too.
    """

    def __init__(self, detail: str, *, wait: timedelta | None = None, is_channel_down: bool = False) -> None:
        super().__init__(detail)
        self.wait = wait
        self.is_channel_down = is_channel_down


# --- Retries --------------------------------------------------------------------------------------------

FIRST_WAIT: Final = timedelta(seconds=15)
MAX_WAIT: Final = timedelta(minutes=30)
MAX_TRIES: Final = 50
"""Seven attempts within half an hour, then one each half hour, for nearly a day."""
JITTER: Final = 0.2


def wait_after(tries: int, *, random_fraction: float) -> timedelta:
    """Return the delay after the `tries`-th attempt: exponential backoff with 20 % jitter.

    `random_fraction` is a random number from 0 to 1, so that messages that failed together are retried apart.
    """
    doubled = min(FIRST_WAIT * 2.0 ** min(tries - 1, 30), MAX_WAIT)
    return doubled * (1 + JITTER * (2 * random_fraction - 1))


# --- Reasons for waiting --------------------------------------------------------------------------------


class WaitReason(StrEnum):
    """Why a message in the outbox has not been sent yet."""

    NOT_DUE = "not_due"
    """It is scheduled for later."""
    RETRY = "retry"
    """The last attempt failed; the next one is scheduled."""
    EARLIER_MESSAGE = "earlier_message"
    """An earlier message to the same recipient must be sent first."""
    CHANNEL_DOWN = "channel_down"
    """Its channel or its server is down."""
    BEING_SENT = "being_sent"
    PAUSED = "paused"
    """No worker is running."""
    NEXT = "next"
    """Nothing delays it: it is sent with the next batch."""


@dataclass(frozen=True, slots=True)
class WaitingFor:
    """Why a message waits, until when (if known), and behind which message."""

    reason: WaitReason
    until: datetime | None = None
    behind_id: int | None = None

    def __str__(self) -> str:
        until = f"{self.until:%Y-%m-%d %H:%M:%S} UTC" if self.until is not None else ""
        match self.reason:
            case WaitReason.NOT_DUE:
                return f"not due before {until}"
            case WaitReason.RETRY:
                return f"the last attempt failed; the next is at {until}"
            case WaitReason.EARLIER_MESSAGE:
                return f"message {self.behind_id} to the same recipient must be sent first"
            case WaitReason.CHANNEL_DOWN:
                return f"the channel is unavailable; the next attempt is at {until}"
            case WaitReason.BEING_SENT:
                return f"being sent (claimed until {until})"
            case WaitReason.PAUSED:
                return "no worker is running: start `aed work`"
            case WaitReason.NEXT:
                return "sent next"


# --- Rate limits ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate limit: at most `most` messages within `within`."""

    most: int
    within: timedelta


RATES: Final[Mapping[Channel, Sequence[Rate]]] = {
    Channel.DINGTALK: (Rate(20, timedelta(minutes=1)),),  # a bot that exceeds it is blocked for ten minutes
    Channel.WECOM: (Rate(20, timedelta(minutes=1)),),
    Channel.WECOM_APP: (Rate(30, timedelta(minutes=1)), Rate(1000, timedelta(hours=1))),
    Channel.DINGTALK_APP: (Rate(500, timedelta(days=1)),),
    Channel.FEISHU: (Rate(5, timedelta(seconds=1)), Rate(100, timedelta(minutes=1))),
}
"""Rate limits of bots, and of messages to one member, as their platforms document them."""
MAX_RATE_PERIOD: Final = max(rate.within for rates in RATES.values() for rate in rates)


def next_free_at(tried: Sequence[datetime], rates: Sequence[Rate], *, at: datetime) -> datetime:
    """Return when one more message may be sent. `tried`: earlier attempts, newest first; `at`: now."""
    free = at
    for rate in rates:
        if len(tried) >= rate.most:
            free = max(free, tried[rate.most - 1] + rate.within)
    return free


# --- Apprise ----------------------------------------------------------------------------------------------

# fmt: off
APPRISE_SCHEMES: Final = frozenset({
    "bark", "barks", "dingtalk", "discord", "feishu", "fluxer", "form", "forms", "gchat", "gotify",
    "gotifys", "guilded", "json", "jsons", "lark", "line", "matrix", "matrixs", "mmost", "mmosts",
    "msteams", "ntfy", "ntfys", "pover", "push", "pushdeer", "pushdeers", "pushme", "revolt", "rocket",
    "rockets", "schan", "signal", "signals", "slack", "tgram", "twist", "webex", "webexteams",
    "wecombot", "workflows", "wxteams", "wxpusher", "xml", "xmls", "zulip",
})
# fmt: on
"""Services for messages to people and groups. Apprise also has schemes that write to the screen and log of
this machine, run programs, and send e-mail and SMS without the limits set here.
"""
_OF_A_FILE: Final = frozenset({"attach", "ca", "cert", "certificate", "key", "keyfile", "pem", "template"})
"""Options by which some schemes read a file of this machine."""


def apprise_refusal(address: str) -> str | None:
    """Return why messages are not sent to an Apprise address; None if they may be."""
    scheme, _, rest = address.strip().partition("://")
    if scheme.lower() not in APPRISE_SCHEMES:
        return (
            "The Apprise URL must be one of a chat or push service, such as ntfys://, slack:// or tgram://."
        )
    options = parse_qsl(rest.partition("?")[2], keep_blank_values=True)
    for name, value in options:
        plain = name.strip().lstrip("+-:").lower()
        if plain in _OF_A_FILE or unquote(value).strip().lower().startswith(("file:", "/", "~", ".", "\\")):
            return f"The option '{name}' would read a file of this machine. Leave it out."
        if plain == "verify" and value.strip().lower() in ("no", "false", "0", "n", "off"):
            return "Certificates of servers are always checked. Leave out the option 'verify'."
    return None


# --- Links ------------------------------------------------------------------------------------------------

LINK_REMOVED: Final = "[link removed]"
_LINK: Final = re.compile(r"https?://[^\s\"<>\\\\，。；）]+")


def without_links(text: str | None) -> str | None:
    """Return the text with each link replaced: a link of this service lets anybody act as its recipient."""
    return text if text is None else _LINK.sub(LINK_REMOVED, text)
