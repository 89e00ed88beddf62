"""Subscribe programs to events of the time bank, and enqueue the events for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import orjson
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import regions_below
from aed.errors import Conflict
from aed.notifications.endpoints import add_webhook, change_secret, close_endpoint
from aed.notifications.outbox import enqueue_body
from aed.timebank.models import WebhookEventType, WebhookSubscription
from aed.timebank.permissions import require_account_manager, require_manager_at
from aed.timebank.webhooks import queries

TEST_EVENT: Final = "webhook.test"


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """Something that happened, in ids and numbers: no name, place, text or phone number."""

    type: WebhookEventType
    subject: str
    """What it happened to, such as `account:7`: events of one subject arrive in order."""
    number: int
    """With type and subject the identity of the event."""
    region_id: int
    estate_id: int | None
    data: Mapping[str, int | str | None]


def enqueue_events(session: Session, events: Sequence[WebhookEvent], *, at: datetime) -> int:
    """Enqueue events for the programs that subscribed to them; return the number of messages.

    They are stored in the transaction of the change: neither exists without the other.
    """
    if not events or not queries.is_any_active(session):
        return 0
    found = queries.active_subscriptions(
        session,
        region_ids={each.region_id for each in events},
        estate_ids={each.estate_id for each in events if each.estate_id is not None},
    )
    regions = {
        each.region_id: regions_below(session, each.region_id) for each in found if each.estate_id is None
    }
    count = 0
    for event in events:
        for to in found:
            is_theirs = (
                to.estate_id == event.estate_id
                if to.estate_id is not None
                else event.region_id in regions[to.region_id]
            )
            if is_theirs and event.type in to.events:
                name = f"{event.type}:{event.subject}:{event.number}"
                _enqueue(session, to, event.type, event.subject, {"event": name, **event.data}, at=at)
                count += 1
    return count


def _enqueue(
    session: Session,
    to: WebhookSubscription,
    event_type: str,
    subject: str,
    data: Mapping[str, int | str | None],
    *,
    at: datetime,
) -> None:
    body = orjson.dumps({"type": event_type, "timestamp": at.astimezone(UTC), "data": data}).decode()
    enqueue_body(session, to.endpoint, body, at, ordering_key=f"e{to.endpoint_id}/{subject}")


# --- Subscriptions --------------------------------------------------------------------------------------


def add_subscription(
    session: Session,
    viewer: Viewer,
    *,
    estate_id: int | None,
    region: str | None,
    address: str,
    events: Collection[WebhookEventType],
    at: datetime,
    is_private_allowed: bool,
) -> tuple[WebhookSubscription, str]:
    """Subscribe a program to events of an estate, or of a region; return it with its secret.

    The secret is not shown again. For the estate's manager or the region's administrator. Raises NotSignedIn,
    NotAllowed, NotFound; InvalidInput for an address to which nothing is sent.
    """
    region_id = require_manager_at(session, viewer, estate_id=estate_id, region=region)
    endpoint, secret = add_webhook(
        session, f"time-bank-{uuid4().hex}", address, at=at, is_private_allowed=is_private_allowed
    )
    made = WebhookSubscription(
        endpoint=endpoint,
        region_id=region_id,
        estate_id=estate_id,
        events=sorted(set(events)),
        created_by=viewer.name,
    )
    session.add(made)
    session.flush()
    return made, secret


def send_test(session: Session, viewer: Viewer, webhook_id: int, *, at: datetime) -> WebhookSubscription:
    """Send a test message. Raises NotSignedIn, NotAllowed, NotFound; Conflict if it is stopped."""
    found = _managed(session, viewer, webhook_id)
    _enqueue(session, found, TEST_EVENT, "test", {"webhook": found.id}, at=at)
    return found


def rotate_secret(
    session: Session, viewer: Viewer, webhook_id: int, *, at: datetime, overlap: timedelta
) -> str:
    """Create a new secret; messages are signed with the previous one too for `overlap`.

    Raises NotSignedIn, NotAllowed, NotFound; Conflict if it is stopped.
    """
    return change_secret(session, _managed(session, viewer, webhook_id).endpoint, at=at, overlap=overlap)


def stop_subscription(session: Session, viewer: Viewer, webhook_id: int, *, at: datetime) -> None:
    """Stop a subscription: delete its address and secret, and cancel its messages.

    Raises NotSignedIn, NotAllowed, NotFound; Conflict if it is stopped already.
    """
    found = _managed(session, viewer, webhook_id)
    close_endpoint(session, found.endpoint_id, reason="The webhook was stopped.", at=at)
    session.expire(found.endpoint)


def _managed(session: Session, viewer: Viewer, webhook_id: int) -> WebhookSubscription:
    found = queries.subscription(session, viewer, webhook_id)
    require_account_manager(viewer, estate_id=found.estate_id, region_id=found.region_id)
    if not found.is_active:
        raise Conflict("This webhook is stopped. Add it again.")
    return found
