"""Routes of appeals and of the panels that decide them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.regions.queries import region_of_estate
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, cursor_id, next_cursor
from aed.sharing.rules import PartyRole
from aed.volunteering.appeals import actions, queries
from aed.volunteering.appeals.schemas import (
    AppealIn,
    AppealOut,
    AppealPage,
    PanelMemberIn,
    PanelOut,
    VoteIn,
)
from aed.volunteering.models import ServiceAppeal
from aed.volunteering.permissions import require_manager, require_signed_in

router = APIRouter(tags=["volunteering"])
Key = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


def _out(session: Session, *found: ServiceAppeal) -> list[AppealOut]:
    votes = queries.votes_on(session, [each.id for each in found])
    return [AppealOut.of(each, votes[each.id]) for each in found]


@router.get("/service-appeals")
def list_service_appeals(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> AppealPage:
    """List your appeals, those before your panel, and those of estates that you manage."""
    require_signed_in(viewer)
    found = queries.appeals(session, viewer, limit=limit + 1, after_id=cursor_id(cursor))
    return AppealPage(appeals=_out(session, *found[:limit]), next=next_cursor(found, limit))


@router.post("/service-records/{record_id}/appeal", status_code=201)
def open_service_appeal(
    session: WriteSession, viewer: ViewerDep, record_id: Key, given: AppealIn
) -> AppealOut:
    """Appeal against a record of yours that was voided or is held, within 15 working days."""
    made = actions.open_appeal(session, viewer, record_id, reason=given.reason, at=clock.now())
    return _out(session, made)[0]


@router.post("/service-appeals/{appeal_id}/votes")
def vote_on_service_appeal(
    session: WriteSession, viewer: ViewerDep, appeal_id: Key, given: VoteIn
) -> AppealOut:
    """Vote on an appeal for your party. Two of the three parties decide."""
    found = actions.vote_on_appeal(
        session, viewer, appeal_id, is_granted=given.is_granted, reason=given.reason, at=clock.now()
    )
    return _out(session, found)[0]


@router.get("/estates/{estate_id}/appeal-panel")
def get_appeal_panel(session: ReadSession, viewer: ViewerDep, estate_id: Key) -> PanelOut:
    """Get who decides appeals of an estate's volunteers. For its members."""
    require_signed_in(viewer)
    if not viewer.belongs_to(estate_id):
        require_manager(viewer, estate_id=estate_id, region_id=region_of_estate(session, estate_id))
    return PanelOut(members=queries.panel_of(session, estate_id))


@router.put("/estates/{estate_id}/appeal-panel/{party_role}")
def set_appeal_panel_member(
    session: WriteSession, viewer: ViewerDep, estate_id: Key, party_role: PartyRole, given: PanelMemberIn
) -> PanelOut:
    """Set who decides appeals for a party of an estate. For the region's administrator."""
    require_signed_in(viewer)
    return PanelOut(members=actions.set_panel_member(session, viewer, estate_id, party_role, given.person_id))
