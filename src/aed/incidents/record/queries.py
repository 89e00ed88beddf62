"""Read how the records stand, and which centres are notified of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.audit_log import entry_hash, last_audit_entry
from aed.accounts.regions.models import Region
from aed.incidents.models import Alert, DispatchCentre, IncidentEvent, IncidentReport
from aed.incidents.rules import AlertState
from aed.notifications.models import EndpointRow

SETTLED_AFTER: Final = timedelta(minutes=10)
"""Entries carry the time at which their transaction began: after this long, all of them are committed."""


class LogHead(BaseModel):
    """The last entry of the audit log."""

    number: int = Field(ge=1)
    hash: str = Field(pattern="^[0-9a-f]{64}$")


class IncidentsHead(BaseModel):
    """Digest of all record entries up to a moment."""

    until: AwareDatetime
    entries: int = Field(ge=0)
    digest: str = Field(pattern="^[0-9a-f]{64}$")


class AuditHead(BaseModel):
    """State of the audit log and the records at a moment, to prove later that nothing was removed or
    changed.
    """

    audit_log: LogHead | None = None
    incidents: IncidentsHead


def audit_head(session: Session, *, at: datetime) -> AuditHead:
    """Return the state of the audit log and the incident records. visibility: hashes and counts."""
    last = last_audit_entry(session)
    return AuditHead(
        audit_log=LogHead(number=last[0], hash=last[1]) if last is not None else None,
        incidents=incidents_head(session, until=(at - SETTLED_AFTER).astimezone(UTC)),
    )


def incidents_head(session: Session, *, until: datetime) -> IncidentsHead:
    """visibility: a count and a digest."""
    digest, count = hashlib.sha256(), 0
    asked = (
        select(IncidentEvent.incident_id, IncidentEvent.number, IncidentEvent.hash)
        .where(IncidentEvent.at <= until)
        .order_by(IncidentEvent.incident_id, IncidentEvent.number)
    )
    for incident_id, number, hash_ in session.execute(asked).yield_per(1000):
        digest.update(f"{incident_id} {number} {hash_}\n".encode())
        count += 1
    return IncidentsHead(until=until, entries=count, digest=digest.hexdigest())


def find_differences(session: Session, kept: AuditHead) -> list[str]:
    """Describe each difference from an earlier state in a sentence; an empty list if there is none.

    visibility: for the operator.
    """
    wrong = []
    if kept.audit_log is not None:
        found = entry_hash(session, kept.audit_log.number)
        if found is None:
            wrong.append(f"The audit log had {kept.audit_log.number} entries and now has fewer.")
        elif found != kept.audit_log.hash:
            wrong.append(f"Entry {kept.audit_log.number} of the audit log was changed.")
    now = incidents_head(session, until=kept.incidents.until)
    if now.entries != kept.incidents.entries:
        wrong.append(
            f"The incident records had {kept.incidents.entries} entries up to "
            f"{kept.incidents.until:%Y-%m-%d %H:%M} UTC and now have {now.entries}."
        )
    elif now.digest != kept.incidents.digest:
        wrong.append("Entries of the incident records were changed.")
    return wrong


def endpoints_of_centres(session: Session, region_id: int) -> Sequence[EndpointRow]:
    """List the endpoints of the centres of a region and those above it, cached per transaction.

    visibility: they dispatch there, and see its incidents.
    """
    transaction = session.get_transaction()
    when, known = session.info.get(_CACHE_KEY, (None, {}))
    if when is not transaction:
        when, known = session.info[_CACHE_KEY] = transaction, {}
    if region_id not in known:
        known[region_id] = _endpoints_of_centres(session, region_id)
    found: Sequence[EndpointRow] = known[region_id]
    return found


_CACHE_KEY: Final = "endpoints of dispatch centres"


def clear_centre_cache(session: Session) -> None:
    """Clear the cached endpoints after a centre was connected or withdrawn in this transaction."""
    session.info.pop(_CACHE_KEY, None)


def _endpoints_of_centres(session: Session, region_id: int) -> Sequence[EndpointRow]:
    """visibility: as `endpoints_of_centres`."""
    above = select(Region.id, Region.parent_id).where(Region.id == region_id).cte("above", recursive=True)
    above = above.union_all(select(Region.id, Region.parent_id).join(above, Region.id == above.c.parent_id))
    return session.scalars(
        select(EndpointRow)
        .join(DispatchCentre, DispatchCentre.endpoint_id == EndpointRow.id)
        .where(DispatchCentre.region_id.in_(select(above.c.id)), EndpointRow.closed_at.is_(None))
        .order_by(DispatchCentre.id)
    ).all()


def alert_states(session: Session, incident_id: int) -> Sequence[AlertState]:
    """List the states of an incident's alerts. visibility: counts, for the centres of its region."""
    return session.scalars(select(Alert.state).where(Alert.incident_id == incident_id)).all()


def case_numbers(session: Session, incident_id: int) -> list[str]:
    """List the centres' own case numbers, oldest first. visibility: for the centres of its region."""
    rows = session.scalars(
        select(IncidentReport.case_number)
        .where(IncidentReport.incident_id == incident_id, IncidentReport.case_number.is_not(None))
        .order_by(IncidentReport.id)
    )
    return list(dict.fromkeys(each for each in rows if each is not None))
