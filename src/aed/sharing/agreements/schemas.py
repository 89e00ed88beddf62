"""Schemas of agreements in requests and responses."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import FreeText, Id, Name, Phone
from aed.accounts.permissions import Audience
from aed.errors import InvalidInput
from aed.hours.evaluation import parse_hours
from aed.sharing.models import Agreement, AgreementParty, DeviceShare
from aed.sharing.rules import (
    AgreementKind,
    AgreementState,
    CodeRecipient,
    DecisionMethod,
    DeviceOwner,
    LegalBasis,
    PartyRole,
    Payer,
    PublishedPosition,
    is_credit_code,
    rung,
    step_below,
)


def _parsed_hours(value: str) -> str:
    try:
        return parse_hours(value)
    except InvalidInput as error:
        raise ValueError(error.detail) from None


def _checked_credit_code(value: str) -> str:
    code = value.strip().upper()
    if not is_credit_code(code):
        raise ValueError("is not a valid unified social credit code (统一社会信用代码): check each character")
    return code


Hours = Annotated[str, Field(max_length=1000, examples=["22:00-06:00"]), AfterValidator(_parsed_hours)]
CreditCode = Annotated[
    str, Field(max_length=40, examples=["91350100M000100Y43"]), AfterValidator(_checked_credit_code)
]
Day = Annotated[date, Field(ge=date(1990, 1, 1), le=date(2100, 12, 31))]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", examples=["0" * 64])]
Amount = Annotated[int, Field(ge=0, le=10**9)]


class RepresentativeIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    phone: Phone | None = None


class PartyIn(BaseModel):
    """A party, and the person who decides for it."""

    model_config = ConfigDict(extra="forbid")

    role: PartyRole
    legal_name: Name
    credit_code: CreditCode | None = Field(None, description="Null for a committee that has none")
    representative: RepresentativeIn | None = None


class ShareIn(BaseModel):
    """What the agreement says about one device."""

    model_config = ConfigDict(extra="forbid")

    device_id: Id
    step: Audience
    hours: Hours | None = Field(None, description="Hours of the step, within the device's own; null: always")
    step_outside_hours: Audience | None = Field(
        None, description="A lower step for the other hours; by default the step below"
    )
    gates: list[FreeText] = Field([], max_length=20, description="Gates to come in by, and who opens them")
    allows_override: bool = Field(True, description="A dispatch centre may have it fetched for anyone")
    code_to: CodeRecipient = CodeRecipient.RESPONDER
    may_leave_estate: bool = True
    published_position: PublishedPosition = PublishedPosition.EXACT
    from_on: Day | None = None
    until_on: Day | None = None

    @model_validator(mode="after")
    def _require_consistent(self) -> Self:
        if self.from_on is not None and self.until_on is not None and self.until_on < self.from_on:
            raise ValueError("until_on is before from_on")
        if self.step_outside_hours is not None and self.hours is None:
            raise ValueError("step_outside_hours needs hours")
        if self.step_outside_hours is not None and rung(self.step_outside_hours) >= rung(self.step):
            raise ValueError("step_outside_hours must be lower than step")
        return self

    def outside(self) -> Audience:
        """Return the step outside the hours; the step itself if there are none."""
        if self.hours is None:
            return self.step
        return self.step_outside_hours if self.step_outside_hours is not None else step_below(self.step)


class Insurance(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: FreeText = Field(examples=["公众责任险"])
    insurer: Name
    policy: Name
    sum_insured: Amount
    starts_on: Day
    ends_on: Day
    covers_volunteers_outside: bool = False

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.ends_on < self.starts_on:
            raise ValueError("ends_on is before starts_on")
        return self


class Terms(BaseModel):
    """Duties, money and risk."""

    model_config = ConfigDict(extra="forbid")

    check_interval_days: int | None = Field(
        None, ge=1, le=366, description="Default: by the rules of the region"
    )
    certified_people: int = Field(2, ge=0, le=10_000, description="Certified person and deputies")
    trained_people_per_device: int = Field(0, ge=0, le=10_000)
    drills_a_year: int = Field(1, ge=0, le=366)
    replaced_within_hours: int = Field(24, ge=1, le=8_760, description="After use")
    has_loaner: bool = False
    purchase_payer: Payer = Payer.SERVICE_CENTRE
    upkeep_payer: Payer = Payer.SERVICE_CENTRE
    use_payer: Payer = Payer.SERVICE_CENTRE
    cost_per_use: Amount | None = Field(None, description="In yuan; null: each use is settled by its bill")
    cost_cap: Amount | None = Field(None, description="In yuan, of all uses in a calendar year")
    insurances: list[Insurance] = Field([], max_length=20)
    theft: FreeText | None = None
    ecg_handover: FreeText | None = None
    renewal_notice_days: int = Field(60, ge=0, le=366)
    termination_notice_days: int = Field(30, ge=0, le=366)
    other: FreeText | None = None


_EXAMPLE: dict[str, Any] = {
    "owner": "owners_in_common",
    "legal_basis": "minutes",
    "starts_on": "2030-01-01",
    "ends_on": "2031-12-31",
    "parties": [
        {"role": "party_committee", "legal_name": "幸福社区党委"},
        {"role": "owners_committee", "legal_name": "幸福里业主委员会"},
        {"role": "service_centre", "legal_name": "幸福里园区服务中心"},
    ],
    "shares": [{"device_id": 1, "step": "neighbours", "hours": "22:00-06:00"}],
}


class AgreementIn(BaseModel):
    """The text of an agreement."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    kind: AgreementKind = AgreementKind.AGREEMENT
    owner: DeviceOwner
    legal_basis: LegalBasis
    legal_reference: FreeText | None = None
    notice_from: Day | None = None
    notice_until: Day | None = None
    method: DecisionMethod = DecisionMethod.THREE_SIGN
    starts_on: Day
    ends_on: Day | None = None
    supersedes_id: Id | None = None
    preview_id: Id | None = None
    preview_hash: Digest | None = None
    parties: list[PartyIn] = Field(min_length=1, max_length=10)
    shares: list[ShareIn] = Field(min_length=1, max_length=2_000)
    terms: Terms = Terms()


class AgreementDraft(AgreementIn):
    """A new agreement of an estate."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE | {"estate_id": 1}]})

    estate_id: Id


class PartyOut(BaseModel):
    id: Id
    role: PartyRole
    legal_name: str
    credit_code: str | None
    representative: str | None = Field(description="Who decides for the party")
    decision: str | None = Field(description="The latest decision on the present text")
    decided_at: datetime | None
    reason: str | None

    @classmethod
    def of(cls, party: AgreementParty, decision: Any) -> PartyOut:
        return cls(
            id=party.id,
            role=party.role,
            legal_name=party.legal_name,
            credit_code=party.credit_code,
            representative=party.representative.name if party.representative is not None else None,
            decision=decision.kind if decision is not None else None,
            decided_at=decision.decided_at if decision is not None else None,
            reason=decision.reason if decision is not None else None,
        )


class ShareOut(BaseModel):
    id: Id
    device_id: Id
    step: Audience
    hours: str | None
    step_outside_hours: Audience
    gates: list[str]
    allows_override: bool
    code_to: CodeRecipient
    may_leave_estate: bool
    published_position: PublishedPosition
    from_on: date | None
    until_on: date | None
    lowered_to: Audience | None
    superseded_at: datetime | None

    @classmethod
    def of(cls, share: DeviceShare) -> ShareOut:
        return cls.model_validate(share, from_attributes=True)


class AgreementSummary(BaseModel):
    """An agreement in a list, and what it waits for."""

    id: Id
    estate_id: Id
    kind: AgreementKind
    state: AgreementState
    starts_on: date
    ends_on: date | None
    text_hash: str
    waits_for: list[str] = Field(
        description="Roles of parties that have not consented to the present text; `estate_manager` for a "
        "draft, `region` for the region's confirmation; empty: nobody"
    )
    asks_to_be_made_good: bool = Field(description="True if it is by the register: no party has decided")
    suspended_at: datetime | None
    version: int

    @classmethod
    def of(cls, agreement: Agreement, waits_for: list[str]) -> AgreementSummary:
        return cls(
            id=agreement.id,
            estate_id=agreement.estate_id,
            kind=agreement.kind,
            state=agreement.state,
            starts_on=agreement.starts_on,
            ends_on=agreement.ends_on,
            text_hash=agreement.text_hash,
            waits_for=waits_for,
            asks_to_be_made_good=agreement.kind is AgreementKind.REGISTER,
            suspended_at=agreement.suspended_at,
            version=agreement.version,
        )


class AgreementPage(BaseModel):
    agreements: list[AgreementSummary]
    next: str | None = Field(description="The cursor of the next page")


class AgreementOut(AgreementSummary):
    """An agreement with its text, parties and shares."""

    owner: DeviceOwner | None
    legal_basis: LegalBasis | None
    legal_reference: str | None
    notice_from: date | None
    notice_until: date | None
    method: DecisionMethod | None
    supersedes_id: Id | None
    preview_id: Id | None
    preview_hash: str | None
    terms: dict[str, Any]
    rules_version: str
    parties: list[PartyOut]
    shares: list[ShareOut]
    confirmed_at: datetime | None
    withdrawn_at: datetime | None
    withdrawal_reason: str | None
    suspension_reason: str | None

    @classmethod
    def full(cls, agreement: Agreement, decisions: dict[int, Any], waits_for: list[str]) -> AgreementOut:
        """Build it from an agreement with parties and shares; `decisions` are the latest by party id."""
        return cls(
            **AgreementSummary.of(agreement, waits_for).model_dump(),
            owner=agreement.owner,
            legal_basis=agreement.legal_basis,
            legal_reference=agreement.legal_reference,
            notice_from=agreement.notice_from,
            notice_until=agreement.notice_until,
            method=agreement.method,
            supersedes_id=agreement.supersedes_id,
            preview_id=agreement.preview_id,
            preview_hash=agreement.preview_hash,
            terms=agreement.terms,
            rules_version=agreement.rules_version,
            parties=[PartyOut.of(each, decisions.get(each.id)) for each in agreement.parties],
            shares=[ShareOut.of(each) for each in agreement.shares],
            confirmed_at=agreement.confirmed_at,
            withdrawn_at=agreement.withdrawn_at,
            withdrawal_reason=agreement.withdrawal_reason,
            suspension_reason=agreement.suspension_reason,
        )


class ReasonIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "The gate is not lit at night"}]}
    )

    reason: Annotated[FreeText, Field(min_length=1)]


class ConfirmationIn(BaseModel):
    """The text that is confirmed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text_hash": "0" * 64}]})

    text_hash: Digest


class StepDownIn(BaseModel):
    """A lower step for one device."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"device_id": 1, "step": "estate"}]}
    )

    device_id: Id
    step: Audience
