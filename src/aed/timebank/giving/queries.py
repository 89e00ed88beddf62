"""Read how many points a person may still give."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from aed.timebank.ledger.queries import given_since
from aed.timebank.models import LedgerAccount
from aed.timebank.regional_rules.queries import zone_of_region
from aed.timebank.rules import TimeBankRules, gift_units_left


def gift_units_left_of(session: Session, own: LedgerAccount, rules: TimeBankRules, at: datetime) -> int:
    """Return the units that a person may still give to relatives in this calendar year of their region.

    visibility: the caller decides on the account.
    """
    zone = zone_of_region(session, own.region_id)
    year_began = at.astimezone(zone).replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return gift_units_left(rules, given_since(session, own.id, year_began))
