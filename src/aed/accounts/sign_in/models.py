"""One-time codes, sign-in attempts, identity-provider requests, second factors and recovery codes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.accounts.sign_in.rules import FactorKind
from aed.database.encryption.columns import Encrypted
from aed.database.types import BigIntId, Table, enum_column


class SecondFactor(Table):
    """A second factor of a person: an authenticator app or a passkey."""

    __tablename__ = "second_factors"
    __table_args__ = (
        CheckConstraint("(kind = 'passkey') = (credential_id IS NOT NULL)", name="credential_of_a_passkey"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    kind: Mapped[FactorKind] = mapped_column(enum_column(FactorKind))
    name: Mapped[str] = mapped_column(String(100))
    """The name that the person gave it."""
    secret: Mapped[str] = mapped_column(Encrypted("second_factors.secret"))
    """The app's shared secret (base32), or the passkey's public key (base64url)."""
    credential_id: Mapped[str | None] = mapped_column(Text, unique=True)
    sign_count: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    last_step: Mapped[int | None]
    """Time step of the last accepted code: no code is accepted twice."""
    added_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    """When it was first used. A factor is inactive until then."""
    last_used_at: Mapped[datetime | None]


class RecoveryCode(Table):
    """A recovery code that replaces a lost second factor, once."""

    __tablename__ = "recovery_codes"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256: the code has 80 random bits."""
    used_at: Mapped[datetime | None]


class SignInCode(Table):
    """A one-time code for an account and for the browser that requested it.

    A stranger who requests a code neither replaces nor uses up the owner's. Rows exist for numbers without an
    account too.
    """

    __tablename__ = "sign_in_codes"
    __table_args__ = (
        CheckConstraint("tries BETWEEN 0 AND 5", name="tries"),
        CheckConstraint("others_tries BETWEEN 0 AND 5", name="others_tries"),
    )

    account_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(255))
    """argon2id: a leaked table does not reveal a code while it is valid."""
    expires_at: Mapped[datetime]
    tries: Mapped[int]
    others_tries: Mapped[int]
    """Attempts from browsers other than the requesting one."""
    used_at: Mapped[datetime | None]


class ProviderRequest(Table):
    """A browser that was redirected to the identity provider, by the hash of its state."""

    __tablename__ = "provider_requests"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser_hash: Mapped[str] = mapped_column(String(64))
    """Hash of the key in the browser's cookie: another browser cannot complete the sign-in."""
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String(128))
    """PKCE code verifier."""
    return_to: Mapped[str | None] = mapped_column(String(500))
    """Path of the page to go to after sign-in."""
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SignInAttempts(Table):
    """Attempts since a moment, for one account or address and one limit."""

    __tablename__ = "sign_in_attempts"

    what: Mapped[str] = mapped_column(String(128), primary_key=True)
    since: Mapped[datetime] = mapped_column(index=True)
    count: Mapped[int]
