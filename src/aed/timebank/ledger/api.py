"""Routes of accounts and statements."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession
from aed.http.parameters import Cursor, Limit
from aed.timebank.ledger import queries
from aed.timebank.ledger.schemas import AccountList, AccountOut, EntryOut, StatementPage
from aed.timebank.permissions import require_person
from aed.timebank.regional_rules.queries import rules_at
from aed.timebank.rules import DEFAULT_RULES

router = APIRouter(tags=["time bank"])
AccountId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
OfPerson = Annotated[
    int | None, Query(ge=1, le=2**63 - 1, description="For managers: another person's accounts")
]


@router.get("/time-bank/accounts")
def list_accounts(session: ReadSession, viewer: ViewerDep, person_id: OfPerson = None) -> AccountList:
    """List your accounts in minutes and points, and that of your family."""
    person_id = person_id if person_id is not None else require_person(viewer)
    found = queries.accounts_of(session, viewer, person_id)
    rules = rules_at(session, found[0].region_id, clock.now()) if found else DEFAULT_RULES
    served = queries.minutes_served(session, person_id) if found else 0
    missing = max(0, rules.spend_from_minutes - served)
    return AccountList(
        accounts=[AccountOut.of(each) for each in found], can_spend=missing == 0, minutes_to_spend=missing
    )


@router.get("/time-bank/accounts/{account_id}/entries")
def list_account_entries(
    session: ReadSession,
    viewer: ViewerDep,
    account_id: AccountId,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> StatementPage:
    """List the entries of an account, newest first."""
    found = queries.account(session, viewer, account_id)
    before = int(cursor) if cursor else None
    lines = queries.statement(session, found.id, limit=limit + 1, before_number=before)
    return StatementPage(
        entries=[EntryOut.of(each) for each in lines[:limit]],
        next=str(lines[limit - 1].number) if len(lines) > limit else None,
    )
