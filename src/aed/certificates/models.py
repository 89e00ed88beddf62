"""What issuers say of certificates, what they were asked, and people who may be one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.accounts.people.models import Person
from aed.certificates.rules import CheckState, PairDecision
from aed.database.encryption.columns import Encrypted, EncryptedFields
from aed.database.types import BigIntId, Table, enum_column
from aed.issuers.rules import CertificateKind


class IssuerEntry(Table):
    """A certificate as its issuer's last roster has it, whether anybody here holds it or not."""

    __tablename__ = "issuer_entries"
    __table_args__ = (
        Index("uq_issuer_entries_number", "issuer_id", "number", unique=True),
        # The moment first: while a first roster is read PostgreSQL has not counted an issuer's entries yet,
        # and would go through all of them by this index for every batch.
        Index("ix_issuer_entries_read", "read_at", "issuer_id"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    issuer_id: Mapped[int] = mapped_column(ForeignKey("issuers.id"))
    number: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(200))
    holder_id: Mapped[str | None] = mapped_column(Encrypted("issuer_entries.holder_id"))
    """Masked; a whole one is never stored."""
    holder_id_hash: Mapped[str | None] = mapped_column(Encrypted("issuer_entries.holder_id_hash"))
    """As the roster gives it: of numbers that few dates tell apart, so that a hash alone hides none."""
    phone: Mapped[str | None] = mapped_column(Encrypted("issuer_entries.phone"))
    course: Mapped[str] = mapped_column(String(64))
    """As the roster writes it."""
    kind: Mapped[CertificateKind] = mapped_column(enum_column(CertificateKind))
    issued_on: Mapped[date | None]
    valid_until: Mapped[date]
    is_revoked: Mapped[bool]
    first_read_at: Mapped[datetime]
    read_at: Mapped[datetime]
    """When the last roster came that holds it."""
    changed_at: Mapped[datetime]
    before: Mapped[list[dict[str, Any]] | None] = mapped_column(
        EncryptedFields("issuer_entries.before", "holder_id", "holder_id_hash", "phone")
    )
    """What earlier rosters said, where a later one says otherwise: [{field: [before, now], "at": …}, …]."""


class CertificateCheck(Table):
    """What is known of a certificate's verification: what it waits for, or why it failed."""

    __tablename__ = "certificate_checks"
    __table_args__ = (
        CheckConstraint("tries >= 0", name="tries"),
        Index("ix_certificate_checks_next", "state", "next_try_at"),
        Index("ix_certificate_checks_issuer_id", "issuer_id", "state"),
    )

    certificate_id: Mapped[int] = mapped_column(
        ForeignKey("certificates.id"), primary_key=True, autoincrement=False
    )
    issuer_id: Mapped[int] = mapped_column(ForeignKey("issuers.id"))
    state: Mapped[CheckState] = mapped_column(enum_column(CheckState))
    said: Mapped[str] = mapped_column(Text)
    """A sentence: why it waits, or what the issuer said."""
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    next_try_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]


class IssuerLine(Table):
    """How asking an issuer went lately: after too many failures it is left alone for a while."""

    __tablename__ = "issuer_lines"

    issuer_id: Mapped[int] = mapped_column(ForeignKey("issuers.id"), primary_key=True, autoincrement=False)
    failures: Mapped[int]
    """One after another, until an answer came."""
    closed_until: Mapped[datetime | None]
    said: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime]


class PersonPair(Table):
    """Two entries of people who may be one person, and what a person decided."""

    __tablename__ = "person_pairs"
    __table_args__ = (
        CheckConstraint("first_id < second_id", name="in_order"),
        CheckConstraint(
            "(decision IS NULL) = (decided_at IS NULL) AND (decision IS NULL) = (decided_by IS NULL)",
            name="decided_whole",
        ),
        Index("uq_person_pairs_two", "first_id", "second_id", unique=True),
        Index("ix_person_pairs_second_id", "second_id"),
        Index("ix_person_pairs_open", "decision", "id"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    first_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    second_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    score: Mapped[float]
    reasons: Mapped[list[str]]
    found_at: Mapped[datetime]
    decision: Mapped[PairDecision | None] = mapped_column(enum_column(PairDecision))
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(String(200))
    kept_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    """Who stands for both."""

    first: Mapped[Person] = relationship(lazy="raise", foreign_keys=first_id)
    second: Mapped[Person] = relationship(lazy="raise", foreign_keys=second_id)
