"""The record of an incident: what happened, when, by whom. Each entry is signed with the one before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, object_session

from aed.accounts.actions.audit import audit_keys, signing_key
from aed.accounts.rules.audit import NOTHING_BEFORE, keyed_hash, moment_text
from aed.incidents.actions.telling import tell_centres
from aed.incidents.formats.plan_record import canonical
from aed.incidents.models import Incident, IncidentEvent


def enter(session: Session, incident: Incident, what: str, who: str, at: datetime, **said: Any) -> None:
    """It stands in the record, and the dispatch centres of the region are told. The incident is held by this
    transaction (`queries.incidents.held`).

    visibility: the incident is the caller's.
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
        said=canonical(said),
        key_id=key_id,
        hash="",
    )
    entry.hash = _signed(key, before, entry)
    session.add(entry)
    session.flush()
    tell_centres(session, incident, entry, said)


def _signed(key: bytes, before: str, entry: IncidentEvent) -> str:
    return keyed_hash(
        key,
        before,
        str(entry.incident_id),
        str(entry.number),
        moment_text(entry.at),
        entry.kind,
        entry.who,
        entry.said,
        entry.key_id or "",
    )


def old_hash_of(
    before: str, incident_id: int, number: int, at: datetime, kind: str, who: str, said: str
) -> str:
    """The hash of an entry of the old form, which has no key: SHA-256 over a line each."""
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    lines = (before, str(incident_id), str(number), moment, kind, who, said)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def first_broken(events: Sequence[IncidentEvent]) -> int | None:
    """The number of the first entry that is not what was written, or that follows a gap; None: all is whole.

    `events` are those of one incident in order, read by a session. An entry of the old form, without a key,
    stands before all others or is broken. That entries are missing at the end does not show here: for that
    `aed audit verify --against` compares with what a backup or a dispatch centre has.
    Raises KeysUnusable where the key of an entry is to be had nowhere.
    """
    before, expected, is_keyed = NOTHING_BEFORE, 1, False
    key_of: Callable[[str], bytes] | None = None
    for each in events:
        if each.key_id is None:
            made = old_hash_of(before, each.incident_id, each.number, each.at, each.kind, each.who, each.said)
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
