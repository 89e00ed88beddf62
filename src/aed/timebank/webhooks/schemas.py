"""Request and response bodies of webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import Code
from aed.timebank.models import WebhookEventType, WebhookSubscription


class WebhookIn(BaseModel):
    """A program to be notified of events of an estate, or of a region and all below it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "estate_id": 1,
                    "address": "https://app.example.org/hooks/time-bank",
                    "events": ["points.changed", "order.placed"],
                }
            ]
        },
    )

    estate_id: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    region: Code | None = Field(None, description="Code of a region, in place of an estate")
    address: str = Field(
        min_length=1, max_length=2000, description="HTTPS URL that events are sent to; never shown again"
    )
    events: list[WebhookEventType] = Field(min_length=1, max_length=len(WebhookEventType))

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.estate_id is None) == (self.region is None):
            raise ValueError("give either estate_id or region")
        return self


class WebhookOut(BaseModel):
    """A webhook without its address and secret."""

    id: int
    estate_id: int | None
    region_id: int
    events: list[WebhookEventType]
    is_active: bool = Field(description="False once it was stopped, or its server answered 410")
    created_at: datetime
    stopped_at: datetime | None
    old_secret_until: datetime | None = Field(description="Until when messages are signed with both secrets")
    waiting: int = Field(description="Number of messages not delivered yet")
    failures: int = Field(description="Number of messages given up on")

    @classmethod
    def of(cls, found: WebhookSubscription, backlog: Mapping[int, tuple[int, int]]) -> Self:
        endpoint = found.endpoint
        waiting, dead = backlog.get(endpoint.id, (0, 0))
        return cls(
            id=found.id,
            estate_id=found.estate_id,
            region_id=found.region_id,
            events=[WebhookEventType(each) for each in found.events],
            is_active=found.is_active,
            created_at=endpoint.created_at,
            stopped_at=endpoint.closed_at,
            old_secret_until=endpoint.old_secret_until,
            waiting=waiting,
            failures=dead,
        )


class WebhookPage(BaseModel):
    webhooks: list[WebhookOut]
    next: str | None = Field(None, description="Cursor of the next page, if there is one")


class WebhookSecret(BaseModel):
    secret: str = Field(description="Signs the messages; shown only once")


class WebhookMade(BaseModel):
    """A new webhook with its secret."""

    webhook: WebhookOut
    secret: str = Field(description="Signs the messages; shown only once")


class NewSecretIn(BaseModel):
    """How to change a secret."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: float = Field(
        24, ge=0, le=720, allow_inf_nan=False, description="How long the previous secret signs too"
    )
