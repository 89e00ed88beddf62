"""Read the incidents of a year for statistics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import region_by_code, regions_below
from aed.debrief.outcomes.models import PatientOutcome
from aed.debrief.outcomes.queries import items_in, measured_of
from aed.debrief.statistics.rules import (
    CountedIncident,
    CountedKind,
    Statistics,
    require_case_viewer,
    require_signed_in,
    sees_small_counts,
    statistics_of,
)
from aed.incidents.models import Incident
from aed.incidents.rules import IncidentKind


@dataclass(frozen=True, slots=True)
class YearQuery:
    """A year of one kind of incident. `region` is a code and includes all regions below; None: all that the
    viewer may see.
    """

    year: int
    kind: CountedKind
    region: str | None


@dataclass(frozen=True, slots=True)
class YearInNumbers:
    asked: YearQuery
    is_coarse: bool
    statistics: Statistics


type _Regions = Mapping[int, tuple[str, str]]
"""(code, time zone) by region id."""


def year_in_numbers(
    session: Session, viewer: Viewer, asked: YearQuery, *, for_publication: bool = False
) -> YearInNumbers:
    """Count a year.

    Dispatchers and administrators of its regions get every count. For other people, and if `for_publication`,
    counts below 5 are hidden and all others rounded to 5. Raises NotSignedIn; NotFound for an unknown region.
    """
    require_signed_in(viewer)
    regions = _regions(session, viewer, asked.region)
    is_coarse = for_publication or not sees_small_counts(viewer, regions)
    return YearInNumbers(
        asked, is_coarse, statistics_of(_cases(session, asked, regions), is_coarse=is_coarse)
    )


def cases_of_year(session: Session, viewer: Viewer, asked: YearQuery) -> list[CountedIncident]:
    """Return each incident of the year, for dispatchers and administrators of its regions.

    Raises NotSignedIn, NotAllowed; NotFound for an unknown region.
    """
    require_signed_in(viewer)
    regions = _regions(session, viewer, asked.region)
    require_case_viewer(viewer, regions)
    return _cases(session, asked, regions)


def _regions(session: Session, viewer: Viewer, code: str | None) -> _Regions:
    """Return the region and those below; without a code a dispatcher's own, or all for everybody else."""
    ids: Collection[int] | None = None
    if code is not None:
        ids = regions_below(session, region_by_code(session, code).id)
    elif viewer.region_ids and not viewer.is_administrator:
        ids = viewer.region_ids
    statement = select(Region.id, Region.code, Region.time_zone).order_by(Region.id)
    if ids is not None:
        statement = statement.where(Region.id.in_(ids))
    return {row.id: (row.code, row.time_zone) for row in session.execute(statement)}


def _cases(session: Session, asked: YearQuery, regions: _Regions) -> list[CountedIncident]:
    """Return incidents of that kind that were opened in the year by local time, oldest first.

    Four statements for any number of incidents. visibility: the caller has checked what the viewer may see of
    them.
    """
    which = and_(Incident.kind == IncidentKind(asked.kind), _in_year(regions, asked.year))
    measured = measured_of(session, which)
    rows = session.execute(
        select(
            Incident.id,
            Incident.region_id,
            Incident.opened_at,
            Incident.state.label("incident_state"),
            Incident.outcome.label("incident_outcome"),
            *(column for column in PatientOutcome.__table__.columns if column.name != "incident_id"),
        )
        .outerjoin(PatientOutcome, PatientOutcome.incident_id == Incident.id)
        .where(which)
        .order_by(Incident.opened_at, Incident.id)
    )
    return [
        CountedIncident(
            region=regions[row.region_id][0],
            opened_at=row.opened_at.astimezone(ZoneInfo(regions[row.region_id][1])),
            state=row.incident_state,
            outcome=row.incident_outcome,
            items=items_in(row),
            measured=measured[row.id],
        )
        for row in rows
        if row.id in measured  # what was opened between two statements is counted the next time
    ]


def _in_year(regions: _Regions, year: int) -> ColumnElement[bool]:
    by_zone: dict[str, list[int]] = defaultdict(list)
    for region_id, (_, time_zone) in regions.items():
        by_zone[time_zone].append(region_id)
    return or_(
        false(),
        *(
            and_(
                Incident.region_id.in_(region_ids),
                Incident.opened_at >= datetime(year, 1, 1, tzinfo=ZoneInfo(time_zone)),
                Incident.opened_at < datetime(year + 1, 1, 1, tzinfo=ZoneInfo(time_zone)),
            )
            for time_zone, region_ids in by_zone.items()
        ),
    )
