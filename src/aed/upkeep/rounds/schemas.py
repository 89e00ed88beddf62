"""Request and response schemas of inspection rounds."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from aed.accounts.fields import Code, Id
from aed.registry.fields import Day, PositionIn
from aed.upkeep.rounds.planning import PlannedRoute, PlannedStop, RoundDevice, RoundPlan
from aed.upkeep.rounds.queries import AssignedRound, StopSeen
from aed.upkeep.rounds.routing import MAX_INSPECTORS, MAX_STOPS, NotVisitedReason
from aed.upkeep.rounds.rules import DEFAULT_CHECK_MINUTES, NOT_VISITED_WORDS, RoundState
from aed.upkeep.rules import short_number

Clock = Annotated[
    time,
    Field(description="Local time at the estate or region, such as 08:00"),
    WithJsonSchema({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"}),
]


class RoundsIn(BaseModel):
    """Which devices to check on a day, who does so, from where and when."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "estate_id": 1,
                    "inspector_ids": [1],
                    "day": "2026-09-23",
                    "starts": "08:30",
                    "ends_by": "17:30",
                    "start": {"lat": 30.29, "lon": 120.1},
                    "every_days": 30,
                }
            ]
        },
    )

    estate_id: Id | None = None
    region: Code | None = Field(None, description="For a round through a region; instead of estate_id")
    inspector_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_INSPECTORS)]
    day: Day
    starts: Clock = time(8)
    ends_by: Clock = time(18)
    start: PositionIn
    end: PositionIn | None = Field(None, description="Null: the round ends at its last device")
    device_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_STOPS)] | None = Field(
        None, description="Null: what is due, see due_within_days"
    )
    due_within_days: Annotated[int, Field(ge=0, le=366)] = Field(
        7, description="Without device_ids: what is overdue on that day, or due so many days after it"
    )
    check_minutes: Annotated[int, Field(ge=1, le=240)] = DEFAULT_CHECK_MINUTES
    every_days: Annotated[int, Field(ge=1, le=366)] | None = Field(
        None, description="Repeat the rounds, with the same devices, after so many days; null: once"
    )

    @model_validator(mode="after")
    def _require_consistent(self) -> Self:
        if (self.estate_id is None) == (self.region is None):
            raise ValueError("Give either estate_id or region.")
        if self.starts.tzinfo is not None or self.ends_by.tzinfo is not None:
            raise ValueError("starts and ends_by are local times: leave out the UTC offset.")
        if self.starts >= self.ends_by:
            raise ValueError("ends_by must come after starts, on the same day.")
        if len(set(self.inspector_ids)) < len(self.inspector_ids):
            raise ValueError("inspector_ids: list each person only once.")
        if self.device_ids is not None and len(set(self.device_ids)) < len(self.device_ids):
            raise ValueError("device_ids: list each device only once.")
        return self


class RoundDeviceOut(BaseModel):
    """A device of a round, in words."""

    device_id: Id
    code: str = Field(description="The number on its label")
    place_en: str | None
    place_zh: str | None
    estate_en: str | None
    estate_zh: str | None

    @classmethod
    def of(cls, device: RoundDevice) -> RoundDeviceOut:
        return cls(
            device_id=device.id,
            code=short_number(device.id),
            place_en=device.place_en,
            place_zh=device.place_zh,
            estate_en=device.estate_en,
            estate_zh=device.estate_zh,
        )


class NotVisitedOut(BaseModel):
    """A device that is in no round, and why."""

    device: RoundDeviceOut
    reason: NotVisitedReason
    reason_en: str
    reason_zh: str

    @classmethod
    def of(cls, device: RoundDevice, reason: NotVisitedReason) -> NotVisitedOut:
        en, zh = NOT_VISITED_WORDS[reason]
        return cls(device=RoundDeviceOut.of(device), reason=reason, reason_en=en, reason_zh=zh)


class PlannedStopOut(BaseModel):
    """A device in a round, by the plan."""

    device: RoundDeviceOut
    begins_at: datetime
    closes_at: datetime | None = Field(
        description="When its hours end on that day; null: not before midnight"
    )
    hours_known: bool

    @classmethod
    def of(cls, stop: PlannedStop) -> PlannedStopOut:
        return cls(
            device=RoundDeviceOut.of(stop.device),
            begins_at=stop.begins_at,
            closes_at=stop.closes_at,
            hours_known=stop.hours_known,
        )


class PlannedRouteOut(BaseModel):
    """The round of one inspector, by the plan."""

    inspector_id: Id
    inspector: str
    ends_at: datetime
    walking_seconds: int
    stops: list[PlannedStopOut]

    @classmethod
    def of(cls, route: PlannedRoute) -> PlannedRouteOut:
        return cls(
            inspector_id=route.inspector_id,
            inspector=route.inspector,
            ends_at=route.ends_at,
            walking_seconds=route.walking_seconds,
            stops=[PlannedStopOut.of(each) for each in route.stops],
        )


class RoundPlanOut(BaseModel):
    """Rounds as they would be assigned. Nothing is stored."""

    day: date
    starts_at: datetime
    ends_by: datetime
    routes: list[PlannedRouteOut]
    not_visited: list[NotVisitedOut]
    is_estimated: bool = Field(
        description="True if some walks were estimated from straight lines, for lack of streets"
    )

    @classmethod
    def of(cls, plan: RoundPlan) -> RoundPlanOut:
        return cls(
            day=plan.question.day,
            starts_at=plan.starts_at,
            ends_by=plan.ends_by,
            routes=[PlannedRouteOut.of(each) for each in plan.routes],
            not_visited=[NotVisitedOut.of(device, reason) for device, reason in plan.not_visited],
            is_estimated=plan.is_estimated,
        )


class RoundStopOut(BaseModel):
    """A device of an assigned round, with the check that has arrived."""

    position: int
    device: RoundDeviceOut
    begins_at: datetime | None = Field(description="By the plan; null: it could not be visited")
    closes_at: datetime | None
    hours_known: bool
    not_visited_reason: NotVisitedReason | None
    checked_at: datetime | None
    is_passed: bool | None = Field(description="Null until it is checked")
    waits_for_approval: bool = Field(description="True if the check counts once a second person approves it")

    @classmethod
    def of(cls, seen: StopSeen) -> RoundStopOut:
        return cls(
            position=seen.stop.position,
            device=RoundDeviceOut.of(seen.device),
            begins_at=seen.stop.begins_at,
            closes_at=seen.stop.closes_at,
            hours_known=seen.stop.hours_known,
            not_visited_reason=seen.reason,
            checked_at=seen.checked_at,
            is_passed=seen.is_passed,
            waits_for_approval=seen.waits_for_approval,
        )


class RoundOut(BaseModel):
    """An assigned inspection round."""

    id: Id
    estate_id: Id | None
    region: str
    inspector_id: Id
    inspector: str
    assigned_by: str
    assigned_at: datetime
    day: date
    starts_at: datetime
    ends_by: datetime
    ends_at: datetime
    every_days: int | None
    check_minutes: int
    walking_seconds: int
    state: RoundState
    devices: int = Field(description="Number of devices in the order")
    checked: int = Field(description="How many of them have a check that counts")
    waiting: int = Field(description="How many have a check that waits for a second person's approval")
    stops: list[RoundStopOut]

    @classmethod
    def of(cls, found: AssignedRound) -> RoundOut:
        row = found.row
        return cls(
            id=row.id,
            estate_id=row.estate_id,
            region=row.region.code,
            inspector_id=row.inspector_id,
            inspector=row.inspector.name,
            assigned_by=row.assigned_by,
            assigned_at=row.assigned_at,
            day=row.day,
            starts_at=row.starts_at,
            ends_by=row.ends_by,
            ends_at=row.ends_at,
            every_days=row.every_days,
            check_minutes=row.check_minutes,
            walking_seconds=row.walking_seconds,
            state=found.state,
            devices=len(found.in_order),
            checked=found.checked,
            waiting=found.waiting,
            stops=[RoundStopOut.of(each) for each in found.stops],
        )


class AssignedRoundsOut(BaseModel):
    """The rounds that were assigned, one for each inspector who has devices, and what is in none."""

    rounds: list[RoundOut]
    not_visited: list[NotVisitedOut]


class RoundPage(BaseModel):
    """A page of rounds, the last assigned first. If `next` is not null, send it as `cursor` for more."""

    rounds: list[RoundOut]
    next: str | None
