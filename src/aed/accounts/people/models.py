"""People, their accounts and identities, and the history of both."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from aed.accounts.people.rules import PhoneChannel
from aed.database.encryption.columns import Encrypted
from aed.database.encryption.keyring import BLIND_INDEX_LENGTH, EncryptedKind
from aed.database.types import BigIntId, Table, Versioned, enum_column


class Person(Versioned, Table):
    """A person: a keeper, a responder, a resident."""

    __tablename__ = "people"
    __table_args__ = (Index("ix_people_phone", text(f"substr(phone, 1, {BLIND_INDEX_LENGTH})")),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    phone: Mapped[str | None] = mapped_column(Encrypted("people.phone", EncryptedKind.PHONE))
    """As imported; E.164 for people with an account."""
    language: Mapped[str] = mapped_column(String(8), default="zh")
    channel: Mapped[PhoneChannel] = mapped_column(
        enum_column(PhoneChannel), default=PhoneChannel.SMS, server_default=text("'sms'")
    )
    version: Mapped[int] = mapped_column(server_default=text("1"))
    joined_into_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    """The person that this entry was merged into. Imported rows with this name and number then refer to that
    person."""
    erased_at: Mapped[datetime | None]
    """When the personal data was erased."""


class Account(Table):
    """How a person signs in: one number, one account."""

    __tablename__ = "accounts"
    __table_args__ = (
        Index("uq_accounts_phone", text(f"substr(phone, 1, {BLIND_INDEX_LENGTH})"), unique=True),
        Index("uq_accounts_email", text(f"substr(email, 1, {BLIND_INDEX_LENGTH})"), unique=True),
    )

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    phone: Mapped[str] = mapped_column(Encrypted("accounts.phone", EncryptedKind.PHONE))
    """E.164."""
    password_hash: Mapped[str | None] = mapped_column(String(255))
    """argon2id with parameters and salt; None for accounts that sign in by code only."""
    opened_at: Mapped[datetime]
    password_set_at: Mapped[datetime | None]
    email: Mapped[str | None] = mapped_column(Encrypted("accounts.email", EncryptedKind.EMAIL))
    """The e-mail address by which an identity provider may identify the person; in lower case."""


class Identity(Table):
    """A person's identity at an identity provider."""

    __tablename__ = "identities"
    __table_args__ = (Index("uq_identities_subject", "provider", "subject", unique=True),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    provider: Mapped[str] = mapped_column(String(500))
    """Its issuer identifier, a URL."""
    subject: Mapped[str] = mapped_column(String(255))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    linked_at: Mapped[datetime]
    linked_by: Mapped[str] = mapped_column(String(200))
    """The claim by which it was linked."""


class PersonChange(Table):
    """A change of a person. Numbers are masked."""

    __tablename__ = "person_changes"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(200))
    fields: Mapped[dict[str, Any]]
    """{field: [before, after]}."""
