"""Set the rules of a region."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditSubject, add_audit_entry
from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.regions.queries import region_by_code
from aed.sharing.models import RegionRules
from aed.sharing.regional_rules.queries import as_rules
from aed.sharing.regional_rules.schemas import SharingRulesIn
from aed.sharing.rules import SharingRules


def set_rules(session: Session, who: Viewer, new: SharingRulesIn, *, at: datetime) -> SharingRules:
    """Set the rules of a region for the agreements drafted from now on. For the region's administrator.

    Earlier agreements keep the rules that they were made under. Raises NotFound, NotSignedIn, NotAllowed.
    """
    region = region_by_code(session, new.region)
    require_administrator(who, region_id=region.id)
    numbers = new.model_dump(mode="json", exclude={"region"})
    made = RegionRules(region_id=region.id, numbers=numbers, created_at=at, created_by=who.name)
    session.add(made)
    session.flush()
    rules = as_rules(made)
    add_audit_entry(
        session, who.name, AuditSubject.AGREEMENT, 0, "rules", at=at, region=region.code, **numbers
    )
    return rules
