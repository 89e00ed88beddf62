"""Tables of agreements: parties, shares of devices, decisions, secret links and costs of uses."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.accounts.people.models import Person
from aed.accounts.permissions import Audience
from aed.database.types import BigIntId, Table, Versioned, enum_column
from aed.sharing.rules import (
    AgreementKind,
    AgreementState,
    CodeRecipient,
    CostCaseState,
    DecisionKind,
    DecisionMethod,
    DeviceOwner,
    LegalBasis,
    PartyRole,
    Payer,
    PublishedPosition,
)


class Agreement(Versioned, Table):
    """An agreement of an estate's parties about who may see and use which of its devices."""

    __tablename__ = "agreements"
    __table_args__ = (
        CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="period"),
        CheckConstraint("kind <> 'trial' OR ends_on IS NOT NULL", name="trial_ends"),
        CheckConstraint("(confirmed_at IS NULL) = (confirmed_by IS NULL)", name="confirmed_by"),
        Index(
            "uq_agreements_register",
            "estate_id",
            unique=True,
            sqlite_where=text("kind = 'register'"),
            postgresql_where=text("kind = 'register'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), index=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    kind: Mapped[AgreementKind] = mapped_column(enum_column(AgreementKind))
    """An estate has at most one of the kind `register`, for all devices that no party decided about."""
    state: Mapped[AgreementState] = mapped_column(enum_column(AgreementState), index=True)
    owner: Mapped[DeviceOwner | None] = mapped_column(enum_column(DeviceOwner))
    """Who owns the devices; None: not stated (by the register only)."""
    legal_basis: Mapped[LegalBasis | None] = mapped_column(enum_column(LegalBasis))
    legal_reference: Mapped[str | None] = mapped_column(Text)
    notice_from: Mapped[date | None]
    """The period of the public notice, in which residents may object."""
    notice_until: Mapped[date | None]
    method: Mapped[DecisionMethod | None] = mapped_column(enum_column(DecisionMethod))
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    """The last day, in the estate's time zone."""
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("agreements.id"))
    preview_id: Mapped[int | None] = mapped_column(BigIntId)
    preview_hash: Mapped[str | None] = mapped_column(String(64))
    """The preview of what opening gives, on which the parties decide."""
    terms: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    """Duties, money, insurances and notice periods: see `agreements.schemas.Terms`."""
    text_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the text that the parties decide on; any change of it makes their decisions void."""
    rules_version: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    confirmed_at: Mapped[datetime | None]
    confirmed_by: Mapped[str | None] = mapped_column(String(200))
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None] = mapped_column(String(200))
    withdrawal_reason: Mapped[str | None] = mapped_column(Text)
    suspended_at: Mapped[datetime | None]
    suspended_by: Mapped[str | None] = mapped_column(String(200))
    suspension_reason: Mapped[str | None] = mapped_column(Text)

    notified_days: Mapped[int | None]
    """The latest notice of its end that the parties had, in days before it; None: none yet."""

    parties: Mapped[list[AgreementParty]] = relationship(
        lazy="raise", order_by="AgreementParty.id", viewonly=True
    )
    shares: Mapped[list[DeviceShare]] = relationship(lazy="raise", order_by="DeviceShare.id", viewonly=True)


class AgreementParty(Table):
    """One of the parties of an agreement, with the person who decides for it."""

    __tablename__ = "agreement_parties"
    __table_args__ = (UniqueConstraint("agreement_id", "role"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    agreement_id: Mapped[int] = mapped_column(ForeignKey("agreements.id"))
    role: Mapped[PartyRole] = mapped_column(enum_column(PartyRole))
    legal_name: Mapped[str] = mapped_column(String(200))
    credit_code: Mapped[str | None] = mapped_column(String(18))
    """统一社会信用代码; a committee may have none."""
    representative_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)

    representative: Mapped[Person | None] = relationship(lazy="raise")


class DeviceShare(Table):
    """What an agreement says about one device."""

    __tablename__ = "device_shares"
    __table_args__ = (
        CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name="period"),
        Index("ix_device_shares_agreement_id", "agreement_id"),
        Index("ix_device_shares_device_id", "device_id"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    agreement_id: Mapped[int] = mapped_column(ForeignKey("agreements.id"))
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    step: Mapped[Audience] = mapped_column(enum_column(Audience, name="step"))
    hours: Mapped[str | None] = mapped_column(Text)
    """Opening hours of the step, within the device's own; None: always."""
    step_outside_hours: Mapped[Audience] = mapped_column(enum_column(Audience, name="step_outside_hours"))
    gates: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    """Gates to come in by, and who opens them, in words."""
    allows_override: Mapped[bool]
    """A dispatch centre may have the device fetched for anyone."""
    code_to: Mapped[CodeRecipient] = mapped_column(enum_column(CodeRecipient))
    may_leave_estate: Mapped[bool]
    published_position: Mapped[PublishedPosition] = mapped_column(enum_column(PublishedPosition))
    from_on: Mapped[date | None]
    until_on: Mapped[date | None]
    """Days within the agreement's period; None: the agreement's own."""
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    """The moments of `from_on` and `until_on` in the estate's time zone, computed on confirmation."""
    superseded_at: Mapped[datetime | None]
    """From then on another share of the device replaces this one."""
    lowered_to: Mapped[Audience | None] = mapped_column(enum_column(Audience, name="lowered_to"))


class PartyDecision(Table):
    """A party's decision on the text of an agreement. Never amended: a later one replaces it."""

    __tablename__ = "party_decisions"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    agreement_id: Mapped[int] = mapped_column(ForeignKey("agreements.id"), index=True)
    party_id: Mapped[int] = mapped_column(ForeignKey("agreement_parties.id"), index=True)
    text_hash: Mapped[str] = mapped_column(String(64))
    kind: Mapped[DecisionKind] = mapped_column(enum_column(DecisionKind))
    votes: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Votes for, against and abstaining, those entitled to vote, and conflicts of interest."""
    minutes_hash: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of the scanned minutes or of the signed paper."""
    reason: Mapped[str | None] = mapped_column(Text)
    mandate: Mapped[str | None] = mapped_column(Text)
    """The mandate of a delegate who decided in place of the representative."""
    rules_version: Mapped[str] = mapped_column(String(32))
    decided_at: Mapped[datetime]
    decided_by: Mapped[str] = mapped_column(String(200))


class PartyLink(Table):
    """A secret link by which a party reads the agreement and decides. Only its hash is stored."""

    __tablename__ = "party_links"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    party_id: Mapped[int] = mapped_column(ForeignKey("agreement_parties.id"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    mandate: Mapped[str | None] = mapped_column(Text)
    """Set for a delegate's link: the mandate under which they decide."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class CostCase(Table):
    """What one use of a shared device costs, and who pays it. Each use has one."""

    __tablename__ = "cost_cases"
    __table_args__ = (
        CheckConstraint("amount_minor >= 0", name="amount"),
        CheckConstraint("(state = 'open') = (settled_at IS NULL)", name="open_until_settled"),
        CheckConstraint("(settled_at IS NULL) = (settled_by IS NULL)", name="settled_by_somebody"),
        CheckConstraint("(state = 'paid') = (paid_minor IS NOT NULL)", name="paid_amount"),
        CheckConstraint("(state = 'waived') = (waiver_reason IS NOT NULL)", name="waived_for_a_reason"),
        Index("ix_cost_cases_of_agreement", "agreement_id", "used_at"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    agreement_id: Mapped[int] = mapped_column(ForeignKey("agreements.id"))
    share_id: Mapped[int] = mapped_column(ForeignKey("device_shares.id"))
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), index=True)
    use_id: Mapped[int] = mapped_column(ForeignKey("quarantines.id"), unique=True)
    """The use: the quarantine that took the device out of service after it."""
    used_at: Mapped[datetime]
    payer: Mapped[Payer] = mapped_column(enum_column(Payer))
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    """In the smallest unit of the currency (分). None: the agreement states no cost; the bill says it."""
    state: Mapped[CostCaseState] = mapped_column(enum_column(CostCaseState), default=CostCaseState.OPEN)
    opened_at: Mapped[datetime]
    reminded_days: Mapped[int | None]
    """The latest reminder, in days since the use; None: none yet."""
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[str | None] = mapped_column(String(200))
    paid_minor: Mapped[int | None] = mapped_column(BigInteger)
    payment_reference: Mapped[str | None] = mapped_column(Text)
    """Such as the number of the bank transfer or of the receipt."""
    waiver_reason: Mapped[str | None] = mapped_column(Text)


class RegionRules(Table):
    """The rules of a region for agreements, from one moment on. Never amended: later rules are a new row."""

    __tablename__ = "sharing_rules"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    numbers: Mapped[dict[str, Any]]
    """See `regional_rules.schemas.SharingRulesNumbers`."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
