"""Read subscriptions of webhooks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session, contains_eager

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.errors import NotFound
from aed.notifications.models import EndpointRow
from aed.timebank.models import WebhookSubscription
from aed.timebank.permissions import at_managed_place, require_any_manager, require_signed_in

_ANY_ACTIVE: Final = (  # visibility: only whether there is one
    select(WebhookSubscription.id)
    .join(EndpointRow, EndpointRow.id == WebhookSubscription.endpoint_id)
    .where(EndpointRow.closed_at.is_(None))
    .limit(1)
)


def subscriptions(
    session: Session, viewer: Viewer, *, limit: int, after_id: int
) -> Sequence[WebhookSubscription]:
    """Return the subscriptions that the viewer may see, stopped ones included, in order.

    Raises NotSignedIn; NotAllowed for viewers who manage nothing.
    """
    require_any_manager(viewer)
    return session.scalars(
        select(WebhookSubscription)
        .join(WebhookSubscription.endpoint)
        .where(WebhookSubscription.id > after_id, at_managed_place(viewer, WebhookSubscription))
        .options(contains_eager(WebhookSubscription.endpoint))
        .order_by(WebhookSubscription.id)
        .limit(limit)
    ).all()


def subscription(session: Session, viewer: Viewer, webhook_id: int) -> WebhookSubscription:
    """Return a subscription. Raises NotSignedIn; NotFound if the viewer may not see it."""
    require_signed_in(viewer)
    found = session.scalar(
        select(WebhookSubscription)
        .join(WebhookSubscription.endpoint)
        .where(WebhookSubscription.id == webhook_id, at_managed_place(viewer, WebhookSubscription))
        .options(contains_eager(WebhookSubscription.endpoint))
    )
    if found is None:
        raise NotFound(
            "There is no webhook {webhook_id}, or you may not see it.",
            field="webhook_id",
            webhook_id=webhook_id,
        )
    return found


def is_any_active(session: Session) -> bool:
    """Return True if any program is notified of anything.

    visibility: only whether there is one.
    """
    return session.connection().execute(_ANY_ACTIVE).first() is not None


def active_subscriptions(
    session: Session, *, region_ids: Collection[int], estate_ids: Collection[int]
) -> Sequence[WebhookSubscription]:
    """Return the active subscriptions of these estates, of these regions and of the regions above them.

    visibility: for messages to them.
    """
    up = select(Region.id, Region.parent_id).where(Region.id.in_(region_ids)).cte("up", recursive=True)
    up = up.union(select(Region.id, Region.parent_id).join(up, Region.id == up.c.parent_id))
    return session.scalars(
        select(WebhookSubscription)
        .join(WebhookSubscription.endpoint)
        .where(
            EndpointRow.closed_at.is_(None),
            or_(
                WebhookSubscription.estate_id.in_(estate_ids),
                and_(
                    WebhookSubscription.estate_id.is_(None),
                    WebhookSubscription.region_id.in_(select(up.c.id)),
                ),
            ),
        )
        .options(contains_eager(WebhookSubscription.endpoint))
        .order_by(WebhookSubscription.id)
    ).all()
