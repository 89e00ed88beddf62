"""Queries for all data stored about one person."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

from geoalchemy2 import WKBElement
from sqlalchemy import JSON, Column, ColumnElement, Select, Text, and_, cast, or_, select, type_coerce
from sqlalchemy import Table as SqlTable
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.certificates.models import IssuerEntry
from aed.database.encryption.keyring import EncryptedKind, normalized
from aed.database.geometry import position_of
from aed.database.types import Table
from aed.imports.devices.models import Review, SourceRecord
from aed.personal_data.rules.erasure import KEEPER, PersonalTable, without_keeper
from aed.personal_data.rules.personal_tables import PERSONAL_TABLES
from aed.personal_data.rules.references import ACTOR_COLUMNS
from aed.responders.live import live_places_of
from aed.responders.models import Certificate, LiveLocationRow, Responder


@dataclass(frozen=True, slots=True)
class HeldRows:
    """The rows of one table that belong to a person."""

    held: PersonalTable
    rows: Sequence[dict[str, Any]]


def table_of(name: str) -> SqlTable:
    return Table.metadata.tables[name]


def entries_of(session: Session, person: Person) -> list[Person]:
    """Return the person and the entries that were merged into it.

    visibility: the caller has checked that the viewer is the person or an administrator.
    """
    joined = select(Person).where(Person.joined_into_id == person.id).order_by(Person.id)
    return [person, *session.scalars(joined)]


def keys_of_rows(held: PersonalTable, person_ids: Collection[int]) -> Select[tuple[Any]]:
    """Return a query for the primary keys of the rows that belong to these people.

    visibility: the caller has checked that the viewer is the person or an administrator.
    """
    (key,) = table_of(held.table).primary_key.columns
    return select(key).where(belongs_to_person(held, person_ids))


def belongs_to_person(held: PersonalTable, person_ids: Collection[int]) -> ColumnElement[bool]:
    """Return a condition that is true for the rows that belong to these people."""
    columns = [table_of(held.table).c[name] for name in (held.by, *held.also_by)]
    if held.through is None:
        return or_(*(each.in_(person_ids) for each in columns))
    (through,) = [each for each in PERSONAL_TABLES if each.table == held.through]
    return or_(*(each.in_(keys_of_rows(through, person_ids)) for each in columns))


def rows_about(session: Session, person_ids: Collection[int], *, at: datetime) -> list[HeldRows]:
    """Return all rows that belong to these people, as JSON values, by table.

    Includes live locations valid at `at` that are stored outside the database. Raises LivePlacesUnavailable.

    visibility: the caller has checked that the viewer is the person or an administrator.
    """
    found = []
    for held in PERSONAL_TABLES:
        rows = list(_rows(session, held, person_ids))
        if held.table == LiveLocationRow.__tablename__ and not rows:
            rows += _live_places_elsewhere(session, person_ids, at=at)
        found.append(HeldRows(held, rows))
    return found


def _live_places_elsewhere(
    session: Session, person_ids: Collection[int], *, at: datetime
) -> Iterator[dict[str, Any]]:
    """Yield live locations that are stored outside the database, with the columns of the table.

    visibility: as `rows_about`.
    """
    theirs = session.scalars(select(Responder.id).where(Responder.person_id.in_(person_ids))).all()
    for place in live_places_of(session).held(session.connection(), theirs, at=at).values():
        yield {
            "responder_id": place.responder_id,
            "cell": place.cell,
            "at": plain(place.at),
            "expires_at": plain(place.expires_at),
        }


def _rows(session: Session, held: PersonalTable, person_ids: Collection[int]) -> Iterator[dict[str, Any]]:
    table = table_of(held.table)
    columns: list[Column[Any]] = [
        column
        for column in table.columns
        if column.name not in held.hidden and (held.shown is None or column.name in held.shown)
    ]
    found = select(*columns).where(belongs_to_person(held, person_ids)).order_by(*table.primary_key.columns)
    for row in session.execute(found):
        shown = {column.name: plain(value) for column, value in zip(columns, row, strict=True)}
        yield shown | dict.fromkeys(held.hidden, "not shown: a hash of a secret")


def plain(value: object) -> Any:
    """Convert a value to JSON: points as {lat, lon}, enumerations by value, dates as ISO 8601."""
    if isinstance(value, WKBElement):
        here = position_of(value)
        return {"lat": here.lat, "lon": here.lon}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):  # includes datetime
        return value.isoformat()
    return value


def actions_of(
    session: Session, person_ids: Collection[int], *, limit: int = 100_000
) -> list[dict[str, Any]]:
    """Return the primary keys of rows that record an action of these people, by table and column.

    The rows themselves are left out: they are about others.

    visibility: the caller has checked that the viewer is the person or an administrator.
    """
    found: list[dict[str, Any]] = []
    names = [f"person:{each}" for each in person_ids]
    for name, column in ACTOR_COLUMNS:
        table = table_of(name)
        keys = list(table.primary_key.columns)
        asked = select(*keys).where(table.c[column].in_(names)).order_by(*keys).limit(limit)
        rows = [row[0] if len(keys) == 1 else list(row) for row in session.execute(asked)]
        if rows:
            found.append({"table": name, "column": column, "rows": rows})
    return found


@dataclass(frozen=True, slots=True)
class ListMention:
    """A record or review that names the person as a keeper, with its content before and after removal."""

    row: SourceRecord | Review
    says: dict[str, Any]
    without: dict[str, Any]


def mentions_in_lists(session: Session, person: Person) -> list[ListMention]:
    """Return the records and reviews of imported lists that name the person as a keeper.

    They match by name and phone number. A mention without a number matches everybody of that name.

    visibility: the caller has checked that the viewer is the person or an administrator.
    """
    mine = normalized(person.phone, EncryptedKind.PHONE) if person.phone is not None else None

    def is_phone(number: str) -> bool:
        return mine is not None and normalized(number, EncryptedKind.PHONE)[-8:] == mine[-8:]

    keeper_name = type_coerce(SourceRecord.fields, JSON)["keeper_name"].as_string()
    rows: list[SourceRecord | Review] = list(
        session.scalars(select(SourceRecord).where(keeper_name == person.name).order_by(SourceRecord.id))
    )
    names_a_keeper = cast(type_coerce(Review.evidence, JSON), Text).contains(KEEPER[0])
    rows += session.scalars(select(Review).where(names_a_keeper).order_by(Review.id))
    found = []
    for row in rows:
        says = row.fields if isinstance(row, SourceRecord) else row.evidence
        without = without_keeper(says, name=person.name, is_phone=is_phone)
        if without != says:
            assert isinstance(without, dict)
            found.append(ListMention(row, says, without))
    return found


def mentions_by_issuers(session: Session, person_ids: Collection[int]) -> Sequence[IssuerEntry]:
    """Return the entries of issuers' rosters that match the person's certificates.

    visibility: the caller has checked that the viewer is the person or an administrator.
    """
    of_theirs = (
        select(IssuerEntry)
        .join(
            Certificate,
            and_(
                Certificate.issuer_id == IssuerEntry.issuer_id,
                Certificate.number == IssuerEntry.number,
            ),
        )
        .join(Responder, Responder.id == Certificate.responder_id)
        .where(Responder.person_id.in_(person_ids))
        .order_by(IssuerEntry.id)
    )
    return session.scalars(of_theirs).unique().all()
