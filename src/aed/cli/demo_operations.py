"""What the demo's administrator finds on their pages: a token, endpoints, messages, a feed, an issuer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole, TokenScope, Viewer
from aed.accounts.tokens import create_token
from aed.imports.feeds.actions import FeedIn, save_feed
from aed.imports.feeds.fetching import FetchLimits
from aed.imports.feeds.queries import feed
from aed.issuers.actions import create_issuer
from aed.issuers.schemas import IssuerIn
from aed.notifications.claims import cancel_waiting
from aed.notifications.endpoints import EndpointInput, save_endpoint
from aed.notifications.outbox import send_test
from aed.notifications.rules import Channel

LATER = timedelta(days=30)
"""Nothing of the demo is sent or fetched before."""
BATCH_FORMAT: Final = {
    "columns": [
        {"field": "row", "heading": "序号"},
        {"field": "name", "heading": "姓名"},
        {"field": "phone", "heading": "联系电话"},
        {"field": "passed_on", "heading": "考核日期"},
        {"field": "certificate_number", "heading": "证书编号"},
        {"field": "reason", "heading": "退回原因"},
    ],
    "date_format": "2027-05-31",
}
"""The file in which the Red Cross chapter of the demo takes results."""


def add_operations(session: Session, who: Viewer, *, by: FetchLimits, at: datetime) -> None:
    """Add one of each to an empty database. visibility: for the operator."""
    for name, days in (("metrics of the district", 365), ("gate display", 20)):
        create_token(
            session,
            name=name,
            role=TokenRole.ADMINISTRATOR,
            scopes=[TokenScope.READ],
            at=at,
            expires_at=at + timedelta(days=days),
            who=who.name,
        )
    for name, address in (("duty-desk", "duty@example.invalid"), ("committee", "committee@example.invalid")):
        save_endpoint(session, who, EndpointInput(name, Channel.EMAIL, address), at=at)
        send_test(session, who, name, at=at).due_at = at + LATER
    cancelled = send_test(session, who, "committee", at=at)
    session.flush()
    cancel_waiting(session, who, cancelled.id, at=at)
    list_of_city = FeedIn("city-register", "https://lists.example.invalid/aed.csv", region="CN-3399")
    save_feed(session, who, list_of_city, by=by, at=at)
    feed(session, list_of_city.name).next_due_at = at + LATER
    create_issuer(
        session,
        who,
        IssuerIn.model_validate(
            {
                "code": "lake-red-cross",
                "name_en": "Lake City Red Cross",
                "name_zh": "湖城红十字会",
                "kind": "red_cross",
                "region": "CN-3399",
                "verified_by": "roster",
                "batch_format": BATCH_FORMAT,
                "courses": [
                    {
                        "code": "first-aid",
                        "name_en": "First-aider",
                        "name_zh": "应急救护",
                        "kind": "first_aid",
                        "validity_months": 36,
                    }
                ],
            }
        ),
        at=at,
    )
    session.flush()
