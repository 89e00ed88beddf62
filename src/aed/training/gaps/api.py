"""The route of the training gap table."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.regions.queries import region_by_code, regions_below
from aed.database.dependencies import ReadSession
from aed.errors import NotFound
from aed.http.parameters import Cursor, OfEstate, OfRegion, cursor_id
from aed.registry.fields import Link
from aed.training.gaps import queries
from aed.training.gaps.export import MEDIA_TYPES, GapFormat, csv_of, geojson_of, xlsx_of
from aed.training.gaps.schemas import EstateGapsOut, GapsOut
from aed.training.gaps.table import gap_table, gap_walk_metres
from aed.training.gaps.week import HOURS
from aed.training.permissions import require_gap_viewer

router = APIRouter(tags=["training"])


_FILE = {"schema": {"type": "string", "format": "binary"}}
Target = Annotated[
    int | None,
    Query(
        ge=1, le=50, description="Number of first-aiders that should be able to come; default: the setting"
    ),
]


@router.get(
    "/gaps",
    response_model=GapsOut,
    responses={
        200: {
            "content": {
                MEDIA_TYPES[GapFormat.CSV].partition(";")[0]: _FILE,
                MEDIA_TYPES[GapFormat.XLSX]: _FILE,
                MEDIA_TYPES[GapFormat.GEOJSON]: {"schema": {"type": "object"}},
            }
        }
    },
)
def list_gaps(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    estate_id: OfEstate = None,
    region: OfRegion = None,
    hour: Annotated[
        int | None,
        Query(ge=0, lt=HOURS, description="Hour of the week, 0 is Monday 00:00; default: the whole week"),
    ] = None,
    target: Target = None,
    form: Annotated[GapFormat, Query(alias="format")] = GapFormat.JSON,
    limit: Annotated[int, Query(ge=1, le=50, description="Maximum number of estates")] = 10,
    cursor: Cursor = None,
) -> Response:
    """List coverage gaps by building and hour of the week.

    Counts the responders with a valid certificate who are available within three minutes' walk of each
    building in each hour of the coming week, now and after the planned sessions. Also returns the
    certificates that expire soon and the most useful next session for each estate.

    For those who run the training of the estates; returns counts only, no names. Pages hold whole estates.
    CSV, XLSX and GeoJSON responses give the next page in the Link header.
    """
    require_gap_viewer(viewer)
    region_ids = None
    if region is not None:
        region_ids = regions_below(session, region_by_code(session, region).id)
    asked = queries.estates_run_by(
        session,
        viewer,
        estate_id=estate_id,
        region_ids=region_ids,
        after_id=cursor_id(cursor),
        limit=limit + 1,
    )
    if estate_id is not None and not asked and cursor is None:
        raise NotFound(
            "There is no estate {estate_id}, or you do not run its training.",
            field="estate_id",
            estate_id=estate_id,
        )
    settings, network = request.app.state.settings, request.app.state.network
    target = target if target is not None else settings.gap_target
    page = asked[:limit]
    found = gap_table(session, page, at=clock.now(), network=network, settings=settings, target=target)
    headers = {"Cache-Control": "private, no-store"}
    links = []
    if len(asked) > limit:
        following = request.url.include_query_params(cursor=str(page[-1].id))
        links.append(Link(rel="next", href=f"{following.path}?{following.query}"))
        headers["Link"] = f'<{links[0].href}>; rel="next"'
    if form is GapFormat.JSON:
        shown = GapsOut(
            target=target,
            walk_seconds=settings.gap_walk_seconds,
            walk_metres=round(gap_walk_metres(settings), 1),
            estates=[EstateGapsOut.of(each, target=target, hour=hour) for each in found],
            links=links,
        )
        return Response(shown.model_dump_json(), media_type=MEDIA_TYPES[form], headers=headers)
    if form is GapFormat.XLSX:
        with tempfile.TemporaryDirectory(prefix="aed-gaps-") as folder:
            made = Path(folder) / "gaps.xlsx"
            xlsx_of(found, target, made)
            content = made.read_bytes()
    elif form is GapFormat.CSV:
        content = b"".join(csv_of(found, target))
    else:
        content = b"".join(geojson_of(found, target, hour=hour))
    headers["Content-Disposition"] = f'attachment; filename="aed-gaps.{form.value}"'
    return Response(content, media_type=MEDIA_TYPES[form], headers=headers)
