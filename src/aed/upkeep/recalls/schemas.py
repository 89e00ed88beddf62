"""Request and response schemas of makers' recalls."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import FreeText, Id
from aed.registry.fields import Day, Label, RegistrationNumber, UdiDi
from aed.upkeep.models import Recall
from aed.upkeep.recalls.queries import MAX_MEANT_SHOWN, Progress, Recalled, RecallPreview
from aed.upkeep.rules import RecallState, in_range

Maker = Annotated[Label, Field(min_length=1)]
Text = Annotated[FreeText, Field(min_length=1)]


class RecallIn(BaseModel):
    """A new recall. Matching devices are quarantined until it is closed, including ones registered later."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "maker": "Heartline",
                    "model": "H1",
                    "serial_from": "H1-20000",
                    "serial_to": "H1-20999",
                    "reference": "HL-2026-03",
                    "text_en": "The capacitor may fail. Have it replaced by the maker.",
                    "text_zh": "电容可能失效，请联系厂家更换。",
                    "announced_on": "2026-09-20",
                }
            ]
        },
    )

    maker: Maker
    model: Maker | None = None
    serial_from: Maker | None = Field(
        None, description="First affected serial number, together with serial_to; default: all serial numbers"
    )
    serial_to: Maker | None = None
    registration_number: RegistrationNumber | None = Field(
        None,
        description="Registration number; devices are then found by it, not by maker and model",
    )
    udi_di: UdiDi | None = Field(
        None, description="UDI-DI of the product; devices are then found by it, not by maker and model"
    )
    lots: Annotated[list[Maker], Field(min_length=1, max_length=200)] | None = Field(
        None, description="Lots of pads or batteries, one of which is fitted; default: whatever is fitted"
    )
    reference: Annotated[Label, Field(min_length=1)]
    text_en: Text
    text_zh: Text
    announced_on: Day

    @model_validator(mode="after")
    def _require_range(self) -> Self:
        """Check that both ends of the serial range are given or neither, and that they form a range."""
        if (self.serial_from is None) != (self.serial_to is None):
            raise ValueError("serial_from and serial_to: give both or neither")
        if (
            self.serial_from is not None
            and self.serial_to is not None
            and not in_range(self.serial_from, self.serial_from, self.serial_to)
        ):
            raise ValueError("serial_to must have the same form as serial_from, and must not come before it")
        return self


class RecallOut(BaseModel):
    """A recall and its progress."""

    id: Id
    maker: str
    model: str | None
    serial_from: str | None
    serial_to: str | None
    registration_number: str | None
    udi_di: str | None
    lots: list[str] | None
    reference: str
    text_en: str
    text_zh: str
    announced_on: date
    state: RecallState
    found: int = Field(description="Number of affected devices that you may see")
    dealt_with: int
    without_serial: int = Field(
        description="Number of devices of that maker and model without a number by which the recall finds "
        "devices: serial number, registration number or UDI-DI; inspect them"
    )
    version: int

    @classmethod
    def of(cls, recall: Recall, progress: Progress) -> RecallOut:
        return cls(
            id=recall.id,
            maker=recall.maker,
            model=recall.model,
            serial_from=recall.serial_from,
            serial_to=recall.serial_to,
            registration_number=recall.registration_number,
            udi_di=recall.udi_di,
            lots=recall.lots,
            reference=recall.reference,
            text_en=recall.text_en,
            text_zh=recall.text_zh,
            announced_on=recall.announced_on,
            state=recall.state,
            found=progress.found,
            dealt_with=progress.dealt_with,
            without_serial=progress.without_serial,
            version=recall.version,
        )


class MeantDeviceOut(BaseModel):
    """A device that a recall would quarantine."""

    device_id: Id
    estate_id: Id | None
    estate_en: str | None
    estate_zh: str | None
    place_en: str | None
    place_zh: str | None
    model: str | None
    serial: str | None


class RecallPreviewOut(BaseModel):
    """What a recall would do; nothing is changed."""

    found: int = Field(description="Number of devices that would be quarantined")
    without_serial: int = Field(
        description="Devices of that maker and model that it would not find, because their serial number, "
        "registration number or UDI-DI is not known"
    )
    devices: list[MeantDeviceOut] = Field(description=f"At most {MAX_MEANT_SHOWN}, in order of id")

    @classmethod
    def of(cls, found: RecallPreview) -> RecallPreviewOut:
        return cls(
            found=found.found,
            without_serial=found.without_serial,
            devices=[MeantDeviceOut(**asdict(each)) for each in found.devices],
        )


class RecallClose(BaseModel):
    """A request to close a recall."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"state": "closed"}]})

    state: Literal[RecallState.CLOSED]


class RecallPage(BaseModel):
    """A page of recalls. If `next` is not null, send it as `cursor` for more."""

    recalls: list[RecallOut]
    next: str | None


class RecalledOut(BaseModel):
    """A device affected by a recall."""

    device_id: Id
    estate_id: Id | None
    estate_en: str | None
    estate_zh: str | None
    place_en: str | None
    place_zh: str | None
    serial: str | None
    since: datetime
    dealt_with_at: datetime | None

    @classmethod
    def of(cls, found: Recalled) -> RecalledOut:
        return cls(
            device_id=found.device_id,
            estate_id=found.estate_id,
            estate_en=found.estate_en,
            estate_zh=found.estate_zh,
            place_en=found.place_en,
            place_zh=found.place_zh,
            serial=found.serial,
            since=found.since,
            dealt_with_at=found.lifted_at,
        )


class RecalledPage(BaseModel):
    """A page of affected devices. If `next` is not null, send it as `cursor` for more."""

    devices: list[RecalledOut]
    next: str | None
