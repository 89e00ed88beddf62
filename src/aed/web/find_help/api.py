"""The route `/`: the page *Find help* for people, the entry points of the API for programs.

Also what a phone keeps to show the page without signal: a service worker, a page, and estates (packs).
"""

from __future__ import annotations

import gzip
import hashlib
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final

import orjson
import structlog
from fastapi import APIRouter, Depends, Header, Request, Response
from shapely.geometry.base import BaseGeometry
from sqlalchemy.orm import Session

from aed import __version__, clock
from aed.accounts.authentication import ViewerDep, client_address
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, database_of
from aed.database.session import read_session, retry_on_stale_connection
from aed.errors import AedError, InvalidInput, NotFound
from aed.geo import METRES_PER_DEGREE, BoundingBox
from aed.http.concurrency_limits import QueueLimits, wait_for_turn
from aed.http.docs import DOCS, OPENAPI
from aed.http.pages import PAGE_RESPONSE, WantsPage
from aed.http.parameters import RowId
from aed.http.query import ANY_PARAMETER
from aed.lookup.answer import LookupAnswer, answer_lookup
from aed.lookup.named_places import KnownPlace, places_named
from aed.lookup.neighbours import with_neighbours_in_thread
from aed.lookup.offline import AROUND_METRES, pack_of
from aed.lookup.question import LookupQuestion
from aed.registry.devices.rules import Mark
from aed.settings import Settings
from aed.web import static
from aed.web.basemap import has_own_basemap, kept_map_config, kept_map_files, map_config, map_policy
from aed.web.basemap_extract import extract
from aed.web.find_help import queries
from aed.web.find_help.page import estates_in, missing_lines, sections_of
from aed.web.find_help.rules import MAX_TEXT, Show, Where, position_from_form
from aed.web.find_help.schemas import NEAREST, EmergencyNumbersOut, HomeOut, WordsOut, pack_out
from aed.web.language import language_of, languages
from aed.web.render import POLICY, render
from aed.web.words import either

log = structlog.get_logger("aed")
_WORKER_POLICY: Final = "default-src 'none'; connect-src 'self'; script-src 'self'"
router = APIRouter(tags=["pages"])
MAX_DEVICES: Final = 6
MAX_PACKS: Final = 4
"""Estates that one answer asks the phone to keep."""
PACKS: Final = QueueLimits(
    name="packs", at_once=1, waiting=20, each=6, otherwise="Too many requests at once. Try again in a moment."
)
OFFLINE: Final = "/offline"
WORKER: Final = "/worker.js"


@router.get("/", responses=PAGE_RESPONSE, response_model=HomeOut)
def get_home_page(request: Request, response: Response, viewer: ViewerDep, wants_page: WantsPage) -> Any:
    """Show whom to call and the nearest devices as a page, or the entry points of the API as JSON."""
    if wants_page:
        return _page(request, viewer)
    settings: Settings = request.app.state.settings
    response.headers["Vary"] = "Accept, Accept-Language"
    return HomeOut(
        title="AED and first-aid network",
        emergency_numbers=EmergencyNumbersOut(
            mainland_china=settings.emergency_number_mainland_china,
            elsewhere=settings.emergency_number_elsewhere,
        ),
        nearest=NEAREST,
        documentation=DOCS,
        openapi=OPENAPI,
        ogc_api_features="/ogc",
    )


def _page(request: Request, viewer: Viewer) -> Response:
    """Render the page.

    Whatever fails, the page is shown, since it says whom to call: without a database it has no list.
    """
    found, estates, answer, problem = list[KnownPlace](), list[queries.EstateChoice](), None, ""
    try:
        where = position_from_form(request.query_params)
    except InvalidInput:
        where, problem = Where(text=request.query_params.get("q", "")[:MAX_TEXT]), "bad-coordinates"
    try:
        with read_session(database_of(request)) as session:
            estates = queries.estates_with_devices(session, viewer, limit=queries.MAX_ESTATES + 1)
            found = _places(session, viewer, where) if not problem else []
        if where.here is None and len(found) == 1:
            names = {"en": found[0].name_en, "zh": found[0].name_zh}
            where = replace(where, here=found[0].position, name=either(names, language_of(request)))
        if where.here is not None:
            answer = _look_up(request, viewer, where)
        elif where.text and not found and not problem:
            problem = "unknown-place"
    except NotFound:
        problem = "unknown-place"
    except AedError as error:
        log.error("find help without a list", reason=error.detail)
        problem = "unavailable"
    return render(
        request,
        "find_help/find_help.html.jinja",
        where=where,
        Show=Show,
        Mark=Mark,
        found=found,
        estates=estates if len(estates) <= queries.MAX_ESTATES else [],
        sections=sections_of(answer, where.show) if answer is not None else None,
        problem=problem,
        nearest=NEAREST,
        docs=DOCS,
        openapi=OPENAPI,
        emergency_number=answer.emergency_number if answer is not None else None,
        missing=missing_lines(answer) if answer is not None else [],
        packs=estates_in(answer)[:MAX_PACKS] if answer is not None else [],
        headers={"Content-Security-Policy": map_policy(request.app.state.settings, POLICY)},
        map=map_config(request.app.state.settings, where.here),
        map_files=kept_map_files() if has_own_basemap(request.app.state.settings) else [],
        is_signed_in=viewer.is_signed_in,
    )


# --- without signal ---------------------------------------------------------------------------------------


@router.get(OFFLINE, include_in_schema=False, dependencies=[ANY_PARAMETER])
def get_offline_page(request: Request) -> Response:
    """Show the page that a phone keeps. Its script finds devices in the packs that the phone keeps."""
    return render(request, "find_help/offline.html.jinja", Mark=Mark, map=kept_map_config())


@router.get(WORKER, include_in_schema=False)
def get_worker() -> Response:
    """Return the service worker, which shows the page without signal. It changes with each release."""
    script = "js/offline.js"
    files = [
        "style.css",
        "css/map.css",
        "css/offline.css",
        "icon.svg",
        "icon-180.png",
        script,
        *static.imports_of(script),
    ]
    pages = {each: f"{OFFLINE}?lang={each}" for each in languages()}
    version = f"{__version__}-{static.version_of('')}"
    known = {"version": version, "files": [static.address(each) for each in files], "pages": pages}
    content = b"const SITE = " + orjson.dumps(known) + b";\n" + static.files()["worker.js"].content
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _WORKER_POLICY}
    return Response(content, media_type=static.MEDIA_TYPES[".js"], headers=headers)


async def _pack_slot(request: Request) -> AsyncIterator[None]:
    async with wait_for_turn(request, PACKS, client_address(request)):
        yield


@router.get(
    "/packs/{estate_id}", include_in_schema=False, dependencies=[Depends(_pack_slot, scope="function")]
)
def get_pack(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    estate_id: RowId,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Return an estate for use without signal: outline, devices, hours and a table of walking times.

    A stranger gets public devices only. Raises NotFound if the viewer sees no device of the estate.
    """
    state = request.app.state
    outline = queries.estate_outline(session, viewer, estate_id)
    settings: Settings = state.settings
    pack = pack_of(
        session.connection(),
        viewer,
        outline.boundary,
        time_zone=outline.time_zone,
        at=clock.now(),
        network=state.network,
        settings=settings,
    )
    out = pack_out(
        pack,
        outline.boundary,
        estate_id=estate_id,
        name=WordsOut(en=outline.name_en, zh=outline.name_zh),
        time_zone=outline.time_zone,
        is_public=not viewer.is_signed_in,
        max_metres=settings.arrival.max_fetch_metres,
        detour_factor=settings.arrival.detour_factor,
        map_address=_map_address(settings, estate_id, outline.boundary),
    )
    content = out.model_dump_json().encode()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Vary": "Accept-Encoding, Authorization, Cookie",
    }
    if if_none_match is not None and etag in if_none_match:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = gzip.compress(content, 6, mtime=0), "gzip"
    return Response(content, media_type="application/json", headers=headers)


@router.get(
    "/packs/{estate_id}/map.pmtiles",
    include_in_schema=False,
    dependencies=[ANY_PARAMETER, Depends(_pack_slot, scope="function")],
)
def get_pack_map(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    estate_id: RowId,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Return the base map around an estate for use without signal, as a PMTiles file of at most 1.5 MB.

    Raises NotFound if the viewer sees no device of the estate, or without a base map there.
    """
    settings: Settings = request.app.state.settings
    boundary = queries.estate_outline(session, viewer, estate_id).boundary
    if not has_own_basemap(settings):
        raise NotFound("There is no such file.")
    etag = f'"{_map_version(settings, boundary)}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    if if_none_match is not None and etag in if_none_match:
        return Response(status_code=304, headers=headers)
    content = extract(settings.basemap, _surroundings(boundary))
    if content is None:
        raise NotFound("There is no such file.")
    return Response(content, media_type="application/vnd.pmtiles", headers=headers)


def _map_address(settings: Settings, estate_id: int, boundary: BaseGeometry) -> str | None:
    if not has_own_basemap(settings):
        return None
    return f"/packs/{estate_id}/map.pmtiles?v={_map_version(settings, boundary)}"


def _map_version(settings: Settings, boundary: BaseGeometry) -> str:
    """Return a text that changes with the base map's file and the estate's boundary."""
    stat = settings.basemap.stat()
    made_from = (stat.st_mtime_ns, stat.st_size, *_surroundings(boundary))
    return hashlib.sha256(repr(made_from).encode()).hexdigest()[:16]


def _surroundings(boundary: BaseGeometry) -> BoundingBox:
    west, south, east, north = boundary.bounds
    up = AROUND_METRES / METRES_PER_DEGREE
    across = up / math.cos(math.radians((south + north) / 2))
    return BoundingBox(west - across, south - up, east + across, north + up)


# --- the page ---------------------------------------------------------------------------------------------


def _places(session: Session, viewer: Viewer, where: Where) -> list[KnownPlace]:
    if where.estate_id is not None:
        return [queries.estate_place(session, viewer, where.estate_id)]
    if where.here is None and where.text:
        found = places_named(session, viewer, where.text)
        exact = [each for each in found if where.text.strip() in (each.name_zh, each.name_en)]
        return exact if len(exact) == 1 else found
    return []


def _look_up(request: Request, viewer: Viewer, where: Where) -> LookupAnswer:
    assert where.here is not None
    state = request.app.state
    question = LookupQuestion(
        here=where.here,
        at=clock.now(),
        limit=MAX_DEVICES,
        responders=0,
        is_for_merge=state.neighbours is not None,
    )
    lookup = partial(
        answer_lookup, viewer=viewer, question=question, network=state.network, settings=state.settings
    )
    answer = retry_on_stale_connection(lookup, database_of(request).autocommit_engine.connect)
    return with_neighbours_in_thread(state.neighbours, answer)
