"""The report of a region: minutes by kind, active volunteers, age bands, and points outstanding."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import regions_below
from aed.sharing.rules import start_of
from aed.timebank.models import LedgerAccount
from aed.timebank.rules import AccountKind, Currency, to_points
from aed.volunteering.models import ServiceRecord, Volunteer
from aed.volunteering.rules import RULES, ServiceSource, ServiceState, age_band, hidden_counts

OUTSTANDING = (
    AccountKind.PERSON,
    AccountKind.FAMILY,
    AccountKind.GROUP,
    AccountKind.CARE_POOL,
    AccountKind.REGION_POOL,
    AccountKind.SUSPENSE,
)
"""Accounts whose points can still be spent; estates and sponsors hold what was paid to them."""


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """What the volunteers of a region did in a period. Counts of fewer than five people are None."""

    region: str
    from_on: date
    until_on: date
    minutes: dict[str, int]
    """Of confirmed service, by source."""
    records: dict[str, int]
    active_volunteers: int | None
    ages: dict[str, int | None]
    """Active volunteers by the age that they reach in the year of `until_on`."""
    points_outstanding: dict[str, str]
    """The liability at the moment of the report, in points by kind of account, and `total`."""


def service_report(
    session: Session, viewer: Viewer, region: Region, *, first: date, last: date
) -> ServiceReport:
    """Return the report of a region and all below it, for its administrator.

    Raises NotSignedIn, NotAllowed.
    visibility: for the region's administrator; nobody can be recognised in it.
    """
    require_administrator(viewer, region_id=region.id)
    below = regions_below(session, region.id)
    confirmed = (
        ServiceRecord.region_id.in_(below),
        ServiceRecord.state == ServiceState.CONFIRMED,
        ServiceRecord.minutes > 0,
        ServiceRecord.started_at >= start_of(first, region.time_zone),
        ServiceRecord.started_at < start_of(last + timedelta(days=1), region.time_zone),
    )
    by_source = session.execute(
        select(ServiceRecord.source, func.count(), func.sum(ServiceRecord.minutes))
        .where(*confirmed)
        .group_by(ServiceRecord.source)
    ).all()
    found = {source: (count, int(minutes)) for source, count, minutes in by_source}
    years = session.execute(
        select(ServiceRecord.person_id, Volunteer.birth_year)
        .distinct()
        .outerjoin(Volunteer, Volunteer.person_id == ServiceRecord.person_id)
        .where(*confirmed)
    ).all()
    ages = Counter(age_band(year, last.year) for _, year in years)
    balances: dict[AccountKind, int] = {
        kind: int(units)
        for kind, units in session.execute(
            select(LedgerAccount.kind, func.sum(LedgerAccount.balance))
            .where(
                LedgerAccount.region_id.in_(below),
                LedgerAccount.currency == Currency.POINTS,
                LedgerAccount.kind.in_(OUTSTANDING),
            )
            .group_by(LedgerAccount.kind)
        )
    }
    points = {str(kind): str(to_points(balances.get(kind, 0))) for kind in OUTSTANDING}
    points["total"] = str(to_points(sum(balances.values())))
    return ServiceReport(
        region=region.code,
        from_on=first,
        until_on=last,
        minutes={str(each): found.get(each, (0, 0))[1] for each in ServiceSource},
        records={str(each): found.get(each, (0, 0))[0] for each in ServiceSource},
        active_volunteers=len(years) if not 0 < len(years) < RULES.min_count else None,
        ages=hidden_counts(dict(sorted(ages.items()))),
        points_outstanding=points,
    )
