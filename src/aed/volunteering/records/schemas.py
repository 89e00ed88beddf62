"""Schemas of service records in requests and responses."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import FreeText, Id, Moment
from aed.accounts.permissions import Viewer
from aed.volunteering.models import ServiceEvent, ServiceFlag, ServiceProof, ServiceRecord
from aed.volunteering.rules import (
    OF_CALLS,
    RECORDED_BY_HAND,
    FlagKind,
    ServiceEventKind,
    ServiceSource,
    ServiceState,
)

Reason = Annotated[FreeText, Field(min_length=1, max_length=500)]


class ServiceProofIn(BaseModel):
    """Where and when a photo of the service was taken."""

    model_config = ConfigDict(extra="forbid")

    lat: float | None = Field(None, ge=-90, le=90, description="WGS-84, as `lon`")
    lon: float | None = Field(None, ge=-180, le=180)
    taken_at: Moment | None = None
    photo_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$", examples=["0" * 64])] | None = None

    @model_validator(mode="after")
    def _require_complete(self) -> Self:
        if (self.lat is None) != (self.lon is None):
            raise ValueError("give lat and lon together")
        return self


class ServiceIn(BaseModel):
    """Service that the program does not know: a patrol, help with a session, and other things."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "key": "7d0c9c7e-5a0e-4c55-9a33-1c1c8a0f7a10",
                    "source": "patrol",
                    "person_id": 1,
                    "estate_id": 1,
                    "activity": "夜间巡逻",
                    "started_at": "2030-05-04T20:00:00+08:00",
                    "ended_at": "2030-05-04T21:30:00+08:00",
                }
            ]
        },
    )

    key: UUID = Field(description="Chosen by the client: the same record sent again is the same record")
    source: ServiceSource = ServiceSource.PATROL
    person_id: Id
    estate_id: Id
    building_id: Id | None = Field(None, description="Its lead may confirm; by default the volunteer's own")
    activity: Annotated[FreeText, Field(min_length=1, max_length=300)]
    place: Annotated[FreeText, Field(max_length=300)] | None = None
    started_at: Moment
    ended_at: Moment
    session_id: Id | None = Field(None, description="The training session that the person helped with")
    proof: ServiceProofIn = ServiceProofIn()

    @model_validator(mode="after")
    def _require_recordable(self) -> Self:
        if self.source not in RECORDED_BY_HAND:
            raise ValueError(
                "source must be patrol, session_helped or other: the program records the others itself"
            )
        if self.ended_at <= self.started_at:
            raise ValueError("ended_at must be after started_at")
        if (self.source is ServiceSource.SESSION_HELPED) != (self.session_id is not None):
            raise ValueError("session_id belongs to session_helped")
        return self


class ServiceCorrectionIn(BaseModel):
    """What the corrected record says in place of the void one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"started_at": "2030-05-04T20:00:00+08:00", "ended_at": "2030-05-04T21:00:00+08:00"}]
        },
    )

    started_at: Moment
    ended_at: Moment
    activity: Annotated[FreeText, Field(min_length=1, max_length=300)] | None = None

    @model_validator(mode="after")
    def _require_order(self) -> Self:
        if self.ended_at <= self.started_at:
            raise ValueError("ended_at must be after started_at")
        return self


class ServiceConfirmationIn(BaseModel):
    """The confirmation of a record by another person."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"rating": 5}]})

    rating: int | None = Field(None, ge=1, le=5)


class ServiceReasonIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "当晚没有巡逻"}]})

    reason: Reason


class ServiceFlagOut(BaseModel):
    kind: FlagKind
    raised_at: datetime
    cleared_at: datetime | None

    @classmethod
    def of(cls, flag: ServiceFlag) -> ServiceFlagOut:
        return cls.model_validate(flag, from_attributes=True)


class ServiceEventOut(BaseModel):
    kind: ServiceEventKind
    at: datetime
    by: str
    reason: str | None

    @classmethod
    def of(cls, event: ServiceEvent) -> ServiceEventOut:
        return cls.model_validate(event, from_attributes=True)


class ServiceOut(BaseModel):
    """A service record. One of a call shows its times to the volunteer alone, and never where it was."""

    id: Id
    number: str
    source: ServiceSource
    person_id: Id
    name: str
    estate_id: Id
    building_id: Id | None
    activity: str
    place: str | None
    started_at: datetime | None
    ended_at: datetime | None
    day: date = Field(description="In UTC")
    minutes: int = Field(description="Whole minutes in which no other service was counted")
    proof: dict[str, Any]
    recorded_at: datetime | None
    recorded_by: str
    state: ServiceState
    is_held: bool
    confirmed_at: datetime | None
    confirmed_by: str | None
    rating: int | None
    notice_from: date | None
    notice_until: date | None
    corrects_id: Id | None
    flags: list[ServiceFlagOut]
    version: int

    @classmethod
    def of(cls, record: ServiceRecord, viewer: Viewer, flags: list[ServiceFlag]) -> ServiceOut:
        """Build the response from a record with its person."""
        is_hidden = record.source in OF_CALLS and viewer.person_id != record.person_id
        return cls(
            id=record.id,
            number=record.number,
            source=record.source,
            person_id=record.person_id,
            name=record.person.name,
            estate_id=record.estate_id,
            building_id=record.building_id,
            activity=record.activity,
            place=record.place,
            started_at=None if is_hidden else record.started_at,
            ended_at=None if is_hidden else record.ended_at,
            day=record.started_at.date(),
            minutes=record.minutes,
            proof={} if record.source in OF_CALLS else record.proof,
            recorded_at=None if is_hidden else record.recorded_at,
            recorded_by=record.recorded_by,
            state=record.state,
            is_held=record.is_held,
            confirmed_at=None if is_hidden else record.confirmed_at,
            confirmed_by=record.confirmed_by,
            rating=record.rating,
            notice_from=record.notice_from,
            notice_until=record.notice_until,
            corrects_id=record.corrects_id,
            flags=[ServiceFlagOut.of(each) for each in flags],
            version=record.version,
        )


class ServicePage(BaseModel):
    """A page of service records, in order of id."""

    records: list[ServiceOut]
    next: str | None = Field(description="The cursor of the next page")


class ServiceDetails(ServiceOut):
    """A service record with its history, and position and photo of its proof."""

    events: list[ServiceEventOut]
    position_and_photo: ServiceProofIn | None

    @classmethod
    def full(
        cls,
        record: ServiceRecord,
        viewer: Viewer,
        flags: list[ServiceFlag],
        events: list[ServiceEvent],
        proof: ServiceProof | None,
    ) -> ServiceDetails:
        is_hidden = record.source in OF_CALLS and viewer.person_id != record.person_id
        return cls(
            **ServiceOut.of(record, viewer, flags).model_dump(),
            events=[] if is_hidden else [ServiceEventOut.of(each) for each in events],
            position_and_photo=(
                ServiceProofIn.model_validate(
                    {name: getattr(proof, name) for name in ("lat", "lon", "taken_at", "photo_sha256")}
                )
                if proof is not None
                else None
            ),
        )


class PostedOut(BaseModel):
    """A record that is posted within the team."""

    id: Id
    number: str
    name: str
    activity: str
    day: date
    minutes: int
    notice_until: date

    @classmethod
    def of(cls, record: ServiceRecord) -> PostedOut:
        assert record.notice_until is not None
        return cls(
            id=record.id,
            number=record.number,
            name=record.person.name,
            activity=record.activity,
            day=record.started_at.date(),
            minutes=record.minutes,
            notice_until=record.notice_until,
        )


class PostedPage(BaseModel):
    """The confirmed service that is posted within a team."""

    records: list[PostedOut]
    next: str | None = Field(description="The cursor of the next page")
