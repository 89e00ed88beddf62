"""Schemas of appeals and panels."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id
from aed.sharing.rules import PartyRole
from aed.volunteering.models import AppealVote, ServiceAppeal
from aed.volunteering.records.schemas import Reason
from aed.volunteering.rules import AppealState


class AppealIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "门岗可以证明我当晚在巡逻"}]}
    )

    reason: Reason


class VoteIn(BaseModel):
    """How a member of the panel decides."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"is_granted": True, "reason": "门岗记录属实"}]}
    )

    is_granted: bool
    reason: Reason


class VoteOut(BaseModel):
    party: PartyRole
    is_granted: bool
    reason: str | None
    voted_at: datetime

    @classmethod
    def of(cls, vote: AppealVote) -> VoteOut:
        return cls.model_validate(vote, from_attributes=True)


class AppealOut(BaseModel):
    """A volunteer's appeal, and the votes of the panel."""

    id: Id
    record_id: Id
    number: str = Field(description="Number of the service record")
    name: str
    activity: str
    minutes: int
    opened_at: datetime
    reason: str | None
    state: AppealState
    decided_at: datetime | None
    votes: list[VoteOut]

    @classmethod
    def of(cls, appeal: ServiceAppeal, votes: list[AppealVote]) -> AppealOut:
        return cls(
            id=appeal.id,
            record_id=appeal.record_id,
            number=appeal.record.number,
            name=appeal.record.person.name,
            activity=appeal.record.activity,
            minutes=appeal.record.minutes,
            opened_at=appeal.opened_at,
            reason=appeal.reason,
            state=appeal.state,
            decided_at=appeal.decided_at,
            votes=[VoteOut.of(each) for each in votes],
        )


class AppealPage(BaseModel):
    """A page of appeals, in order of id."""

    appeals: list[AppealOut]
    next: str | None = Field(description="The cursor of the next page")


class PanelMemberIn(BaseModel):
    """Who decides appeals for a party."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"person_id": 1}]})

    person_id: Id


class PanelOut(BaseModel):
    """The panel of an estate: a person for each of its three parties."""

    members: dict[PartyRole, Id]
