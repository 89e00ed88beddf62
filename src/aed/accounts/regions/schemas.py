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
        description="Whether the ground floor is called storey 1; default for a new region: the "
        "custom of its country",
    )
    trust_needed: CertificateTrust | None = Field(
        None,
        description="The verification that a certificate needs before its holder is alerted; "
        "default: that of the region above, or verified",
    )

    needs_second_factor: bool = Field(
        False, description="Administrators and dispatchers in this region and below must use a second factor"
    )


class RegionOut(RegionIn):
    id: Id
    counts_ground_as_one: bool
    trust_in_force: CertificateTrust = Field(
        description="The level of this region, or else of the nearest region above"
    )
    version: int
