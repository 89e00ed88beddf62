"""Telling the dispatch centres how the records stand, so that nobody can cut them off unseen."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.actions.audit import record
from aed.accounts.rules.audit import AuditSubject
from aed.incidents.models import Centre
from aed.incidents.queries.audit import SETTLED_AFTER, audit_head, incidents_head
from aed.notifications import actions as outbox
from aed.notifications.models import EndpointRow


def tell_heads(session: Session, *, at: datetime) -> int:
    """Write into the audit log how incidents' records stand, and tell every centre its head; to how many.

    visibility: hashes and counts, which tell nothing.
    """
    stand = incidents_head(session, until=(at - SETTLED_AFTER).astimezone(UTC))
    said = stand.model_dump(mode="json")
    record(session, "timetable", AuditSubject.LOG, "incidents", "anchored", at=at, **said)
    head = audit_head(session, at=at)
    body = orjson.dumps(
        {
            "type": "audit.head",
            "timestamp": at.astimezone(UTC),
            "data": head.model_dump(mode="json"),
        }
    ).decode()
    endpoints = session.scalars(
        select(EndpointRow)
        .join(Centre, Centre.endpoint_id == EndpointRow.id)
        .where(EndpointRow.closed_at.is_(None))
        .order_by(EndpointRow.id)
    ).all()
    for endpoint in endpoints:
        outbox.put_body(session, endpoint, body, at, lane=f"e{endpoint.id}/audit")
    return len(endpoints)
