"""Routes of relatives and family accounts."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import PublicAddress
from aed.timebank.families import actions, queries
from aed.timebank.families.schemas import (
    FamilyDepositIn,
    FamilyIn,
    FamilyInvitationOut,
    FamilyMemberIn,
    FamilyOut,
    HeirIn,
    RelativeIn,
    RelativeList,
    RelativeOut,
)
from aed.timebank.ledger.schemas import TransferOut
from aed.timebank.permissions import require_person
from aed.timebank.schemas import units_of

router = APIRouter(tags=["time bank"])
DeclarationId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/time-bank/relatives")
def list_relatives(session: ReadSession, viewer: ViewerDep) -> RelativeList:
    """List the relatives whom you declared, and those who declared you."""
    found = queries.relatives_of(session, require_person(viewer))
    return RelativeList(relatives=[RelativeOut.of(each) for each in found])


@router.post("/time-bank/relatives", status_code=201)
def declare_relative(session: WriteSession, viewer: ViewerDep, new: RelativeIn) -> RelativeOut:
    """Declare a spouse, parent or child, who then confirms it."""
    made = actions.declare_relative(
        session, viewer, relative_id=new.relative_id, relation=new.relation, at=clock.now()
    )
    return RelativeOut.of(made)


@router.post("/time-bank/relatives/{relative_declaration_id}/confirmation")
def confirm_relative(
    session: WriteSession, viewer: ViewerDep, relative_declaration_id: DeclarationId
) -> RelativeOut:
    """Confirm that you are the relative whom another person declared."""
    return RelativeOut.of(actions.confirm_relative(session, viewer, relative_declaration_id, at=clock.now()))


@router.delete("/time-bank/relatives/{relative_declaration_id}", status_code=204)
def end_relative(
    session: WriteSession, viewer: ViewerDep, relative_declaration_id: DeclarationId
) -> Response:
    """End a declaration by or about you."""
    actions.end_relative(session, viewer, relative_declaration_id, at=clock.now())
    return Response(status_code=204)


@router.put("/time-bank/heir", status_code=204)
def name_heir(session: WriteSession, viewer: ViewerDep, new: HeirIn) -> Response:
    """Name a confirmed relative as the heir of your points, or nobody."""
    actions.name_heir(session, viewer, heir_id=new.heir_id, at=clock.now())
    return Response(status_code=204)


@router.post("/time-bank/family", status_code=201)
def open_family(session: WriteSession, viewer: ViewerDep, new: FamilyIn) -> FamilyOut:
    """Open a family account."""
    made = actions.open_family(session, viewer, name=new.name, at=clock.now())
    return FamilyOut(account_id=made.id, member_ids=list(queries.members_of(session, made.id)))


@router.get("/time-bank/family")
def get_family(session: ReadSession, viewer: ViewerDep) -> FamilyOut:
    """Get your family account and its members."""
    account_id = actions.require_family(session, viewer)
    return FamilyOut(account_id=account_id, member_ids=list(queries.members_of(session, account_id)))


@router.post("/time-bank/family/members", status_code=201)
def invite_family_member(
    session: WriteSession, viewer: ViewerDep, address: PublicAddress, new: FamilyMemberIn
) -> FamilyInvitationOut:
    """Invite a confirmed relative to your family account. They join once they have accepted."""
    at = clock.now()
    link = actions.invite_to_family(session, viewer, person_id=new.person_id, at=at)
    return FamilyInvitationOut(
        url=f"{address}{link}", expires_at=at + timedelta(days=actions.INVITATION_DAYS)
    )


@router.delete("/time-bank/family/members/me", status_code=204)
def leave_family(session: WriteSession, viewer: ViewerDep) -> Response:
    """Leave your family account; its points stay with the other members."""
    actions.leave_family(session, viewer, at=clock.now())
    return Response(status_code=204)


@router.post("/time-bank/family/deposits")
def pay_into_family(session: WriteSession, viewer: ViewerDep, new: FamilyDepositIn) -> TransferOut:
    """Move own points into your family account."""
    entry = actions.pay_into_family(
        session, viewer, units=units_of(new.points), key=str(new.key), at=clock.now()
    )
    return TransferOut.of(entry)
