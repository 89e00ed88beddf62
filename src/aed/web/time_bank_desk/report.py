"""Download the service report of a region: minutes by kind, active volunteers, ages, points outstanding."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import require_administrator
from aed.accounts.regions.queries import region_by_code
from aed.database.dependencies import ReadSession
from aed.http.query import ANY_PARAMETER
from aed.timebank.rules import AccountKind
from aed.volunteering.permissions import require_any_manager
from aed.volunteering.report.queries import service_report
from aed.volunteering.rules import RULES, ServiceSource
from aed.web.render import render, to_sign_in
from aed.web.time_bank_desk import queries
from aed.web.time_bank_words import SOURCES, hours_and_minutes
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

BAD_PERIOD: Final = noop("Choose a first day, and a last day that is not before it.")
AGES: Final = {
    "under_30": noop("under 30"),
    "30_44": noop("30 to 44"),
    "45_59": noop("45 to 59"),
    "60_69": noop("60 to 69"),
    "70_79": noop("70 to 79"),
    "80_plus": noop("80 and over"),
    "unknown": noop("unknown"),
}
ACCOUNTS: Final = {
    AccountKind.PERSON: noop("Volunteers"),
    AccountKind.FAMILY: noop("Family accounts"),
    AccountKind.GROUP: noop("Teams"),
    AccountKind.CARE_POOL: noop("Care pool"),
    AccountKind.REGION_POOL: noop("Region's pool"),
    AccountKind.SUSPENSE: noop("Held for orders and disputes"),
}
Day = Annotated[str, Query(max_length=10)]


@router.get("/time-bank/report")
def show_report(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    region: Annotated[str, Query(max_length=32)] = "",
    first: Annotated[str, Query(max_length=10, alias="from")] = "",
    last: Annotated[str, Query(max_length=10, alias="until")] = "",
) -> Response:
    """Show the report of a region that the viewer administers, by default of this year."""
    if viewer.person_id is None:
        return to_sign_in("/time-bank/report")
    regions = queries.administered_regions(session, viewer)
    if not regions:
        require_any_manager(viewer)
        require_administrator(viewer)
    chosen = region_by_code(session, region) if region else next(iter(regions.values()))
    today = clock.now().astimezone(ZoneInfo(chosen.time_zone)).date()
    problem, begins, ends = "", today.replace(month=1, day=1), today
    try:
        begins, ends = date.fromisoformat(first or f"{begins}"), date.fromisoformat(last or f"{ends}")
        if ends < begins:
            raise ValueError
    except ValueError:
        problem, begins, ends = BAD_PERIOD, today.replace(month=1, day=1), today
    found = service_report(session, viewer, chosen, first=begins, last=ends)
    return render(
        request,
        "time_bank_desk/report.html.jinja",
        status=422 if problem else 200,
        headers={"Cache-Control": "no-store"},
        problem=problem,
        regions=regions,
        chosen=chosen,
        first=begins,
        last=ends,
        kinds=[
            (
                SOURCES[ServiceSource(source)],
                hours_and_minutes(minutes),
                found.records[source],
            )
            for source, minutes in found.minutes.items()
        ],
        total=hours_and_minutes(sum(found.minutes.values())),
        records=sum(found.records.values()),
        active=found.active_volunteers,
        ages=[(label, found.ages[band]) for band, label in AGES.items() if band in found.ages],
        min_count=RULES.min_count,
        accounts=[(label, found.points_outstanding[kind]) for kind, label in ACCOUNTS.items()],
        outstanding=found.points_outstanding["total"],
    )
