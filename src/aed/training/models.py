"""Tables for courses, sessions, enrolments, attendance and assessments."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from geoalchemy2 import WKBElement, WKTElement
from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.accounts.people.models import Person
from aed.accounts.regions.models import Region
from aed.database.encryption.columns import Encrypted
from aed.database.geometry import point_type
from aed.database.types import BigIntId, Table, Versioned, enum_column
from aed.registry.estates.models import Estate
from aed.responders.models import Certificate
from aed.responders.rules import CertificateKind
from aed.training.rules import (
    AttendanceState,
    BatchRowState,
    CourseState,
    EnrolmentState,
    MarkedBy,
    SessionAudience,
    SessionState,
)


class Course(Versioned, Table):
    """A course, and the certificate that it awards."""

    __tablename__ = "courses"
    __table_args__ = (
        CheckConstraint("hours > 0 AND hours <= 400", name="hours"),
        CheckConstraint("validity_months BETWEEN 1 AND 120", name="validity_months"),
        CheckConstraint("refresher_months BETWEEN 1 AND 60", name="refresher_months"),
        CheckConstraint(
            "(certificate_kind IS NULL) = (validity_months IS NULL)"
            " AND (certificate_kind IS NULL) = (issuer IS NULL)",
            name="certificate_whole",
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name_en: Mapped[str] = mapped_column(String(200))
    name_zh: Mapped[str] = mapped_column(String(200))
    hours: Mapped[float]
    certificate_kind: Mapped[CertificateKind | None] = mapped_column(enum_column(CertificateKind))
    """The certificate awarded for passing; None if there is none, as for a refresher."""
    issuer: Mapped[str | None] = mapped_column(String(200))
    """Name of the issuer as printed on the certificate."""
    issuer_id: Mapped[int | None] = mapped_column(ForeignKey("issuers.id"), index=True)
    validity_months: Mapped[int | None]
    refresher_months: Mapped[int | None]
    """Months after which skills should be refreshed; None if no refresher applies."""
    state: Mapped[CourseState] = mapped_column(enum_column(CourseState), default=CourseState.OFFERED)
    assessment: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """The assessment plan, as `AssessmentPlanIn`; None if the trainer only says passed or not."""
    parts: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """Parts for which presence is counted, such as half days."""
    min_presence_percent: Mapped[int | None]
    """For how much of the parts a person must be present to be assessed; None if any presence is enough."""
    learners_per_trainer: Mapped[int | None]
    learners_per_manikin: Mapped[int | None]


class Prerequisite(Table):
    """A course that must be passed before another."""

    __tablename__ = "course_prerequisites"
    __table_args__ = (CheckConstraint("course_id <> needs_id", name="not_itself"),)

    course_id: Mapped[int] = mapped_column(ForeignKey("courses.id"), primary_key=True)
    needs_id: Mapped[int] = mapped_column(ForeignKey("courses.id"), primary_key=True, index=True)


class TrainingSession(Versioned, Table):
    """A course held at a place and time."""

    __tablename__ = "training_sessions"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at AND enrolment_closes_at <= starts_at", name="in_order"),
        CheckConstraint("minimum BETWEEN 1 AND capacity", name="minimum"),
        CheckConstraint("capacity BETWEEN 1 AND 1000", name="capacity"),
        CheckConstraint("audience <> 'estate' OR estate_id IS NOT NULL", name="estate_for_its_people"),
        CheckConstraint("(state = 'cancelled') = (cancelled_why IS NOT NULL)", name="why_cancelled"),
        Index("ix_training_sessions_starts", "starts_at", "id"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("courses.id"), index=True)
    trainer_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"), index=True)
    """The estate that holds the session; None if the region does."""
    audience: Mapped[SessionAudience] = mapped_column(enum_column(SessionAudience))
    position: Mapped[WKBElement | WKTElement] = mapped_column(point_type())
    """WGS-84."""
    place_en: Mapped[str] = mapped_column(Text)
    place_zh: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(8))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    enrolment_closes_at: Mapped[datetime]
    capacity: Mapped[int]
    minimum: Mapped[int]
    state: Mapped[SessionState] = mapped_column(enum_column(SessionState), default=SessionState.PLANNED)
    cancelled_why: Mapped[str | None] = mapped_column(Text)
    trainers: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """How many trainers there are, the named one included."""
    manikins: Mapped[int | None]
    """How many manikins there are; None if unknown."""

    course: Mapped[Course] = relationship(lazy="raise")
    trainer: Mapped[Person | None] = relationship(lazy="raise")
    estate: Mapped[Estate | None] = relationship(lazy="raise")
    region: Mapped[Region] = relationship(lazy="raise")

    @property
    def time_zone(self) -> str:
        """The time zone of the estate, or else of the region. Both relationships must be loaded."""
        return (self.estate.time_zone if self.estate is not None else None) or self.region.time_zone


class Enrolment(Versioned, Table):
    """A person on the roster or waiting list of a session. Ids follow the order of arrival.

    Lock the session's row before adding or changing one; see `training.enrolments.actions`.
    """

    __tablename__ = "enrolments"
    __table_args__ = (
        CheckConstraint("(state = 'offered') = (offer_expires_at IS NOT NULL)", name="offer_ends"),
        Index("ix_enrolments_in_order", "session_id", "state", "id"),
        Index("ix_enrolments_offers", "state", "offer_expires_at"),
        Index(  # at most one active enrolment per person and session
            "uq_enrolments_active",
            "session_id",
            "person_id",
            unique=True,
            postgresql_where=text("state = 'enrolled' OR state = 'waiting' OR state = 'offered'"),
            sqlite_where=text("state = 'enrolled' OR state = 'waiting' OR state = 'offered'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("training_sessions.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"), index=True)
    """The person's estate; None if they have none or it is not known."""
    state: Mapped[EnrolmentState] = mapped_column(enum_column(EnrolmentState))
    enrolled_at: Mapped[datetime]
    """When the person was added to the roster or waiting list."""
    offer_expires_at: Mapped[datetime | None]
    moved_to_id: Mapped[int | None] = mapped_column(ForeignKey("enrolments.id"))

    session: Mapped[TrainingSession] = relationship(lazy="raise")
    person: Mapped[Person] = relationship(lazy="raise")


class Attendance(Versioned, Table):
    """Whether an enrolled person attended."""

    __tablename__ = "attendances"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolments.id"), unique=True)
    state: Mapped[AttendanceState] = mapped_column(enum_column(AttendanceState))
    how: Mapped[MarkedBy] = mapped_column(enum_column(MarkedBy))
    marked_at: Mapped[datetime]
    marked_by: Mapped[str] = mapped_column(String(200))
    parts_present: Mapped[int | None]
    """For how many parts of the course the person was present; None for all of them."""


class Assessment(Versioned, Table):
    """Whether a person who attended passed."""

    __tablename__ = "assessments"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolments.id"), unique=True)
    passed: Mapped[bool]
    note: Mapped[str | None] = mapped_column(Text)
    assessed_at: Mapped[datetime]
    assessed_by: Mapped[str] = mapped_column(String(200))
    certificate_id: Mapped[int | None] = mapped_column(ForeignKey("certificates.id"), index=True)
    """The certificate awarded for passing."""
    issuer_number: Mapped[str | None] = mapped_column(String(100))
    """The number that the issuer gave the card, from the answer to a batch."""

    certificate: Mapped[Certificate | None] = relationship(lazy="raise")


class AssessmentAttempt(Versioned, Table):
    """The marks of one attempt at the parts of an assessment."""

    __tablename__ = "assessment_attempts"
    __table_args__ = (
        UniqueConstraint("enrolment_id", "number"),
        CheckConstraint("number BETWEEN 1 AND 10", name="number"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolments.id"))
    number: Mapped[int]
    """1 is the first attempt, 2 the first retake."""
    marks: Mapped[dict[str, Any]]
    """A score, or whether it was passed, by the code of the part."""
    assessed_at: Mapped[datetime]
    assessed_by: Mapped[str] = mapped_column(String(200))


class TrainerGrade(Versioned, Table):
    """The grade that an issuer gave a trainer, and until when it is valid."""

    __tablename__ = "trainer_grades"
    __table_args__ = (UniqueConstraint("issuer_id", "person_id"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    issuer_id: Mapped[int] = mapped_column(ForeignKey("issuers.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    grade: Mapped[str] = mapped_column(String(100))
    """As the issuer calls it."""
    valid_until: Mapped[date]

    person: Mapped[Person] = relationship(lazy="raise")


class LearnerIdentity(Table):
    """Identity number and photo of a learner whose issuer wants them; deleted once it has issued the card."""

    __tablename__ = "learner_identities"

    enrolment_id: Mapped[int] = mapped_column(
        ForeignKey("enrolments.id"), primary_key=True, autoincrement=False
    )
    holder_id: Mapped[str | None] = mapped_column(Encrypted("learner_identities.holder_id"))
    """Whole only if the issuer wants it whole; otherwise masked."""
    jpeg: Mapped[bytes | None] = mapped_column(deferred=True)
    given_at: Mapped[datetime]
    given_by: Mapped[str] = mapped_column(String(200))


class IssuerBatch(Table):
    """Results that are given to an issuer together, under one reference."""

    __tablename__ = "issuer_batches"
    __table_args__ = (UniqueConstraint("issuer_id", "reference"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    issuer_id: Mapped[int] = mapped_column(ForeignKey("issuers.id"))
    reference: Mapped[str] = mapped_column(String(32))
    """Chosen by the client: a request that is repeated leads to the same batch."""
    made_at: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(String(200))
    answered_at: Mapped[datetime | None]
    """When the last of its rows was answered."""


class IssuerBatchRow(Table):
    """A result in a batch, and what the issuer made of it."""

    __tablename__ = "issuer_batch_rows"
    __table_args__ = (
        CheckConstraint("(state = 'rejected') = (reason IS NOT NULL)", name="reason_if_rejected"),
        Index(  # a result is with the issuer once, unless it was rejected
            "uq_issuer_batch_rows_once",
            "assessment_id",
            unique=True,
            postgresql_where=text("state <> 'rejected'"),
            sqlite_where=text("state <> 'rejected'"),
        ),
        Index("ix_issuer_batch_rows_assessment_id", "assessment_id"),
    )

    batch_id: Mapped[int] = mapped_column(
        ForeignKey("issuer_batches.id"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The number of the row, from 1."""
    assessment_id: Mapped[int] = mapped_column(ForeignKey("assessments.id"))
    state: Mapped[BatchRowState] = mapped_column(enum_column(BatchRowState))
    reason: Mapped[str | None] = mapped_column(Text)


class PresenceCodeUsed(Table):
    """A check-in code that has been used. It is not valid for anyone else."""

    __tablename__ = "presence_codes_used"

    nonce: Mapped[str] = mapped_column(String(32), primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolments.id"), index=True)
    used_at: Mapped[datetime]


class TrainingReminder(Table):
    """A reminder that was sent: of a session, of a certificate that expires, or to practise again."""

    __tablename__ = "training_reminders"

    key: Mapped[str] = mapped_column(String(120), primary_key=True)
    """What it was about, such as `enrolment:17:day`: each is sent once."""
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    sent_at: Mapped[datetime]
