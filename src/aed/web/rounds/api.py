"""Routes of the pages of rounds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import region_by_code
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.database.session import read_session, transaction
from aed.errors import AedError, InvalidInput, NotAllowed
from aed.http.parameters import PublicAddress, RowId
from aed.http.query import ANY_PARAMETER
from aed.registry.estates import queries as estate_queries
from aed.training.parameters import pdf_response
from aed.translation import detail_of
from aed.upkeep.permissions import require_round_assigner
from aed.upkeep.rounds import actions, planning
from aed.upkeep.rounds import queries as round_queries
from aed.upkeep.rounds.planning import RoundPlan
from aed.upkeep.rounds.queries import AssignedRound
from aed.upkeep.rounds.rules import DEFAULT_CHECK_MINUTES, NOT_VISITED_WORDS, RoundState
from aed.upkeep.rounds.schemas import RoundsIn
from aed.upkeep.rules import short_number
from aed.web.form_fields import text_fields
from aed.web.language import language_of
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.rounds import page, queries
from aed.web.words import noop, translator

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

FOR_OFFLINE: Final = {"Cache-Control": "no-store", "X-Keep-Offline": "yes"}
"""The service worker keeps a page with this header for when there is no network."""
MAX_SHOWN: Final = 100
SHOWN_DAYS: Final = 45
"""Rounds of so many past days are listed."""
MAX_FIELDS: Final = 300
ACTIVE: Final = (RoundState.OVERDUE, RoundState.TODAY, RoundState.PLANNED, RoundState.WAITING)
NOBODY: Final = noop("Choose at least one inspector.")
BAD_TIMES: Final = noop("Give a day, and a start that is earlier than the end.")
BAD_START: Final = noop("Give the start as latitude and longitude, such as 30.2948, 120.0982.")
BAD_NUMBERS: Final = noop("Give whole numbers for the minutes of a check and for the days.")


async def _typed(request: Request) -> dict[str, list[str]]:
    """Return the fields of a form; several values for boxes of the same name."""
    found: dict[str, list[str]] = {}
    for name, value in await text_fields(request, max_fields=MAX_FIELDS):
        found.setdefault(name, []).append(value[:200])
    return found


Typed = Annotated[dict[str, list[str]], Depends(_typed)]


@router.get("/rounds")
def show_rounds(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """List the rounds that the signed-in person walks, and those that they assign."""
    if not viewer.is_signed_in:
        return to_sign_in("/rounds")
    at = clock.now()
    found = round_queries.rounds(
        session, viewer, at=at, limit=MAX_SHOWN, since=at.date() - timedelta(days=SHOWN_DAYS)
    )
    own = [each for each in found if each.row.inspector_id == viewer.person_id]
    return render(
        request,
        "rounds/rounds.html.jinja",
        headers=NO_STORE,
        own=sorted((each for each in own if each.state in ACTIVE), key=_by_day),
        others=sorted((each for each in found if each not in own), key=_by_day, reverse=True),
        finished=[each for each in own if each.state not in ACTIVE],
        states=page.STATES,
        time=page.clock_time,
        zone=ZoneInfo,
        may_assign=bool(queries.places_to_assign(session, viewer)),
    )


def _by_day(found: AssignedRound) -> tuple[object, int]:
    return found.row.starts_at, found.row.id


@router.get("/rounds/new")
def show_new_round(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    place: Annotated[str, Query(max_length=50)] = "",
) -> Response:
    """Show the form of new rounds, for a place that the viewer assigns in; without one, the choice."""
    if not viewer.is_signed_in:
        return to_sign_in("/rounds/new")
    return _form(request, session, viewer, {"place": [place]})


@router.post("/rounds/new")
def plan_or_assign(request: Request, database: DatabaseDep, viewer: FormViewerDep, typed: Typed) -> Response:
    """Show the plan of new rounds, or assign them; what is wrong is shown beside what was typed."""
    at = clock.now()
    try:
        with read_session(database) as session:
            new = _rounds_in(session, viewer, typed)
        state = request.app.state
        plan = actions.plan_in_turn(
            database, viewer, new, at=at, network=state.network, settings=state.settings
        )
        if "assign" in typed:
            with transaction(database) as session:
                actions.assign_rounds(session, viewer, plan, at=at)
            return RedirectResponse("/rounds", 303)
        with read_session(database) as session:
            return _form(request, session, viewer, typed, plan=plan)
    except (InvalidInput, ValidationError) as error:
        problem = _sentence(request, error)
    except AedError as error:
        if error.status not in (409, 503):
            raise
        problem = detail_of(error, language_of(request))
    with read_session(database) as session:
        return _form(request, session, viewer, typed, problem=problem, status=422)


def _sentence(request: Request, error: InvalidInput | ValidationError) -> str:
    language = language_of(request)
    if isinstance(error, InvalidInput):
        return detail_of(error, language)
    fields = {part for each in error.errors() for part in each["loc"]}
    if "inspector_ids" in fields:
        return translator(language)(NOBODY)
    if fields & {"start", "end"}:
        return translator(language)(BAD_START)
    if fields & {"check_minutes", "every_days", "due_within_days"}:
        return translator(language)(BAD_NUMBERS)
    return translator(language)(BAD_TIMES)


def _place(session: Session, viewer: Viewer, value: str) -> tuple[int | None, str | None, int] | None:
    """Return estate id, region code and region id of a place, or None if the viewer does not assign there."""
    kind, _, name = value.partition("-")
    if kind == "estate" and name.isdecimal() and len(name) < 19:
        estate = estate_queries.estate(session, viewer, int(name))
        require_round_assigner(viewer, estate.id, estate.region_id)
        return estate.id, None, estate.region_id
    if kind == "region" and name:
        region = region_by_code(session, name)
        require_round_assigner(viewer, None, region.id)
        return None, region.code, region.id
    return None


def _rounds_in(session: Session, viewer: Viewer, typed: Mapping[str, list[str]]) -> RoundsIn:
    """Return the question of a form. Raises ValidationError and InvalidInput."""
    place = _place(session, viewer, _one(typed, "place"))
    if place is None:
        raise InvalidInput("Give either estate_id or region.", field="estate_id")
    estate_id, region, _ = place
    start: dict[str, Any] = _coordinates(_one(typed, "start_at"))
    if estate_id is not None:
        for value, _name, position in queries.starts_of(session, viewer, estate_id):
            if value == _one(typed, "start"):
                start = {"lat": position.lat, "lon": position.lon}
    return RoundsIn.model_validate(
        {
            "estate_id": estate_id,
            "region": region,
            "inspector_ids": typed.get("inspector", []),
            "day": _one(typed, "day"),
            "starts": _one(typed, "starts"),
            "ends_by": _one(typed, "ends_by"),
            "start": start,
            "end": start if _one(typed, "end") == "start" else None,
            "due_within_days": _one(typed, "due_within_days"),
            "check_minutes": _one(typed, "check_minutes"),
            "every_days": _one(typed, "every_days") or None,
        }
    )


def _one(typed: Mapping[str, list[str]], name: str) -> str:
    return typed.get(name, [""])[0].strip()


def _coordinates(text: str) -> dict[str, Any]:
    """Return latitude and longitude typed as `30.2948, 120.0982`, or an empty object, which is refused."""
    parts = text.replace("，", ",").split(",")
    return {"lat": parts[0].strip(), "lon": parts[1].strip()} if len(parts) == 2 else {}


def _form(
    request: Request,
    session: Session,
    viewer: Viewer,
    typed: Mapping[str, list[str]],
    *,
    plan: RoundPlan | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    places = queries.places_to_assign(session, viewer)
    if not places:
        raise NotAllowed("Only the estate's manager or an administrator of its region may change this.")
    value = _one(typed, "place") or (places[0].value if len(places) == 1 else "")
    place = _place(session, viewer, value)
    zone = ZoneInfo(planning.time_zone_of(session, place[0], place[2])) if place is not None else UTC
    defaults = {
        "day": f"{clock.now().astimezone(zone):%Y-%m-%d}",
        "starts": "08:30",
        "ends_by": "17:30",
        "check_minutes": str(DEFAULT_CHECK_MINUTES),
        "due_within_days": "7",
    }
    return render(
        request,
        "rounds/assign.html.jinja",
        status=status,
        headers=NO_STORE,
        places=places,
        place=value if place is not None else "",
        inspectors=queries.inspectors(session, estate_id=place[0], region_id=place[2]) if place else [],
        starts=queries.starts_of(session, viewer, place[0]) if place and place[0] is not None else [],
        typed=defaults | {name: _one(typed, name) for name in typed},
        chosen=typed.get("inspector", []),
        plan=plan,
        problem=problem,
        time=page.clock_time,
        zone=zone,
        words_of=page.words_of,
        reasons=NOT_VISITED_WORDS,
        short_number=short_number,
    )


@router.get("/rounds/{round_id}")
def show_round(request: Request, session: ReadSession, viewer: ViewerDep, round_id: RowId) -> Response:
    """Show a round: the next device large, then all in order. A phone keeps the page for offline."""
    if not viewer.is_signed_in:
        return to_sign_in(f"/rounds/{round_id}")
    found = round_queries.round_by_id(session, viewer, round_id, at=clock.now())
    lines = page.stop_lines(found)
    zone = ZoneInfo(found.time_zone)
    next_stop = found.next_stop
    return render(
        request,
        "rounds/round.html.jinja",
        headers=FOR_OFFLINE if found.row.inspector_id == viewer.person_id else NO_STORE,
        emergency_number=found.row.region.emergency_number,
        round=found,
        lines=[each for each in lines if each.reason is None],
        left_out=[each for each in lines if each.reason is not None],
        next_number=next_stop.stop.position if next_stop is not None else None,
        is_own=found.row.inspector_id == viewer.person_id,
        may_cancel=_may_cancel(viewer, found),
        state=page.STATES[found.state],
        starts=page.clock_time(found.row.starts_at, zone),
        ends=page.clock_time(found.row.ends_at, zone),
        ends_by=page.clock_time(found.row.ends_by, zone),
        walking_minutes=round(found.row.walking_seconds / 60),
        drawing=_drawing(request, session, viewer, found),
    )


def _may_cancel(viewer: Viewer, found: AssignedRound) -> bool:
    if found.state not in ACTIVE:
        return False
    try:
        require_round_assigner(viewer, found.row.estate_id, found.row.region_id)
    except NotAllowed:
        return False
    return True


def _drawing(request: Request, session: Session, viewer: Viewer, found: AssignedRound) -> Any:
    start = page.start_of(found)
    places = [each.device.position for each in found.in_order] + ([start] if start is not None else [])
    if not found.in_order:
        return None
    return page.map_of(
        found,
        streets=queries.streets_around(request.app.state.network, places),
        outline=queries.outline_of(session, viewer, found.row.estate_id),
    )


@router.get("/rounds/{round_id}/pdf")
def show_round_pdf(
    request: Request, session: ReadSession, viewer: ViewerDep, round_id: RowId, address: PublicAddress
) -> Response:
    """Return a round as an A4 sheet with map and codes, to take along and tick."""
    found = round_queries.round_by_id(session, viewer, round_id, at=clock.now())
    content = page.round_pdf(found, _drawing(request, session, viewer, found), address=address)
    return pdf_response(content, f"round-{round_id}.pdf")


@router.post("/rounds/{round_id}/cancel")
def cancel_round(session: WriteSession, viewer: FormViewerDep, round_id: RowId) -> Response:
    """Cancel a round and its repetitions."""
    actions.cancel_round(session, viewer, round_id, at=clock.now())
    return RedirectResponse("/rounds", 303)
