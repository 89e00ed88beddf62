"""Routes of gifts, donations, groups and inheritances."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, cursor_id, next_cursor
from aed.timebank.families.queries import named_heir_id, named_heir_ids
from aed.timebank.giving import actions
from aed.timebank.giving.schemas import (
    ClaimIn,
    DeathIn,
    DonationIn,
    GiftIn,
    GroupIn,
    InheritanceOut,
    InheritancePage,
)
from aed.timebank.ledger.schemas import AccountOut, TransferOut
from aed.timebank.schemas import units_of

router = APIRouter(tags=["time bank"])
InheritanceId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.post("/time-bank/gifts")
def give_points(session: WriteSession, viewer: ViewerDep, new: GiftIn) -> TransferOut:
    """Give points to a spouse, parent or child, up to the yearly limit of your region."""
    entry = actions.give(
        session,
        viewer,
        to_person_id=new.person_id,
        units=units_of(new.points),
        key=str(new.key),
        at=clock.now(),
    )
    return TransferOut.of(entry)


@router.post("/time-bank/donations")
def donate_points(session: WriteSession, viewer: ViewerDep, new: DonationIn) -> TransferOut:
    """Donate points to people who need care, to the region, or to a group."""
    entry = actions.donate(
        session,
        viewer,
        units=units_of(new.points),
        key=str(new.key),
        to=new.to,
        from_account_id=new.from_account_id,
        at=clock.now(),
    )
    return TransferOut.of(entry)


@router.post("/time-bank/groups", status_code=201)
def open_group(session: WriteSession, viewer: ViewerDep, new: GroupIn) -> AccountOut:
    """Open the account of a group, which can only donate. For the estate's manager."""
    made = actions.open_group(session, viewer, estate_id=new.estate_id, name=new.name, at=clock.now())
    return AccountOut.of(made)


@router.get("/time-bank/inheritances")
def list_inheritances(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> InheritancePage:
    """List the points of people who died, claimed and unclaimed, of estates that you manage."""
    found = actions.inheritances(session, viewer, limit=limit + 1, after_id=cursor_id(cursor))
    heirs = named_heir_ids(session, [each.person_id for each in found])
    return InheritancePage(
        inheritances=[
            InheritanceOut.of(each, named_heir_id=heirs.get(each.person_id)) for each in found[:limit]
        ],
        next=next_cursor(found, limit),
    )


@router.post("/time-bank/inheritances", status_code=201)
def record_death(session: WriteSession, viewer: ViewerDep, new: DeathIn) -> InheritanceOut:
    """Close the account of a person who died. For the manager of their estate."""
    made = actions.record_death(session, viewer, person_id=new.person_id, died_on=new.died_on, at=clock.now())
    return InheritanceOut.of(made, named_heir_id=named_heir_id(session, made.person_id))


@router.post("/time-bank/inheritances/{inheritance_id}/claim")
def claim_inheritance(
    session: WriteSession, viewer: ViewerDep, inheritance_id: InheritanceId, new: ClaimIn
) -> InheritanceOut:
    """Give the points of a person who died to their heir.

    For a manager of the estate who did not record the death.
    """
    found = actions.claim_inheritance(session, viewer, inheritance_id, heir_id=new.heir_id, at=clock.now())
    return InheritanceOut.of(found, named_heir_id=named_heir_id(session, found.person_id))
