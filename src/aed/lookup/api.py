"""The incident lookup."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Final

import h3
import orjson
import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.orm import Session
from starlette.background import BackgroundTask
from starlette.types import Receive, Scope, Send

from aed import clock
from aed.accounts.authentication import ViewerDep, current_viewer
from aed.accounts.permissions import Viewer
from aed.database.dependencies import database_of
from aed.database.event_loop import WouldWait
from aed.database.session import ask, read_session
from aed.geo import position_from
from aed.http.query import refuse_unknown_parameters
from aed.lookup.answer import Answer, Question
from aed.lookup.inline import AtHand
from aed.lookup.moment import check_moment
from aed.lookup.responder_search_limit import ResponderLookups
from aed.lookup.schemas import NearestIn, NearestOut, answer_out
from aed.lookup.search import is_soon_answered, nearest
from aed.lookup.storeys import counts_ground_as_one_at
from aed.registry.storeys import floor_meant

security_log = structlog.get_logger("aed.security")
_LOGGED_RESOLUTION: Final = 7
"""Of the H3 cell in which a dispatcher looked for responders: about 5 km2, no patient's address."""


class _Direct(APIRoute):
    """The lookup's route without FastAPI's resolving of dependencies, and the two stacks that it keeps for
    them: that takes longer than asking who is calling and reading the question. Declared and documented it is
    as any other, and errors go the way of all others."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            return await super().handle(scope, receive, send)
        request = Request(scope, receive, send)
        await refuse_unknown_parameters(request)
        viewer = await current_viewer(request)
        response = await _found(request, viewer, _asked(request))
        return await response(scope, receive, send)


def _asked(request: Request) -> NearestIn:
    try:
        return NearestIn.model_validate(dict(request.query_params))
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        raise RequestValidationError([{**each, "loc": ("query", *each["loc"])} for each in wrong]) from error


async def _found(request: Request, viewer: Viewer, asked: NearestIn) -> Response:
    """On the event loop what is soon answered; else, and where that comes to wait for something, in a thread.

    Where a connection at hand was missing, one is opened when the answer has left.
    """
    if asked.storey is not None or asked.room is not None:  # how the place counts is asked of the database
        return await run_in_threadpool(find_nearest, request, viewer, asked)
    question = _question(asked)
    at_hand: AtHand = request.app.state.at_hand
    is_soon = is_soon_answered(database_of(request).engine.dialect, viewer, question)
    if is_soon:
        try:
            return _told(request, viewer, await at_hand.ask(_answer(request, viewer, question)))
        except WouldWait:
            pass  # as if it were not soon
    response = await run_in_threadpool(_waited_for, request, viewer, question)
    if is_soon and at_hand.has_too_few:
        response.background = BackgroundTask(at_hand.open_one)
    return response


def find_nearest(request: Request, viewer: ViewerDep, asked: Annotated[NearestIn, Query()]) -> Response:
    """The devices that can be here soonest, and for dispatchers who can come."""
    if asked.storey is None and asked.room is None:
        return _waited_for(request, viewer, _question(asked))
    with read_session(database_of(request)) as session:
        question = with_storey(session, viewer, _question(asked), asked)
    return _waited_for(request, viewer, question)


def _waited_for(request: Request, viewer: Viewer, question: Question) -> Response:
    withheld = (
        viewer.sees_responders and question.responders > 0 and not _may_see_more(request, viewer, question)
    )
    if withheld:
        question = replace(question, responders=0)
    answer = ask(_answer(request, viewer, question), database_of(request))
    return _told(request, viewer, answer, responders_withheld=withheld)


def _may_see_more(request: Request, viewer: Viewer, question: Question) -> bool:
    """Count a lookup that shows responders, and log it. Over the limit devices are answered all the same: a
    patient may be waiting."""
    lookups: ResponderLookups = request.app.state.responder_lookups
    count = lookups.count(viewer.name, clock.now())
    told = security_log.warning if count is None else security_log.info
    told(
        "responders looked up" if count is not None else "responders withheld: too many lookups",
        who=viewer.name,
        cell=h3.latlng_to_cell(question.here.lat, question.here.lon, _LOGGED_RESOLUTION),
        within_the_hour=count,
    )
    return count is not None


def _question(asked: NearestIn) -> Question:
    return Question(
        here=position_from(asked.lat, asked.lon, asked.datum),
        at=check_moment(asked.at) if asked.at is not None else clock.now(),
        limit=asked.limit,
        floor=asked.floor or 0,
        with_routes=asked.route,
        responders=asked.responders,
    )


def with_storey(session: Session, viewer: Viewer, question: Question, asked: NearestIn) -> Question:
    """Return the question with the floor that its storey or room means at that place.

    Raises InvalidInput where they cannot be read, or contradict the floor.
    """
    counts = counts_ground_as_one_at(session, viewer, question.here)
    floor = floor_meant(floor=asked.floor, storey=asked.storey, room=asked.room, counts_ground_as_one=counts)
    return replace(question, floor=floor or 0, counts_ground_as_one=counts)


def _answer(request: Request, viewer: Viewer, question: Question) -> Callable[[Connection], Answer]:
    settings, network = request.app.state.settings, request.app.state.network
    return partial(nearest, viewer=viewer, question=question, network=network, settings=settings)


def _told(request: Request, viewer: Viewer, answer: Answer, *, responders_withheld: bool = False) -> Response:
    shown = answer_out(
        answer, viewer, settings=request.app.state.settings, responders_withheld=responders_withheld
    )
    return Response(orjson.dumps(shown), media_type="application/json")


def add_lookup(router: APIRouter, path: str) -> None:
    """Puts the lookup on the application's own router: through two that it includes takes 25 microseconds."""
    router.add_api_route(
        path,
        find_nearest,
        response_model=NearestOut,
        tags=["incidents"],
        route_class_override=_Direct,
    )
