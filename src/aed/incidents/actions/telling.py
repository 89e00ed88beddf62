"""Telling the dispatch centres of a region what happens there, entry by entry of the record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import orjson
from sqlalchemy.orm import Session

from aed.incidents.models import Incident, IncidentEvent
from aed.incidents.queries import centres as queries
from aed.incidents.rules.told import standing, told_of
from aed.notifications import actions as outbox


def tell_centres(session: Session, incident: Incident, entry: IncidentEvent, said: Mapping[str, Any]) -> int:
    """The entry goes to each centre of the region, once this transaction is committed; to how many.

    1. It is put into the outbox in the transaction that writes the entry: neither is there without the other.
    2. What is told of one incident to one centre has a lane: it arrives in the order of the record.

    visibility: the centres dispatch there. Nobody's name, number or door is in it.
    """
    told = told_of(entry.kind, said)
    if told is None:
        return 0
    endpoints = queries.endpoints_of_centres(session, incident.region_id)
    if not endpoints:
        return 0
    body = orjson.dumps(
        {
            "type": f"incident.{entry.kind}",
            "timestamp": entry.at.astimezone(UTC),
            "data": {
                "incident": incident.id,
                "kind": incident.kind,
                "entry": entry.number,
                "hash": entry.hash,
                "case_numbers": queries.case_numbers(session, incident.id),
                "state": incident.state,
                "ambulance_at": incident.ambulance_at.astimezone(UTC),
                "people": standing(queries.alert_states(session, incident.id)),
                **told,
            },
        }
    ).decode()
    for endpoint in endpoints:
        lane = f"e{endpoint.id}/incident/{incident.id}"
        outbox.put_body(session, endpoint, body, entry.at, lane=lane)
    return len(endpoints)
