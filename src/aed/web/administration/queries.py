"""What the administrator's pages read beside the queries of each context. For network administrators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from aed.accounts import tokens as token_queries
from aed.accounts.audit_log import AuditEntry, last_audit_entry
from aed.accounts.people.models import Account, Person
from aed.accounts.permissions import Role, Viewer
from aed.accounts.role_grants import RoleGrant
from aed.accounts.security_log import SecurityEvent, SecurityEventKind
from aed.database.encryption.columns import keyring_of
from aed.imports.feeds.models import FeedResult
from aed.imports.feeds.queries import feeds
from aed.issuers import queries as issuer_queries
from aed.notifications import queries as message_queries
from aed.notifications.queries import require_can_see_outbox
from aed.registry.holidays.queries import calendar_warnings
from aed.worker import queries as worker_queries
from aed.worker.rules import RunState

SOON: Final = timedelta(days=30)
LATE: Final = timedelta(minutes=15)
"""A message that is due for longer is late."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts for the front page."""

    people: int
    accounts: int
    administrators: int
    grants: int
    tokens: int
    tokens_ending: int
    endpoints: int
    messages_waiting: int
    messages_late: int
    messages_dead: int
    has_worker: bool
    jobs_failed: int
    feeds: int
    feeds_failed: int
    issuers: int
    calendars: int
    calendars_ending: int
    keys: int
    audit_entries: int
    lock_outs: int
    """In the last day."""


def overview(session: Session, viewer: Viewer, *, at: datetime) -> Overview:
    """Return the counts of the front page. Raises NotSignedIn, NotAllowed.

    visibility: only for a network administrator; counts.
    """
    require_can_see_outbox(viewer)
    channels = message_queries.outbox_backlogs(session, viewer)
    runs = worker_queries.last_runs(session).values()
    known = feeds(session)
    active = [
        each
        for each in token_queries.tokens(session)
        if each.revoked_at is None and (each.expires_at is None or each.expires_at > at)
    ]
    last = last_audit_entry(session)
    held = RoleGrant.revoked_at.is_(None)
    everywhere = RoleGrant.region_id.is_(None) & RoleGrant.estate_id.is_(None)
    lock_outs = select(func.count(SecurityEvent.id)).where(
        SecurityEvent.kind == SecurityEventKind.LOCKED_OUT, SecurityEvent.at > at - timedelta(days=1)
    )
    people = select(func.count(Person.id)).where(Person.joined_into_id.is_(None), Person.erased_at.is_(None))
    return Overview(
        people=session.scalar(people) or 0,
        accounts=session.scalar(select(func.count(Account.person_id))) or 0,
        administrators=session.scalar(
            select(func.count(RoleGrant.id)).where(held, everywhere, RoleGrant.role == Role.ADMINISTRATOR)
        )
        or 0,
        grants=session.scalar(select(func.count(RoleGrant.id)).where(held)) or 0,
        tokens=len(active),
        tokens_ending=sum(each.expires_at is not None and each.expires_at < at + SOON for each in active),
        endpoints=len(message_queries.endpoints(session, viewer)),
        messages_waiting=sum(each.waiting for each in channels),
        messages_late=sum(
            each.waiting
            for each in channels
            if each.oldest_due_at is not None and each.oldest_due_at < at - LATE
        ),
        messages_dead=sum(each.dead for each in channels),
        has_worker=worker_queries.is_held(worker_queries.lease(session), at=at),
        jobs_failed=sum(each.result in (RunState.FAILED, RunState.CUT_OFF) for each in runs),
        feeds=len(known),
        feeds_failed=sum(each.last_result in (FeedResult.FAILED, FeedResult.HELD_BACK) for each in known),
        issuers=len(issuer_queries.issuers(session, limit=1_000)),
        calendars=session.scalar(text("SELECT count(*) FROM holiday_calendars")) or 0,
        calendars_ending=len(calendar_warnings(session, at)),
        keys=len(keyring_of(session.get_bind().dialect).ids),
        audit_entries=last[0] if last is not None else 0,
        lock_outs=session.scalar(lock_outs) or 0,
    )


def signing_key_ages(session: Session, viewer: Viewer) -> dict[str, datetime]:
    """Return when each key signed its first entry of the audit log, by key id.

    visibility: only for a network administrator; key ids and times.
    """
    require_can_see_outbox(viewer)
    rows = session.execute(select(AuditEntry.key_id, func.min(AuditEntry.at)).group_by(AuditEntry.key_id))
    return {row[0]: row[1] for row in rows}


def schema_revision(session: Session) -> str | None:
    """Return the revision of the database's schema.

    visibility: a version number.
    """
    found: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
    return found
