"""Request and response schemas of due upkeep, calendar feeds and replacements."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, Field

from aed.accounts.fields import Id
from aed.registry.devices.rules import ConsumableKind
from aed.upkeep.due.queries import Duties, Replacement
from aed.upkeep.due.rules import DUE_WORDS, Due
from aed.upkeep.rules import DueKind, short_number


class DueOut(BaseModel):
    """A task that is due on a device."""

    device_id: Id
    number: str = Field(description="Short number on the device's label")
    estate_id: Id | None
    estate_en: str | None
    estate_zh: str | None
    place_en: str | None
    place_zh: str | None
    due_kind: DueKind
    en: str
    zh: str
    due_on: date = Field(description="Last day on which the task is on time, in the device's time zone")
    overdue_days: int

    @classmethod
    def of(cls, due: Due, duties: Duties) -> DueOut:
        device = duties.devices[due.device_id]
        en, zh = DUE_WORDS[due.due_kind]
        return cls(
            device_id=due.device_id,
            number=short_number(due.device_id),
            estate_id=device.estate_id,
            estate_en=device.estate_en,
            estate_zh=device.estate_zh,
            place_en=device.place_en,
            place_zh=device.place_zh,
            due_kind=due.due_kind,
            en=en,
            zh=zh,
            due_on=due.due_on,
            overdue_days=due.overdue_days(duties.today[due.device_id]),
        )


class LineOut(BaseModel):
    """A one-line summary of due upkeep."""

    en: str
    zh: str

    @classmethod
    def of(cls, duties: Duties) -> LineOut:
        en, zh = duties.line
        return cls(en=en, zh=zh)


class DuePage(BaseModel):
    """A page of due upkeep, the longest overdue first.

    If `next` is not null, send it as `cursor` for more.
    """

    due: list[DueOut]
    overdue: int = Field(description="Number of overdue tasks on all pages")
    line: LineOut = Field(description="Summary of all tasks in one line")
    next: str | None


class ReplacementOut(BaseModel):
    """The number of consumables of a kind that devices of a model need in a month."""

    month: str = Field(
        description="Month the parts are needed; expired parts count in the current month",
        examples=["2027-03"],
    )
    maker: str | None
    model: str | None
    kind: ConsumableKind
    quantity: int

    @classmethod
    def of(cls, found: Replacement) -> ReplacementOut:
        return cls(
            month=f"{found.month:%Y-%m}",
            maker=found.maker or None,
            model=found.model or None,
            kind=found.kind,
            quantity=found.quantity,
        )
