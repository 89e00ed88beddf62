"""Routes of the rules of regions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.regions.queries import region_by_code
from aed.database.dependencies import ReadSession, WriteSession
from aed.timebank.regional_rules import actions
from aed.timebank.regional_rules.queries import rules_at
from aed.timebank.regional_rules.schemas import RulesIn, RulesOut, RulesSetting

router = APIRouter(tags=["time bank"])
RegionCode = Annotated[
    str, Path(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9._:-]+$", examples=["CN-33"])
]


@router.get("/time-bank/rules/{region}")
def get_time_bank_rules(session: ReadSession, region: RegionCode) -> RulesOut:
    """Get the rules of the time bank that are in force in a region."""
    rules = rules_at(session, region_by_code(session, region).id, clock.now())
    return RulesOut(version=rules.version, numbers=RulesIn.of(rules))


@router.post("/time-bank/rules/{region}", status_code=201)
def set_time_bank_rules(
    session: WriteSession, viewer: ViewerDep, region: RegionCode, new: RulesSetting
) -> RulesOut:
    """Set the rules of a region from now or a later moment on. For the region's administrator."""
    at = clock.now()
    made = actions.set_rules(
        session, viewer, region=region, numbers=new.numbers, starts_at=new.starts_at or at, at=at
    )
    return RulesOut(version=made.version, numbers=RulesIn.of(new.numbers.rules(made.version)))
