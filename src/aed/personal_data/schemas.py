"""Schemas of the export of personal data."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.personal_data import queries
from aed.personal_data.rules.erasure import KEEPER, Erasure


class TableRowsOut(BaseModel):
    """The rows of one table that belong to the person."""

    table: str
    kept_for: str
    when_erased: Erasure = Field(description="What happens to this data when the person is erased")
    rows: list[dict[str, Any]]


class ActionDoneOut(BaseModel):
    """Rows that record an action of the person: the table, the column that names them, and the keys."""

    table: str
    column: str
    rows: list[Any]


class KeeperMentionOut(BaseModel):
    """A list of devices that names the person as a keeper."""

    source: str
    source_id: str
    says: dict[str, Any]


class IssuerMentionOut(BaseModel):
    """An entry of an issuer's roster for a certificate of the person."""

    issuer_id: int
    number: str
    name: str
    holder_id: str | None
    phone: str | None
    course: str
    valid_until: date
    read_at: datetime


class OwnDataOut(BaseModel):
    """All data stored about a person."""

    person_id: int
    made_at: datetime
    held: list[TableRowsOut]
    done: list[ActionDoneOut]
    mentioned_in_lists: list[KeeperMentionOut]
    mentioned_by_issuers: list[IssuerMentionOut]

    @classmethod
    def of(cls, session: Session, person: Person, *, at: datetime) -> OwnDataOut:
        """Build the export.

        visibility: the caller has checked that the viewer is the person or an administrator.
        """
        entries = queries.entries_of(session, person)
        ids = [each.id for each in entries]
        return cls(
            person_id=person.id,
            made_at=at,
            held=[
                TableRowsOut(
                    table=each.held.table,
                    kept_for=each.held.reason,
                    when_erased=each.held.erasure,
                    rows=list(each.rows),
                )
                for each in queries.rows_about(session, ids, at=at)
            ],
            done=[ActionDoneOut.model_validate(each) for each in queries.actions_of(session, ids)],
            mentioned_in_lists=[
                KeeperMentionOut(
                    source=each.row.source,
                    source_id=each.row.source_id,
                    says={name: _find_key(each.says, name) for name in KEEPER},
                )
                for entry in entries
                for each in queries.mentions_in_lists(session, entry)
            ],
            mentioned_by_issuers=[
                IssuerMentionOut.model_validate(each, from_attributes=True)
                for each in queries.mentions_by_issuers(session, ids)
            ],
        )


def _find_key(value: object, name: str) -> Any:
    """Return the first value under that key, at any depth; None if there is none."""
    if isinstance(value, dict):
        if name in value:
            return value[name]
        return next((found for each in value.values() if (found := _find_key(each, name)) is not None), None)
    if isinstance(value, list):
        return next((found for each in value if (found := _find_key(each, name)) is not None), None)
    return None
