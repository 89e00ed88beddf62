"""What puts right an incident's place, or that two patients were taken for one."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.schemas import Words
from aed.incidents.rules.incident import LONGEST_AMBULANCE_SECONDS
from aed.registry.schemas.fields import Floor, PositionIn, Room, Storey

_LONG = Annotated[Words, Field(max_length=500)]
_CODE = Annotated[Words, Field(max_length=50)]


class PlaceAmend(BaseModel):
    """What of the place is wrong, as it is right. What is left out stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"position": {"lat": 30.2912, "lon": 120.1007}, "floor": 5}]},
    )

    position: PositionIn | None = None
    floor: Floor | None = None
    storey: Storey | None = None
    room: Room | None = None
    address: _LONG | None = Field(None, description="Null: there is none")
    door_code: _CODE | None = Field(None, description="Null: there is none")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give position, floor, storey, room, address or door_code")
        return self


class SplitIn(BaseModel):
    """What is known of the other patient beyond the report. What is left out is as it was reported."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"floor": 2}]})

    position: PositionIn | None = None
    floor: Floor | None = None
    storey: Storey | None = None
    room: Room | None = None
    address: _LONG | None = None
    door_code: _CODE | None = None
    has_cpr: bool = Field(False, description="Somebody there is doing compressions")
    ambulance_seconds: float | None = Field(
        None, ge=0, le=LONGEST_AMBULANCE_SECONDS, allow_inf_nan=False, description="Of the second ambulance"
    )
