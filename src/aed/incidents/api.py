"""The incident lookup."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response

from aed import clock
from aed.accounts.access import ViewerDep
from aed.db import DatabaseDep, once_more
from aed.geo import Datum, position_from
from aed.incidents.queries.nearest import Question, nearest
from aed.incidents.rules.moment import check_moment
from aed.incidents.schemas import NearestOut, answer_out

router = APIRouter(tags=["incidents"])


@router.get("/nearest", response_model=NearestOut)
def find_nearest(
    request: Request,
    database: DatabaseDep,
    viewer: ViewerDep,
    lat: Annotated[float, Query(description="Degrees, in `datum`", examples=[30.2901])],
    lon: Annotated[float, Query(description="Degrees, in `datum`", examples=[120.1003])],
    datum: Annotated[Datum, Query(description="What lat and lon are in")] = Datum.WGS84,
    at: Annotated[datetime | None, Query(description="A moment with its offset; now when left out")] = None,
    limit: Annotated[int, Query(ge=1, le=50, description="Devices at most")] = 5,
    floor: Annotated[int, Query(ge=-20, le=200, description="The patient's; 0 is the ground floor")] = 0,
    route: Annotated[bool, Query(description="With the way to each device as GeoJSON")] = False,
    responders: Annotated[int, Query(ge=1, le=50, description="Responders at most, for dispatchers")] = 10,
) -> Response:
    """The devices that can be here soonest, and for dispatchers who can come."""
    question = Question(
        here=position_from(lat, lon, datum),
        at=check_moment(at) if at is not None else clock.now(),
        limit=limit,
        floor=floor,
        with_routes=route,
        responders=responders,
    )
    settings, network = request.app.state.settings, request.app.state.network
    answer = once_more(
        lambda session: nearest(session.connection(), viewer, question, network=network, settings=settings),
        database,
    )
    shown = answer_out(answer, viewer, settings=settings)
    return Response(orjson.dumps(shown), media_type="application/json")
