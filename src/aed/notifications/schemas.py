"""Schemas of the outbox: they contain no text, address or secret."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from aed.accounts.masking import mask_recipient
from aed.accounts.people.rules import Language
from aed.notifications.models import EndpointRow, OutboxMessage
from aed.notifications.rules import (
    Channel,
    ConsentsLeft,
    MessageTopic,
    OutboxState,
    WaitingFor,
    WaitReason,
)


class WaitingOut(BaseModel):
    """Why a message has not been sent yet."""

    reason: WaitReason
    detail: str = Field(examples=["message 17 to the same recipient must be sent first"])
    until: datetime | None = Field(description="The time of the next attempt, if known")
    behind_id: int | None = Field(description="The message that must be sent first")

    @classmethod
    def of(cls, wait: WaitingFor) -> Self:
        return cls(reason=wait.reason, detail=str(wait), until=wait.until, behind_id=wait.behind_id)


class OutboxMessageOut(BaseModel):
    """A message without its text."""

    id: int
    key: str = Field(description="The key by which a recipient recognises a repeated message")
    state: OutboxState
    channel: Channel
    person_id: int | None
    recipient: str = Field(description="Masked, or the endpoint's name")
    language: Language
    created_at: datetime
    due_at: datetime = Field(description="No attempt before this time")
    expires_at: datetime | None
    tries: int
    tried_at: datetime | None
    reason: str | None = Field(description="The error of the last failed attempt")
    waiting: WaitingOut | None = Field(None, description="Why a waiting message has not been sent yet")
    sent_at: datetime | None
    given_up_at: datetime | None

    @classmethod
    def of(cls, row: OutboxMessage, wait: WaitingFor | None = None) -> Self:
        return cls(
            id=row.id,
            key=row.key,
            state=state_of(row),
            channel=row.channel,
            person_id=row.person_id,
            recipient=mask_recipient(row.recipient),
            language=row.language,
            created_at=row.created_at,
            due_at=row.due_at,
            expires_at=row.expires_at,
            tries=row.tries,
            tried_at=row.tried_at,
            reason=row.reason,
            waiting=WaitingOut.of(wait) if wait is not None else None,
            sent_at=row.sent_at,
            given_up_at=row.given_up_at,
        )


def state_of(row: OutboxMessage) -> OutboxState:
    if row.sent_at is not None:
        return OutboxState.SENT
    return OutboxState.WAITING if row.given_up_at is None else OutboxState.DEAD


class ConsentsIn(BaseModel):
    """What the person allowed in the mini program, by `wx.requestSubscribeMessage`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"key": "8f14e45f-ceea-467f", "accepted": ["zun-LzcQyW-edafCVvzPkK4de2Rllr1fFpw2A_x0oXE"]}
            ]
        },
    )

    key: str = Field(
        min_length=8, max_length=64, description="A key of your own for this tap: sent again, it counts once"
    )
    accepted: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        min_length=1, max_length=3, description="The template ids whose result is `accept`"
    )


class ConsentsLeftOut(BaseModel):
    """A template of the mini program, and how many more messages of it the person allows."""

    topic: MessageTopic
    template_id: str = Field(
        description="For `tmplIds` of `wx.requestSubscribeMessage`",
        examples=["zun-LzcQyW-edafCVvzPkK4de2Rllr1fFpw2A_x0oXE"],
    )
    left: int = Field(description="Messages that may still be sent; each takes one", examples=[2])

    @classmethod
    def of(cls, counted: ConsentsLeft) -> Self:
        return cls(topic=counted.topic, template_id=counted.template_id, left=counted.left)


class OutboxPage(BaseModel):
    messages: list[OutboxMessageOut]
    next: str | None = Field(None, description="The cursor of the next page")


class EndpointOut(BaseModel):
    """An endpoint without its address."""

    id: int
    name: str
    channel: Channel
    person_id: int | None
    language: Language
    created_at: datetime

    @classmethod
    def of(cls, row: EndpointRow) -> Self:
        return cls(
            id=row.id,
            name=row.name,
            channel=row.channel,
            person_id=row.person_id,
            language=row.language,
            created_at=row.created_at,
        )


class EndpointsPage(BaseModel):
    endpoints: list[EndpointOut]
    next: str | None = Field(None, description="The cursor of the next page")


class EndpointIn(BaseModel):
    """A new endpoint."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "gate-group",
                    "channel": "dingtalk",
                    "address": "https://oapi.dingtalk.com/robot/send?access_token=TOKEN",
                    "secret": "SECRET",
                }
            ]
        },
    )

    name: str = Field(min_length=1, max_length=64)
    channel: Channel
    address: SecretStr = Field(min_length=1, max_length=2000)
    secret: SecretStr | None = Field(None, min_length=1, max_length=500)
    language: Language = Language.ZH
    person_id: int | None = Field(None, ge=1, le=2**63 - 1)


class PushKeys(BaseModel):
    model_config = ConfigDict(extra="forbid")

    p256dh: str = Field(min_length=80, max_length=100, pattern="^[A-Za-z0-9_-]+=*$")
    auth: str = Field(min_length=16, max_length=32, pattern="^[A-Za-z0-9_-]+=*$")


class SubscriptionIn(BaseModel):
    """A push subscription, as returned by `toJSON()` of the browser's PushSubscription."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "endpoint": "https://push.example.org/send/abc",
                    "keys": {
                        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx"
                        "aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
                        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
                    },
                }
            ]
        },
    )

    endpoint: str = Field(min_length=10, max_length=2000)
    keys: PushKeys


class PushKeyOut(BaseModel):
    key: str = Field(description="For `pushManager.subscribe`: applicationServerKey")
