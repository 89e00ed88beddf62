"""Tables of reminders, their messages and recipients, and people's preferences."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.database.types import BigIntId, Table, enum_column
from aed.registry.devices.models import Device
from aed.upkeep.rules import DueKind, ReminderAnswer, ReminderLevel


class Reminder(Table):
    """Something that was due on a device when a threshold was passed; created at most once for each."""

    __tablename__ = "reminders"
    __table_args__ = (
        Index("uq_reminders_once", "device_id", "due_kind", "due_on", "threshold_days", unique=True),
        Index(
            "ix_reminders_open",
            "id",
            postgresql_where=text("closed_at IS NULL"),
            sqlite_where=text("closed_at IS NULL"),
        ),
        Index(
            "ix_reminders_unaddressed",
            "id",
            postgresql_where=text("closed_at IS NULL AND addressed_at IS NULL"),
            sqlite_where=text("closed_at IS NULL AND addressed_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    due_kind: Mapped[DueKind] = mapped_column(enum_column(DueKind, name="due_kind"))
    due_on: Mapped[date]
    threshold_days: Mapped[int]
    """Days before `due_on`; negative after it."""
    found_at: Mapped[datetime]
    addressed_at: Mapped[datetime | None]
    """When its recipients were chosen; see `ReminderRecipient`."""
    closed_at: Mapped[datetime | None]
    """When the task was found done or a later threshold replaced it; nobody is notified after that."""

    device: Mapped[Device] = relationship(lazy="raise")


class ReminderMessage(Table):
    """The single reminder message that a person gets on one day."""

    __tablename__ = "reminder_messages"
    __table_args__ = (UniqueConstraint("person_id", "day"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    day: Mapped[date]
    """The local date at the person's devices."""
    put_at: Mapped[datetime]
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """Hash of the key in the link; the key only allows answering this message's reminders."""


class ReminderPreference(Table):
    """A person's own reminder settings, where they differ from the network's."""

    __tablename__ = "reminder_preferences"
    __table_args__ = (
        CheckConstraint("(from_hour IS NULL) = (until_hour IS NULL)", name="both_hours"),
        CheckConstraint("from_hour >= 0 AND from_hour < until_hour AND until_hour <= 24", name="hours"),
        CheckConstraint("days_before BETWEEN 0 AND 366", name="days_before"),
    )

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    from_hour: Mapped[int | None]
    until_hour: Mapped[int | None]
    days_before: Mapped[int | None]
    """The earliest reminder, in days before the due date; None means no limit."""


class ReminderRecipient(Table):
    """A recipient of a reminder, with the message that carried it and their answer."""

    __tablename__ = "reminder_recipients"
    __table_args__ = (
        CheckConstraint("(answer IS NULL) = (answered_at IS NULL)", name="answered_at_a_moment"),
        Index(
            "ix_reminder_recipients_unsent",
            "person_id",
            postgresql_where=text("message_id IS NULL"),
            sqlite_where=text("message_id IS NULL"),
        ),
        Index("ix_reminder_recipients_message_id", "message_id"),
    )

    reminder_id: Mapped[int] = mapped_column(
        ForeignKey("reminders.id"), primary_key=True, autoincrement=False
    )
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    level: Mapped[ReminderLevel] = mapped_column(enum_column(ReminderLevel, name="level"))
    message_id: Mapped[int | None] = mapped_column(ForeignKey("reminder_messages.id"))
    answer: Mapped[ReminderAnswer | None] = mapped_column(enum_column(ReminderAnswer, name="answer"))
    answered_at: Mapped[datetime | None]

    reminder: Mapped[Reminder] = relationship(lazy="raise")
