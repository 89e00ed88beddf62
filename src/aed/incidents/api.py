"""The incident lookup."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response

from aed import clock
from aed.accounts.access import ViewerDep
from aed.db import ask, database_of
from aed.geo import position_from
from aed.incidents.queries.nearest import Question, nearest
from aed.incidents.rules.moment import check_moment
from aed.incidents.schemas import NearestIn, NearestOut, answer_out

router = APIRouter(tags=["incidents"])


@router.get("/nearest", response_model=NearestOut)
def find_nearest(request: Request, viewer: ViewerDep, asked: Annotated[NearestIn, Query()]) -> Response:
    """The devices that can be here soonest, and for dispatchers who can come."""
    question = Question(
        here=position_from(asked.lat, asked.lon, asked.datum),
        at=check_moment(asked.at) if asked.at is not None else clock.now(),
        limit=asked.limit,
        floor=asked.floor,
        with_routes=asked.route,
        responders=asked.responders,
    )
    settings, network = request.app.state.settings, request.app.state.network
    answer = ask(
        lambda connection: nearest(connection, viewer, question, network=network, settings=settings),
        database_of(request),
    )
    shown = answer_out(answer, viewer, settings=settings)
    return Response(orjson.dumps(shown), media_type="application/json")
