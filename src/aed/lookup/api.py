"""The route GET /v1/nearest, which finds the nearest devices and responders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated, Final

import h3
import orjson
import structlog
from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from aed import clock
from aed.accounts.authentication import ViewerDep, current_viewer
from aed.accounts.permissions import ANYONE, Viewer
from aed.cells.dependencies import CellRequestDep
from aed.database.dependencies import database_of
from aed.database.recent_moments import RecentMoments
from aed.database.session import read_session, retry_on_stale_connection
from aed.geo import Position, position_from
from aed.http.query import refuse_unknown_parameters
from aed.lookup.answer import LookupAnswer, answer_lookup
from aed.lookup.neighbours import (
    NeighbourAnswerOut,
    NeighbourQuestionIn,
    neighbour_answer_out,
    with_neighbours,
)
from aed.lookup.places import counts_ground_as_one_at
from aed.lookup.question import LookupQuestion, require_valid_moment
from aed.lookup.schemas import NearestIn, NearestOut, answer_out
from aed.registry.storeys import floor_from_storey

security_log = structlog.get_logger("aed.security")
_LOGGED_RESOLUTION: Final = 7
"""H3 resolution of the cell that is logged when a dispatcher looks up responders: about 5 km2, so that the
log never holds a patient's address."""
COUNTED_SECONDS: Final = 3600.0


MAX_AT_ONCE: Final = 4
"""Number of threads reserved for lookups. More threads would only compete for the interpreter lock. Other
requests use other threads, so a burst of uploads or sign-ins does not delay lookups."""


class _LookupRoute(APIRoute):
    """A route that skips FastAPI's dependency resolution, which takes 0.35 of a lookup's 1.5 ms.

    Declaration, OpenAPI documentation and error handling are the same as for every other route.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            return await super().handle(scope, receive, send)
        request = Request(scope, receive, send)
        await refuse_unknown_parameters(request)
        viewer, query = await current_viewer(request), _parsed(request)
        limiter, neighbours = request.app.state.lookup_limiter, request.app.state.neighbours
        if neighbours is None:
            response = await to_thread.run_sync(find_nearest, request, viewer, query, limiter=limiter)
        else:  # no thread waits for another cell
            answer, is_withheld = await to_thread.run_sync(
                _own_answer, request, viewer, query, limiter=limiter
            )
            answer = await with_neighbours(neighbours, answer)
            response = _response(request, viewer, query, answer, is_withheld=is_withheld)
        return await response(scope, receive, send)


def _parsed(request: Request) -> NearestIn:
    try:
        return NearestIn.model_validate(dict(request.query_params))
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        raise RequestValidationError([{**each, "loc": ("query", *each["loc"])} for each in wrong]) from error


router = APIRouter(tags=["incidents"], route_class=_LookupRoute)
cells_router = APIRouter(tags=["incidents"])
MISSING_CELLS: Final = "AED-Missing-Cells"


@router.get(
    "/nearest",
    response_model=NearestOut,
    responses={
        200: {
            "headers": {
                MISSING_CELLS: {
                    "description": "Codes of neighbouring cells that did not answer in time, if any",
                    "schema": {"type": "string", "examples": ["34"]},
                }
            }
        }
    },
)
def find_nearest(request: Request, viewer: ViewerDep, query: Annotated[NearestIn, Query()]) -> Response:
    """List the devices that can be at a patient soonest and, for dispatchers, the nearest responders."""
    question, is_withheld = _question(request, viewer, query)
    answer = retry_on_stale_connection(
        _lookup(request, viewer, question), database_of(request).autocommit_engine.connect
    )
    return _response(request, viewer, query, answer, is_withheld=is_withheld)


def _own_answer(request: Request, viewer: Viewer, query: NearestIn) -> tuple[LookupAnswer, bool]:
    """Return the answer without those of neighbouring cells, and whether responders are withheld."""
    question, is_withheld = _question(request, viewer, query)
    return _answer(request, viewer, question), is_withheld


def _answer(request: Request, viewer: Viewer, question: LookupQuestion) -> LookupAnswer:
    return retry_on_stale_connection(
        _lookup(request, viewer, question), database_of(request).autocommit_engine.connect
    )


def _lookup(
    request: Request, viewer: Viewer, question: LookupQuestion
) -> Callable[[Connection], LookupAnswer]:
    state = request.app.state
    return partial(
        answer_lookup, viewer=viewer, question=question, network=state.network, settings=state.settings
    )


def _question(request: Request, viewer: Viewer, query: NearestIn) -> tuple[LookupQuestion, bool]:
    """Return the question, and whether responders are withheld after too many lookups."""
    state = request.app.state
    question = LookupQuestion(
        here=position_from(query.lat, query.lon, query.datum),
        at=require_valid_moment(query.at) if query.at is not None else clock.now(),
        limit=query.limit,
        floor=query.floor or 0,
        with_routes=query.route,
        responders=query.responders,
        is_for_merge=state.neighbours is not None,
    )
    if query.storey is not None or query.room is not None:
        with read_session(database_of(request)) as session:
            question = with_storey(session, viewer, question, query)
    is_withheld = False
    if viewer.sees_responders and question.responders > 0:
        is_withheld = not _may_see_responders(state.responder_lookups, viewer, question.here)
        question = replace(question, responders=0) if is_withheld else question
    return question, is_withheld


def _response(
    request: Request, viewer: Viewer, query: NearestIn, answer: LookupAnswer, *, is_withheld: bool
) -> Response:
    shown = answer_out(
        answer,
        viewer,
        settings=request.app.state.settings,
        datum=query.answer_datum,
        responders_withheld=is_withheld,
    )
    missing = ", ".join(cell.code for cell in answer.missing_cells)
    headers = {MISSING_CELLS: missing} if missing else None
    return Response(orjson.dumps(shown), media_type="application/json", headers=headers)


@cells_router.get("/cells/nearest", response_model=NeighbourAnswerOut)
async def find_nearest_for_cell(
    request: Request,
    asked: CellRequestDep,
    query: Annotated[NeighbourQuestionIn, Query()],
) -> Response:
    """Answer a lookup of a neighbouring cell: our devices as a stranger sees them, asking nobody else."""
    content = await to_thread.run_sync(
        _look_up_for_cell, request, query, limiter=request.app.state.lookup_limiter
    )
    return asked.answer_bytes(content)


def _look_up_for_cell(request: Request, query: NeighbourQuestionIn) -> bytes:
    question = LookupQuestion(
        here=position_from(query.lat, query.lon),
        at=require_valid_moment(query.at),
        limit=query.limit,
        floor=query.floor,
        with_routes=query.route,
        responders=0,
        is_for_merge=True,
    )
    own = request.app.state.neighbours.table.own
    answer = _answer(request, ANYONE, question)
    return neighbour_answer_out(answer, own=own).model_dump_json().encode()


def with_storey(
    session: Session, viewer: Viewer, question: LookupQuestion, query: NearestIn
) -> LookupQuestion:
    """Return the question with its floor derived from the storey or room that was given.

    Raises InvalidInput if the storey or room cannot be parsed, or contradicts the floor.
    """
    counts = counts_ground_as_one_at(session, viewer, question.here)
    floor = floor_from_storey(
        floor=query.floor, storey=query.storey, room=query.room, counts_ground_as_one=counts
    )
    return replace(question, floor=floor or 0, counts_ground_as_one=counts)


class ResponderLookups:
    """Counts of each caller's lookups of responders over the last hour.

    They are not in the database, because on SQLite a write would make the lookup wait for other writers.
    """

    def __init__(self, max_per_hour: int, moments: RecentMoments) -> None:
        """Count in `moments`, which keep an hour."""
        self._max, self._moments = max_per_hour, moments

    def count(self, asker: str, at: datetime) -> int | None:
        """Count one lookup and return the caller's lookups of the last hour, or None if over the limit.

        A lookup over the limit is not counted.
        """
        return self._moments.add(asker.encode(), at.timestamp(), limit=self._max)


def _may_see_responders(lookups: ResponderLookups, viewer: Viewer, here: Position) -> bool:
    """Return whether the caller is within the hourly limit of responder lookups; count and log this lookup.

    Over the limit the caller still gets devices, since a patient may be waiting.
    """
    count = lookups.count(viewer.name, clock.now())
    log = security_log.warning if count is None else security_log.info
    log(
        "responders looked up" if count is not None else "responders withheld: too many lookups",
        who=viewer.name,
        cell=h3.latlng_to_cell(here.lat, here.lon, _LOGGED_RESOLUTION),
        within_the_hour=count,
    )
    return count is not None
