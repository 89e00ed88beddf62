"""Write the record of an incident, and send its entries to dispatch centres.

What is sent holds no names, telephone numbers or door codes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session, object_session

from aed.accounts.audit_log import (
    NOTHING_BEFORE,
    AuditSubject,
    add_audit_entry,
    audit_keys,
    keyed_hash,
    moment_text,
    signing_key,
)
from aed.incidents.models import DispatchCentre, Incident, IncidentEvent
from aed.incidents.record.queries import (
    SETTLED_AFTER,
    alert_states,
    audit_head,
    case_numbers,
    endpoints_of_centres,
    incidents_head,
)
from aed.incidents.rules import COMING_STATES, AlertState
from aed.notifications import outbox
from aed.notifications.models import EndpointRow

_SENT_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "opened": ("lat", "lon"),
    "joined": ("lat", "lon"),
    "planned": ("number",),
    "said": ("alert", "said"),
    "said_too_late": ("alert", "said"),
    "retasked": ("alert", "task", "device", "reason"),
    "stood_down": ("alerts",),
    "ambulance": ("seconds",),
    "signs": ("has_cpr",),
    "reminded": ("minutes",),
    "place": ("lat", "lon", "floor", "metres"),
    "split": ("into",),
    "held": (),
    "resumed": (),
    "asked_more": ("people",),
    "radius": ("metres",),
    "patient": ("age_group",),
    "hazard": ("hazard",),
    "stopped": ("alert", "because"),
    "left": ("alert", "because"),
    "closed": ("outcome",),
    "outcome": ("outcome",),
}
"""Fields that are sent, by the kind of entry. Entries of other kinds are not sent."""


def centre_payload(kind: str, payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is sent of an entry; None: nothing. A plan is sent as the number of people per task."""
    names = _SENT_FIELDS.get(kind)
    if names is None:
        return None
    sent = {name: payload[name] for name in names if name in payload}
    if "asked" in payload:
        sent["asks"] = dict(Counter(str(each["task"]) for each in payload["asked"]))
    return sent


def people_counts(states: Iterable[AlertState]) -> dict[str, int]:
    """Count the people who were alerted, who are coming, and who have arrived."""
    all_of_them = list(states)
    return {
        "called": len(all_of_them),
        "coming": sum(each in COMING_STATES for each in all_of_them),
        "there": sum(each is AlertState.THERE for each in all_of_them),
    }


def append_entry(
    session: Session, incident: Incident, what: str, who: str, at: datetime, **payload: Any
) -> None:
    """Append an entry to the record, and notify the region's dispatch centres.

    The incident is locked by this transaction (`queries.lock_incident`). visibility: the incident is the
    caller's.
    """
    last = session.execute(
        select(IncidentEvent.number, IncidentEvent.hash, IncidentEvent.key_id)
        .where(IncidentEvent.incident_id == incident.id)
        .order_by(IncidentEvent.number.desc())
        .limit(1)
    ).first()
    number, before = (last.number + 1, last.hash) if last is not None else (1, NOTHING_BEFORE)
    key_id, key = signing_key(session, used_before=last.key_id if last is not None else None)
    entry = IncidentEvent(
        incident_id=incident.id,
        number=number,
        at=at,
        kind=what,
        who=who,
        payload=canonical_json(payload),
        key_id=key_id,
        hash="",
    )
    entry.hash = _signed(key, before, entry)
    session.add(entry)
    session.flush()
    notify_centres(session, incident, entry, payload)


def _signed(key: bytes, before: str, entry: IncidentEvent) -> str:
    return keyed_hash(
        key,
        before,
        str(entry.incident_id),
        str(entry.number),
        moment_text(entry.at),
        entry.kind,
        entry.who,
        entry.payload,
        entry.key_id or "",
    )


def legacy_hash(
    before: str, incident_id: int, number: int, at: datetime, kind: str, who: str, payload: str
) -> str:
    """Return the hash of an entry of earlier releases, without a key: SHA-256 over one line per field."""
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    lines = (before, str(incident_id), str(number), moment, kind, who, payload)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def first_broken_entry(events: Sequence[IncidentEvent]) -> int | None:
    """Return the number of the first entry that was changed or follows a gap; None: all are intact.

    `events` are all entries of one incident in order, read by a session. Entries of earlier releases, without
    a key, must come before all others. Missing entries at the end are not detected here: `aed audit verify
    --against` compares with a backup or a dispatch centre. Raises KeysUnusable if an entry's key is not
    available.
    """
    before, expected, is_keyed = NOTHING_BEFORE, 1, False
    key_of: Callable[[str], bytes] | None = None
    for each in events:
        if each.key_id is None:
            made = legacy_hash(
                before, each.incident_id, each.number, each.at, each.kind, each.who, each.payload
            )
        else:
            if key_of is None:
                session = object_session(each)
                assert session is not None
                key_of = audit_keys(session)
            made = _signed(key_of(each.key_id), before, each)
        is_old_again = is_keyed and each.key_id is None
        if each.number != expected or each.hash != made or is_old_again:
            return expected
        before, expected, is_keyed = each.hash, expected + 1, each.key_id is not None
    return None


def canonical_json(payload: dict[str, Any]) -> str:
    """Return JSON with sorted keys: equal content gives equal text."""
    return orjson.dumps(payload, option=orjson.OPT_SORT_KEYS).decode()


def notify_centres(
    session: Session, incident: Incident, entry: IncidentEvent, payload: Mapping[str, Any]
) -> int:
    """Enqueue the entry for each dispatch centre of the region; return how many.

    1. The message is stored in the transaction that writes the entry: neither exists without the other.
    2. Messages about one incident to one centre share an ordering key, and arrive in the order of the record.

    visibility: the centres dispatch there. No names, telephone numbers or door codes are sent.
    """
    sent = centre_payload(entry.kind, payload)
    if sent is None:
        return 0
    endpoints = endpoints_of_centres(session, incident.region_id)
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
                "case_numbers": case_numbers(session, incident.id),
                "state": incident.state,
                "ambulance_at": incident.ambulance_at.astimezone(UTC),
                "people": people_counts(alert_states(session, incident.id)),
                **sent,
            },
        }
    ).decode()
    for endpoint in endpoints:
        ordering_key = f"e{endpoint.id}/incident/{incident.id}"
        outbox.enqueue_body(session, endpoint, body, entry.at, ordering_key=ordering_key)
    return len(endpoints)


def anchor_heads(session: Session, *, at: datetime) -> int:
    """Write the digest of all incident records into the audit log, and send its head to every centre.

    Returns how many centres. visibility: hashes and counts.
    """
    stand = incidents_head(session, until=(at - SETTLED_AFTER).astimezone(UTC))
    payload = stand.model_dump(mode="json")
    add_audit_entry(session, "timetable", AuditSubject.LOG, "incidents", "anchored", at=at, **payload)
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
        .join(DispatchCentre, DispatchCentre.endpoint_id == EndpointRow.id)
        .where(EndpointRow.closed_at.is_(None))
        .order_by(EndpointRow.id)
    ).all()
    for endpoint in endpoints:
        outbox.enqueue_body(session, endpoint, body, at, ordering_key=f"e{endpoint.id}/audit")
    return len(endpoints)
