"""Tables of responders, their certificates, default places, live locations and consents."""

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
from aed.accounts.regions.models import Region
from aed.database.encryption.columns import Encrypted
from aed.database.geometry import point_type
from aed.database.types import BigIntId, Table, enum_column
from aed.responders.rules import CertificateKind, CertificateTrust, ConsentKind, PlaceKind, ResponderState


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
    """When they may be called, as an OSM opening hours expression; None if unknown."""
    paused_until: Mapped[datetime | None]
    of_age: Mapped[bool | None]
    """Whether the person declared to be 18 or older; None if not asked. No date of birth is stored."""
    state: Mapped[ResponderState] = mapped_column(enum_column(ResponderState), default=ResponderState.ACTIVE)
    """Active only while the consent to being called is in force. The lookup reads this column, and
    `actions.consents` updates it with each consent.
    """
    joined_into_id: Mapped[int | None] = mapped_column(ForeignKey("responders.id"), index=True)
    """The entry that this one was merged into, if a person had two. Updates from lists then apply to that
    entry.
    """

    person: Mapped[Person] = relationship(lazy="raise")
    region: Mapped[Region] = relationship(lazy="raise")


class Certificate(Table):
    """A certificate of a responder: its kind, issuer and validity."""

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
    """As written in the source."""
    issuer_id: Mapped[int | None] = mapped_column(ForeignKey("issuers.id"))
    """The known issuer with that name, if there is one."""
    trust: Mapped[CertificateTrust] = mapped_column(
        enum_column(CertificateTrust, name="trust"), server_default=text("'documented'")
    )
    """How well it is confirmed; the region decides which trust is required to be called."""
    holder_id: Mapped[str | None] = mapped_column(Encrypted("certificates.holder_id"))
    """The holder's identity number as on the issuer's roster, masked."""
    number: Mapped[str | None] = mapped_column(String(100))
    issued_on: Mapped[date | None]
    valid_until: Mapped[date]
    """The last day of validity."""
    is_awarded: Mapped[bool] = mapped_column(default=False, server_default=false())
    """True if awarded by a training of this network, which chose its number; false if from a source."""
    revoked_at: Mapped[datetime | None]
    """When it was revoked; from then on it is invalid, regardless of `valid_until`."""
    revoked_why: Mapped[str | None] = mapped_column(Text)

    responder: Mapped[Responder] = relationship(lazy="raise")


class ResponderPlace(Table):
    """Where a responder usually is, and when."""

    __tablename__ = "responder_places"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    responder_id: Mapped[int] = mapped_column(ForeignKey("responders.id"), index=True)
    kind: Mapped[PlaceKind] = mapped_column(enum_column(PlaceKind))
    position: Mapped[WKBElement | WKTElement] = mapped_column(point_type())
    floor: Mapped[int] = mapped_column(default=0)
    hours: Mapped[str | None] = mapped_column(Text)
    """When the person is there, as an OSM opening hours expression; None if unknown."""


class LiveLocationRow(Table):
    """The latest location of a responder on duty, reported by their phone.

    Stored only with consent (see `actions.consents` and `actions.live`), and used only until `expires_at`.
    """

    __tablename__ = "live_places"
    __table_args__ = (CheckConstraint("at < expires_at", name="holds_for_some_time"),)

    responder_id: Mapped[int] = mapped_column(ForeignKey("responders.id"), primary_key=True)
    cell: Mapped[int] = mapped_column(BigInteger, index=True)
    """H3 index of the cell, by which the lookup searches."""
    at: Mapped[datetime]
    expires_at: Mapped[datetime]


class Consent(Table):
    """A consent of a person to a wording, and its withdrawal. Rows are never deleted."""

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
    """The version of the wording."""
    given_at: Mapped[datetime]
    """When it was given; for a consent stated by a list, when the list was first imported."""
    given_by: Mapped[str] = mapped_column(String(200))
    """Who entered it: the person, or a member of staff with the person's signature."""
    stated_by: Mapped[str | None] = mapped_column(String(64))
    """The list that states it; None if the person gave it."""
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None] = mapped_column(String(200))
