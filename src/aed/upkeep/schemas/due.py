"""What is due, out."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, Field

from aed.accounts.schemas import Id
from aed.registry.rules.device import ConsumableKind
from aed.upkeep.queries.due import Duties, Replacement
from aed.upkeep.rules.due import WORDS, Due, Matter
from aed.upkeep.rules.number import short_number


class DueOut(BaseModel):
    device_id: Id
    number: str = Field(description="What stands on the device's label")
    estate_id: Id | None
    estate_en: str | None
    estate_zh: str | None
    place_en: str | None
    place_zh: str | None
    matter: Matter
    en: str
    zh: str
    due_on: date = Field(description="The last day on which it is in time, at the device")
    overdue_days: int

    @classmethod
    def of(cls, due: Due, duties: Duties) -> DueOut:
        device = duties.devices[due.device_id]
        en, zh = WORDS[due.matter]
        return cls(
            device_id=due.device_id,
            number=short_number(due.device_id),
            estate_id=device.estate_id,
            estate_en=device.estate_en,
            estate_zh=device.estate_zh,
            place_en=device.place_en,
            place_zh=device.place_zh,
            matter=due.matter,
            en=en,
            zh=zh,
            due_on=due.due_on,
            overdue_days=due.overdue_days(duties.today[due.device_id]),
        )


class DuePage(BaseModel):
    """The longest overdue first. More follows when `next` is not null: send it as `cursor`."""

    due: list[DueOut]
    overdue: int = Field(description="How many are overdue in all")
    next: str | None


class ReplacementOut(BaseModel):
    """So many of a kind are needed in a month, for devices of a model."""

    month: str = Field(
        description="What has expired already is needed in the present month", examples=["2027-03"]
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
