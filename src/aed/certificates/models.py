"""Tables for issuers' roster entries, certificate checks, declared certificates and possible duplicate
people."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.accounts.people.models import Person
from aed.certificates.rules import CheckState, DeclarationState, PairDecision
from aed.database.encryption.columns import Encrypted, EncryptedFields
from aed.database.types import BigIntId, Table, enum_column
from aed.issuers.rules import CertificateKind


class IssuerEntry(Table):
    """A certificate as in the issuer's latest roster, whether or not anyone here holds it."""

    __tablename__ = "issuer_entries"
    __table_args__ = (
        Index("uq_issuer_entries_number", "issuer_id", "number", unique=True),
        # read_at comes first: during the first import of a roster PostgreSQL has no statistics for the issuer
        # yet, and with issuer_id first it would scan all of its entries through this index for every batch.
        Index("ix_issuer_entries_read", "read_at", "issuer_id"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    issuer_id: Mapped[int] = mapped_column(ForeignKey("issuers.id"))
    number: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(200))
    holder_id: Mapped[str | None] = mapped_column(Encrypted("issuer_entries.holder_id"))
    """Masked; the complete number is never stored."""
    holder_id_hash: Mapped[str | None] = mapped_column(Encrypted("issuer_entries.holder_id_hash"))
    """As in the roster. Encrypted, because so few numbers are possible that a hash can be reversed."""
    phone: Mapped[str | None] = mapped_column(Encrypted("issuer_entries.phone"))
    course: Mapped[str] = mapped_column(String(64))
    """As written in the roster."""
    kind: Mapped[CertificateKind] = mapped_column(enum_column(CertificateKind))
    issued_on: Mapped[date | None]
    valid_until: Mapped[date]
    is_revoked: Mapped[bool]
    first_read_at: Mapped[datetime]
    read_at: Mapped[datetime]
    """When the latest roster that contains the entry was read."""
    changed_at: Mapped[datetime]
    before: Mapped[list[dict[str, Any]] | None] = mapped_column(
        EncryptedFields("issuer_entries.before", "holder_id", "holder_id_hash", "phone")
    )
    """Differences to earlier rosters: [{field: [before, now], "at": …}, …]."""


class CertificateCheck(Table):
    """The verification state of a certificate, with the reason."""

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
    """A sentence: why it waits, or what the issuer answered."""
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    next_try_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]


class IssuerLine(Table):
    """Recent failures of requests to an issuer. After too many, requests pause for a while."""

    __tablename__ = "issuer_lines"

    issuer_id: Mapped[int] = mapped_column(ForeignKey("issuers.id"), primary_key=True, autoincrement=False)
    failures: Mapped[int]
    """Consecutive failures since the last answer."""
    closed_until: Mapped[datetime | None]
    said: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime]


class CertificateDeclaration(Table):
    """A certificate that a person declares, until a training officer has compared it."""

    __tablename__ = "certificate_declarations"
    __table_args__ = (
        CheckConstraint("(state = 'pending') = (decided_at IS NULL)", name="decided_whole"),
        Index("ix_certificate_declarations_pending", "state", "estate_id", "region_id"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"))
    """The estate whose manager is asked; None if only the region's training officers are."""
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"))
    kind: Mapped[CertificateKind] = mapped_column(enum_column(CertificateKind))
    issuer: Mapped[str] = mapped_column(String(200))
    number: Mapped[str | None] = mapped_column(String(100))
    issued_on: Mapped[date | None]
    valid_until: Mapped[date]
    jpeg: Mapped[bytes | None] = mapped_column(deferred=True)
    """A photo of the card without metadata; deleted with the decision."""
    declared_at: Mapped[datetime]
    state: Mapped[DeclarationState] = mapped_column(
        enum_column(DeclarationState), default=DeclarationState.PENDING
    )
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(String(200))

    person: Mapped[Person] = relationship(lazy="raise")


class PersonPair(Table):
    """Two person entries that may be the same person, and the decision about them."""

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
    """The entry into which the other was merged."""

    first: Mapped[Person] = relationship(lazy="raise", foreign_keys=first_id)
    second: Mapped[Person] = relationship(lazy="raise", foreign_keys=second_id)
