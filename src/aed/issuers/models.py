"""Issuers of certificates, their courses, and their names."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.accounts.regions.models import Region
from aed.accounts.trust import CertificateTrust
from aed.database.types import BigIntId, Table, Versioned, enum_column
from aed.issuers.rules import CertificateKind, IssuerKind, IssuerState, VerifiedBy


class Issuer(Versioned, Table):
    """An issuer of certificates: a chapter of the Red Cross, or another organisation that trains people."""

    __tablename__ = "issuers"
    __table_args__ = (
        CheckConstraint("(verified_by = 'query') = (query_url IS NOT NULL)", name="url_to_query"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name_en: Mapped[str] = mapped_column(String(200))
    name_zh: Mapped[str] = mapped_column(String(200))
    kind: Mapped[IssuerKind] = mapped_column(enum_column(IssuerKind))
    region_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"), index=True)
    """The region whose officers may amend it; None: network administrators only."""
    trust_in_lists: Mapped[CertificateTrust] = mapped_column(
        enum_column(CertificateTrust, name="trust_in_lists")
    )
    """The trust in a certificate of this issuer when a list names it and gives no other evidence."""
    verified_by: Mapped[VerifiedBy] = mapped_column(enum_column(VerifiedBy))
    query_url: Mapped[str | None] = mapped_column(String(500))
    state: Mapped[IssuerState] = mapped_column(
        enum_column(IssuerState), default=IssuerState.ACTIVE, server_default=text("'active'")
    )

    assessor_not_trainer: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the assessor must be another person than the trainer."""
    requires_trainer_grade: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether a session needs a trainer with a valid grade; otherwise an expired one is only a warning."""
    batch_format: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """The file in which it takes results, as `BatchFormatIn`; None if it takes none."""

    region: Mapped[Region | None] = relationship(lazy="raise")


class IssuerName(Table):
    """A name by which lists refer to an issuer: its code, its own names, and others."""

    __tablename__ = "issuer_names"
    __table_args__ = (Index("ix_issuer_names_issuer_id", "issuer_id"),)

    plain: Mapped[str] = mapped_column(String(250), primary_key=True)
    """The name as normalised by `rules.plain_name`; unique to one issuer."""
    name: Mapped[str] = mapped_column(String(200))
    issuer_id: Mapped[int] = mapped_column(ForeignKey("issuers.id"))


class IssuerCourse(Table):
    """A course of an issuer, and how long its certificate is valid."""

    __tablename__ = "issuer_courses"
    __table_args__ = (CheckConstraint("validity_months BETWEEN 1 AND 120", name="validity_months"),)

    issuer_id: Mapped[int] = mapped_column(ForeignKey("issuers.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The code of the course in the issuer's rosters."""
    name_en: Mapped[str] = mapped_column(String(200))
    name_zh: Mapped[str] = mapped_column(String(200))
    kind: Mapped[CertificateKind] = mapped_column(enum_column(CertificateKind))
    validity_months: Mapped[int]
