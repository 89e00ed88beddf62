"""The audit log of roles, people, tokens and the like: each entry is signed with the one before."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import orjson
from sqlalchemy import (
    ColumnElement,
    Index,
    String,
    Text,
    and_,
    cast,
    column,
    func,
    inspect,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.dialects.postgresql import insert as insert_on_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_on_sqlite
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from aed.accounts import audit_log
from aed.accounts.permissions import Viewer
from aed.database.encryption.columns import Encrypted, keyring_of
from aed.database.locks import exclusive_lock
from aed.database.types import BigIntId, Table, enum_column
from aed.errors import KeysUnusable, NotAllowed, NotSignedIn

NOTHING_BEFORE: Final = "0" * 64


class AuditSubject(StrEnum):
    """The subject of an audit entry."""

    ROLE = "role"
    PERSON = "person"
    TOKEN = "token"
    AGREEMENT = "agreement"
    """An agreement on which estate shares what with which other estate."""
    SIGNAL_SOURCE = "signal_source"
    """A vendor whose messages report the signals of devices."""
    LOG = "log"
    """The log itself: its first entry, and checkpoints of incident records."""


def keyed_hash(key: bytes, before: str, *parts: str) -> str:
    """Return the HMAC of an entry. Each part is prefixed with its length, so that entries are unambiguous."""
    text = "".join(f"{len(part)}:{part}" for part in (before, *parts))
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()


def moment_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


class AuditEntry(Table):
    """One change of an `AuditSubject`. Never amended: each entry is signed with the one before.

    It contains no personal data, so that it stays unchanged when a person's data is erased.
    """

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_subject", "subject", "subject_id"),)

    number: Mapped[int] = mapped_column(BigIntId, primary_key=True, autoincrement=False)
    """Without gaps, from 1."""
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(200))
    subject: Mapped[AuditSubject] = mapped_column(enum_column(AuditSubject))
    subject_id: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(32))
    details: Mapped[str] = mapped_column(Text)
    """JSON."""
    hash: Mapped[str] = mapped_column(String(64))
    """HMAC-SHA256 over the previous entry's hash and this entry."""
    key_id: Mapped[str] = mapped_column(String(8))


class AuditKey(Table):
    """A key that signed entries, stored encrypted: it outlives the encryption key it was derived from."""

    __tablename__ = "audit_keys"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    key_id: Mapped[str] = mapped_column(String(8), unique=True)
    secret: Mapped[str] = mapped_column(Encrypted("audit_keys.secret"))
    """Hexadecimal."""


def last_audit_entry(session: Session) -> tuple[int, str] | None:
    """Return (number, hash) of the last entry.

    visibility: they reveal nothing.
    """
    last = session.execute(
        select(AuditEntry.number, AuditEntry.hash).order_by(AuditEntry.number.desc()).limit(1)
    ).first()
    return (last.number, last.hash) if last is not None else None


def audit_entries(
    session: Session,
    viewer: Viewer,
    *,
    limit: int,
    person_ids: Collection[int] | None = None,
    subject: str = "",
    subject_id: str = "",
    action: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> Sequence[AuditEntry]:
    """Return the newest entries by or about people, about a subject, with an action, and within a time.

    An unknown subject has none. Raises NotSignedIn, NotAllowed. visibility: only for a network administrator.
    """
    require_can_read_log(viewer)
    if subject and subject not in AuditSubject:
        return []
    asked = select(AuditEntry)
    if subject:
        asked = asked.where(AuditEntry.subject == AuditSubject(subject))
    if subject_id:
        asked = asked.where(AuditEntry.subject_id == subject_id)
    if action:
        asked = asked.where(AuditEntry.action == action)
    if person_ids is not None:
        about = and_(
            AuditEntry.subject == AuditSubject.PERSON, AuditEntry.subject_id.in_(map(str, person_ids))
        )
        grants = select(cast(_role_grants.c.id, String)).where(_role_grants.c.person_id.in_(person_ids))
        role = and_(AuditEntry.subject == AuditSubject.ROLE, AuditEntry.subject_id.in_(grants))
        asked = asked.where(or_(is_actor(AuditEntry.who, person_ids), about, role))
    asked = asked.where(is_within(AuditEntry.at, since=since, until=until))
    return session.scalars(asked.order_by(AuditEntry.number.desc()).limit(limit)).all()


def is_actor(who: InstrumentedAttribute[str], person_ids: Collection[int]) -> ColumnElement[bool]:
    """Return the condition that one of these people made the change."""
    return who.in_([f"person:{each}" for each in person_ids])


def is_within(
    at: InstrumentedAttribute[datetime], *, since: datetime | None, until: datetime | None
) -> ColumnElement[bool]:
    """Return the condition that a change was made from `since` on and before `until`, if they are given."""
    return and_(
        at >= since if since is not None else true(),
        at < until if until is not None else true(),
    )


def require_can_read_log(viewer: Viewer) -> None:
    """Require a network administrator; read-only is enough. Raises NotSignedIn, NotAllowed."""
    if not viewer.is_signed_in:
        raise NotSignedIn("This requires a network administrator. Send a token, or sign in.")
    if not viewer.is_administrator:
        raise NotAllowed("Only a network administrator may read the audit log.")


def entry_hash(session: Session, number: int) -> str | None:
    """Return the hash of an entry.

    visibility: a hash reveals nothing.
    """
    return session.scalar(select(AuditEntry.hash).where(AuditEntry.number == number))


@dataclass
class AuditReplay:
    """The state of roles and tokens according to the audit log."""

    entries: int = 0
    first_broken: int | None = None
    """Number of the first entry that was altered or follows a gap."""
    began: dict[str, Any] | None = None
    """Details of the first entry."""
    roles: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    """By grant id: the last action and its details."""
    tokens: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)


def replay_audit_log(session: Session, expected_hash: Callable[[str, AuditEntry], str]) -> AuditReplay:
    """Verify each entry of the log and collect what it records.

    visibility: for verification on the machine itself.
    """
    found, before = AuditReplay(), NOTHING_BEFORE
    for entry in _entries(session):
        if entry.number != found.entries + 1 or entry.hash != expected_hash(before, entry):
            found.first_broken = found.entries + 1
            return found
        before, found.entries = entry.hash, entry.number
        details = json.loads(entry.details)
        if entry.number == 1:
            found.began = details
        if entry.subject is AuditSubject.ROLE:
            action, earlier = found.roles.get(entry.subject_id, (entry.action, {}))
            if entry.action != "moved":  # to another entry of the same person: nothing else changes
                action = entry.action
            found.roles[entry.subject_id] = (action, {**earlier, **details})
        if entry.subject is AuditSubject.TOKEN:
            found.tokens[entry.subject_id] = (entry.action, details)
    return found


def _entries(session: Session) -> Iterator[AuditEntry]:
    after = 0
    while True:
        page = session.scalars(
            select(AuditEntry).where(AuditEntry.number > after).order_by(AuditEntry.number).limit(1000)
        ).all()
        yield from page
        if not page:
            return
        after = page[-1].number
        session.expunge_all()


def last_ids(session: Session) -> dict[str, int]:
    """Return the highest ids of role grants and tokens.

    visibility: only numbers.
    """
    return {
        "last_role": session.scalar(select(func.max(_role_grants.c.id))) or 0,
        "last_token": session.scalar(select(func.max(_tokens.c.id))) or 0,
    }


BEGUN: Final = "begun"
_role_grants = table("role_grants", column("id"), column("person_id"))
_tokens = table("tokens", column("id"))
_events = table(
    "incident_events", column("incident_id"), column("number"), column("hash"), column("key_id")
)  # its model is on a higher layer


def add_audit_entry(
    session: Session,
    who: str,
    subject: AuditSubject,
    subject_id: int | str,
    action: str,
    *,
    at: datetime,
    **details: Any,
) -> AuditEntry:
    """Append an entry to the audit log, in the transaction of the change, under an exclusive lock.

    `details` must not contain names or phone numbers: entries are never changed.
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
        began: dict[str, Any] = {
            "old_form": legacy_entries_digest(session),
            **audit_log.last_ids(session),
        }
        # The first row was written a moment ago in this transaction, and belongs to the log.
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
    """Return the hash that an unaltered entry must have."""
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


def legacy_entries_digest(session: Session) -> dict[str, Any]:
    """Return the count and digest of incident entries that were written before entries were signed.

    visibility: only a count and a digest.
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


# --- Keys -----------------------------------------------------------------------------------------------


def signing_key(session: Session, *, used_before: str | None) -> tuple[str, bytes]:
    """Return (id, key) of the current signing key; it is stored encrypted on first use.

    `used_before`: the id of the key that signed the previous entry, and so is stored already.
    """
    found = keyring_of(session.get_bind().dialect).audit_key()
    assert found is not None  # the first key of the keyring
    key_id, key = found
    if key_id != used_before:
        is_sqlite = session.get_bind().dialect.name == "sqlite"
        insert = (insert_on_sqlite if is_sqlite else insert_on_postgresql)(AuditKey)
        session.execute(
            insert.values(key_id=key_id, secret=key.hex()).on_conflict_do_nothing(index_elements=["key_id"])
        )
    return key_id, key


def audit_keys(session: Session) -> Callable[[str], bytes]:
    """Return a function from key id to audit key, from the keyring or the database. Raises KeysUnusable."""
    ring, known = keyring_of(session.get_bind().dialect), dict[str, bytes]()

    def key(key_id: str) -> bytes:
        if key_id not in known:
            held = ring.audit_key(key_id)
            kept = session.scalar(select(AuditKey).where(AuditKey.key_id == key_id)) if held is None else None
            if held is None and kept is None:
                raise KeysUnusable(
                    "A record is signed with the key {key_id}, which is neither in {source} nor in "
                    "the database.",
                    key_id=key_id,
                    source=ring.source,
                )
            known[key_id] = held[1] if held is not None else bytes.fromhex(kept.secret if kept else "")
        return known[key_id]

    return key
