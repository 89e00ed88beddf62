"""Routes of the rules for agreements."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.regions.queries import region_by_code
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import OfRegion
from aed.sharing.regional_rules import actions, queries
from aed.sharing.regional_rules.schemas import SharingRulesIn, SharingRulesOut
from aed.sharing.rules import RULES, SharingRules

router = APIRouter(tags=["agreements"])
RulesVersion = Annotated[str, Path(max_length=32, examples=[RULES.version])]


def _out(session: Session, rules: SharingRules) -> SharingRulesOut:
    region, created_at = queries.origin_of(session, rules)
    return SharingRulesOut.of(rules, region=region, created_at=created_at)


@router.get("/sharing-rules")
def get_sharing_rules(session: ReadSession, region: OfRegion = None) -> SharingRulesOut:
    """Get the rules for new agreements of a region: its own, those of a region above it, or the defaults."""
    if region is None:
        return _out(session, RULES)
    return _out(session, queries.rules_of_region(session, region_by_code(session, region).id))


@router.get("/sharing-rules/{rules_version}")
def get_sharing_rules_of_version(session: ReadSession, rules_version: RulesVersion) -> SharingRulesOut:
    """Get the rules that an agreement was made under, by its `rules_version`."""
    return _out(session, queries.rules_of_version(session, rules_version))


@router.post("/sharing-rules", status_code=201)
def set_sharing_rules(
    session: WriteSession, viewer: ViewerDep, new: SharingRulesIn, response: Response
) -> SharingRulesOut:
    """Set the rules of a region for the agreements drafted from now on. For the region's administrator.

    Earlier agreements keep the rules that they were made under.
    """
    made = actions.set_rules(session, viewer, new, at=clock.now())
    response.headers["Location"] = f"/v1/sharing-rules/{made.version}"
    return _out(session, made)
