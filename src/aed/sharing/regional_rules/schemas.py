"""The rules of a region in requests and responses, and as they are stored."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from aed.sharing.rules import RULES, PartyRole, SharingRules

Days = Annotated[int, Field(ge=0, le=366)]


class SharingRulesNumbers(BaseModel):
    """The rules of a region for agreements. Values that are left out have their defaults."""

    model_config = ConfigDict(extra="forbid")

    parties: list[PartyRole] = Field(
        list(RULES.parties), min_length=2, max_length=3, description="The parties that must all consent"
    )
    min_ready_percent: float = Field(
        RULES.min_ready_percent,
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="No step up while fewer of the estate's devices are ready",
    )
    check_interval_days: int = Field(
        RULES.check_interval_days, ge=1, le=366, description="Unless an agreement gives another interval"
    )
    max_trial_days: int = Field(RULES.max_trial_days, ge=1, le=366)
    notice_days: list[Days] = Field(
        list(RULES.notice_days), min_length=1, max_length=10, description="Days before an agreement ends"
    )
    link_days: int = Field(RULES.link_days, ge=1, le=366, description="How long a party's link is valid")
    cost_reminder_days: list[Days] = Field(
        list(RULES.cost_reminder_days),
        min_length=1,
        max_length=10,
        description="Days after a use; from the last one on, the payer is reminded again every 30 days",
    )

    @field_validator("parties")
    @classmethod
    def _require_different(cls, value: list[PartyRole]) -> list[PartyRole]:
        if len(set(value)) < len(value):
            raise ValueError("name each party once")
        return [role for role in PartyRole if role in value]

    @field_validator("notice_days", "cost_reminder_days")
    @classmethod
    def _sorted(cls, value: list[int]) -> list[int]:
        return sorted(set(value))


_EXAMPLE: dict[str, Any] = {"region": "CN-33", "min_ready_percent": 95, "max_trial_days": 60}


class SharingRulesIn(SharingRulesNumbers):
    """New rules of a region, for the agreements that are drafted from now on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    region: str = Field(max_length=32, pattern=r"^[A-Za-z0-9._:-]+$")


class SharingRulesOut(SharingRulesNumbers):
    """Rules for agreements, with their version."""

    version: str
    region: str | None = Field(description="The region that made them; null: the defaults")
    created_at: datetime | None

    @classmethod
    def of(cls, rules: SharingRules, *, region: str | None, created_at: datetime | None) -> Self:
        return cls.model_validate(asdict(rules) | {"region": region, "created_at": created_at})
