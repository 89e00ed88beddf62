"""Request and response bodies of patient outcomes."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aed.accounts.fields import Id
from aed.debrief.outcomes.models import PatientOutcome
from aed.debrief.outcomes.queries import items_in
from aed.debrief.outcomes.rules import (
    MAX_AGE_YEARS,
    MOMENTS,
    ArrestLocation,
    BystanderAed,
    BystanderCpr,
    CoreItems,
    Pathogenesis,
    RecordedTimes,
    Rhythm,
    Sex,
    Witnessed,
    YesNo,
)
from aed.incidents.rules import Task


class PatientOutcomeIn(BaseModel):
    """Utstein 2014 core items (not yet the update of 2024) that the incident's record cannot know.

    An item that is left out is unknown, which is the same as not recorded.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "arrest": "yes",
                    "resuscitation": "yes",
                    "pathogenesis": "medical",
                    "witnessed": "bystander",
                    "location": "home",
                    "age_years": 67,
                    "sex": "female",
                    "bystander_cpr": "compressions",
                    "dispatcher_cpr": "yes",
                    "bystander_aed": "shock",
                    "first_rhythm": "aed_shockable",
                    "rosc": "yes",
                    "survived_event": "yes",
                    "survived": "yes",
                    "cpc": 1,
                }
            ]
        },
    )

    arrest: YesNo = Field(YesNo.UNKNOWN, description="Whether an arrest was confirmed")
    resuscitation: YesNo = Field(
        YesNo.UNKNOWN, description="Whether the ambulance crew attempted resuscitation"
    )
    pathogenesis: Pathogenesis = Pathogenesis.UNKNOWN
    witnessed: Witnessed = Field(Witnessed.UNKNOWN, description="Who saw or heard the collapse")
    location: ArrestLocation = ArrestLocation.UNKNOWN
    age_years: int | None = Field(
        None, ge=0, le=MAX_AGE_YEARS, description="Deleted after the retention period"
    )
    sex: Sex = Field(Sex.UNKNOWN, description="Deleted after the retention period")
    bystander_cpr: BystanderCpr = BystanderCpr.UNKNOWN
    dispatcher_cpr: YesNo = Field(
        YesNo.UNKNOWN, description="Whether the dispatcher gave the caller CPR instructions"
    )
    bystander_aed: BystanderAed = BystanderAed.UNKNOWN
    first_rhythm: Rhythm = Rhythm.UNKNOWN
    first_shock_at: AwareDatetime | None = Field(
        None,
        description="When anyone gave the first shock, as known afterwards; `measured` has the recorded time",
    )
    rosc: YesNo = Field(YesNo.UNKNOWN, description="Whether spontaneous circulation returned, even briefly")
    survived_event: YesNo = Field(
        YesNo.UNKNOWN, description="Whether the patient arrived at hospital with spontaneous circulation"
    )
    survived: YesNo = Field(
        YesNo.UNKNOWN, description="Whether the patient left hospital alive or was alive after 30 days"
    )
    cpc: int | None = Field(
        None, ge=1, le=5, description="Cerebral performance category at that time; 5 means dead"
    )
    mrs: int | None = Field(None, ge=0, le=6, description="Modified Rankin scale at that time; 6 means dead")

    def items(self) -> CoreItems:
        return CoreItems(**self.model_dump())


class CallCountsOut(BaseModel):
    """Counts of people who were alerted."""

    asked: int
    seen: int
    accepted: int
    there: int


class RecordedTimesOut(BaseModel):
    """What the incident's record knows by itself; not overwritten by what is recorded afterwards."""

    collapsed_at: datetime
    called_at: datetime
    first_there_at: datetime | None = Field(
        description="First arrival of a person with task `direct` or `fetch`"
    )
    compressions_at: datetime | None = Field(
        description="Since when someone is known to be doing compressions"
    )
    attached_at: datetime | None
    shock_at: datetime | None
    ambulance_there_at: datetime | None
    calls: dict[Task, CallCountsOut] = Field(description="Numbers of people by task")

    @classmethod
    def of(cls, measured: RecordedTimes) -> RecordedTimesOut:
        moments = {
            name: at.astimezone(UTC) if (at := getattr(measured, name)) is not None else None
            for name in ("collapsed_at", "called_at", *MOMENTS)
        }
        calls = {task: CallCountsOut(**counts._asdict()) for task, counts in measured.calls.items()}
        return cls(**moments, calls=calls)


class PatientOutcomeOut(PatientOutcomeIn):
    """What was recorded of the patient, beside what the incident's record knows."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={})

    incident_id: Id
    reported_by: str | None = Field(description="Who changed the outcome last; null if none was recorded")
    reported_at: datetime | None
    forgotten_at: datetime | None = Field(description="When age and sex were deleted")
    measured: RecordedTimesOut

    @classmethod
    def of(
        cls, incident_id: int, outcome: PatientOutcome | None, measured: RecordedTimes
    ) -> PatientOutcomeOut:
        items = items_in(outcome)
        given = {name: getattr(items, name) for name in PatientOutcomeIn.model_fields}
        if items.first_shock_at is not None:
            given["first_shock_at"] = items.first_shock_at.astimezone(UTC)
        return cls(
            **given,
            incident_id=incident_id,
            reported_by=outcome.reported_by if outcome is not None else None,
            reported_at=outcome.reported_at.astimezone(UTC) if outcome is not None else None,
            forgotten_at=_utc(outcome.forgotten_at) if outcome is not None else None,
            measured=RecordedTimesOut.of(measured),
        )


def _utc(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at is not None else None
