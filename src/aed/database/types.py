"""Column types, the declarative base of every table, and small SQL functions."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Enum,
    Integer,
    MetaData,
    TypeDecorator,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    declared_attr,
    mapped_column,
    registry,
)
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from aed.errors import ChangedMeanwhile


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware datetime, stored in UTC; SQLite stores no offset, so it is restored on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a UTC offset cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def enum_column(enumeration: type[StrEnum], *, name: str | None = None) -> Enum:
    """Return the type of a StrEnum column that stores values, not names, with a CHECK.

    `name` is the name of the CHECK, needed if a table has two columns of the same enumeration.
    """
    return Enum(
        enumeration,
        values_callable=lambda members: [member.value for member in members],
        native_enum=False,
        create_constraint=True,
        length=32,
        name=name or enumeration.__name__.lower(),
    )


BigIntId = BigInteger().with_variant(Integer, "sqlite")


"""A 64-bit key; on SQLite an INTEGER, so that it is an alias of the rowid."""


class Table(DeclarativeBase):
    """The declarative base class of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    registry: ClassVar[registry] = registry(
        type_annotation_map={
            datetime: UtcDateTime,
            dict[str, Any]: JSON,
            list[str]: JSON,
            list[dict[str, Any]]: JSON,
        }
    )


class Versioned:
    """A table with optimistic locking: each amendment increments the version, and stale ones are refused."""

    version: Mapped[int] = mapped_column()

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805 - SQLAlchemy passes the class
        return {"version_id_col": cls.version}


class days_between(FunctionElement[int]):  # noqa: N801 - an SQL function
    """An SQL function: the number of days from the second date to the first."""

    type = Integer()
    inherit_cache = True


@compiles(days_between, "postgresql")
def _subtract(element: days_between, compiler: SQLCompiler, **asked: object) -> str:
    later, earlier = element.clauses
    return f"({compiler.process(later, **asked)} - {compiler.process(earlier, **asked)})"


@compiles(days_between, "sqlite")
def _count(element: days_between, compiler: SQLCompiler, **asked: object) -> str:
    later, earlier = element.clauses
    days = f"julianday({compiler.process(later, **asked)}) - julianday({compiler.process(earlier, **asked)})"
    return f"CAST({days} AS INTEGER)"


def as_date(value: date | str | None) -> date | None:
    """Return the value of a date column of a compiled statement, which is text on SQLite, as a date."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def as_datetime(value: datetime | str | None) -> datetime | None:
    """Return the value of a datetime column of a compiled statement as a timezone-aware datetime."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


class VersionedRow(Protocol):
    """A row with a version."""

    version: Any  # Any: a mapped column, whose values are integers


def require_version(row: VersionedRow, version: int | None) -> None:
    """Require that a row has the version that the caller read. Raises ChangedMeanwhile."""
    if row.version != version:
        raise ChangedMeanwhile(
            "The version is now {version}. Read it again, apply your change to it, and "
            "send its ETag in If-Match.",
            version=row.version,
        )
