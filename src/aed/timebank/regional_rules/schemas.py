"""The rules of a region in requests and responses, and as they are stored."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Moment
from aed.timebank.rules import DEFAULT_RULES, DEFAULT_SERVICES, ServiceKind, ServiceRule, TimeBankRules


class ServiceRuleIn(BaseModel):
    """What one kind of service earns."""

    model_config = ConfigDict(extra="forbid")

    counts_minutes: bool = Field(True, description="Whether its minutes are credited")
    factor_tenths: int = Field(
        10, ge=0, le=100, description="Points for the minutes in tenths: 10 is the usual rate, 0 none"
    )
    max_minutes_a_day: int | None = Field(
        None, ge=1, le=1440, description="Maximum minutes for one device (or other subject) and day"
    )


class RulesIn(BaseModel):
    """The rules of a region's time bank. Values that are left out have their defaults."""

    model_config = ConfigDict(extra="forbid")

    minutes_per_point: int = Field(DEFAULT_RULES.minutes_per_point, ge=1, le=600)
    services: dict[ServiceKind, ServiceRuleIn] = Field(
        {}, description="Rules of kinds of service that differ from the default"
    )
    cap_points: int | None = Field(DEFAULT_RULES.cap_points, ge=1, le=1_000_000, description="null: no cap")
    spend_from_minutes: int = Field(DEFAULT_RULES.spend_from_minutes, ge=0, le=1_000_000)
    gift_points_a_year: int = Field(DEFAULT_RULES.gift_points_a_year, ge=0, le=1_000_000)
    expiry_months: int | None = Field(
        DEFAULT_RULES.expiry_months, ge=1, le=600, description="null: points never expire"
    )
    expiry_notice_days: list[Annotated[int, Field(ge=1, le=365)]] = Field(
        list(DEFAULT_RULES.expiry_notice_days), max_length=10
    )
    inheritance_months: int = Field(DEFAULT_RULES.inheritance_months, ge=1, le=120)

    def rules(self, version: str) -> TimeBankRules:
        """Return these numbers as the rules of that version."""
        services = {
            **DEFAULT_SERVICES,
            **{kind: ServiceRule(**given.model_dump()) for kind, given in self.services.items()},
        }
        return TimeBankRules(
            version=version,
            services=MappingProxyType(services),
            expiry_notice_days=tuple(self.expiry_notice_days),
            **self.model_dump(exclude={"services", "expiry_notice_days"}),
        )

    @classmethod
    def of(cls, rules: TimeBankRules) -> Self:
        """Return the numbers of rules, with every kind of service."""
        numbers: dict[str, Any] = {
            name: getattr(rules, name)
            for name in cls.model_fields
            if name not in ("services", "expiry_notice_days")
        }
        return cls(
            services={
                kind: ServiceRuleIn(
                    counts_minutes=rule.counts_minutes,
                    factor_tenths=rule.factor_tenths,
                    max_minutes_a_day=rule.max_minutes_a_day,
                )
                for kind, rule in rules.services.items()
            },
            expiry_notice_days=list(rules.expiry_notice_days),
            **numbers,
        )


class RulesSetting(BaseModel):
    """Rules to set."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"numbers": {"gift_points_a_year": 30}}]}
    )

    numbers: RulesIn
    starts_at: Moment | None = Field(None, description="Default: now")


class RulesOut(BaseModel):
    """Rules and their version, which entries record."""

    version: str = Field(examples=["CN-33-2"])
    numbers: RulesIn
