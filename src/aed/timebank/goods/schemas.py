"""Sponsors, goods and orders in requests and responses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import Code, FreeText, Id, Moment, Name
from aed.timebank.goods.models import Goods, GoodsOrder, Sponsor
from aed.timebank.rules import OrderState, PaidFrom, PriorityGroup, to_points
from aed.timebank.schemas import Key, Points


class SponsorIn(BaseModel):
    """A sponsor to add."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"region": "CN-33", "name": "街角超市", "points": 1000}]},
    )

    region: Code
    name: Name
    points: Points = Field(description="The points for which the sponsor gives goods in all")


class BudgetIn(BaseModel):
    """A new budget of a sponsor."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"points": 2000}]})

    points: Points


class SponsorOut(BaseModel):
    """A sponsor and the budget."""

    id: int
    account_id: int
    name: str
    budget_points: float
    committed_points: float = Field(description="Points of orders that are open or collected")

    @classmethod
    def of(cls, found: Sponsor) -> Self:
        return cls(
            id=found.id,
            account_id=found.account_id,
            name=found.name,
            budget_points=float(to_points(found.budget)),
            committed_points=float(to_points(found.committed)),
        )


class SponsorPage(BaseModel):
    """A page of sponsors."""

    sponsors: list[SponsorOut]
    next: str | None = Field(None, description="Cursor of the next page, if there is one")


class GoodsIn(BaseModel):
    """Goods to add to the catalogue of an estate."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "estate_id": 1,
                    "sponsor_id": 1,
                    "name_en": "Rice, 5 kg",
                    "name_zh": "大米5公斤",
                    "points": 10,
                    "stock": 20,
                    "first_for": ["over_80"],
                    "first_until": "2026-10-01T00:00:00Z",
                }
            ]
        },
    )

    estate_id: Id
    sponsor_id: Id
    name_en: Name
    name_zh: Name
    points: Points
    stock: Annotated[int, Field(ge=0, le=1_000_000)]
    first_for: list[PriorityGroup] = Field([], max_length=3, description="Whom they are kept for at first")
    first_until: Moment | None = Field(None, description="From then on for all; null: for these groups only")


class GoodsChangeIn(BaseModel):
    """New values of goods. What is ordered already keeps its price."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name_en": "Rice, 5 kg", "name_zh": "大米5公斤", "points": 12}]},
    )

    name_en: Name
    name_zh: Name
    points: Points
    first_for: list[PriorityGroup] = Field([], max_length=3)
    first_until: Moment | None = None
    is_open: bool = Field(True, description="Whether they can be ordered")


class StockIn(BaseModel):
    """A change of the stock, and why."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"change": 10, "reason": "商店送来10袋"}]}
    )

    change: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    reason: Annotated[FreeText, Field(min_length=1, max_length=300)] | None = Field(
        None, description="Required with a change"
    )
    is_open: bool | None = Field(None, description="Open or close for orders")
    key: Key | None = None

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.change and self.reason is None:
            raise ValueError("give the reason of the change")
        return self


def photo_path(goods: Goods) -> str | None:
    """Return the path of the photo of goods, which changes with the photo; None if there is none."""
    if goods.photo_sha256 is None:
        return None
    return f"/time-bank/goods/{goods.id}/photo?v={goods.photo_sha256[:16]}"


class GoodsOut(BaseModel):
    """Goods of the catalogue."""

    id: int
    estate_id: int | None
    name_en: str
    name_zh: str
    points: float
    stock: int
    first_for: list[PriorityGroup]
    first_until: datetime | None
    is_open: bool
    photo_path: str | None = Field(description="Path of the photo on this service; null: there is none")

    @classmethod
    def of(cls, found: Goods) -> Self:
        return cls(
            id=found.id,
            estate_id=found.estate_id,
            name_en=found.name_en,
            name_zh=found.name_zh,
            points=float(to_points(found.price)),
            stock=found.stock,
            first_for=[PriorityGroup(each) for each in found.first_for],
            first_until=found.first_until,
            is_open=found.is_open,
            photo_path=photo_path(found),
        )


class GoodsPage(BaseModel):
    """A page of the catalogue."""

    goods: list[GoodsOut]
    next: str | None = Field(None, description="Cursor of the next page, if there is one")


class OrderIn(BaseModel):
    """An order."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"goods_id": 1, "quantity": 1, "key": "0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a17"}]
        },
    )

    goods_id: Id
    quantity: Annotated[int, Field(ge=1, le=100)] = 1
    key: Key
    acting_for: Id | None = Field(None, description="The person whose mandate you have")
    paid_from: PaidFrom = PaidFrom.OWN
    address: Annotated[str, Field(min_length=1, max_length=300)] | None = Field(
        None, description="Where the goods are delivered; null: the person collects them"
    )


class CollectionIn(BaseModel):
    """The code that the person says at the desk or at the door."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"code": "012345"}]})

    code: Annotated[str, Field(pattern="^[0-9]{6}$")]
    delivered_by: Name | None = Field(
        None, description="Who delivered the goods: required if they were to be delivered"
    )


class OrderReviewIn(BaseModel):
    """Whether the person whose order it is has the goods."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"is_received": True}]})

    is_received: bool


class OrderOut(BaseModel):
    """An order. Only those who placed it, and the person it is for, see code and address."""

    id: int
    goods_id: int
    person_id: int
    quantity: int
    points: float
    state: OrderState
    code: str | None
    is_delivery: bool = Field(description="Whether the goods are delivered, and not collected")
    address: str | None
    delivered_by: str | None
    ordered_at: datetime
    ended_at: datetime | None
    is_received: bool | None = Field(description="What the person says who was to get the goods")

    @classmethod
    def of(cls, found: GoodsOrder, *, shows_code: bool) -> Self:
        return cls(
            id=found.id,
            goods_id=found.goods_id,
            person_id=found.person_id,
            quantity=found.quantity,
            points=float(to_points(found.amount)),
            state=found.state,
            code=found.code if shows_code else None,
            is_delivery=found.address is not None or found.delivered_by is not None,
            address=found.address if shows_code else None,
            delivered_by=found.delivered_by,
            ordered_at=found.ordered_at,
            ended_at=found.ended_at,
            is_received=found.is_received,
        )


class OrderPage(BaseModel):
    """A page of orders."""

    orders: list[OrderOut]
    next: str | None = Field(None, description="Cursor of the next page, if there is one")
