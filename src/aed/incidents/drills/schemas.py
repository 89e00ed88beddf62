"""Request and response bodies of drills and paces."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aed.accounts.fields import FreeText, Id
from aed.incidents.models import Drill
from aed.lookup.arrival import Basis
from aed.lookup.pace import Between, Estimate
from aed.registry.fields import PositionIn, PositionOut
from aed.settings import Settings
from aed.walking.travel import estate_pace


class DrillIn(BaseModel):
    """A timed fetch, from the start to the device and back. Sent again under the same key, it is the same
    drill.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "key": "c0a3c1c2-3e57-4b9a-8d1e-5b0f6a2f7d10",
                    "start": {"lat": 30.2905, "lon": 120.1008},
                    "floor": 4,
                    "seconds": 265,
                }
            ]
        },
    )

    key: UUID = Field(description="A new UUID for each drill; a retry with the same key has no effect")
    start: PositionIn = Field(description="Where the patient would have been")
    floor: int = Field(0, ge=-20, le=200, description="Floor of the start; 0 is the ground floor")
    seconds: float = Field(
        ge=10,
        le=3_600,
        allow_inf_nan=False,
        description="Seconds from leaving the start to being back with the device",
    )
    ran_at: AwareDatetime | None = Field(None, description="When the drill took place; default: now")
    note: Annotated[FreeText, Field(max_length=500)] | None = None


class DrillOut(BaseModel):
    """A drill."""

    id: Id
    key: str
    device_id: Id
    estate_id: Id
    start: PositionOut
    floor: int
    seconds: float
    walk_metres: int = Field(description="Walk in one direction in metres, as the lookup computes it")
    basis: Basis
    floor_seconds: int = Field(description="Seconds on stairs and in lifts, as the lookup computes them")
    ran_at: datetime
    by: str
    note: str | None

    @classmethod
    def of(cls, drill: Drill) -> DrillOut:
        return cls(
            id=drill.id,
            key=drill.key,
            device_id=drill.device_id,
            estate_id=drill.estate_id,
            start=PositionOut(lat=drill.start_lat, lon=drill.start_lon),
            floor=drill.start_floor,
            seconds=drill.seconds,
            walk_metres=round(drill.walk_metres),
            basis=drill.basis,
            floor_seconds=round(drill.floor_seconds),
            ran_at=drill.ran_at.astimezone(UTC),
            by=drill.by_name,
            note=drill.note,
        )


class DrillPage(BaseModel):
    """Drills, latest first. If `next` is not null, send it as `cursor` for the next page."""

    drills: list[DrillOut]
    next: str | None


class IntervalEstimateOut(BaseModel):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, found: Between, *, digits: int) -> IntervalEstimateOut:
        return cls(
            value=round(found.value, digits), low=round(found.low, digits), high=round(found.high, digits)
        )


class PaceOut(BaseModel):
    """How fast devices are fetched in an estate, by its drills, and whether the lookup uses it."""

    estate_id: Id
    drills: int = Field(description="Number of drills that count")
    drills_needed: int = Field(description="Number of drills needed before the estate has its own pace")
    spread_metres: int = Field(
        description="Difference between the longest and the shortest of those walks, in metres"
    )
    spread_needed_metres: int
    seconds_per_metre: IntervalEstimateOut | None = Field(
        description="Seconds per metre of walking; null if there are too few drills"
    )
    pick_up_seconds: IntervalEstimateOut | None = Field(
        description="Seconds besides walking: reacting, and opening the cabinet"
    )
    is_used: bool = Field(description="True if the lookup uses it instead of the general pace")
    general_seconds_per_metre: float
    general_pick_up_seconds: float

    @classmethod
    def of(cls, estate_id: int, found: Estimate, settings: Settings) -> PaceOut:
        speed, pick_up = found.seconds_per_metre, found.pick_up_seconds
        usual = estate_pace(settings.arrival)
        return cls(
            estate_id=estate_id,
            drills=found.drills,
            drills_needed=settings.drills.min_drills,
            spread_metres=round(found.spread_metres),
            spread_needed_metres=round(settings.drills.spread_metres),
            seconds_per_metre=None if speed is None else IntervalEstimateOut.of(speed, digits=4),
            pick_up_seconds=None if pick_up is None else IntervalEstimateOut.of(pick_up, digits=1),
            is_used=found.is_enough,
            general_seconds_per_metre=round(usual.seconds_per_metre, 4),
            general_pick_up_seconds=usual.pick_up_seconds,
        )
