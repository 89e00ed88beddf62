"""Routes of webhooks of the time bank."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, cursor_id, next_cursor
from aed.notifications.queries import backlog
from aed.timebank.webhooks import actions, queries
from aed.timebank.webhooks.schemas import (
    NewSecretIn,
    WebhookIn,
    WebhookMade,
    WebhookOut,
    WebhookPage,
    WebhookSecret,
)

router = APIRouter(tags=["time bank"])
WebhookId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/time-bank/webhooks")
def list_webhooks(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> WebhookPage:
    """List the webhooks of estates and regions that you manage, also stopped ones."""
    found = queries.subscriptions(session, viewer, limit=limit + 1, after_id=cursor_id(cursor))
    waiting = backlog(session, [each.endpoint_id for each in found])
    return WebhookPage(
        webhooks=[WebhookOut.of(each, waiting) for each in found[:limit]], next=next_cursor(found, limit)
    )


@router.post("/time-bank/webhooks", status_code=201)
def add_webhook_subscription(
    request: Request, session: WriteSession, viewer: ViewerDep, new: WebhookIn, response: Response
) -> WebhookMade:
    """Notify a program of service, points and orders of an estate or region, in signed messages.

    The secret is shown only in this response. For the estate's manager or the region's administrator.
    """
    made, secret = actions.add_subscription(
        session,
        viewer,
        estate_id=new.estate_id,
        region=new.region,
        address=new.address,
        events=new.events,
        at=clock.now(),
        is_private_allowed=request.app.state.settings.notify_allow_private,
    )
    response.headers["Location"] = f"/v1/time-bank/webhooks/{made.id}"
    return WebhookMade(webhook=WebhookOut.of(made, {}), secret=secret)


@router.get("/time-bank/webhooks/{webhook_id}")
def get_webhook(session: ReadSession, viewer: ViewerDep, webhook_id: WebhookId) -> WebhookOut:
    """Get a webhook, without its address and secret."""
    found = queries.subscription(session, viewer, webhook_id)
    return WebhookOut.of(found, backlog(session, [found.endpoint_id]))


@router.post("/time-bank/webhooks/{webhook_id}/test", status_code=202)
def test_webhook(session: WriteSession, viewer: ViewerDep, webhook_id: WebhookId) -> WebhookOut:
    """Send a signed test message to a webhook."""
    found = actions.send_test(session, viewer, webhook_id, at=clock.now())
    return WebhookOut.of(found, backlog(session, [found.endpoint_id]))


@router.post("/time-bank/webhooks/{webhook_id}/secret")
def rotate_webhook_secret(
    session: WriteSession, viewer: ViewerDep, webhook_id: WebhookId, how: NewSecretIn
) -> WebhookSecret:
    """Create a new secret, shown only in this response; messages are signed with both for a while."""
    overlap = timedelta(hours=how.overlap_hours)
    return WebhookSecret(
        secret=actions.rotate_secret(session, viewer, webhook_id, at=clock.now(), overlap=overlap)
    )


@router.delete("/time-bank/webhooks/{webhook_id}", status_code=204)
def stop_webhook(session: WriteSession, viewer: ViewerDep, webhook_id: WebhookId) -> None:
    """Stop a webhook: delete its address and secret, and cancel its messages."""
    actions.stop_subscription(session, viewer, webhook_id, at=clock.now())
