"""Table of the programs that are notified of the time bank."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.database.types import BigIntId, Table
from aed.notifications.models import EndpointRow


class WebhookEventType(StrEnum):
    SERVICE_CONFIRMED = "service.confirmed"
    POINTS_CHANGED = "points.changed"
    ORDER_PLACED = "order.placed"


class WebhookSubscription(Table):
    """A program that is notified of events of an estate, or of a region and all regions below.

    Its address and secret are those of the endpoint. It is active until the endpoint is closed.
    """

    __tablename__ = "webhook_subscriptions"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoints.id"), unique=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    """The region itself, or that of the estate."""
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"), index=True)
    """None: for the whole region."""
    events: Mapped[list[str]]
    """Values of WebhookEventType."""
    created_by: Mapped[str] = mapped_column(String(200))

    endpoint: Mapped[EndpointRow] = relationship(lazy="raise")

    @property
    def is_active(self) -> bool:
        return self.endpoint.closed_at is None
