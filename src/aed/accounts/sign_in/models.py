"""One-time codes, sign-in attempts, identity-provider requests, second factors and recovery codes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.accounts.sign_in.rules import FactorKind
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


class SignInCode(Table):
    """A code that is good for an account, by the browser that asked for it: so a stranger who asks for one
    neither replaces nor uses up somebody's own. There are rows where there is no account too."""

    __tablename__ = "sign_in_codes"
    __table_args__ = (
        CheckConstraint("tries BETWEEN 0 AND 5", name="tries"),
        CheckConstraint("others_tries BETWEEN 0 AND 5", name="others_tries"),
    )

    account_key: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(255))
    """argon2id: a copy of the table does not give a code away within the minutes that it is good for."""
    expires_at: Mapped[datetime]
    tries: Mapped[int]
    others_tries: Mapped[int]
    """From other browsers than the one that asked for it."""
    used_at: Mapped[datetime | None]


class ProviderRequest(Table):
    """A browser that was sent to the identity provider and is not back yet, by the hash of its state."""

    __tablename__ = "provider_requests"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser_hash: Mapped[str] = mapped_column(String(64))
    """Of the key in that browser's cookie: nobody finishes in another one what was begun here."""
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String(128))
    """PKCE's."""
    return_to: Mapped[str | None] = mapped_column(String(500))
    """The page, of this site, to which the browser goes once it is signed in."""
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SignInAttempts(Table):
    """How often something was tried since a moment, for one account or one address, within one limit."""

    __tablename__ = "sign_in_attempts"

    what: Mapped[str] = mapped_column(String(128), primary_key=True)
    since: Mapped[datetime] = mapped_column(index=True)
    count: Mapped[int]
