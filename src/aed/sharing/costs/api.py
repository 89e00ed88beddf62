"""Routes of cost cases."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, OfEstate, cursor_id, next_cursor
from aed.sharing.agreements.schemas import ReasonIn
from aed.sharing.costs import actions, queries
from aed.sharing.costs.schemas import CostCaseOut, CostCasePage, PaymentIn
from aed.sharing.rules import CostCaseState

router = APIRouter(tags=["agreements"])
CostCaseId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/cost-cases")
def list_cost_cases(
    session: ReadSession,
    viewer: ViewerDep,
    agreement_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    estate_id: OfEstate = None,
    state: CostCaseState | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> CostCasePage:
    """List what uses of shared devices cost, and who pays, under the agreements that you may read."""
    found = queries.cost_cases(
        session,
        viewer,
        agreement_id=agreement_id,
        estate_id=estate_id,
        state=state,
        limit=limit + 1,
        after_id=cursor_id(cursor),
    )
    return CostCasePage(
        cost_cases=[CostCaseOut.of(each) for each in found[:limit]], next=next_cursor(found, limit)
    )


@router.get("/cost-cases/{cost_case_id}")
def get_cost_case(session: ReadSession, viewer: ViewerDep, cost_case_id: CostCaseId) -> CostCaseOut:
    """Get what one use of a shared device costs, and who pays it."""
    return CostCaseOut.of(queries.cost_case(session, viewer, cost_case_id)[0])


@router.post("/cost-cases/{cost_case_id}/payment")
def pay_cost_case(
    session: WriteSession, viewer: ViewerDep, cost_case_id: CostCaseId, given: PaymentIn
) -> CostCaseOut:
    """Record that a cost case was paid. For the estate's manager, who receives the payment."""
    return CostCaseOut.of(actions.pay_cost_case(session, viewer, cost_case_id, given, at=clock.now()))


@router.post("/cost-cases/{cost_case_id}/waiver")
def waive_cost_case(
    session: WriteSession, viewer: ViewerDep, cost_case_id: CostCaseId, given: ReasonIn
) -> CostCaseOut:
    """Decide, with a reason, that nobody pays a cost case. For the region's administrator."""
    return CostCaseOut.of(
        actions.waive_cost_case(session, viewer, cost_case_id, reason=given.reason, at=clock.now())
    )
