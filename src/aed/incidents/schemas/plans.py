"""Plans as dispatchers see them."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, Field

from aed.accounts.schemas import Id
from aed.incidents.models import IncidentPlan
from aed.incidents.rules.offer import Task
from aed.incidents.rules.plan import Case, Plan, Why
from aed.incidents.rules.shown_plan import ShownLeft, ShownOffer, ShownPlan
from aed.incidents.rules.why_no_fetch import WHY_NO_FETCH_WORDS, WhyNoFetch, why_nobody_fetches

_FROM_THE_CELL = "Until at the patient's side, reckoned from the centre of the cell that the person is in"


class PlanPatientOut(BaseModel):
    """The patient, when it was planned."""

    since_seconds: float = Field(description="Since the collapse")
    ambulance_seconds: float = Field(description="Until the ambulance is expected")
    has_cpr: bool


class PlannedTaskOut(BaseModel):
    """Somebody who is asked, by number."""

    person_id: Id
    task: Task
    device_id: Id | None
    seconds: int | None = Field(description=_FROM_THE_CELL)
    chance: float = Field(description="That the person is there in the end")

    @classmethod
    def of(cls, offer: ShownOffer) -> PlannedTaskOut:
        return cls(
            person_id=offer.person_id,
            task=offer.task,
            device_id=offer.device_id,
            seconds=_rounded(offer.seconds),
            chance=round(offer.chance, 3),
        )


class NotAskedOut(BaseModel):
    """Somebody who could be asked and is not."""

    person_id: Id
    seconds: int | None = Field(description=_FROM_THE_CELL)
    why: Why

    @classmethod
    def of(cls, left: ShownLeft) -> NotAskedOut:
        return cls(person_id=left.person_id, seconds=_rounded(left.seconds), why=left.why)


class WhyNoFetchOut(BaseModel):
    """Why nobody fetches a device, in a sentence."""

    code: WhyNoFetch
    en: str
    zh: str

    @classmethod
    def of(cls, case: Case, made: Plan) -> WhyNoFetchOut | None:
        code = why_nobody_fetches(
            case, made, devices_usable=case.devices_usable, devices_unusable=case.devices_unusable
        )
        if code is None:
            return None
        en, zh = WHY_NO_FETCH_WORDS[code]
        return cls(code=code, en=en, zh=zh)


class PlanOut(BaseModel):
    """A plan: who is asked to do what, who is left and why. The plan of a real incident reckons with where
    people are; the times here are reckoned from the centres of their cells, so that they tell no address."""

    number: int
    made_at: datetime
    because: str
    patient: PlanPatientOut
    asked_before: list[PlannedTaskOut] = Field(description="By earlier plans, who have not said no")
    asked: list[PlannedTaskOut] = Field(description="By this plan; the soonest first")
    left: list[NotAskedOut]
    devices_usable: int | None = Field(description="Found near the patient; null: not known")
    devices_unusable: int | None = Field(description="Found besides, and of no use at that moment")
    why_nobody_fetches: WhyNoFetchOut | None = Field(
        description="Null where somebody is sent for a device, or has been"
    )
    survival_before: float | None = Field(
        description="Expected by the formula with those asked before, in per cent; to compare plans, never a "
        "prognosis"
    )
    survival: float | None = Field(description="And with those whom this plan asks")

    @classmethod
    def of(cls, plan: IncidentPlan, case: Case, made: Plan, shown: ShownPlan) -> PlanOut:
        return cls(
            number=plan.number,
            made_at=plan.made_at.astimezone(UTC),
            because=plan.because,
            patient=PlanPatientOut(**case.patient._asdict()),
            asked_before=[PlannedTaskOut.of(each) for each in shown.asked_before],
            asked=[PlannedTaskOut.of(each) for each in shown.asked],
            left=[NotAskedOut.of(each) for each in shown.left],
            devices_usable=case.devices_usable,
            devices_unusable=case.devices_unusable,
            why_nobody_fetches=WhyNoFetchOut.of(case, made),
            survival_before=shown.survival_before,
            survival=shown.survival,
        )


def _rounded(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)
