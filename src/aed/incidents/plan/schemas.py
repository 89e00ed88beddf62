"""A plan as it is stored with its inputs, and as dispatchers see it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import BaseModel, Field, TypeAdapter

from aed.accounts.fields import Id
from aed.incidents.models import IncidentPlan
from aed.incidents.plan.rules.disclosure import (
    NO_FETCH_TEXTS,
    NoFetchReason,
    ShownNotAsked,
    ShownOffer,
    ShownPlan,
    no_fetch_reason,
    shown_plan,
)
from aed.incidents.plan.rules.planner import NotAskedReason, Plan, PlanCase
from aed.incidents.rules import Task
from aed.settings.planning import Planning, Survival

_FROM_THE_CELL = "Seconds until the person is at the patient's side, computed from the centre of their cell"


class PlanPatientOut(BaseModel):
    """The patient at the time of planning."""

    since_seconds: float = Field(description="Seconds since the collapse")
    ambulance_seconds: float = Field(description="Seconds until the ambulance is expected")
    has_cpr: bool


class PlannedTaskOut(BaseModel):
    """A person who is asked, by id."""

    person_id: Id
    task: Task
    device_id: Id | None
    seconds: int | None = Field(description=_FROM_THE_CELL)
    probability_arrives: float = Field(description="Probability that the person arrives at the patient")

    @classmethod
    def of(cls, offer: ShownOffer) -> PlannedTaskOut:
        return cls(
            person_id=offer.person_id,
            task=offer.task,
            device_id=offer.device_id,
            seconds=_rounded(offer.seconds),
            probability_arrives=round(offer.probability_arrives, 3),
        )


class NotAskedOut(BaseModel):
    """A person who could have been asked and is not."""

    person_id: Id
    seconds: int | None = Field(description=_FROM_THE_CELL)
    reason: NotAskedReason

    @classmethod
    def of(cls, left: ShownNotAsked) -> NotAskedOut:
        return cls(person_id=left.person_id, seconds=_rounded(left.seconds), reason=left.reason)


class NoFetchReasonOut(BaseModel):
    """Why nobody fetches a device, as a code and a sentence."""

    code: NoFetchReason
    en: str
    zh: str

    @classmethod
    def of(cls, case: PlanCase, made: Plan) -> NoFetchReasonOut | None:
        code = no_fetch_reason(
            case, made, devices_usable=case.devices_usable, devices_unusable=case.devices_unusable
        )
        if code is None:
            return None
        en, zh = NO_FETCH_TEXTS[code]
        return cls(code=code, en=en, zh=zh)


class PlanOut(BaseModel):
    """A plan: who is asked to do what, who is not, and why.

    Plans of real incidents use exact locations; the times shown here are computed from the centres of
    people's cells, so that they reveal no address.
    """

    number: int
    made_at: datetime
    reason: str
    patient: PlanPatientOut
    asked_before: list[PlannedTaskOut] = Field(
        description="People alerted by earlier plans who have not declined"
    )
    asked: list[PlannedTaskOut] = Field(description="People alerted by this plan, soonest first")
    left: list[NotAskedOut]
    devices_usable: int | None = Field(
        description="Number of usable devices near the patient; null if not known"
    )
    devices_unusable: int | None = Field(
        description="Number of nearby devices that could not be used at that moment; null if not known"
    )
    no_fetch_reason: NoFetchReasonOut | None = Field(
        description="Why no one fetches a device; null if someone was sent for one"
    )
    survival_before: float | None = Field(
        description="Expected survival in per cent with the people alerted before; for comparing plans, "
        "never a prognosis"
    )
    survival: float | None = Field(
        description="Expected survival in per cent with the people alerted by this plan as well"
    )

    @classmethod
    def of(cls, plan: IncidentPlan, case: PlanCase, made: Plan, shown: ShownPlan) -> PlanOut:
        return cls(
            number=plan.number,
            made_at=plan.made_at.astimezone(UTC),
            reason=plan.reason,
            patient=PlanPatientOut(**case.patient._asdict()),
            asked_before=[PlannedTaskOut.of(each) for each in shown.asked_before],
            asked=[PlannedTaskOut.of(each) for each in shown.asked],
            left=[NotAskedOut.of(each) for each in shown.left],
            devices_usable=case.devices_usable,
            devices_unusable=case.devices_unusable,
            no_fetch_reason=NoFetchReasonOut.of(case, made),
            survival_before=shown.survival_before,
            survival=shown.survival,
        )


def _rounded(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


class PlanInputs(NamedTuple):
    """All inputs of a plan."""

    case: PlanCase
    planning: Planning
    survival: Survival


_RENAMED = (
    ("price_of_asking", "min_gain_percent"),
    ("least_direct", "min_direct"),
    ("most_at_once", "max_alerts_per_wave"),
    ("chance_seen", "probability_seen"),
    ("chance_accepted", "probability_accepted"),
    ("chance_there", "probability_there"),
    ("promise_chance", "promise_probability"),
    ("chance_in_time", "probability_in_time"),
)
"""Names in plans and settings that earlier releases stored under other names."""
_INPUTS = TypeAdapter(PlanInputs)
_PLAN = TypeAdapter(Plan)


def dump_inputs(inputs: PlanInputs) -> str:
    return _INPUTS.dump_json(inputs).decode()


def load_inputs(text: str) -> PlanInputs:
    """Parse what `dump_inputs` of any release wrote. Raises ValueError for anything else."""
    return _INPUTS.validate_json(_with_present_names(text))


def _with_present_names(text: str) -> str:
    for old, new in _RENAMED:
        text = text.replace(f'"{old}":', f'"{new}":')
    return text


def dump_plan(made: Plan) -> str:
    return _PLAN.dump_json(made).decode()


def load_plan(text: str) -> Plan:
    """Parse what `dump_plan` of any release wrote. Raises ValueError for anything else."""
    return _PLAN.validate_json(_with_present_names(text))


def shown_record(inputs: str, outcome: str) -> tuple[PlanCase, ShownPlan]:
    """Return the case, and what dispatchers may see of the plan. Raises ValueError for anything else."""
    kept = load_inputs(inputs)
    return kept.case, shown_plan(kept.case, load_plan(outcome), kept.survival)


def plan_out(plan: IncidentPlan) -> PlanOut:
    """Return a stored plan as dispatchers see it. Raises ValueError if it cannot be parsed."""
    case, shown = shown_record(plan.inputs, plan.outcome)
    return PlanOut.of(plan, case, load_plan(plan.outcome), shown)


def no_fetch_reason_out(plan: IncidentPlan) -> NoFetchReasonOut | None:
    """Return why nobody fetches a device in that plan; None if somebody does."""
    return NoFetchReasonOut.of(load_inputs(plan.inputs).case, load_plan(plan.outcome))
