"""Tables of mandates to act for another person, and of people whom goods are kept for."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import BigIntId, Table, enum_column
from aed.timebank.rules import PriorityGroup


class Mandate(Table):
    """The permission to use another person's points for them, such as an elderly neighbour's."""

    __tablename__ = "mandates"
    __table_args__ = (
        CheckConstraint("principal_id <> agent_id", name="two_people"),
        CheckConstraint("ends_at > starts_at", name="period"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    principal_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(String(200))
    """The person themself, or the manager who has seen the signed mandate."""
    revoked_at: Mapped[datetime | None]


class PriorityMember(Table):
    """A person whom goods are kept for at first, such as those over 80; confirmed by a manager."""

    __tablename__ = "priority_members"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    priority_group: Mapped[PriorityGroup] = mapped_column(enum_column(PriorityGroup))
    confirmed_at: Mapped[datetime]
    confirmed_by: Mapped[str] = mapped_column(String(200))
    ended_at: Mapped[datetime | None]
