"""A plan that was kept, as dispatchers see it."""

from __future__ import annotations

from aed.incidents.formats.plan_record import inputs_of, plan_of, shown_record
from aed.incidents.models import IncidentPlan
from aed.incidents.schemas.plans import PlanOut, WhyNoFetchOut


def plan_out(plan: IncidentPlan) -> PlanOut:
    """Return the plan with named fields. Raises ValueError for what is none."""
    case, shown = shown_record(plan.inputs, plan.outcome)
    return PlanOut.of(plan, case, plan_of(plan.outcome), shown)


def why_nobody_fetches_out(plan: IncidentPlan) -> WhyNoFetchOut | None:
    """Return why nobody fetches a device by that plan; None where somebody does."""
    return WhyNoFetchOut.of(inputs_of(plan.inputs).case, plan_of(plan.outcome))
