"""Policies, checks, quarantines, reports, recalls; what is confirmed and asked after; reminders."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.database.types import BigIntId, Table, Versioned, enum_column
from aed.registry.devices.models import Device
from aed.upkeep.rules import (
    CheckKind,
    DueKind,
    Fact,
    FaultKind,
    FaultReportState,
    PolicyState,
    QuarantineReason,
    RecallState,
    ReminderAnswer,
    ReminderLevel,
    RetrievalOutcome,
)


class Policy(Versioned, Table):
    """How often the devices of an estate, a maker or a model are looked at, and what a check asks."""

    __tablename__ = "policies"
    __table_args__ = (
        CheckConstraint("model IS NULL OR maker IS NOT NULL", name="model_of_a_maker"),
        CheckConstraint("glance_days BETWEEN 1 AND 366", name="glance_days"),
        CheckConstraint("check_days BETWEEN 1 AND 366", name="check_days"),
        CheckConstraint("service_months BETWEEN 1 AND 120", name="service_months"),
        CheckConstraint("pads_months BETWEEN 1 AND 120", name="pads_months"),
        CheckConstraint("battery_months BETWEEN 1 AND 240", name="battery_months"),
        Index(
            "uq_policies_in_force",
            "scope",
            unique=True,
            postgresql_where=text("state = 'in_force'"),
            sqlite_where=text("state = 'in_force'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"), index=True)
    maker: Mapped[str | None] = mapped_column(String(100))
    model: Mapped[str | None] = mapped_column(String(100))
    scope: Mapped[str] = mapped_column(String(300))
    """The three above as one word, kept in step by `actions.policies`: one policy is in force for each."""
    name_en: Mapped[str] = mapped_column(String(200))
    name_zh: Mapped[str] = mapped_column(String(200))
    glance_days: Mapped[int | None]
    """None: never; so the next two."""
    check_days: Mapped[int | None]
    service_months: Mapped[int | None]
    pads_months: Mapped[int | None]
    """How long pads that say no date may be used; None: then one must be given. So the battery's."""
    battery_months: Mapped[int | None]
    asks: Mapped[list[str]]
    """Values of `Question`, in the order in which they are asked."""
    state: Mapped[PolicyState] = mapped_column(enum_column(PolicyState), default=PolicyState.IN_FORCE)


class Check(Table):
    """One inspection of a device, as it was answered. Never amended."""

    __tablename__ = "checks"
    __table_args__ = (Index("ix_checks_of_device", "device_id", "kind", "answered_at"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    key: Mapped[str] = mapped_column(String(36), unique=True)
    """Made up where it was answered: the same check sent again is the same check."""
    digest: Mapped[str] = mapped_column(String(64))
    """Of what was sent: another check under the same key is refused."""
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    kind: Mapped[CheckKind] = mapped_column(enum_column(CheckKind))
    policy_id: Mapped[int | None] = mapped_column(ForeignKey("policies.id"))
    policy_version: Mapped[int | None]
    """The policy, and its version, whose form was in force; None: the default."""
    answered_at: Mapped[datetime]
    """By the clock of whoever answered."""
    received_at: Mapped[datetime]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    by_name: Mapped[str] = mapped_column(String(200))
    is_there: Mapped[bool]
    was_used: Mapped[bool]
    answers: Mapped[dict[str, Any]]
    """{question: true when all is well}."""
    replaced: Mapped[dict[str, Any]]
    """{kind: {"lot", "expires_on", "lot_before", "expires_on_before"}} of what was replaced on the spot."""
    note: Mapped[str | None] = mapped_column(Text)
    is_passed: Mapped[bool]
    is_late: Mapped[bool]
    """A later check was here already when it arrived: nothing followed from it."""


class Photo(Table):
    """A picture of a check, made anew from what was sent: no place, no camera, no owner in it."""

    __tablename__ = "photos"
    __table_args__ = (UniqueConstraint("check_id", "sent_sha256"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    check_id: Mapped[int] = mapped_column(ForeignKey("checks.id"))
    sent_sha256: Mapped[str] = mapped_column(String(64))
    """Of the file that was sent: the same one sent again is the same photo."""
    sha256: Mapped[str] = mapped_column(String(64))
    """Of what is kept."""
    width: Mapped[int]
    height: Mapped[int]
    jpeg: Mapped[bytes] = mapped_column(deferred=True)
    received_at: Mapped[datetime]


class Quarantine(Table):
    """Why a device must not be offered, from when until when. A device may have several at once."""

    __tablename__ = "quarantines"
    __table_args__ = (
        CheckConstraint("lifted_at IS NULL OR lifted_at >= since", name="in_order"),
        Index(  # one per reason, except that several recalls may apply
            "uq_quarantines_active",
            "device_id",
            "reason",
            text("coalesce(recall_id, 0)"),
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
            sqlite_where=text("lifted_at IS NULL"),
        ),
        Index("ix_quarantines_of_device", "device_id", "since"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    reason: Mapped[QuarantineReason] = mapped_column(enum_column(QuarantineReason, name="reason"))
    since: Mapped[datetime]
    note: Mapped[str | None] = mapped_column(Text)
    by_check_id: Mapped[int | None] = mapped_column(ForeignKey("checks.id"))
    by_report_id: Mapped[int | None] = mapped_column(ForeignKey("fault_reports.id"))
    recall_id: Mapped[int | None] = mapped_column(ForeignKey("recalls.id"), index=True)
    reason_before: Mapped[str | None] = mapped_column(Text)
    """Why the device was out of service already, by hand: it is so again when this ends."""
    lifted_at: Mapped[datetime | None]
    lifted_by_check_id: Mapped[int | None] = mapped_column(ForeignKey("checks.id"))

    device: Mapped[Device] = relationship(lazy="raise")


class FaultReport(Table):
    """What somebody said of a device in passing. A stranger's quarantines nothing by itself."""

    __tablename__ = "fault_reports"
    __table_args__ = (
        Index("ix_fault_reports_of_device", "device_id", "at"),
        Index("ix_fault_reports_from", "from_key", "at"),
        CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name="closed_by_somebody"),
        CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="open_until_closed"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    kind: Mapped[FaultKind] = mapped_column(enum_column(FaultKind, name="reportkind"))
    note: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    by_name: Mapped[str | None] = mapped_column(String(200))
    """Who said so, as the record of changes names them; None: a stranger."""
    from_key: Mapped[str | None] = mapped_column(String(64))
    """The address of whoever is not of the house, as sign-ins count it, so that nobody reports without end;
    gone after a day."""
    state: Mapped[FaultReportState] = mapped_column(
        enum_column(FaultReportState, name="reportstate"), default=FaultReportState.OPEN
    )
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None] = mapped_column(String(200))


class Recall(Versioned, Table):
    """A maker takes devices back or wants them repaired: a maker, a model, a range of serial numbers."""

    __tablename__ = "recalls"
    __table_args__ = (
        CheckConstraint("(serial_from IS NULL) = (serial_to IS NULL)", name="range_has_two_ends"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    maker: Mapped[str] = mapped_column(String(100))
    model: Mapped[str | None] = mapped_column(String(100))
    """None: all of the maker's."""
    serial_from: Mapped[str | None] = mapped_column(String(100))
    serial_to: Mapped[str | None] = mapped_column(String(100))
    reference: Mapped[str] = mapped_column(String(200), unique=True)
    """The maker's or the authority's number."""
    text_en: Mapped[str] = mapped_column(Text)
    text_zh: Mapped[str] = mapped_column(Text)
    announced_on: Mapped[date]
    state: Mapped[RecallState] = mapped_column(enum_column(RecallState), default=RecallState.OPEN)


class Retrieval(Table):
    """Somebody was sent for a device: it is asked after until somebody tells what became of it."""

    __tablename__ = "retrievals"
    __table_args__ = (
        CheckConstraint("(outcome IS NULL) = (closed_at IS NULL)", name="closed_with_an_outcome"),
        CheckConstraint("(outcome IS NULL) = (ask_at IS NOT NULL)", name="asked_while_open"),
        Index("ix_retrievals_of_device", "device_id", "sent_at"),
        Index(
            "ix_retrievals_open",
            "ask_at",
            postgresql_where=text("outcome IS NULL"),
            sqlite_where=text("outcome IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    key: Mapped[str] = mapped_column(String(36), unique=True)
    """Made up by whoever sent: the same retrieval told again is the same."""
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    """Who was sent, if it is known."""
    reference: Mapped[str | None] = mapped_column(String(100))
    """The centre's own number of it."""
    sent_at: Mapped[datetime]
    over_at: Mapped[datetime | None]
    """When the call was over for which it was sent: silence counts from then; None: from when it was sent."""
    reported_by: Mapped[str] = mapped_column(String(200))
    asked: Mapped[int] = mapped_column(default=0)
    """How often it was asked after."""
    ask_at: Mapped[datetime | None]
    """When it is asked after next, or given up."""
    outcome: Mapped[RetrievalOutcome | None] = mapped_column(enum_column(RetrievalOutcome, name="outcome"))
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None] = mapped_column(String(200))

    device: Mapped[Device] = relationship(lazy="raise")


class Confirmation(Table):
    """When somebody last said that what the register says of a device is so, and who."""

    __tablename__ = "confirmations"

    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), primary_key=True, autoincrement=False)
    fact: Mapped[Fact] = mapped_column(enum_column(Fact), primary_key=True)
    at: Mapped[datetime]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    by_name: Mapped[str] = mapped_column(String(200))


class ConfirmationRequest(Table):
    """A small question to one person, who answers it with a tap; whoever holds the key need not sign in."""

    __tablename__ = "confirmation_requests"
    __table_args__ = (
        CheckConstraint("(fact IS NULL) <> (retrieval_id IS NULL)", name="one_question"),
        CheckConstraint("(answered_at IS NULL) = (answer IS NULL)", name="answered"),
        Index(  # only one open request per device and fact
            "uq_confirmation_requests_asked",
            "device_id",
            "fact",
            unique=True,
            postgresql_where=text("closed_at IS NULL AND fact IS NOT NULL"),
            sqlite_where=text("closed_at IS NULL AND fact IS NOT NULL"),
        ),
        Index("ix_confirmation_requests_of_person", "person_id", "asked_at"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    fact: Mapped[Fact | None] = mapped_column(enum_column(Fact))
    retrieval_id: Mapped[int | None] = mapped_column(ForeignKey("retrievals.id"), index=True)
    asked_at: Mapped[datetime]
    lapses_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answer: Mapped[str | None] = mapped_column(String(16))
    """Of `facts.Answer` or `retrieval.RetrievalOutcome`."""
    closed_at: Mapped[datetime | None]
    """Answered, lapsed, or answered otherwise."""


class DueCalendar(Table):
    """An address at which a calendar reads what is due for a person, without signing in."""

    __tablename__ = "due_calendars"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"), index=True)
    """Only of this estate; so the next; both None: all whose upkeep is the person's."""
    region_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"), index=True)
    is_mine: Mapped[bool]
    """Only what the person keeps."""
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Reminder(Table):
    """That something was due of a device when a threshold was passed. One row each, whatever is run when."""

    __tablename__ = "reminders"
    __table_args__ = (
        Index("uq_reminders_once", "device_id", "matter", "due_on", "threshold_days", unique=True),
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
    matter: Mapped[DueKind] = mapped_column(enum_column(DueKind, name="matter"))
    due_on: Mapped[date]
    threshold_days: Mapped[int]
    """Days before that date; negative: after it."""
    found_at: Mapped[datetime]
    addressed_at: Mapped[datetime | None]
    """When it was decided whom it is for: see `ReminderFor`."""
    closed_at: Mapped[datetime | None]
    """When it was found done, or a later threshold took its place: nobody is told of it any longer."""

    device: Mapped[Device] = relationship(lazy="raise")


class ReminderMessage(Table):
    """What one person is told on one day, as one message in the outbox."""

    __tablename__ = "reminder_messages"
    __table_args__ = (UniqueConstraint("person_id", "day"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    day: Mapped[date]
    """Where the person's devices are."""
    put_at: Mapped[datetime]
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """Of the key in the link: whoever has it may answer, no more."""


class ReminderPreference(Table):
    """How somebody wants to be reminded, where that is not as the network does."""

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
    """Not earlier than so many days before the last one; None: as early as anybody."""


class ReminderRecipient(Table):
    """Whom a reminder is for, in which message it was told, and what came back."""

    __tablename__ = "reminder_recipients"
    __table_args__ = (
        CheckConstraint("(answer IS NULL) = (answered_at IS NULL)", name="answered_at_a_moment"),
        Index(
            "ix_reminder_recipients_untold",
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
