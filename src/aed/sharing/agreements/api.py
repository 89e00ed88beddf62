"""Routes of agreements for the estate's manager, the region and those who read them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer, require_administrator
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotAllowed
from aed.http.parameters import (
    Cursor,
    IfMatch,
    Limit,
    OfEstate,
    cursor_id,
    set_created,
    set_etag,
    version_from_if_match,
)
from aed.sharing.agreements import actions, queries
from aed.sharing.agreements.schemas import (
    AgreementDraft,
    AgreementIn,
    AgreementOut,
    AgreementPage,
    AgreementSummary,
    ConfirmationIn,
    ReasonIn,
    StepDownIn,
)
from aed.sharing.models import Agreement
from aed.sharing.permissions import require_can_withdraw

router = APIRouter(tags=["agreements"])
AgreementId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


def _out(session: Session, found: Agreement, response: Response) -> AgreementOut:
    decisions = queries.decisions_of(session, [found.id])[found.id]
    set_etag(response, found.version)
    return AgreementOut.full(
        found, queries.latest_decisions(found, decisions), queries.waits_for(found, decisions)
    )


@router.get("/agreements")
def list_agreements(
    session: ReadSession,
    viewer: ViewerDep,
    estate_id: OfEstate = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> AgreementPage:
    """List the agreements of your estates and regions, each with who must act next."""
    found = queries.agreements(
        session, viewer, estate_id=estate_id, limit=limit + 1, after_id=cursor_id(cursor)
    )
    decisions = queries.decisions_of(session, [each.id for each in found])
    return AgreementPage(
        agreements=[
            AgreementSummary.of(each, queries.waits_for(each, decisions[each.id])) for each in found[:limit]
        ],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.get("/agreements/{agreement_id}")
def get_agreement(
    session: ReadSession, viewer: ViewerDep, agreement_id: AgreementId, response: Response
) -> AgreementOut:
    """Get an agreement with its parties, their decisions and its shares."""
    return _out(session, queries.agreement(session, viewer, agreement_id), response)


@router.post("/agreements", status_code=201)
def draft_agreement(
    session: WriteSession, viewer: ViewerDep, new: AgreementDraft, response: Response
) -> AgreementOut:
    """Draft an agreement. For the estate's manager.

    Nothing changes for the devices until every party has consented and the region has confirmed it.
    """
    made = actions.draft_agreement(session, viewer, new, at=clock.now())
    set_created(response, f"/v1/agreements/{made.id}", version=made.version)
    return _out(session, made, response)


@router.put("/agreements/{agreement_id}")
def amend_agreement(
    session: WriteSession,
    viewer: ViewerDep,
    agreement_id: AgreementId,
    new: AgreementIn,
    response: Response,
    if_match: IfMatch = None,
) -> AgreementOut:
    """Replace the text of an agreement that is not confirmed. Consents to another text are void."""
    found = actions.amend_agreement(
        session, viewer, agreement_id, new, version=version_from_if_match(if_match), at=clock.now()
    )
    return _out(session, found, response)


@router.post("/agreements/{agreement_id}/proposal")
def propose_agreement(
    session: WriteSession,
    viewer: ViewerDep,
    agreement_id: AgreementId,
    response: Response,
) -> AgreementOut:
    """Propose a draft to its parties, who then decide."""
    found = actions.propose_agreement(session, viewer, agreement_id, at=clock.now())
    return _out(session, found, response)


@router.post("/agreements/{agreement_id}/confirmation")
def confirm_agreement(
    session: WriteSession,
    viewer: ViewerDep,
    agreement_id: AgreementId,
    given: ConfirmationIn,
    response: Response,
) -> AgreementOut:
    """Bring an agreement into force after every party has consented. For the region's administrator."""
    found = actions.confirm_agreement(
        session, viewer, agreement_id, text_hash=given.text_hash, at=clock.now()
    )
    return _out(session, found, response)


@router.post("/agreements/{agreement_id}/withdrawal")
def withdraw_agreement(
    session: WriteSession, viewer: ViewerDep, agreement_id: AgreementId, given: ReasonIn, response: Response
) -> AgreementOut:
    """Withdraw an agreement at once.

    For the estate's manager, a party's representative and the region. A device that is out on a call stays
    until the call is settled.
    """
    found = _for_change(session, viewer, agreement_id)
    actions.withdraw_agreement(session, found, by=viewer.name, reason=given.reason, at=clock.now())
    return _out(session, queries.agreement(session, viewer, agreement_id), response)


@router.post("/agreements/{agreement_id}/suspension")
def suspend_agreement(
    session: WriteSession, viewer: ViewerDep, agreement_id: AgreementId, given: ReasonIn, response: Response
) -> AgreementOut:
    """Suspend an agreement: its devices are for the estate and, by override, for dispatch centres."""
    found = _for_change(session, viewer, agreement_id)
    actions.suspend_agreement(session, found, by=viewer.name, reason=given.reason, at=clock.now())
    return _out(session, queries.agreement(session, viewer, agreement_id), response)


@router.delete("/agreements/{agreement_id}/suspension")
def resume_agreement(
    session: WriteSession, viewer: ViewerDep, agreement_id: AgreementId, response: Response
) -> AgreementOut:
    """End a suspension. For the party that suspended the agreement, and for the region."""
    found = _for_change(session, viewer, agreement_id)
    is_region = True
    try:
        require_administrator(viewer, region_id=found.region_id)
    except NotAllowed:
        is_region = False
    actions.resume_agreement(session, found, by=viewer.name, is_region=is_region, at=clock.now())
    return _out(session, queries.agreement(session, viewer, agreement_id), response)


@router.post("/agreements/{agreement_id}/step-down")
def step_down(
    session: WriteSession, viewer: ViewerDep, agreement_id: AgreementId, given: StepDownIn, response: Response
) -> AgreementOut:
    """Lower the step of one device at once. A step up needs a new agreement."""
    found = _for_change(session, viewer, agreement_id)
    actions.step_down(
        session, found, device_id=given.device_id, step=given.step, by=viewer.name, at=clock.now()
    )
    return _out(session, queries.agreement(session, viewer, agreement_id), response)


def _for_change(session: Session, viewer: Viewer, agreement_id: int) -> Agreement:
    """Return an agreement that the viewer may withdraw. Raises NotFound, NotSignedIn, NotAllowed."""
    found = queries.agreement(session, viewer, agreement_id, for_update=True)
    require_can_withdraw(viewer, found)
    return found
