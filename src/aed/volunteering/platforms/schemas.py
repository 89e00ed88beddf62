"""Schemas of batches for volunteer platforms, their answers, and imported hours."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import FreeText, Id
from aed.volunteering.certificates.schemas import Day
from aed.volunteering.models import PlatformBatch, PlatformRow, ServiceRecord
from aed.volunteering.rules import BatchState, RowState, VolunteerPlatform

Reference = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]


class BatchIn(BaseModel):
    """Service records of an estate for a volunteer platform."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "platform": "zhiyuanhui",
                    "reference": "2026-11",
                    "estate_id": 1,
                    "from_on": "2026-11-01",
                    "until_on": "2026-11-30",
                }
            ]
        },
    )

    platform: VolunteerPlatform
    reference: Reference = Field(description="The same reference sent again is the same batch")
    estate_id: Id
    from_on: Day
    until_on: Day
    endpoint: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="Name of the webhook that it is sent to; null: a person uploads its file"
    )

    @model_validator(mode="after")
    def _require_order(self) -> Self:
        if self.until_on < self.from_on:
            raise ValueError("until_on is before from_on")
        return self


class BatchRowOut(BaseModel):
    record_id: Id
    number: str
    state: RowState
    reason: str | None = Field(description="Why the platform rejected it")

    @classmethod
    def of(cls, row: PlatformRow, record: ServiceRecord) -> BatchRowOut:
        return cls(record_id=row.record_id, number=record.number, state=row.state, reason=row.reason)


class BatchOut(BaseModel):
    """A batch, without its rows in lists."""

    id: Id
    platform: VolunteerPlatform
    reference: str
    estate_id: Id
    from_on: date
    until_on: date
    endpoint: str | None
    state: BatchState
    made_at: datetime
    attempts: int
    failure: str | None
    answered_at: datetime | None
    rows: list[BatchRowOut] | None = None

    @classmethod
    def of(cls, batch: PlatformBatch, rows: list[BatchRowOut] | None = None) -> BatchOut:
        fields = {name: getattr(batch, name) for name in cls.model_fields if name != "rows"}
        return cls(**fields, rows=rows)


class BatchPage(BaseModel):
    """A page of batches, in order of id."""

    batches: list[BatchOut]
    next: str | None = Field(description="The cursor of the next page")


class RowAnswer(BaseModel):
    """What a platform made of a record."""

    number: Annotated[str, Field(max_length=20)]
    accepted: bool
    reason: Annotated[FreeText, Field(max_length=500)] | None = None


class PlatformAnswer(BaseModel):
    """The answer of a platform to a batch."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"rows": [{"number": "SR00000001", "accepted": False, "reason": "志愿者编号不存在"}]}
            ]
        },
    )

    rows: list[RowAnswer] = Field(max_length=5_000)


class HoursIn(BaseModel):
    """A CSV of hours that a platform recorded: 记录编号, 志愿者编号, 活动名称, 开始时间, 结束时间."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "platform": "zhiyuanhui",
                    "estate_id": 1,
                    "content": "记录编号,志愿者编号,活动名称,开始时间,结束时间\n",
                }
            ]
        },
    )

    platform: VolunteerPlatform
    estate_id: Id
    content: Annotated[str, Field(max_length=2_000_000)]


class RejectedRow(BaseModel):
    number: str
    volunteer_number: str
    activity: str
    started_at: str
    ended_at: str
    reason: str


class HoursOut(BaseModel):
    """What an import did. Mend the rejected rows, and send them again."""

    recorded: int
    known: int = Field(description="Rows that were imported before")
    rejected: list[RejectedRow]
