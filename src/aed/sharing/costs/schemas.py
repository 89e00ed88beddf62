"""Schemas of cost cases."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import FreeText, Id
from aed.sharing.models import CostCase
from aed.sharing.rules import CostCaseState, Payer

AmountMinor = Annotated[
    int, Field(ge=0, le=10**11, description="In the smallest unit of the currency: 分, 1/100 yuan")
]


class CostCaseOut(BaseModel):
    """What one use of a shared device costs, and who pays it."""

    id: Id
    agreement_id: Id
    device_id: Id
    used_at: datetime
    payer: Payer
    amount_minor: int | None = Field(
        description="In 分 (1/100 yuan), by the agreement and its cap of the year; null: the agreement "
        "states no cost, the bill says it"
    )
    state: CostCaseState
    reminded_days: int | None = Field(description="The latest reminder, in days since the use")
    settled_at: datetime | None
    paid_minor: int | None
    payment_reference: str | None
    waiver_reason: str | None

    @classmethod
    def of(cls, case: CostCase) -> CostCaseOut:
        return cls.model_validate(case, from_attributes=True)


class CostCasePage(BaseModel):
    cost_cases: list[CostCaseOut]
    next: str | None = Field(description="The cursor of the next page")


class PaymentIn(BaseModel):
    """A payment that was received."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"paid_minor": 60000, "reference": "Transfer 2026-0917"}]},
    )

    paid_minor: AmountMinor | None = Field(None, description="In 分; default: the amount of the case")
    reference: FreeText | None = Field(None, description="Such as the number of the transfer or receipt")
