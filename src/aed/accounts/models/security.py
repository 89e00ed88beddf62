"""Second factors, recovery codes, and the log of security events."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.accounts.rules.security import FactorKind, SecurityEventKind
from aed.database.encryption.columns import Encrypted
from aed.database.types import BigIntId, Table, enum_column


class SecondFactor(Table):
    """What a person gives at sign-in besides the password or the code: an app's code, or a passkey."""

    __tablename__ = "second_factors"
    __table_args__ = (
        CheckConstraint("(kind = 'passkey') = (credential_id IS NOT NULL)", name="credential_of_a_passkey"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    kind: Mapped[FactorKind] = mapped_column(enum_column(FactorKind))
    name: Mapped[str] = mapped_column(String(100))
    """What the person calls it."""
    secret: Mapped[str] = mapped_column(Encrypted("second_factors.secret"))
    """The app's shared secret (base32), or the passkey's public key (base64url)."""
    credential_id: Mapped[str | None] = mapped_column(Text, unique=True)
    sign_count: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    last_step: Mapped[int | None]
    """The time step of the app's last code that was taken: no code is taken twice."""
    added_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    """When it was first used; before that it counts for nothing."""
    last_used_at: Mapped[datetime | None]


class RecoveryCode(Table):
    """A code on paper that stands in for a lost second factor, once."""

    __tablename__ = "recovery_codes"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256: the code has 80 random bits."""
    used_at: Mapped[datetime | None]


class SecurityEvent(Table):
    """Something that matters to whoever looks for misuse. It holds no telephone number."""

    __tablename__ = "security_events"
    __table_args__ = (Index("ix_security_events_account_key", "account_key"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[SecurityEventKind] = mapped_column(enum_column(SecurityEventKind))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    account_key: Mapped[str | None] = mapped_column(String(64))
    """A keyed hash of the number that was tried, whether there is an account or not."""
    address: Mapped[str | None] = mapped_column(Encrypted("security_events.address"))
    detail: Mapped[str | None] = mapped_column(String(200))
    """A token's name, a role, who did it."""
