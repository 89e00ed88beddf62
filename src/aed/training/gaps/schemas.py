"""Response schemas of the gap table."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id
from aed.registry.fields import Link, PositionOut
from aed.responders.rules import CertificateKind
from aed.training.gaps.rules import BuildingGaps, EstateGaps, Lapse, Suggestion
from aed.training.gaps.week import HOURS
from aed.walking.travel import Basis

_HOURS = "One number per hour from Monday 00:00, 168 in all, or one number if an hour was requested"


class BuildingGapsOut(BaseModel):
    """How many people can reach one building."""

    id: Id | None = Field(description="null: the centre of the estate, because its buildings are unknown")
    name_en: str
    name_zh: str
    position: PositionOut
    basis: Basis = Field(description="How the walk was measured")
    now: list[int] = Field(description=f"Valid certificate, available at this hour. {_HOURS}")
    unknown: list[int] = Field(description=f"Valid certificate, hours unknown. {_HOURS}")
    after: list[float] = Field(
        description=f"Expected number after planned sessions and expiring certificates. {_HOURS}"
    )
    hours_below: int = Field(description="Hours of the 168 in which fewer than the target can come")
    hours_below_after: int

    @classmethod
    def of(cls, building: BuildingGaps, *, target: int, hour: int | None) -> BuildingGapsOut:
        shown = slice(0, HOURS) if hour is None else slice(hour, hour + 1)
        return cls(
            id=building.building_id,
            name_en=building.name_en,
            name_zh=building.name_zh,
            position=PositionOut(lat=building.position.lat, lon=building.position.lon),
            basis=building.basis,
            now=building.now[shown].tolist(),
            unknown=building.unknown[shown].tolist(),
            after=[round(each, 2) for each in building.after[shown].tolist()],
            hours_below=building.hours_below(target),
            hours_below_after=building.hours_below_after(target),
        )


class LapseOut(BaseModel):
    """How many certificates of one kind expire on one day."""

    valid_until: date
    kind: CertificateKind
    count: int

    @classmethod
    def of(cls, lapse: Lapse) -> LapseOut:
        return cls(valid_until=lapse.valid_until, kind=lapse.kind, count=lapse.count)


class SuggestionOut(BaseModel):
    """The session that would improve coverage most."""

    building_id: Id | None = Field(description="The building where first-aiders are missing most")
    starts_on: date
    hour: int = Field(description="Hour of the week in which it would begin")
    places: int
    expected_responders: float
    hours_lifted: float = Field(description="Building-hours that are expected to reach the target through it")
    reasons_en: list[str]
    reasons_zh: list[str]

    @classmethod
    def of(cls, suggestion: Suggestion) -> SuggestionOut:
        return cls(
            building_id=suggestion.building_id,
            starts_on=suggestion.starts_on,
            hour=suggestion.hour,
            places=suggestion.places,
            expected_responders=round(suggestion.expected_responders, 2),
            hours_lifted=round(suggestion.hours_lifted, 1),
            reasons_en=list(suggestion.reasons_en),
            reasons_zh=list(suggestion.reasons_zh),
        )


class EstateGapsOut(BaseModel):
    """Coverage of one estate for the coming week."""

    estate_id: Id
    name_en: str
    name_zh: str
    region: str
    week_begins: date = Field(description="A Monday")
    time_zone: str
    hours_below: int = Field(description="Building-hours of the week in which fewer than the target can come")
    hours_below_after: int
    lapsing: list[LapseOut] = Field(description="Certificates that expire within 90 days")
    sessions_planned: int = Field(description="Sessions within 90 days of this estate or open to its people")
    responders_expected: float = Field(
        description="Expected number of further responders from these sessions"
    )
    suggestion: SuggestionOut | None = Field(description="null: every building is covered")
    buildings: list[BuildingGapsOut]

    @classmethod
    def of(cls, estate: EstateGaps, *, target: int, hour: int | None) -> EstateGapsOut:
        return cls(
            estate_id=estate.estate_id,
            name_en=estate.name_en,
            name_zh=estate.name_zh,
            region=estate.region,
            week_begins=estate.week.monday,
            time_zone=estate.week.time_zone,
            hours_below=estate.hours_below(target),
            hours_below_after=estate.hours_below_after(target),
            lapsing=[LapseOut.of(each) for each in estate.lapses],
            sessions_planned=estate.sessions_planned,
            responders_expected=round(estate.responders_expected, 2),
            suggestion=SuggestionOut.of(estate.suggestion) if estate.suggestion is not None else None,
            buildings=[BuildingGapsOut.of(each, target=target, hour=hour) for each in estate.buildings],
        )


class GapsOut(BaseModel):
    """A page of the gap table; each page holds whole estates."""

    target: int = Field(description="Number of first-aiders that should be able to come")
    walk_seconds: float = Field(description="Walking time within which they count")
    walk_metres: float
    estates: list[EstateGapsOut]
    links: list[Link] = Field([], description="rel=next: the next page")


class GapFeature(BaseModel):
    """A building as a GeoJSON feature, with its counts."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["Feature"] = "Feature"
    geometry: dict[str, Any]
    properties: dict[str, Any]
