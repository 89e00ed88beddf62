"""Writing the audit log, and the keys that sign it and the records of incidents."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import column, inspect, select, table
from sqlalchemy.dialects.postgresql import insert as insert_on_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_on_sqlite
from sqlalchemy.orm import Session

from aed.accounts.models import AuditEntry, AuditKey
from aed.accounts.queries import audit as queries
from aed.accounts.rules.audit import NOTHING_BEFORE, AuditSubject, keyed_hash, moment_text
from aed.database.encryption.columns import keyring_of
from aed.database.session import exclusive_lock
from aed.errors import KeysUnusable

BEGUN: Final = "begun"
_events = table(
    "incident_events", column("incident_id"), column("number"), column("hash"), column("key_id")
)  # its model lies on a higher layer


def record(
    session: Session,
    who: str,
    subject: AuditSubject,
    subject_id: int | str,
    action: str,
    *,
    at: datetime,
    **details: Any,
) -> AuditEntry:
    """Add an entry to the audit log, in the transaction that makes the change. One at a time.

    `details` must tell nobody's name or number: the entry is never changed.
    """
    exclusive_lock(session, "audit log")
    session.flush()
    last = session.execute(
        select(AuditEntry.number, AuditEntry.hash, AuditEntry.key_id)
        .order_by(AuditEntry.number.desc())
        .limit(1)
    ).first()
    before = (last.number, last.hash, last.key_id) if last is not None else None
    if before is None:
        began: dict[str, Any] = {"old_form": old_form_digest(session), **queries.last_ids(session)}
        # What is recorded first was written a moment ago: it belongs to the log.
        if subject is AuditSubject.ROLE:
            began["last_role"] = min(began["last_role"], int(subject_id) - 1)
        if subject is AuditSubject.TOKEN:
            began["last_token"] = min(began["last_token"], int(subject_id) - 1)
        first = _entry(session, None, "program", AuditSubject.LOG, "1", BEGUN, at, began)
        before = (first.number, first.hash, first.key_id)
    return _entry(session, before, who, subject, str(subject_id), action, at, details)


def _entry(
    session: Session,
    last: tuple[int, str, str] | None,
    who: str,
    subject: AuditSubject,
    subject_id: str,
    action: str,
    at: datetime,
    details: dict[str, Any],
) -> AuditEntry:
    number, before = (last[0] + 1, last[1]) if last is not None else (1, NOTHING_BEFORE)
    key_id, key = signing_key(session, used_before=last[2] if last is not None else None)
    entry = AuditEntry(
        number=number,
        at=at,
        who=who[:200],
        subject=subject,
        subject_id=subject_id[:64],
        action=action,
        details=orjson.dumps(details, option=orjson.OPT_SORT_KEYS).decode(),
        key_id=key_id,
        hash="",
    )
    entry.hash = hash_of_entry(key, before, entry)
    session.add(entry)
    session.flush()
    return entry


def hash_of_entry(key: bytes, before: str, entry: AuditEntry) -> str:
    """Return the hash that the entry has, if nobody has changed it."""
    return keyed_hash(
        key,
        before,
        str(entry.number),
        moment_text(entry.at),
        entry.who,
        entry.subject,
        entry.subject_id,
        entry.action,
        entry.details,
        entry.key_id,
    )


def old_form_digest(session: Session) -> dict[str, Any]:
    """Return how many entries of incidents' records are of the old form, without a key, and their digest.

    visibility: a count and a digest.
    """
    if "incident_events" not in inspect(session.connection()).get_table_names():
        return {"entries": 0, "digest": hashlib.sha256().hexdigest()}
    digest, count = hashlib.sha256(), 0
    asked = (
        select(_events.c.incident_id, _events.c.number, _events.c.hash)
        .where(_events.c.key_id.is_(None))
        .order_by(_events.c.incident_id, _events.c.number)
    )
    for incident_id, number, hash_ in session.execute(asked).yield_per(1000):
        digest.update(f"{incident_id} {number} {hash_}\n".encode())
        count += 1
    return {"entries": count, "digest": digest.hexdigest()}


# --- keys -----------------------------------------------------------------------------------------------


def signing_key(session: Session, *, used_before: str | None) -> tuple[str, bytes]:
    """Return the id of the key that signs now, and the key; kept sealed in the database from its first use.

    `used_before`: the id of the key that signed the entry before, which is kept already.
    """
    found = keyring_of(session.get_bind().dialect).audit_key()
    assert found is not None  # the first of the ring
    key_id, key = found
    if key_id != used_before:
        is_sqlite = session.get_bind().dialect.name == "sqlite"
        insert = (insert_on_sqlite if is_sqlite else insert_on_postgresql)(AuditKey)
        session.execute(
            insert.values(key_id=key_id, secret=key.hex()).on_conflict_do_nothing(index_elements=["key_id"])
        )
    return key_id, key


def audit_keys(session: Session) -> Callable[[str], bytes]:
    """Return what gives the audit key of an id, of the ring or as it was kept. Raises KeysUnusable."""
    ring, known = keyring_of(session.get_bind().dialect), dict[str, bytes]()

    def key(key_id: str) -> bytes:
        if key_id not in known:
            held = ring.audit_key(key_id)
            kept = session.scalar(select(AuditKey).where(AuditKey.key_id == key_id)) if held is None else None
            if held is None and kept is None:
                raise KeysUnusable(
                    f"A record is signed with the key {key_id}, which neither {ring.source} nor the "
                    "database has."
                )
            known[key_id] = held[1] if held is not None else bytes.fromhex(kept.secret if kept else "")
        return known[key_id]

    return key
