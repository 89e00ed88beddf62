"""Request and response schemas of spare stock."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from aed.accounts.fields import FreeText, Id
from aed.registry.devices.rules import ConsumableKind
from aed.registry.fields import Blank, Day, Label
from aed.translation import noop
from aed.upkeep.spares.models import SpareMovement
from aed.upkeep.spares.queries import SpareCount
from aed.upkeep.spares.rules import MAX_SPARES, SpareReason, SpareState

ReorderPoint = Annotated[
    int,
    Field(ge=0, le=MAX_SPARES, description="The managers are notified once no more than so many are left"),
]


class SpareStockIn(BaseModel):
    """Spares that an estate keeps from now on."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"kind": "pads", "maker": "Heartline", "model": "H1", "reorder_point": 2}]
        },
    )

    kind: ConsumableKind
    maker: Annotated[Label | None, Blank] = Field(
        None, description="Maker of the devices that they fit; default: any"
    )
    model: Annotated[Label | None, Blank] = None
    reorder_point: ReorderPoint = 1

    @field_validator("model")
    @classmethod
    def _require_maker(cls, model: str | None, info: ValidationInfo) -> str | None:
        if model is not None and "maker" in info.data and info.data["maker"] is None:
            raise ValueError(noop("give the maker of this model too"))
        return model


class SpareStockAmend(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reorder_point": 3}]})

    reorder_point: ReorderPoint


class SpareMovementIn(BaseModel):
    """Spares that came in, went out or were counted. Sending it again under the same key is idempotent."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "key": "5a0b7c52-92a3-4d8a-b6f7-0a6a0f6f1c11",
                    "reason": "received",
                    "quantity": 4,
                    "lot": "2409-17",
                    "expires_on": "2028-06-30",
                }
            ]
        },
    )

    key: UUID = Field(description="A new UUID for each movement; a retry with the same key has no effect")
    reason: SpareReason
    quantity: Annotated[int, Field(ge=0, le=MAX_SPARES)] = Field(
        description="How many came in or went out; for `counted`, how many of this lot are there"
    )
    lot: Annotated[Label | None, Blank] = None
    expires_on: Day | None = Field(
        None, description="Required for what is received; otherwise by default that of the lot, or the first"
    )
    note: Annotated[FreeText | None, Blank] = None


class SpareLotOut(BaseModel):
    """What is left of a lot."""

    lot: str | None
    expires_on: date
    quantity: int


class SpareStockOut(BaseModel):
    """A stock of spares and what is left of it."""

    id: Id
    estate_id: Id
    kind: ConsumableKind
    maker: str | None
    model: str | None
    reorder_point: int
    quantity: int
    usable: int = Field(description="How many of them have not expired")
    must_order: bool = Field(description="True if no more usable ones are left than the reorder point")
    lots: list[SpareLotOut]
    state: SpareState
    version: int

    @classmethod
    def of(cls, found: SpareCount, *, at: datetime) -> SpareStockOut:
        stock = found.stock
        usable = found.usable(at=at)
        return cls(
            id=stock.id,
            estate_id=stock.estate_id,
            kind=stock.kind,
            maker=stock.maker,
            model=stock.model,
            reorder_point=stock.reorder_point,
            quantity=found.quantity,
            usable=usable,
            must_order=usable <= stock.reorder_point,
            lots=[
                SpareLotOut(lot=each.lot or None, expires_on=each.expires_on, quantity=each.quantity)
                for each in found.lots
            ],
            state=stock.state,
            version=stock.version,
        )


class SpareMovementOut(BaseModel):
    """What came in (more than 0) or went out (less)."""

    id: Id
    key: str
    stock_id: Id
    reason: SpareReason
    quantity: int
    lot: str | None
    expires_on: date
    note: str | None
    device_id: Id | None
    check_id: Id | None
    at: datetime
    by: str

    @classmethod
    def of(cls, movement: SpareMovement) -> SpareMovementOut:
        return cls(
            id=movement.id,
            key=movement.key,
            stock_id=movement.stock_id,
            reason=movement.reason,
            quantity=movement.quantity,
            lot=movement.lot or None,
            expires_on=movement.expires_on,
            note=movement.note,
            device_id=movement.device_id,
            check_id=movement.check_id,
            at=movement.at,
            by=movement.by_name,
        )


class SpareMovementPage(BaseModel):
    """A page of movements, the last first. If `next` is not null, send it as `cursor` for more."""

    movements: list[SpareMovementOut]
    next: str | None
