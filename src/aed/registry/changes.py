"""The history of the register: who changed which row, when, from what to what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Any, Final, Protocol

from geoalchemy2 import WKBElement, WKTElement
from pydantic import (
    BaseModel,
    Field,
)
from shapely.geometry import Point
from sqlalchemy import (
    Index,
    String,
    select,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import (
    Mapped,
    Session,
    class_mapper,
    mapped_column,
)
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.exc import StaleDataError

from aed.accounts.audit_log import is_actor, is_within
from aed.accounts.permissions import Viewer
from aed.database.bulk import insert_many
from aed.database.geometry import position_of, shape_of
from aed.database.types import BigIntId, Table
from aed.errors import ChangedMeanwhile, Conflict, InvalidInput, NotAllowed


class RegistryChange(Table):
    """One change of one row: who, when, and each field before and after. Never amended or deleted."""

    __tablename__ = "registry_changes"
    __table_args__ = (Index("ix_registry_changes_subject", "subject", "subject_id"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    subject: Mapped[str] = mapped_column(String(32))
    """The name of the table."""
    subject_id: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(200))
    fields: Mapped[dict[str, Any]]
    """{field: [before, after]}; before is null in the first change of a row."""


class PutOutcome(StrEnum):
    """Whether a row was created, changed, or left unchanged."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"

    @classmethod
    def of(cls, is_new: bool | None) -> PutOutcome:
        """Return NEW for True, CHANGED for False, UNCHANGED for None."""
        return cls.UNCHANGED if is_new is None else cls.NEW if is_new else cls.CHANGED


class RecordedRow(Protocol):
    """A row with an id, whose changes are recorded."""

    __tablename__: Any  # Any: as in SQLAlchemy's own annotation
    id: Any  # Any: as in SQLAlchemy's own annotation


def flush_or_conflict(session: Session, taken: str, field: str | None) -> None:
    """Flush the session. Raises ChangedMeanwhile for a stale version, Conflict(`taken`) for a duplicate."""
    try:
        session.flush()
    except StaleDataError:
        raise ChangedMeanwhile("Someone else changed it at the same time. Read it again.") from None
    except IntegrityError:
        raise Conflict(taken, field=field) from None


def require_not_null(row: RecordedRow, given: BaseModel, names: Iterable[str]) -> None:
    columns = class_mapper(type(row)).columns
    for name in names:
        if getattr(given, name) is None and name in columns and not columns[name].nullable:
            raise InvalidInput("{name} cannot be null.", field=name, name=name)


def record_creation(session: Session, who: Viewer, row: RecordedRow, *, at: datetime) -> None:
    """Record all fields of a row that was flushed for the first time."""
    fields = {name: [None, now] for name in _recorded(row) if (now := _plain(getattr(row, name))) is not None}
    _add_change(session, who, row, fields, at=at)


def record_creations(
    session: Session,
    who: Viewer,
    model: type[RecordedRow],
    rows: Sequence[Mapping[str, Any]],
    *,
    at: datetime,
) -> None:
    """Record all fields of many rows that were just inserted, each given as {column: value}."""
    actor = who.name
    insert_many(
        session,
        RegistryChange,
        [
            {
                "subject": model.__tablename__,
                "subject_id": str(row["id"]),
                "at": at,
                "who": actor,
                "fields": {
                    name: [None, _plain(value)]
                    for name, value in row.items()
                    if value is not None and name not in _NOT_RECORDED
                },
            }
            for row in rows
        ],
    )


def record_amendment(session: Session, who: Viewer, row: RecordedRow, *, at: datetime) -> PutOutcome:
    """Record the fields of `row` that differ from the database, if any. Call this before the flush."""
    fields = amended_fields(row)
    if not fields:
        return PutOutcome.UNCHANGED
    _add_change(session, who, row, fields, at=at)
    return PutOutcome.CHANGED


def record_note(
    session: Session, who: Viewer, row: RecordedRow, fields: dict[str, Any], *, at: datetime
) -> None:
    """Record a change that is not one of the row's columns, as {name: [before, after]}."""
    _add_change(session, who, row, fields, at=at)


def amended_fields(row: RecordedRow) -> dict[str, Any]:
    """Return {column: [before, now]} for the fields of `row` that differ from the database."""
    fields: dict[str, Any] = {}
    state = instance_state(row)
    for name in _recorded(row):
        history = state.attrs[name].history
        if history.has_changes():
            before = _plain(history.deleted[0]) if history.deleted else None
            now = _plain(getattr(row, name))
            if before != now:
                fields[name] = [before, now]
    return fields


_NOT_RECORDED: Final = (
    "id",
    "version",
    "origins",
    # `aed.sharing` records changes of what it derives.
    "sharing_hours",
    "audience_outside_hours",
    "published_position",
    "agreement_id",
    "audience_changes_at",
)


def _recorded(row: RecordedRow) -> list[str]:
    return [column.key for column in class_mapper(type(row)).column_attrs if column.key not in _NOT_RECORDED]


def _add_change(
    session: Session, who: Viewer, row: RecordedRow, fields: dict[str, Any], *, at: datetime
) -> None:
    session.add(
        RegistryChange(subject=row.__tablename__, subject_id=str(row.id), at=at, who=who.name, fields=fields)
    )


def _plain(value: object) -> object:
    """Convert a value to JSON: points as [lat, lon], areas as WKT, dates as ISO 8601."""
    if value is None or type(value) in (str, int, float):
        return value
    if isinstance(value, WKTElement) and value.data.startswith("POINT("):
        here = position_of(value)
        return [here.lat, here.lon]
    if isinstance(value, WKBElement | WKTElement):
        shape = shape_of(value)
        return [shape.y, shape.x] if isinstance(shape, Point) else shape.wkt
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, date):  # includes datetime
        return value.isoformat()
    return value


def changes_of(
    session: Session, *, subject: str, subject_id: str, limit: int = 200
) -> Sequence[RegistryChange]:
    """Return the changes of one row, newest first.

    visibility: the caller has checked that the viewer may see the row and its history.
    """
    return session.scalars(
        select(RegistryChange)
        .where(RegistryChange.subject == subject, RegistryChange.subject_id == subject_id)
        .order_by(RegistryChange.id.desc())
        .limit(limit)
    ).all()


def registry_changes(
    session: Session,
    viewer: Viewer,
    *,
    limit: int,
    person_ids: Collection[int] | None = None,
    subject: str = "",
    subject_id: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> Sequence[RegistryChange]:
    """Return the newest changes by people, of a table or one of its rows, and within a time.

    Raises NotAllowed. visibility: only for a network administrator.
    """
    if not viewer.is_administrator:
        raise NotAllowed("Only a network administrator may read the history of the whole register.")
    asked = select(RegistryChange)
    if person_ids is not None:
        asked = asked.where(is_actor(RegistryChange.who, person_ids))
    if subject:
        asked = asked.where(RegistryChange.subject == subject)
    if subject_id:
        asked = asked.where(RegistryChange.subject_id == subject_id)
    asked = asked.where(is_within(RegistryChange.at, since=since, until=until))
    return session.scalars(asked.order_by(RegistryChange.id.desc()).limit(limit)).all()


class RegistryChangeOut(BaseModel):
    at: datetime
    who: str
    subject: str
    subject_id: str
    fields: dict[str, Any] = Field(description="{field: [before, after]}")

    @classmethod
    def of(cls, change: RegistryChange) -> RegistryChangeOut:
        return cls(
            at=change.at,
            who=change.who,
            subject=change.subject,
            subject_id=change.subject_id,
            fields=change.fields,
        )
