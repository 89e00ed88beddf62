"""Routes of the report of a region."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from aed.accounts.authentication import ViewerDep
from aed.accounts.regions.queries import region_by_code
from aed.database.dependencies import ReadSession
from aed.errors import InvalidInput
from aed.volunteering.permissions import require_signed_in
from aed.volunteering.report.formats import csv_of, xlsx_of
from aed.volunteering.report.queries import ServiceReport, service_report

router = APIRouter(tags=["volunteering"])
RegionCode = Annotated[str, Path(max_length=32, pattern=r"^[A-Za-z0-9._:-]+$", examples=["CN-33"])]
FirstDay = Annotated[
    date, Query(alias="from", ge=date(1990, 1, 1), le=date(2100, 12, 31), examples=["2026-01-01"])
]
LastDay = Annotated[
    date, Query(alias="until", ge=date(1990, 1, 1), le=date(2100, 12, 31), examples=["2026-12-31"])
]
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The report",
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            XLSX: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


class ServiceReportOut(BaseModel):
    """What the volunteers of a region did. Counts of fewer than five people are null."""

    region: str
    from_on: date
    until_on: date
    minutes: dict[str, int] = Field(description="Of confirmed service, by source")
    records: dict[str, int]
    active_volunteers: int | None
    ages: dict[str, int | None]
    points_outstanding: dict[str, str] = Field(description="The liability now, in points by kind of account")


def _report(session: ReadSession, viewer: ViewerDep, region: str, first: date, last: date) -> ServiceReport:
    require_signed_in(viewer)
    if last < first:
        raise InvalidInput("The period ends before it begins.", field="until")
    return service_report(session, viewer, region_by_code(session, region), first=first, last=last)


@router.get("/regions/{region}/service-report")
def get_service_report(
    session: ReadSession, viewer: ViewerDep, region: RegionCode, first: FirstDay, last: LastDay
) -> ServiceReportOut:
    """Get what the volunteers of a region did in a period. For its administrator."""
    return ServiceReportOut.model_validate(
        _report(session, viewer, region, first, last), from_attributes=True
    )


@router.get("/regions/{region}/service-report.{ending}", response_class=Response, responses=FILES)
def get_service_report_file(
    session: ReadSession,
    viewer: ViewerDep,
    region: RegionCode,
    ending: Annotated[str, Path(pattern="^(csv|xlsx)$", examples=["csv"])],
    first: FirstDay,
    last: LastDay,
) -> Response:
    """Download the report of a region as CSV or XLSX."""
    found = _report(session, viewer, region, first, last)
    write, media = {"csv": (csv_of, "text/csv; charset=utf-8"), "xlsx": (xlsx_of, XLSX)}[ending]
    headers = {"Content-Disposition": f'attachment; filename="service-{region}.{ending}"'}
    return Response(write(found), media_type=media, headers=headers)
