"""Open cost cases for uses of shared devices, and settle them.

Cases follow from the quarantines of used devices, so that nothing about money delays taking a device out of
service. Every step is an entry of the audit log.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditSubject, add_audit_entry
from aed.accounts.permissions import Viewer, require_administrator, require_estate_manager
from aed.database.locks import exclusive_lock
from aed.errors import Conflict, InvalidInput
from aed.sharing.costs import queries
from aed.sharing.costs.schemas import PaymentIn
from aed.sharing.models import Agreement, CostCase
from aed.sharing.rules import (
    AudienceReason,
    CostCaseState,
    Payer,
    amount_due,
    audience_at,
    start_of,
)
from aed.sharing.shares.queries import terms_of, time_zone_of

FOUND_WITHIN: Final = timedelta(days=90)
"""Uses that became known longer ago get no case any more."""
MAX_USES_PER_RUN: Final = 500
CAP_REACHED: Final = "本年度费用已达协议上限 The costs of this year have reached the agreement's cap."
_BINDING: Final = (AudienceReason.AGREEMENT, AudienceReason.SUSPENDED, AudienceReason.UNINSURED)
"""While one of these holds, the agreement says who pays."""


def open_cost_cases(session: Session, *, at: datetime) -> int:
    """Open a cost case for each use of a shared device; return how many were opened.

    1. Find the uses without a case.
    2. Derive from the shares which agreement bound the parties when the device was used.
    3. The amount is the agreement's cost of a use, at most what is left of the cap of that calendar year.
    4. If nothing is left, the case is waived at once, for that reason.

    visibility: for a job; nothing is shown.
    """
    exclusive_lock(session, "cost cases")
    uses = queries.uses_without_case(session, since=at - FOUND_WITHIN, limit=MAX_USES_PER_RUN)
    terms = terms_of(session, {use.device_id for use in uses})
    opened = 0
    for use in uses:
        derived = audience_at(terms.get(use.device_id, []), use.used_at)
        if derived.reason not in _BINDING:
            continue
        agreement = session.get_one(Agreement, derived.agreement_id)
        case = CostCase(
            agreement_id=agreement.id,
            share_id=queries.share_id(session, agreement.id, use.device_id),
            device_id=use.device_id,
            use_id=use.use_id,
            used_at=use.used_at,
            payer=Payer(agreement.terms["use_payer"]),
            amount_minor=_amount(session, agreement, use.used_at),
            state=CostCaseState.OPEN,
            opened_at=at,
        )
        if case.amount_minor == 0 and agreement.terms["cost_per_use"]:
            case.state, case.settled_at, case.settled_by = CostCaseState.WAIVED, at, "agreements"
            case.waiver_reason = CAP_REACHED
        session.add(case)
        session.flush()
        _record(session, "agreements", case, "cost_opened", at=at, amount_minor=case.amount_minor)
        opened += 1
    return opened


def _amount(session: Session, agreement: Agreement, used_at: datetime) -> int | None:
    zone = time_zone_of(session, agreement.estate_id)
    first = used_at.astimezone(ZoneInfo(zone)).date().replace(month=1, day=1)
    claimed = queries.claimed_minor(
        session,
        agreement.id,
        since=start_of(first, zone),
        before=start_of(first.replace(year=first.year + 1), zone),
    )
    terms = agreement.terms
    return amount_due(terms.get("cost_per_use"), cap=terms.get("cost_cap"), claimed_minor=claimed)


def pay_cost_case(session: Session, who: Viewer, case_id: int, given: PaymentIn, *, at: datetime) -> CostCase:
    """Record that a cost case was paid. For the estate's manager, who receives the payment.

    Raises Conflict if it is settled already, and InvalidInput if neither the case nor `given` says an amount.
    """
    case, agreement = queries.cost_case(session, who, case_id, for_update=True)
    require_estate_manager(who, agreement.estate_id, region_id=agreement.region_id)
    _require_open(case)
    paid = given.paid_minor if given.paid_minor is not None else case.amount_minor
    if paid is None:
        raise InvalidInput("The agreement states no cost: give the amount that was paid.", field="paid_minor")
    case.state, case.settled_at, case.settled_by = CostCaseState.PAID, at, who.name
    case.paid_minor, case.payment_reference = paid, given.reference
    _record(session, who.name, case, "cost_paid", at=at, paid_minor=paid)
    session.flush()
    return case


def waive_cost_case(session: Session, who: Viewer, case_id: int, *, reason: str, at: datetime) -> CostCase:
    """Decide that nobody pays a cost case. For the region's administrator: an estate may be its own payer.

    Raises Conflict if it is settled already.
    """
    case, agreement = queries.cost_case(session, who, case_id, for_update=True)
    require_administrator(who, region_id=agreement.region_id)
    _require_open(case)
    case.state, case.settled_at, case.settled_by = CostCaseState.WAIVED, at, who.name
    case.waiver_reason = reason
    _record(session, who.name, case, "cost_waived", at=at)
    session.flush()
    return case


def _require_open(case: CostCase) -> None:
    if case.state is not CostCaseState.OPEN:
        raise Conflict("Cost case {case_id} is {state} already.", case_id=case.id, state=case.state)


def _record(
    session: Session, by: str, case: CostCase, action: str, *, at: datetime, **details: int | None
) -> None:
    add_audit_entry(
        session, by, AuditSubject.AGREEMENT, case.agreement_id, action, at=at, cost_case=case.id, **details
    )
