"""Routes of mandates and priority services, and their schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Id
from aed.database.dependencies import ReadSession, WriteSession
from aed.timebank.mandates import actions
from aed.timebank.models import Mandate
from aed.timebank.permissions import require_person
from aed.timebank.rules import PriorityGroup


class MandateIn(BaseModel):
    """A mandate to record."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"principal_id": 1, "agent_id": 2, "days": 90}]}
    )

    principal_id: Id = Field(description="The person who gives the mandate")
    agent_id: Id = Field(description="Who uses them for that person")
    days: Annotated[int, Field(ge=1, le=366)] = 366


class MandateOut(BaseModel):
    """A mandate in force."""

    id: int
    principal_id: int
    agent_id: int
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, found: Mandate) -> Self:
        return cls(
            id=found.id,
            principal_id=found.principal_id,
            agent_id=found.agent_id,
            starts_at=found.starts_at,
            ends_at=found.ends_at,
        )


class MandateList(BaseModel):
    """Mandates in force, by and for a person."""

    mandates: list[MandateOut]


class PriorityIn(BaseModel):
    """A person whom goods are kept for at first."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"person_id": 1, "group": "over_80"}]}
    )

    person_id: Id
    group: PriorityGroup


class PriorityOut(BaseModel):
    """The groups of a person."""

    person_id: int
    groups: list[PriorityGroup]


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
