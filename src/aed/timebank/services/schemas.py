"""Offers of members, and what others asked of them, in requests and responses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id, Moment, Name
from aed.timebank.rules import ExchangeState, OfferKind, PaidFrom, to_points
from aed.timebank.schemas import Key, Points
from aed.timebank.services.models import ServiceExchange, ServiceOffer


class ServiceOfferIn(BaseModel):
    """A service to offer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"kind": "lesson", "title": "智能手机课", "points_per_hour": 1}]},
    )

    kind: OfferKind
    title: Name
    times: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="When, in words"
    )
    place: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Roughly where; everyone in the region sees it"
    )
    points_per_hour: Points


class ServiceOfferOut(BaseModel):
    """A service that a member offers."""

    id: int
    person_id: int
    kind: OfferKind
    title: str
    times: str | None
    place: str | None
    points_per_hour: float

    @classmethod
    def of(cls, found: ServiceOffer) -> Self:
        return cls(
            id=found.id,
            person_id=found.person_id,
            kind=found.kind,
            title=found.title,
            times=found.times,
            place=found.place,
            points_per_hour=float(to_points(found.price)),
        )


class ServiceOfferPage(BaseModel):
    """A page of offers."""

    offers: list[ServiceOfferOut]
    next: str | None = Field(None, description="Cursor of the next page, if there is one")


class ExchangeIn(BaseModel):
    """A service to ask for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "starts_at": "2026-10-01T09:00:00+08:00",
                    "minutes": 60,
                    "key": "0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a18",
                }
            ]
        },
    )

    starts_at: Moment
    minutes: Annotated[int, Field(ge=1, le=1440)]
    key: Key
    address: Annotated[str, Field(min_length=1, max_length=300)] | None = Field(
        None, description="Where; the provider sees it once the time is agreed on"
    )
    acting_for: Id | None = Field(None, description="The person whose mandate you have")
    paid_from: PaidFrom = PaidFrom.OWN


class ProposedTimeIn(BaseModel):
    """Another time for a service."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"starts_at": "2026-10-02T09:00:00+08:00"}]}
    )

    starts_at: Moment


class ServiceRatingIn(BaseModel):
    """What the side that received a service thinks of it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"rating": 5}]})

    rating: Annotated[int, Field(ge=1, le=5)]


class ExchangeOut(BaseModel):
    """A service that was asked for, and how far it is."""

    id: int
    offer_id: int
    person_id: int
    starts_at: datetime
    minutes: int
    points: float
    state: ExchangeState
    is_confirmed_by_provider: bool
    is_confirmed_by_receiver: bool
    rating: int | None = Field(description="From 1 to 5, by the side that received it")

    @classmethod
    def of(cls, found: ServiceExchange) -> Self:
        return cls(
            id=found.id,
            offer_id=found.offer_id,
            person_id=found.person_id,
            starts_at=found.starts_at,
            minutes=found.minutes,
            points=float(to_points(found.amount)),
            state=found.state,
            is_confirmed_by_provider=found.given_at is not None,
            is_confirmed_by_receiver=found.received_at is not None,
            rating=found.rating,
        )


class ExchangePage(BaseModel):
    """A page of services that were asked for."""

    exchanges: list[ExchangeOut]
    next: str | None = Field(None, description="Cursor of the next page, if there is one")
