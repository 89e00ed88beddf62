"""Request and response bodies of previews."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id
from aed.accounts.permissions import Audience
from aed.planning.bands import Band
from aed.planning.coverage.rules import RegionPreviewState
from aed.planning.residents import PopulationSource
from aed.registry.estates.rules import Passage
from aed.registry.fields import OpeningHours
from aed.walking.travel import Basis

Money = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class GateStep(BaseModel):
    """A gate as it would be under the step."""

    model_config = ConfigDict(extra="forbid")

    gate_id: Id
    passage: Passage | None = Field(None, description="Who may pass; default: as today")
    opening_hours: OpeningHours | None = Field(None, description="Default: as today")


class StepIn(BaseModel):
    """A proposed step: which devices, for whom, in which hours, through which gates."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"audience": "neighbours", "hours": "20:00-08:00"}]},
    )

    device_ids: list[Id] = Field(
        default_factory=list, max_length=200, description="Default: all devices of the estate in service"
    )
    audience: Literal[Audience.NEIGHBOURS, Audience.DISPATCH, Audience.PUBLIC]
    hours: OpeningHours | None = Field(
        None, description="Hours of the step, within the device's own; default: whenever it is accessible"
    )
    gates: list[GateStep] = Field(default_factory=list, max_length=100)
    residents: dict[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=0, le=20_000)]] = Field(
        default_factory=dict,
        max_length=20_000,
        description="Own count of residents by building id; the others are estimated from their floors",
    )
    ambulance_minutes: float | None = Field(
        None, gt=0, le=60, description="When the ambulance comes; default: the setting of the region"
    )
    pads_price: Money = Field(600, description="A pair of pads, for the money of a year (an assumption)")
    price_per_device: Money = Field(300, description="More checks a year of a device that is opened")


class RangeOut(BaseModel):
    """A number with the lowest and highest value that the sources allow. Never a promise."""

    low: float
    middle: float
    high: float


class GainOut(BaseModel):
    minutes: int = Field(description="There and back on foot, through gates and floors")
    residents: float
    outsiders: float
    residents_before: float = Field(description="Residents who had a device within them before")
    outsiders_before: float


class GateUse(BaseModel):
    """Strangers who are expected to pass a gate with a device in these hours, a year."""

    gate_id: Id
    name_en: str
    name_zh: str
    strangers: RangeOut


class BandOut(BaseModel):
    """One part of the week; people are averages over its hours."""

    band: Band
    hours: int = Field(description="Hours a week")
    gains: list[GainOut]
    before_ambulance_residents: float
    before_ambulance_outsiders: float
    arrests: RangeOut = Field(description="A year, among people who gain a device before the ambulance")
    in_reach: RangeOut = Field(description="A year, among all people around")
    gates: list[GateUse]


class ReciprocityOut(BaseModel):
    """Own residents with a device within five minutes, on average over the week."""

    by_own: float = Field(description="By the estate's own devices")
    by_others_today: float = Field(description="Further ones by what others have opened already")
    if_neighbours_follow: float = Field(description="Further ones if the neighbours took the same step")
    neighbours: int = Field(description="Estates of the neighbourhood with devices around")


class YearOut(BaseModel):
    arrests: RangeOut
    device_first: RangeOut
    survivors_larsen: RangeOut
    survivors_valenzuela: RangeOut
    uses: RangeOut
    money: RangeOut
    cost_per_survivor: RangeOut | None


class PopulationOut(BaseModel):
    people: int
    residents: int
    buildings: int
    by_source: dict[PopulationSource, int] = Field(description="Buildings by source of their number")


class DoorOut(BaseModel):
    """A building on the two maps: the share of its people with a device within five minutes."""

    lat: float
    lon: float
    is_own: bool
    people: int
    before: list[float] = Field(description="By part of the week")
    after: list[float]


class DeviceOnMap(BaseModel):
    id: Id
    lat: float
    lon: float
    is_proposed: bool


class PreviewResult(BaseModel):
    bands: list[BandOut]
    year: YearOut
    reciprocity: ReciprocityOut
    population: PopulationOut
    ambulance_seconds: float
    basis: Basis
    doors: list[DoorOut]
    devices: list[DeviceOnMap]
    outline: list[list[tuple[float, float]]] = Field(description="The estate's boundary: lon, lat")
    notes_en: list[str]
    notes_zh: list[str]


class PreviewOut(BaseModel):
    """A preview of one step, kept with its inputs."""

    id: Id
    estate_id: Id
    estate_en: str
    estate_zh: str
    made_at: datetime
    week_from: date
    inputs_hash: str = Field(description="The same inputs have the same hash, and the same result")
    step: StepIn
    result: PreviewResult


class PreviewLine(BaseModel):
    id: Id
    made_at: datetime
    audience: Audience
    hours: str | None
    devices: int
    inputs_hash: str


class PreviewPage(BaseModel):
    previews: list[PreviewLine]
    next: str | None


class RegionStepIn(BaseModel):
    """The same step for every estate of a region: all its devices in service."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"region": "CN-33", "audience": "neighbours", "hours": "20:00-08:00"}]
        },
    )

    region: str = Field(max_length=32, description="Code of the region")
    audience: Literal[Audience.NEIGHBOURS, Audience.DISPATCH, Audience.PUBLIC]
    hours: OpeningHours | None = Field(
        None, description="Hours of the step, within the devices' own; default: whenever they are accessible"
    )


class EstateGain(BaseModel):
    """What one estate gives and gets if it alone takes the step."""

    estate_id: Id
    name_en: str
    name_zh: str
    devices: int
    residents: int
    outsiders: list[int] = Field(
        description="People who gain a device within five minutes, by part of the week: day, evening, night, "
        "weekend"
    )
    arrests: RangeOut
    survivors_larsen: RangeOut
    survivors_valenzuela: RangeOut
    uses: RangeOut
    money: RangeOut
    by_own: int = Field(description="Own residents with a device of their own within five minutes")
    by_others_today: int
    if_neighbours_follow: int


class RegionResult(BaseModel):
    """Each estate as if it alone took the step, those that give most first."""

    estates: list[EstateGain]
    left_out: int = Field(description="Estates without a device in service or without buildings around")
    outsiders: list[int] = Field(
        description="Sum over estates by part of the week; people near two estates count twice"
    )
    if_all_follow: int = Field(description="Residents who gain a device if all estates take the step")
    is_estimated: bool = Field(description="Some walks are estimated from straight lines")


class RegionPreviewOut(BaseModel):
    """A preview of a whole region: how far it is, and the result once it is done."""

    id: Id
    region: str
    step: RegionStepIn
    state: RegionPreviewState
    asked_at: datetime
    estates_done: int
    estates_total: int | None = Field(description="Unknown until it runs")
    week_from: date | None
    finished_at: datetime | None
    result: RegionResult | None
