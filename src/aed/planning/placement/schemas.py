"""Request and response bodies of placement."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import FreeText, Id
from aed.planning.bands import Band
from aed.planning.placement.rules.problem import Action
from aed.registry.fields import OpeningHours, PositionIn, PositionOut

MAX_CANDIDATES = 3_000
Money = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class Objective(StrEnum):
    PEOPLE = "people"
    """People at home, on average over the week, who gain a device within some minutes there and back."""
    BEFORE_AMBULANCE = "before_ambulance"
    """Arrests a year at which a device can be before the ambulance."""
    SURVIVORS = "survivors"
    """Survivors a year by Larsen 1993, which only compares choices."""


class DemandSource(StrEnum):
    RESIDENTS = "residents"
    """The residents of the registered buildings."""
    PAST_ARRESTS = "past_arrests"
    """The real incidents of the region, or those that are sent along."""


class SiteNeed(StrEnum):
    """What a site for a device may have to have."""

    POWER = "power"
    CAMERA = "camera"
    SIGNAL = "signal"
    STAFF = "staff"


class Candidate(BaseModel):
    """A site for a new device."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[FreeText, Field(min_length=1, max_length=100)]
    position: PositionIn
    estate_id: Id | None = None
    opening_hours: OpeningHours | None = Field(None, description="When the site is open; default: always")
    price: Money | None = Field(None, description="Price of this site over all years; default: by `prices`")
    power: bool | None = Field(None, description="Mains, for a heated cabinet; default: unknown")
    camera: bool | None = Field(None, description="The cabinet is in sight of one; default: unknown")
    signal: bool | None = Field(None, description="Mobile signal, to call from there; default: unknown")
    staff: bool | None = Field(None, description="Staffed while it is open; default: unknown")
    consent: bool = Field(True, description="Sites without the owner's consent are left out")


class Prices(BaseModel):
    """Money, in any one currency. The defaults are yuan and assumptions: replace them by your offers."""

    model_config = ConfigDict(extra="forbid")

    years: int = Field(8, ge=1, le=30, description="Horizon of the budget")
    buy: Money = Field(13_000, description="A device with its cabinet, mounted")
    upkeep_per_year: Money = Field(900, description="Pads, battery and checks of a new device")
    open_to_neighbours: Money = Field(500, description="Signs and agreement, once")
    open_to_everyone: Money = Field(1_500, description="The same for everyone")
    open_at_night: Money = Field(3_000, description="Moving it to where it can be reached at all hours, once")
    open_per_year: Money = Field(300, description="More uses and checks of a device that is opened")
    move: Money = Field(1_500, description="Moving a device to another building, once")


class PastArrestIn(BaseModel):
    """A past cardiac arrest: a place and a moment."""

    model_config = ConfigDict(extra="forbid")

    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    year: int = Field(ge=1990, le=2100)
    band: Band | None = Field(None, description="Part of the week; default: unknown, spread as arrests are")
    ambulance_minutes: float | None = Field(None, gt=0, le=120, description="When the ambulance was there")


class PlacementIn(BaseModel):
    """What may be done, at which price, and what counts."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "region": "CN-33",
                    "objective": "people",
                    "budget": 200000,
                    "every_building": True,
                    "floor_minutes": 6,
                }
            ]
        },
    )

    region: str = Field(max_length=32, description="Code of the region")
    objective: Objective = Objective.PEOPLE
    demand: DemandSource = DemandSource.RESIDENTS
    arrests: list[PastArrestIn] = Field(
        default_factory=list,
        max_length=20_000,
        description="Past arrests, instead of the region's own incidents; with demand `past_arrests`",
    )
    minutes: float = Field(5, ge=2, le=15, description="There and back, for the objective `people`")
    ambulance_minutes: float | None = Field(
        None, gt=0, le=60, description="When the ambulance comes; default: the setting of the region"
    )
    budget: Money
    prices: Prices = Field(default_factory=Prices)
    candidates: list[Candidate] = Field(default_factory=list, max_length=MAX_CANDIDATES)
    site_needs: list[SiteNeed] = Field(
        default_factory=list,
        description="Sites that have not all of these, or of which it is unknown, are left out, as are doors",
    )
    every_building: bool = Field(False, description="Every building's door is a site too")
    min_responders: int = Field(
        0,
        ge=0,
        le=50,
        description="Count demand only in hours with so many responders nearby by their registered hours; "
        "0: count it at all hours",
    )
    responder_metres: float = Field(
        500, ge=50, le=3_000, description="How far such a responder may be, by the straight line"
    )
    open_existing: bool = Field(True, description="Existing devices may be opened to more people and hours")
    movable: list[Id] = Field(
        default_factory=list,
        max_length=200,
        description="Devices that may move to a building of their estate",
    )
    max_per_estate: int | None = Field(None, ge=0, le=1_000)
    max_devices: int | None = Field(None, ge=0, le=MAX_CANDIDATES, description="Most lines of the answer")
    locked_in: list[str] = Field(
        default_factory=list, max_length=1_000, description="Keys that must be taken"
    )
    locked_out: list[str] = Field(default_factory=list, max_length=3_000, description="Keys that must not")
    floor_minutes: float | None = Field(
        None, ge=2, le=30, description="Every building must be served within this, there and back"
    )
    floor_bands: list[Band] = Field(
        default_factory=lambda: [Band.DAY], description="The parts of the week in which that floor holds"
    )
    max_seconds: float = Field(60, ge=1, le=60, description="Time for the search; the answer says the gap")


class SiteFacts(BaseModel):
    """What is known of a candidate; null: unknown."""

    power: bool | None
    camera: bool | None
    signal: bool | None
    staff: bool | None
    consent: bool


class PlacementLine(BaseModel):
    """One line of the ranked answer; rank 0 is to do nothing."""

    rank: int
    key: str | None = Field(description="Name for `locked_in` and `locked_out`")
    action: Action | Literal["nothing"]
    name_en: str
    name_zh: str
    estate_id: Id | None
    device_id: Id | None
    position: PositionOut | None
    gain: float = Field(description="What it adds to the lines above")
    covered: float = Field(description="Covered with all lines to this one")
    covered_percent: float
    loss: float = Field(description="What is lost if this line alone is left out")
    cost: float
    spent: float = Field(description="Cost of all lines to this one")
    cost_per_unit: float | None
    bands: list[Band] = Field(description="When the device is then available")
    site: SiteFacts | None = Field(description="Of a candidate that was sent along")


class HeldOutYear(BaseModel):
    """Chosen on all other years, and scored on this one."""

    year: int
    arrests: int
    nothing_percent: float
    chosen_percent: float
    greedy_percent: float


class PlacementOut(BaseModel):
    """The ranked answer."""

    region: str
    objective: Objective
    unit_en: str
    unit_zh: str
    total: float
    lines: list[PlacementLine]
    value: float
    bound: float = Field(description="No choice within the limits can cover more")
    gap_percent: float = Field(description="0: proven optimal")
    greedy: float | None = Field(description="What the greedy choice covers")
    options: int
    cells: int
    buildings_out_of_reach: int = Field(description="Buildings of the floor that nothing can reach")
    walks_estimated: int = Field(description="Sites whose walks are estimated from straight lines")
    unattended: float = Field(description="Demand left out, in hours with fewer than `min_responders`")
    sites_left_out: dict[str, int] = Field(description="Candidates left out, by what they lack")
    held_out: list[HeldOutYear]
    seconds: float = Field(description="Time that the answer took")
    notes_en: list[str]
    notes_zh: list[str]
