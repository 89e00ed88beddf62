"""Schemas of parties' decisions and links."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import FreeText, Id
from aed.sharing.agreements.schemas import AgreementOut, Digest, RepresentativeIn
from aed.sharing.rules import DecisionKind, PartyRole

Count = Annotated[int, Field(ge=0, le=100_000)]


class Votes(BaseModel):
    """The votes of a committee or of the owners' assembly."""

    model_config = ConfigDict(extra="forbid")

    entitled: Count
    in_favour: Count
    against: Count = 0
    abstained: Count = 0
    conflicts_declared: FreeText | None = Field(None, description="Conflicts of interest of those who voted")


class PartyDecisionIn(BaseModel):
    """A party's decision on the text with that hash."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"kind": "consent", "text_hash": "0" * 64}]},
    )

    kind: DecisionKind
    text_hash: Digest
    preview_hash: Digest | None = Field(
        None, description="The hash of the preview that the party saw; refused if the agreement names another"
    )
    votes: Votes | None = None
    minutes_hash: Digest | None = Field(None, description="SHA-256 of the scanned minutes or signed paper")
    reason: FreeText | None = Field(None, description="Required for a refusal")


class LinkIn(BaseModel):
    """A secret link for a party, or for its delegate."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"days": 30}]})

    mandate: FreeText | None = Field(
        None, description="For a delegate: the mandate under which they decide, such as a letter's number"
    )
    days: int | None = Field(None, ge=1, le=366, description="Default: by the rules of the region")


class LinkOut(BaseModel):
    """A new link. Returned only once: anyone who has it can decide for the party."""

    id: Id
    party: PartyRole
    address: str
    expires_at: datetime


class RepresentativeChange(RepresentativeIn):
    """The person who decides for a party from now on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "王小明"}]})


class PartyPage(BaseModel):
    """The agreement as a party sees it by its link."""

    party: PartyRole
    legal_name: str
    agreement: AgreementOut
