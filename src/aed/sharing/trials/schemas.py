"""Schemas of the report of a trial."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id


class BandGainOut(BaseModel):
    """People who gained a device within five minutes there and back, on average over the hours."""

    model_config = ConfigDict(from_attributes=True)

    band: str
    residents: float
    outsiders: float


class TrialReportOut(BaseModel):
    """What a trial brought from its first day to its last, or until today."""

    model_config = ConfigDict(from_attributes=True)

    agreement_id: Id
    estate_id: Id
    first_day: date
    last_day: date
    is_over: bool
    devices: int
    uses: int
    fetches: int = Field(description="Times that a person came to a patient with one of the devices")
    median_minutes_there: float | None = Field(description="From the alert to the patient's side")
    longest_minutes_there: float | None
    checks: int
    checks_kept_percent: float = Field(description="Share of days on which a device's check was not overdue")
    cost_open_minor: int = Field(description="In 分 (1/100 yuan), as `cost_paid_minor`")
    cost_paid_minor: int
    cases_waived: int
    preview_id: Id | None
    gains: list[BandGainOut] = Field(description="By the agreement's preview, by part of the week")
