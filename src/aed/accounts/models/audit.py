"""The audit log of roles, people and tokens, and the keys with which records are signed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from aed.accounts.rules.audit import AuditSubject
from aed.database.encryption.columns import Encrypted
from aed.database.types import BigIntId, Table, enum_column


class AuditEntry(Table):
    """One change of a role, a person or a token. Never amended: each is signed together with the one before.

    Nothing in it tells who a person is, so that it stays whole when a person's data is erased.
    """

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_subject", "subject", "subject_id"),)

    number: Mapped[int] = mapped_column(BigIntId, primary_key=True, autoincrement=False)
    """Without gaps, from 1."""
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(200))
    subject: Mapped[AuditSubject] = mapped_column(enum_column(AuditSubject))
    subject_id: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(32))
    details: Mapped[str] = mapped_column(Text)
    """JSON."""
    hash: Mapped[str] = mapped_column(String(64))
    """HMAC-SHA256 over the hash of the one before and all of this one."""
    key_id: Mapped[str] = mapped_column(String(8))


class AuditKey(Table):
    """A key with which records were signed. It is kept, sealed, when the key that it was made from goes."""

    __tablename__ = "audit_keys"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    key_id: Mapped[str] = mapped_column(String(8), unique=True)
    secret: Mapped[str] = mapped_column(Encrypted("audit_keys.secret"))
    """Hexadecimal."""
