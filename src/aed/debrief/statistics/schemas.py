"""Response bodies of yearly statistics and cases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pydantic import BaseModel, Field

from aed.debrief.outcomes.rules import (
    TEMPLATE_VERSION,
    ArrestLocation,
    BystanderAed,
    BystanderCpr,
    Pathogenesis,
    Rhythm,
    Sex,
    Witnessed,
    YesNo,
    age_band,
)
from aed.debrief.statistics.queries import YearInNumbers, YearQuery
from aed.debrief.statistics.rules import MIN_SHOWN_COUNT, CountedIncident, CountedKind, seconds_until
from aed.incidents.rules import IncidentOutcome

_HIDDEN: Final = f"Number of cases; null if below {MIN_SHOWN_COUNT}, which is hidden"


class ItemCountOut(BaseModel):
    """How many patients have one value of one item."""

    item: str
    value: str
    cases: int | None = Field(description=_HIDDEN)


class OutcomeGroupOut(BaseModel):
    """Outcomes of a group of patients in whom resuscitation was attempted."""

    group: str = Field(examples=["utstein_comparator"])
    patients: int | None
    rosc: int | None
    survived_event: int | None
    survived: int | None
    survival_known: int | None = Field(
        description="Number of patients whose survival is known; the base of the percentage"
    )
    survived_per_cent: float | None
    favourable: int | None = Field(description="Patients with CPC 1 or 2, or mRS 0 to 3")


class IntervalOut(BaseModel):
    """Seconds from the call, of all incidents that may have been an arrest."""

    until: str
    cases: int | None
    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None


class CallsMadeOut(BaseModel):
    """People who were asked for a task, or any; and the median of incidents in which somebody was."""

    task: str
    asked: int | None
    seen: int | None
    accepted: int | None
    there: int | None
    asked_median: float | None
    accepted_median: float | None
    there_median: float | None


class CompletenessOut(BaseModel):
    """How many cases lack an item that should be known."""

    item: str
    of: int | None
    missing: int | None
    missing_per_cent: float | None


class StatisticsOut(BaseModel):
    """A year of cardiac arrests by the Utstein template of 2014."""

    template: str = Field(
        TEMPLATE_VERSION,
        description="Version of the Utstein template that items and groups follow; not yet the one of 2024",
    )
    year: int
    kind: CountedKind
    region: str | None = Field(
        description="Region asked for, including those below it; null for all regions that you may see"
    )
    is_coarse: bool = Field(
        description=f"True if counts below {MIN_SHOWN_COUNT} are null and others are rounded to multiples of "
        f"{MIN_SHOWN_COUNT}"
    )
    incidents: int | None = Field(description=_HIDDEN)
    still_open: int | None
    false_alarms: int | None
    arrests: list[ItemCountOut]
    resuscitation: list[ItemCountOut] = Field(description="Counts among the arrests")
    patients: list[ItemCountOut] = Field(description="Counts among the patients with attempted resuscitation")
    groups: list[OutcomeGroupOut]
    intervals: list[IntervalOut]
    calls: list[CallsMadeOut]
    completeness: list[CompletenessOut]

    @classmethod
    def of(cls, year: YearInNumbers) -> StatisticsOut:
        asked, found = year.asked, year.statistics
        return cls(
            year=asked.year,
            kind=asked.kind,
            region=asked.region,
            is_coarse=year.is_coarse,
            incidents=found.incidents,
            still_open=found.still_open,
            false_alarms=found.false_alarms,
            arrests=[ItemCountOut(**each._asdict()) for each in found.arrests],
            resuscitation=[ItemCountOut(**each._asdict()) for each in found.resuscitation],
            patients=[ItemCountOut(**each._asdict()) for each in found.patients],
            groups=[OutcomeGroupOut(**each._asdict()) for each in found.groups],
            intervals=[IntervalOut(**each._asdict()) for each in found.intervals],
            calls=[CallsMadeOut(**each._asdict()) for each in found.calls],
            completeness=[CompletenessOut(**each._asdict()) for each in found.completeness],
        )


class CaseOut(BaseModel):
    """One incident without anything that identifies it: no id, no day, no place but the region."""

    region: str
    month: int
    outcome: IncidentOutcome | None = Field(description="How the incident ended; null while open")
    arrest: YesNo
    resuscitation: YesNo
    pathogenesis: Pathogenesis
    witnessed: Witnessed
    location: ArrestLocation
    age: str = Field(examples=["50-64", "unknown"])
    sex: Sex
    bystander_cpr: BystanderCpr
    dispatcher_cpr: YesNo
    bystander_aed: BystanderAed
    first_rhythm: Rhythm
    rosc: YesNo
    survived_event: YesNo
    survived: YesNo
    cpc: int | None
    mrs: int | None
    seconds_to_first_there: float | None = Field(
        description="Seconds from the emergency call, as for the following fields"
    )
    seconds_to_compressions: float | None
    seconds_to_attached: float | None
    seconds_to_shock: float | None
    seconds_to_shock_recorded: float | None = Field(
        description="Seconds from the emergency call to the first shock recorded afterwards"
    )
    seconds_to_ambulance: float | None
    asked: int
    seen: int
    accepted: int
    there: int

    @classmethod
    def of(cls, case: CountedIncident) -> CaseOut:
        plain = {name: getattr(case.items, name) for name in _PLAIN}
        seconds = {name: _whole_seconds(seconds_until(case, moment)) for name, moment in _SECONDS.items()}
        return cls(
            region=case.region,
            month=case.opened_at.month,
            outcome=case.outcome,
            age=age_band(case.items.age_years),
            **plain,
            **seconds,
            **case.measured.all_calls._asdict(),
        )


_SECONDS: Final = {
    "seconds_to_first_there": "first_there_at",
    "seconds_to_compressions": "compressions_at",
    "seconds_to_attached": "attached_at",
    "seconds_to_shock": "shock_at",
    "seconds_to_shock_recorded": "first_shock_recorded",
    "seconds_to_ambulance": "ambulance_there_at",
}
_PLAIN: Final = (
    *("arrest", "resuscitation", "pathogenesis", "witnessed", "location", "sex", "bystander_cpr"),
    *("dispatcher_cpr", "bystander_aed", "first_rhythm", "rosc", "survived_event", "survived", "cpc", "mrs"),
)


def _whole_seconds(seconds: float | None) -> float | None:
    return None if seconds is None else float(round(seconds))


class CasesOut(BaseModel):
    """The cases of a year, in an order that reveals nothing."""

    year: int
    kind: CountedKind
    region: str | None
    cases: list[CaseOut]

    @classmethod
    def of(cls, asked: YearQuery, cases: Iterable[CountedIncident]) -> CasesOut:
        shown = sorted((CaseOut.of(each) for each in cases), key=str)
        return cls(year=asked.year, kind=asked.kind, region=asked.region, cases=shown)
