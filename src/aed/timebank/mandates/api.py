"""Routes of mandates and priority."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.timebank.mandates import actions
from aed.timebank.mandates.schemas import MandateIn, MandateList, MandateOut, PriorityIn, PriorityOut
from aed.timebank.permissions import require_person

router = APIRouter(tags=["time bank"])
MandateId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/time-bank/mandates")
def list_mandates(session: ReadSession, viewer: ViewerDep) -> MandateList:
    """List the mandates that you gave, and those that you have."""
    found = actions.mandates_of(session, require_person(viewer), clock.now())
    return MandateList(mandates=[MandateOut.of(each) for each in found])


@router.post("/time-bank/mandates", status_code=201)
def grant_mandate(session: WriteSession, viewer: ViewerDep, new: MandateIn) -> MandateOut:
    """Let another person use your points for you; a manager records a signed mandate of an elderly person."""
    made = actions.grant_mandate(
        session,
        viewer,
        principal_id=new.principal_id,
        agent_id=new.agent_id,
        days=new.days,
        at=clock.now(),
    )
    return MandateOut.of(made)


@router.delete("/time-bank/mandates/{mandate_id}", status_code=204)
def revoke_mandate(session: WriteSession, viewer: ViewerDep, mandate_id: MandateId) -> Response:
    """Revoke a mandate that you gave or have."""
    actions.revoke_mandate(session, viewer, mandate_id, at=clock.now())
    return Response(status_code=204)


@router.post("/time-bank/priority", status_code=201)
def confirm_priority(session: WriteSession, viewer: ViewerDep, new: PriorityIn) -> PriorityOut:
    """Confirm that a person is over 60, over 80 or disabled. For the manager of their estate."""
    made = actions.confirm_priority(session, viewer, person_id=new.person_id, group=new.group, at=clock.now())
    return PriorityOut(person_id=made.person_id, groups=sorted(actions.groups_of(session, made.person_id)))
