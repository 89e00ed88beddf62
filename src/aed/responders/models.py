"""People who may be called, their certificates, and where they are by default."""

from __future__ import annotations

from datetime import date, datetime

from geoalchemy2 import WKBElement, WKTElement
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.accounts.people.models import Person
from aed.accounts.regions import Region
from aed.database.encryption.columns import Encrypted
from aed.database.geometry import point_type
from aed.database.types import BigIntId, Table, enum_column
from aed.responders.rules import CertificateKind, ConsentKind, PlaceKind, ResponderState, Trust


class Responder(Table):
    """A person who may be called."""

    __tablename__ = "responders"
    __table_args__ = (UniqueConstraint("source", "source_id"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"), index=True)
    source: Mapped[str] = mapped_column(String(64))
    source_id: Mapped[str] = mapped_column(String(128))
    availability: Mapped[str | None] = mapped_column(Text)
    """When they may be called, as an OSM expression; None: not known."""
    paused_until: Mapped[datetime | None]
    of_age: Mapped[bool | None]
    """Whether the person has declared to be 18 or older; None: nobody has asked. No date of birth is kept."""
    state: Mapped[ResponderState] = mapped_column(enum_column(ResponderState), default=ResponderState.ACTIVE)
    """Active only while the person's consent to being called is in force, which the lookup does not ask for:
    `actions.consents` keeps the two in step."""
    joined_into_id: Mapped[int | None] = mapped_column(ForeignKey("responders.id"), index=True)
    """The entry that stands for the same person, after a person said that two are one. What a list says of
    this one then counts for that one."""

    person: Mapped[Person] = relationship(lazy="raise")
    region: Mapped[Region] = relationship(lazy="raise")


class Certificate(Table):
    """What a person may do, who says so, until when."""

    __tablename__ = "certificates"
    __table_args__ = (
        Index("ix_certificates_valid", "responder_id", "valid_until", "revoked_at", "trust"),
        Index("ix_certificates_issued", "issuer_id", "number"),
        Index(
            "uq_certificates_awarded",
            "number",
            unique=True,
            postgresql_where=text("is_awarded"),
            sqlite_where=text("is_awarded"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    responder_id: Mapped[int] = mapped_column(ForeignKey("responders.id"))
    kind: Mapped[CertificateKind] = mapped_column(enum_column(CertificateKind))
    issuer: Mapped[str] = mapped_column(String(200))
    """As it was written."""
    issuer_id: Mapped[int | None] = mapped_column(ForeignKey("issuers.id"))
    """Who that is, where it is known."""
    trust: Mapped[Trust] = mapped_column(enum_column(Trust), server_default=text("'documented'"))
    """Who says that it is right; whether that is enough to be called is its region's to say."""
    holder_id: Mapped[str | None] = mapped_column(Encrypted("certificates.holder_id"))
    """The holder's identity number as the issuer's roster shows it, masked; never whole."""
    number: Mapped[str | None] = mapped_column(String(100))
    issued_on: Mapped[date | None]
    valid_until: Mapped[date]
    """The last day on which it is valid."""
    is_awarded: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Awarded by a training of this network, which made up its number; else a source tells of it."""
    revoked_at: Mapped[datetime | None]
    """From this moment it is valid no more, whatever `valid_until` says."""
    revoked_why: Mapped[str | None] = mapped_column(Text)

    responder: Mapped[Responder] = relationship(lazy="raise")


class ResponderPlace(Table):
    """Where a responder is by default, and when."""

    __tablename__ = "responder_places"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    responder_id: Mapped[int] = mapped_column(ForeignKey("responders.id"), index=True)
    kind: Mapped[PlaceKind] = mapped_column(enum_column(PlaceKind))
    position: Mapped[WKBElement | WKTElement] = mapped_column(point_type())
    floor: Mapped[int] = mapped_column(default=0)
    hours: Mapped[str | None] = mapped_column(Text)
    """When the person is there, as an OSM expression; None: not known."""


class LiveLocationRow(Table):
    """Where a responder on duty is, by the phone: its newest word. Kept only with the consent to it, which
    `actions.consents` and `actions.live` keep in step, and asked for only until `expires_at`.
    """

    __tablename__ = "live_places"
    __table_args__ = (CheckConstraint("at < expires_at", name="holds_for_some_time"),)

    responder_id: Mapped[int] = mapped_column(ForeignKey("responders.id"), primary_key=True)
    cell: Mapped[int] = mapped_column(BigInteger, index=True)
    """Of H3; it is looked for by these."""
    at: Mapped[datetime]
    expires_at: Mapped[datetime]


class Consent(Table):
    """What a person agreed to, when, in which words; and when it was withdrawn. Rows stay."""

    __tablename__ = "consents"
    __table_args__ = (
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="withdrawn_by_somebody"),
        Index(
            "uq_consents_active",
            "person_id",
            "kind",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
            sqlite_where=text("withdrawn_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    kind: Mapped[ConsentKind] = mapped_column(enum_column(ConsentKind))
    wording: Mapped[str] = mapped_column(String(32))
    """The version of the words."""
    given_at: Mapped[datetime]
    """For one that a list states: when the list was first read."""
    given_by: Mapped[str] = mapped_column(String(200))
    """Who put it down: the person, or whoever has the person's signature."""
    stated_by: Mapped[str | None] = mapped_column(String(64))
    """The list that says so; None: the person did."""
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None] = mapped_column(String(200))
