"""Signing in: sessions of pages, one-time codes, and how often somebody tried."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.encryption.columns import Encrypted
from aed.database.types import BigIntId, Table


class SignIn(Table):
    """A browser that is signed in, by the hash of its cookie's key."""

    __tablename__ = "sign_ins"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]
    """Within a quarter of an hour; None: not since it began. One that is idle for too long is over."""
    user_agent: Mapped[str | None] = mapped_column(String(200))
    """What the browser calls itself, for the person's own list."""
    address: Mapped[str | None] = mapped_column(Encrypted("sign_ins.address"))
    """From where it was signed in."""
    is_limited: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """When it began a second factor was due: until that is given, it is good for nothing else."""
    second_factor_at: Mapped[datetime | None]
    challenge: Mapped[str | None] = mapped_column(String(128))
    """What a passkey is to sign, once, before `challenge_until`."""
    challenge_until: Mapped[datetime | None]


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


class SignInTries(Table):
    """How often something was tried since a moment, for one account or one address, within one limit."""

    __tablename__ = "sign_in_tries"

    what: Mapped[str] = mapped_column(String(128), primary_key=True)
    since: Mapped[datetime] = mapped_column(index=True)
    count: Mapped[int]
