"""Routes of the region's dashboard, for those who run the region."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.database.dependencies import ReadSession
from aed.errors import InvalidInput
from aed.http.parameters import SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.planning.bands import BANDS, Band
from aed.settings import Settings
from aed.web.labels import BAND_NAMES
from aed.web.language import language_of
from aed.web.region_dashboard import queries
from aed.web.region_dashboard.page import gap_maps, summary_of, tables_of
from aed.web.region_dashboard.report import MEDIA_TYPES, ReportFormat, report_file
from aed.web.region_dashboard.rules import year_until
from aed.web.render import render, to_sign_in
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

NO_STORE: Final = {"Cache-Control": "private, no-store"}
BAD_MONTH: Final = noop("Write the month like 2026-11; it cannot be in the future.")
FIRST_YEAR: Final = 2000
Code = Annotated[str, Query(max_length=32, alias="region")]
EstateId = Annotated[str, Query(max_length=20, alias="estate")]
Month = Annotated[str, Query(max_length=20)]


@router.get("/region")
def show_region(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    settings: SettingsDep,
    code: Code = "",
    estate: EstateId = "",
    month: Month = "",
    band: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show the figures of a region, or of one of its estates, until a month."""
    if viewer.person_id is None:
        return to_sign_in("/region")
    at = clock.now()
    region = queries.readable_region(session, viewer, code)
    chosen = _month(month, region, at)
    found = _figures(session, viewer, region, estate, chosen or _this_month(region, at), at, settings)
    tables = tables_of(found, language_of(request))
    asked = {"region": region.code, "estate": found.estate_id or "", "month": f"{found.year.month:%Y-%m}"}
    return render(
        request,
        "region_dashboard/region_dashboard.html.jinja",
        status=200 if chosen else 422,
        headers=NO_STORE,
        emergency_number=region.emergency_number,
        problem="" if chosen else BAD_MONTH,
        regions=queries.readable_regions(session, viewer),
        region=region,
        estates=found.estates,
        estate_id=found.estate_id,
        month=month or asked["month"],
        query=urlencode(asked),
        summary=summary_of(found),
        tables=tables,
        coverage=[
            list(zip(each.columns[1:], row[1:], strict=True))
            for each in tables
            if each.key == "coverage"
            for row in each.rows
        ],
        bands=list(BAND_NAMES.values()),
        maps=gap_maps(found.coverage[1]) if found.coverage else [],
        chosen=BANDS.index(Band(band)) if band in BANDS else 0,
        band_keys=[each.value for each in BANDS],
    )


@router.get("/region/report")
def download_report(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    settings: SettingsDep,
    code: Code = "",
    estate: EstateId = "",
    month: Month = "",
    form: Annotated[ReportFormat, Query(alias="format")] = ReportFormat.PDF,
) -> Response:
    """Download the report of a month: a PDF in Chinese, or a workbook in the language of the page."""
    if viewer.person_id is None:
        return to_sign_in("/region")
    at = clock.now()
    region = queries.readable_region(session, viewer, code)
    chosen = _month(month, region, at)
    if chosen is None:
        raise InvalidInput("Write the month like 2026-11; it cannot be in the future.", field="month")
    found = _figures(session, viewer, region, estate, chosen, at, settings)
    name = f"aed-{region.code}-{chosen:%Y-%m}.{form.value}"
    headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="{name}"'}
    made = report_file(found, form, language_of(request))
    return Response(made, media_type=MEDIA_TYPES[form], headers=headers)


def _figures(
    session: Session,
    viewer: Viewer,
    region: Region,
    estate: str,
    month: date,
    at: datetime,
    settings: Settings,
) -> queries.Figures:
    """Return the year's figures of a region, or of one estate. Raises NotFound for an estate elsewhere."""
    estate_id = None if not estate else int(estate) if estate.isdecimal() else 0
    year = year_until(month, region.time_zone)
    return queries.figures(session, viewer, region, year, estate_id=estate_id, at=at, settings=settings)


def _this_month(region: Region, at: datetime) -> date:
    return at.astimezone(ZoneInfo(region.time_zone)).date().replace(day=1)


def _month(text: str, region: Region, at: datetime) -> date | None:
    """Return the first day of a month like 2026-11, of the current one for ""; None for anything else."""
    current = _this_month(region, at)
    try:
        found = datetime.strptime(text, "%Y-%m").date() if text else current  # noqa: DTZ007  # a date
    except ValueError:
        return None
    return found if found.year >= FIRST_YEAR and found <= current else None
