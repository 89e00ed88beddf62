"""Invented people of a demo database, as whom everyone may sign in. Their rows mark a database as a demo."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from aed.database.types import Table, enum_column
from aed.errors import NotFound


class DemoRole(StrEnum):
    """A part that a newcomer can play."""

    RESIDENT = "resident"
    VOLUNTEER = "volunteer"
    KEEPER = "keeper"
    TRAINER = "trainer"
    DISPATCHER = "dispatcher"
    MANAGER = "manager"
    ADMINISTRATOR = "administrator"
    REGION = "region"


class DemoPerson(Table):
    """The person for a part; only `aed demo` adds rows, to a database that was empty before."""

    __tablename__ = "demo_people"

    role: Mapped[DemoRole] = mapped_column(enum_column(DemoRole), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))


def is_demo(session: Session) -> bool:
    """Return True if `aed demo` made this database. visibility: no person is returned."""
    return session.scalar(select(DemoPerson.role).limit(1)) is not None


def demo_people(session: Session) -> dict[DemoRole, int]:
    """Return the ids of the people. Raises NotFound unless this is a demo database.

    visibility: invented people, for everybody.
    """
    found = {each.role: each.person_id for each in session.scalars(select(DemoPerson))}
    if not found:
        raise NotFound("This is not a demo.")
    return found
