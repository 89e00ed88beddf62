"""Sources, and what each last said of a device."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from aed.database.bulk import in_array
from aed.errors import NotFound
from aed.imports.models import ListSource, SourceRecord

type Identity = tuple[str, str]
"""A source, and its id of a device."""


def ranks(session: Session) -> dict[str, int]:
    """Of the sources that have one of their own."""
    return {row.name: row.rank for row in session.execute(select(ListSource.name, ListSource.rank))}


class SourceCounts(NamedTuple):
    """A source, and how many records of it there are."""

    source: str
    live: int
    gone: int
    waiting: int
    title: str | None


def sources(session: Session) -> list[SourceCounts]:
    """Every source that lists devices.

    visibility: counts, for the command line.
    """
    is_live = SourceRecord.gone_since.is_(None)
    statement = (
        select(
            SourceRecord.source,
            func.count().filter(is_live),
            func.count(SourceRecord.gone_since),
            func.count().filter(is_live, SourceRecord.device_id.is_(None)),
            ListSource.title,
        )
        .outerjoin(ListSource, ListSource.name == SourceRecord.source)
        .group_by(SourceRecord.source, ListSource.title)
    )
    return [SourceCounts(*row) for row in session.execute(statement)]


class Kept(NamedTuple):
    """What is kept of a record, without what it says."""

    id: int
    source: str
    source_id: str
    device_id: int | None
    digest: str
    missing_since: datetime | None
    gone_since: datetime | None


def kept_records(session: Session, identities: Iterable[Identity]) -> dict[Identity, Kept]:
    """The records of these (source, id of the source).

    visibility: for an administrator's import.
    """
    found: dict[Identity, Kept] = {}
    for source, source_ids in by_source(identities).items():
        statement = select(
            SourceRecord.id,
            SourceRecord.source,
            SourceRecord.source_id,
            SourceRecord.device_id,
            SourceRecord.digest,
            SourceRecord.missing_since,
            SourceRecord.gone_since,
        ).where(SourceRecord.source == source, in_array(session, SourceRecord.source_id, source_ids))
        for row in session.execute(statement):
            found[row.source, row.source_id] = Kept(*row)
    return found


def by_source(identities: Iterable[Identity]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for source, source_id in identities:
        found.setdefault(source, []).append(source_id)
    return found


class Record(NamedTuple):
    """What is kept of a record, with what it says."""

    id: int
    source: str
    source_id: str
    device_id: int | None
    fields: dict[str, Any]
    digest: str
    gone_since: datetime | None


_RECORD = tuple(getattr(SourceRecord, name) for name in Record._fields)


def records_of(session: Session, device_ids: Collection[int]) -> list[Record]:
    """What is said of these devices, gone records too.

    visibility: for an administrator's import.
    """
    if not device_ids:
        return []
    statement = (
        select(*_RECORD)
        .where(SourceRecord.device_id.in_(device_ids))
        .order_by(SourceRecord.source, SourceRecord.source_id)
    )
    return [Record(*row) for row in session.execute(statement)]


def record(session: Session, identity: Identity) -> Record:
    """Raises NotFound.

    visibility: for an administrator's decision.
    """
    source, source_id = identity
    statement = select(*_RECORD).where(SourceRecord.source == source, SourceRecord.source_id == source_id)
    row = session.execute(statement).first()
    if row is None:
        raise NotFound(f"The source '{source}' is not known to list '{source_id}'.", field="source_id")
    return Record(*row)


def count_live(session: Session, source: str) -> int:
    """How many records of a source are not gone.

    visibility: for an administrator's import.
    """
    statement = select(func.count(SourceRecord.id)).where(
        SourceRecord.source == source, SourceRecord.gone_since.is_(None)
    )
    return session.scalar(statement) or 0


def missing_records(session: Session, source: str) -> Sequence[int]:
    """Those about which a person is asked whether they are gone.

    visibility: for an administrator's decision.
    """
    return session.scalars(
        select(SourceRecord.id).where(
            SourceRecord.source == source,
            SourceRecord.missing_since.is_not(None),
            SourceRecord.gone_since.is_(None),
        )
    ).all()


def shared_devices(session: Session, source: str) -> Sequence[int]:
    """The devices that this source lists and another one too.

    visibility: for an administrator, see put_source.
    """
    other = aliased(SourceRecord)  # visibility: the same
    others = select(other.id).where(other.device_id == SourceRecord.device_id, other.source != source)
    statement = select(SourceRecord.device_id).where(SourceRecord.source == source, others.exists())
    return sorted({found for found in session.scalars(statement) if found is not None})


def devices_left(session: Session, record_ids: Collection[int]) -> tuple[set[int], set[int]]:
    """The devices of these records that nobody lists any more, and the others.

    visibility: for an administrator's import.
    """
    theirs = select(SourceRecord.device_id).where(
        SourceRecord.id.in_(record_ids), SourceRecord.device_id.is_not(None)
    )
    listed = select(SourceRecord.device_id).where(
        SourceRecord.device_id.in_(theirs), SourceRecord.gone_since.is_(None)
    )
    kept = {found for found in session.scalars(listed) if found is not None}
    return {found for found in session.scalars(theirs) if found is not None} - kept, kept
