"""Regions in requests and responses."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Code, Id, Name, TimeZone
from aed.accounts.trust import CertificateTrust


class RegionIn(BaseModel):
    """A region to add or to amend."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    name_en: Name
    name_zh: Name
    parent: Code | None = None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    time_zone: TimeZone
    emergency_number: Annotated[str, Field(pattern=r"^[0-9]{2,8}$")]
    holiday_calendar: Code | None = None
    counts_ground_as_one: bool | None = Field(
        None,
        description="Whether people call the ground floor storey 1; left out for a new region: as is common "
        "in its country",
    )
    trust_needed: CertificateTrust | None = Field(
        None,
        description="How far a certificate must be believed before its holder is called; left out: as in the "
        "region above, verified where there is none",
    )

    needs_second_factor: bool = Field(
        False, description="Administrators and dispatchers here and below give a second factor to sign in"
    )


class RegionOut(RegionIn):
    id: Id
    counts_ground_as_one: bool
    trust_in_force: CertificateTrust = Field(description="What the region says, else one above")
    version: int
