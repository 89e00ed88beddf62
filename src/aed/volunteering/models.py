"""Tables of volunteers, their service records, and what happens to these."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.accounts.people.models import Person
from aed.database.encryption.columns import Encrypted
from aed.database.types import BigIntId, Table, Versioned, enum_column
from aed.registry.estates.models import Estate
from aed.sharing.rules import PartyRole
from aed.volunteering.rules import (
    AppealState,
    BatchState,
    FlagKind,
    IdType,
    ProofState,
    RowState,
    ServiceEventKind,
    ServiceIssuerKind,
    ServiceSource,
    ServiceState,
    VolunteerPlatform,
)


class Volunteer(Versioned, Table):
    """A person whose service is recorded, in the team of an estate."""

    __tablename__ = "volunteers"
    __table_args__ = (
        CheckConstraint("birth_year BETWEEN 1900 AND 2100", name="birth_year"),
        CheckConstraint("(id_type IS NULL) = (id_number IS NULL)", name="identity"),
    )

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), index=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    building_id: Mapped[int | None] = mapped_column(ForeignKey("buildings.id", ondelete="SET NULL"))
    number: Mapped[str | None] = mapped_column(String(64), unique=True)
    """The volunteer number (志愿者编号) of the national system."""
    birth_year: Mapped[int | None]
    id_type: Mapped[IdType | None] = mapped_column(enum_column(IdType))
    id_number: Mapped[str | None] = mapped_column(Encrypted("volunteers.id_number"))
    registered_at: Mapped[datetime]
    """Service from before is not recorded by the program."""
    registered_by: Mapped[str] = mapped_column(String(200))
    ended_at: Mapped[datetime | None]

    person: Mapped[Person] = relationship(lazy="raise")


class LeadBuilding(Table):
    """A building whose volunteers' service a lead confirms."""

    __tablename__ = "lead_buildings"

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True, autoincrement=False)
    building_id: Mapped[int] = mapped_column(
        ForeignKey("buildings.id", ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True
    )


class ServiceRecord(Versioned, Table):
    """The service of one volunteer at one time.

    What was recorded never changes, and no record is deleted: the database refuses both. State and
    confirmation follow from its events, and are kept here with each of them by `records.actions`.
    """

    __tablename__ = "service_records"
    __table_args__ = (
        CheckConstraint("ended_at >= started_at", name="in_order"),
        CheckConstraint("minutes >= 0", name="minutes"),
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
        CheckConstraint("state = 'pending' OR state = 'void' OR confirmed_at IS NOT NULL", name="confirmed"),
        CheckConstraint("confirmed_by_id IS NULL OR confirmed_by_id <> person_id", name="by_another"),
        Index(
            "uq_service_records_once",
            "source",
            "source_id",
            "person_id",
            text("coalesce(corrects_id, 0)"),
            unique=True,
        ),
        Index("ix_service_records_of_person", "person_id", "started_at"),
        Index("ix_service_records_confirmed_by_id", "confirmed_by_id", "confirmed_at"),
        Index("ix_service_records_of_region", "region_id", "started_at"),
        Index("ix_service_records_of_estate", "estate_id", "state"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    source: Mapped[ServiceSource] = mapped_column(enum_column(ServiceSource))
    source_id: Mapped[str] = mapped_column(String(64))
    """The id of the check, drill, session or alert; the client's key for a record made by hand."""
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"))
    """Where the service was; for a call, the volunteer's own estate."""
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"))
    building_id: Mapped[int | None] = mapped_column(
        ForeignKey("buildings.id", ondelete="SET NULL"), index=True
    )
    """The building whose lead may confirm it."""
    activity: Mapped[str] = mapped_column(String(300))
    place: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    minutes: Mapped[int]
    """Whole minutes in which no other service of the person was counted."""
    proof: Mapped[dict[str, Any]]
    """What proves it, such as {"check": 12}."""
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(String(200))
    recorded_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    """None: the program."""
    state: Mapped[ServiceState] = mapped_column(enum_column(ServiceState))
    is_held: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Its points cannot be spent until its open flags and disputes are settled."""
    confirmed_at: Mapped[datetime | None]
    confirmed_by: Mapped[str | None] = mapped_column(String(200))
    confirmed_by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    """None: by the record of the call, which a dispatch centre closed."""
    rating: Mapped[int | None]
    decided_at: Mapped[datetime | None]
    """When it was last voided or held, from which the time for an appeal runs."""
    notice_from: Mapped[date | None]
    notice_until: Mapped[date | None]
    """The days on which it is posted within the team."""
    corrects_id: Mapped[int | None] = mapped_column(ForeignKey("service_records.id"), unique=True)
    """The void record that this one corrects."""

    person: Mapped[Person] = relationship(lazy="raise", foreign_keys=[person_id])
    estate: Mapped[Estate] = relationship(lazy="raise")

    @property
    def number(self) -> str:
        """The number printed on papers and sent to platforms."""
        return f"SR{self.id:08d}"


class ServiceProof(Table):
    """Where and when a photo of the service was taken, for a record made by hand."""

    __tablename__ = "service_proofs"
    __table_args__ = (
        CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="position"),
        Index("ix_service_proofs_photo_sha256", "photo_sha256"),
    )

    record_id: Mapped[int] = mapped_column(
        ForeignKey("service_records.id"), primary_key=True, autoincrement=False
    )
    lat: Mapped[float | None] = mapped_column(Double)
    """Degrees, WGS-84, as `lon`."""
    lon: Mapped[float | None] = mapped_column(Double)
    taken_at: Mapped[datetime | None]
    photo_sha256: Mapped[str | None] = mapped_column(String(64))


class ServiceEvent(Table):
    """A step in the life of a service record. Never amended or deleted: the database refuses both."""

    __tablename__ = "service_events"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    record_id: Mapped[int] = mapped_column(ForeignKey("service_records.id"), index=True)
    kind: Mapped[ServiceEventKind] = mapped_column(enum_column(ServiceEventKind))
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(Text)


class ServiceFlag(Table):
    """A reason to look at a record before its points can be spent."""

    __tablename__ = "service_flags"
    __table_args__ = (UniqueConstraint("record_id", "kind"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    record_id: Mapped[int] = mapped_column(ForeignKey("service_records.id"))
    kind: Mapped[FlagKind] = mapped_column(enum_column(FlagKind))
    raised_at: Mapped[datetime]
    details: Mapped[dict[str, Any]]
    cleared_at: Mapped[datetime | None]
    cleared_by: Mapped[str | None] = mapped_column(String(200))


class PanelMember(Table):
    """Who decides appeals of an estate's volunteers for one of its three parties."""

    __tablename__ = "appeal_panel_members"

    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), primary_key=True, autoincrement=False)
    party: Mapped[PartyRole] = mapped_column(enum_column(PartyRole), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)


class ServiceAppeal(Table):
    """A volunteer's appeal against a record that was voided or is held. A record has at most one."""

    __tablename__ = "service_appeals"
    __table_args__ = (CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    record_id: Mapped[int] = mapped_column(ForeignKey("service_records.id"), unique=True)
    opened_at: Mapped[datetime]
    reason: Mapped[str | None] = mapped_column(Text)
    state: Mapped[AppealState] = mapped_column(enum_column(AppealState), default=AppealState.OPEN)
    decided_at: Mapped[datetime | None]

    record: Mapped[ServiceRecord] = relationship(lazy="raise")


class AppealVote(Table):
    """How one party's member of the panel decided."""

    __tablename__ = "appeal_votes"

    appeal_id: Mapped[int] = mapped_column(
        ForeignKey("service_appeals.id"), primary_key=True, autoincrement=False
    )
    party: Mapped[PartyRole] = mapped_column(enum_column(PartyRole), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    is_granted: Mapped[bool]
    reason: Mapped[str | None] = mapped_column(Text)
    voted_at: Mapped[datetime]


class ServiceIssuer(Table):
    """Who issues proofs of service for an estate: its residents' committee or a registered team."""

    __tablename__ = "service_issuers"
    __table_args__ = (CheckConstraint("kind <> 'property_company'", name="not_a_property_company"),)

    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), primary_key=True, autoincrement=False)
    kind: Mapped[ServiceIssuerKind] = mapped_column(enum_column(ServiceIssuerKind, name="issuerkind"))
    name: Mapped[str] = mapped_column(String(200))
    registration: Mapped[str | None] = mapped_column(String(64))
    """The number under which a team is registered."""
    responsible: Mapped[str] = mapped_column(String(200))
    """The person responsible for it (负责人)."""
    contact: Mapped[str] = mapped_column(String(200))
    set_at: Mapped[datetime]
    set_by: Mapped[str] = mapped_column(String(200))


class ServiceCertificate(Table):
    """A proof of service as it was issued; only its revocation changes it."""

    __tablename__ = "service_certificates"
    __table_args__ = (
        CheckConstraint("until_on >= from_on", name="period"),
        CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="revoked_by_somebody"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    number: Mapped[str] = mapped_column(String(40), unique=True)
    key: Mapped[str] = mapped_column(String(36), unique=True)
    """Chosen by the client: the same request again is the same certificate."""
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), index=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    from_on: Mapped[date]
    until_on: Mapped[date]
    minutes: Mapped[int]
    content: Mapped[list[dict[str, Any]]]
    """For each kind of service: {"source", "times", "minutes"}."""
    name: Mapped[str | None] = mapped_column(String(200))
    id_type: Mapped[IdType | None] = mapped_column(enum_column(IdType))
    id_number: Mapped[str | None] = mapped_column(Encrypted("service_certificates.id_number"))
    volunteer_number: Mapped[str | None] = mapped_column(String(64))
    issuer_kind: Mapped[ServiceIssuerKind] = mapped_column(enum_column(ServiceIssuerKind, name="issuerkind"))
    issuer: Mapped[str] = mapped_column(String(200))
    registration: Mapped[str | None] = mapped_column(String(64))
    responsible: Mapped[str] = mapped_column(String(200))
    handler: Mapped[str] = mapped_column(String(200))
    contact: Mapped[str] = mapped_column(String(200))
    training: Mapped[list[dict[str, Any]] | None]
    """Verified first-aid certificates: {"kind", "issuer", "number", "issued_on", "valid_until"}."""
    awards: Mapped[str | None] = mapped_column(Text)
    """As the person who issued it wrote them."""
    mean_rating: Mapped[float | None] = mapped_column(Double)
    """Mean of the ratings from 1 to 5 that those who confirmed the service gave."""
    ratings: Mapped[int | None]
    """How many records were rated."""
    notes: Mapped[str | None] = mapped_column(Text)
    issued_on: Mapped[date]
    issued_at: Mapped[datetime]
    issued_by: Mapped[str] = mapped_column(String(200))
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None] = mapped_column(String(200))
    revocation_reason: Mapped[str | None] = mapped_column(Text)


class ProofRequest(Table):
    """A volunteer's request for a proof of their service, until it is issued, declined or withdrawn."""

    __tablename__ = "proof_requests"
    __table_args__ = (
        UniqueConstraint("person_id", "key"),
        CheckConstraint("until_on >= from_on", name="period"),
        CheckConstraint("(declined_at IS NULL) = (declined_by IS NULL)", name="declined_by_somebody"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    key: Mapped[str] = mapped_column(String(36))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), index=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"))
    purpose: Mapped[str] = mapped_column(String(200))
    """What it is needed for, such as an application to a school."""
    recipient: Mapped[str] = mapped_column(Encrypted("proof_requests.recipient"))
    """Who receives it, such as the school."""
    from_on: Mapped[date]
    until_on: Mapped[date]
    includes_identity: Mapped[bool]
    """Whether the volunteer wants the number of their identity document on it."""
    asked_at: Mapped[datetime]
    certificate_id: Mapped[int | None] = mapped_column(ForeignKey("service_certificates.id"), unique=True)
    """The proof that was issued for it."""
    declined_at: Mapped[datetime | None]
    declined_by: Mapped[str | None] = mapped_column(String(200))
    decline_reason: Mapped[str | None] = mapped_column(Text)
    """Shown to the volunteer."""
    withdrawn_at: Mapped[datetime | None]

    person: Mapped[Person] = relationship(lazy="raise")
    certificate: Mapped[ServiceCertificate | None] = relationship(lazy="raise")

    @property
    def state(self) -> ProofState:
        """What became of it."""
        if self.certificate_id is not None:
            return ProofState.ISSUED
        if self.declined_at is not None:
            return ProofState.DECLINED
        return ProofState.WITHDRAWN if self.withdrawn_at is not None else ProofState.ASKED


class PlatformBatch(Versioned, Table):
    """Service records that are given to a volunteer platform together, under one reference."""

    __tablename__ = "platform_batches"
    __table_args__ = (UniqueConstraint("platform", "reference"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    platform: Mapped[VolunteerPlatform] = mapped_column(enum_column(VolunteerPlatform))
    reference: Mapped[str] = mapped_column(String(64))
    """Chosen by the client, and sent along: the platform knows a repeated batch by it."""
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), index=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    from_on: Mapped[date]
    until_on: Mapped[date]
    endpoint: Mapped[str | None] = mapped_column(String(64))
    """The endpoint that a worker sends it to; None: a person uploads its file."""
    state: Mapped[BatchState] = mapped_column(enum_column(BatchState))
    made_at: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(String(200))
    attempts: Mapped[int] = mapped_column(default=0)
    failure: Mapped[str | None] = mapped_column(Text)
    """Why the last attempt failed."""
    answered_at: Mapped[datetime | None]


class PlatformRow(Table):
    """A service record in a batch, and what the platform made of it."""

    __tablename__ = "platform_rows"
    __table_args__ = (
        Index(  # a record is on a platform once, unless the platform rejected it
            "uq_platform_rows_once",
            "platform",
            "record_id",
            unique=True,
            postgresql_where=text("state <> 'rejected'"),
            sqlite_where=text("state <> 'rejected'"),
        ),
    )

    batch_id: Mapped[int] = mapped_column(
        ForeignKey("platform_batches.id"), primary_key=True, autoincrement=False
    )
    record_id: Mapped[int] = mapped_column(
        ForeignKey("service_records.id"), primary_key=True, autoincrement=False, index=True
    )
    platform: Mapped[VolunteerPlatform] = mapped_column(enum_column(VolunteerPlatform))
    state: Mapped[RowState] = mapped_column(enum_column(RowState))
    reason: Mapped[str | None] = mapped_column(Text)
