"""Routes of the pages on which people report something."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep, client_address
from aed.accounts.people.rules import Language
from aed.accounts.permissions import ANYONE, Viewer
from aed.accounts.sign_in.rules import address_key
from aed.database.dependencies import ReadSession, WriteSession, database_of
from aed.errors import InvalidInput, TooBusy
from aed.geo import Position
from aed.http.query import ANY_PARAMETER
from aed.registry.devices.rules import Mark
from aed.settings import Settings
from aed.upkeep.checks.photo import PhotoOrigin, Picture
from aed.upkeep.faults.actions import report_by_number
from aed.upkeep.faults.queries import report_by_status_key, status_key
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.models import Sighting
from aed.upkeep.rules import device_id_of, short_number
from aed.upkeep.sightings import actions as sighting_actions
from aed.upkeep.sightings import queries as sighting_queries
from aed.upkeep.sightings.rules import MAX_WORDS, SightingState
from aed.web.basemap import MANY, extent, map_config, map_policy
from aed.web.language import language_of
from aed.web.moved_devices import redirect_after_move
from aed.web.photo_form import receive_photo_form
from aed.web.render import POLICY, render
from aed.web.reports.rules import MAX_NOTE, OFFERED, SIGHTING_STATES, STATES, kind_chosen, place_typed

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])
MAX_CODE: Final = 64
Code = Annotated[str, Path(max_length=MAX_CODE)]
Typed = Annotated[str, Form(max_length=10_000)]


def _number(code: Code) -> int | None:
    """Return the device id of a well-formed number; None if it is mistyped."""
    try:
        device_id = device_id_of(code)
    except InvalidInput:
        return None
    return device_id if device_id < 2**63 else None


Number = Annotated[int | None, Depends(_number)]


def _mistyped(request: Request, code: str) -> Response:
    return render(request, "reports/mistyped.html.jinja", status=422, code=code, max_code=MAX_CODE)


@router.get("/d/{code}/report")
def show_report_form(
    request: Request,
    code: Code,
    number: Number,
    again: Annotated[str, Query(max_length=MAX_CODE)] = "",
) -> Response:
    """Show the form for a problem with a device; it looks the same whether there is such a device.

    `again` is the number that was typed because the one in the address is not right.
    """
    if again.strip():
        return RedirectResponse(f"/d/{quote(again.strip(), safe='')}/report", 303)
    if number is None:
        return _mistyped(request, code)
    return redirect_after_move(request, number, page="/report") or _form(request, code)


@router.post("/d/{code}/report")
def send_report(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    code: Code,
    number: Number,
    kind: Typed = "",
    note: Typed = "",
) -> Response:
    """Store the report, notify the device's keepers, and go on to the page that follows it."""
    if number is None:
        return _mistyped(request, code)
    chosen, note = kind_chosen(kind), note.strip()
    problem = "kind" if chosen is None else "note" if len(note) > MAX_NOTE else ""
    if problem or chosen is None:
        return _form(request, code, kind=kind, note=note, problem=problem, status=422)
    at = clock.now()
    try:
        report = ReportIn(kind=chosen, note=note or None)
    except ValidationError:
        return _form(request, code, kind=kind, note=note, problem="characters", status=422)
    try:
        report_by_number(session, viewer, code, report, from_key=address_key(client_address(request)), at=at)
    except TooBusy:
        return _form(request, code, kind=kind, note=note, problem="too-many", status=429)
    key = status_key(database_of(request).keys, number, chosen, at)
    return RedirectResponse(f"/d/{code}/report/{key}", 303)


def _form(
    request: Request, code: str, *, kind: str = "", note: str = "", problem: str = "", status: int = 200
) -> Response:
    return render(
        request,
        "reports/problem.html.jinja",
        status=status,
        code=code,
        kinds=OFFERED,
        kind=kind,
        note=note,
        problem=problem,
        max_note=MAX_NOTE,
    )


@router.get("/d/{code}/report/{key}")
def show_report_status(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    code: Code,
    number: Number,
    key: Annotated[str, Path(max_length=100)],
) -> Response:
    """Show the state of a report to anyone with its secret link.

    What comes of a report about a device that the viewer may not see is not shown, as for a number that
    belongs to no device.
    """
    if number is None:
        return _mistyped(request, code)
    found = report_by_status_key(session, viewer, database_of(request).keys, number, key)
    return render(
        request,
        "reports/problem_status.html.jinja",
        code=code,
        state=STATES[found.state] if found is not None else "",
        is_open=found is not None and found.closed_at is None,
    )


# --- An AED that nobody has registered -----------------------------------------------------------------

Key = Annotated[str, Path(max_length=64)]


@dataclass(frozen=True, slots=True)
class SightingForm:
    """What the first form sent."""

    where: str
    datum: str
    lat: str
    lon: str
    words: str
    picture: Picture | None
    origin: PhotoOrigin
    problem: str
    """`photo` if it cannot be read; empty otherwise."""


async def _sighting_form(request: Request, _viewer: FormViewerDep) -> AsyncIterator[SightingForm]:
    """Yield the form, its photo without metadata, except what the sender agreed to be read."""
    async with receive_photo_form(request, address_key(client_address(request))) as sent:
        text = sent.fields
        yield SightingForm(
            where=text.get("where", "").strip(),
            datum=text.get("datum", ""),
            lat=text.get("lat", ""),
            lon=text.get("lon", ""),
            words=text.get("words", "").strip(),
            picture=sent.picture,
            origin=sent.origin,
            problem="photo" if sent.is_unreadable else "",
        )


@router.get("/report")
def show_sighting_form(request: Request) -> Response:
    """Show the form for an AED that is not registered: photo first, then where it is."""
    return _sighting_page(request, None)


@router.post("/report")
def draft_sighting(
    request: Request,
    sent: Annotated[SightingForm, Depends(_sighting_form, scope="function")],
    session: WriteSession,
) -> Response:
    """Keep what was sent as a draft, and go on to the page that shows likely duplicates."""
    if sent.problem:
        return _sighting_page(request, sent, problem=sent.problem, status=422)
    if len(sent.words) > MAX_WORDS:
        return _sighting_page(request, sent, problem="words", status=422)
    here, wrong = _place(sent.where, sent.datum, sent.lat, sent.lon)
    if here is None and sent.origin.lat is not None and sent.origin.lon is not None:
        here = Position(sent.origin.lat, sent.origin.lon)
    try:
        key = sighting_actions.draft_sighting(
            session,
            here=here,
            words=sent.words,
            language=_language(request),
            picture=sent.picture,
            taken_at=sent.origin.taken_at,
            from_key=address_key(client_address(request)),
            at=clock.now(),
        )
    except TooBusy:
        return _sighting_page(request, sent, problem="too-many", status=429)
    return _to_draft(key, wrong)


def _place(where: str, datum: str, lat: str, lon: str) -> tuple[Position | None, str]:
    """Return the place, and the text that could not be read as one."""
    try:
        return place_typed(where, datum, lat, lon), ""
    except InvalidInput:
        return None, where[:MAX_NOTE]


def _to_draft(key: str, wrong: str) -> Response:
    return RedirectResponse(f"/report/{key}" + (f"?{urlencode({'where': wrong})}" if wrong else ""), 303)


def _language(request: Request) -> Language:
    return Language.ZH if language_of(request).startswith("zh") else Language.EN


def _sighting_page(
    request: Request, sent: SightingForm | None, *, problem: str = "", status: int = 200
) -> Response:
    settings: Settings = request.app.state.settings
    return render(
        request,
        "reports/sighting.html.jinja",
        status=status,
        headers={"Content-Security-Policy": map_policy(settings, POLICY)},
        sent=sent,
        problem=problem,
        map=map_config(settings, devices=extent(database_of(request), ANYONE)),
        marks=list(Mark),
        max_words=MAX_WORDS,
        max_bytes=request.app.state.settings.photo_limit_bytes,
    )


@router.get("/report/{key}")
def show_sighting(request: Request, session: ReadSession, viewer: ViewerDep, key: Key) -> Response:
    """Show a draft with the registered devices around it, or what has come of a sent report."""
    sighting = sighting_queries.sighting_by_key(session, key)
    state = sighting_queries.state_of(session, sighting)
    if state is not SightingState.DRAFT:
        return render(request, "reports/sighting_status.html.jinja", state=SIGHTING_STATES[state], key=key)
    return _draft_page(request, session, viewer, sighting, key, wrong=request.query_params.get("where", ""))


@router.post("/report/{key}")
def answer_draft(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    key: Key,
    do: Typed = "",
    where: Typed = "",
    datum: Typed = "",
    lat: Typed = "",
    lon: Typed = "",
    words: Typed = "",
) -> Response:
    """Change the place of a draft, recognise it as a registered device, or send it."""
    sighting = sighting_queries.sighting_by_key(session, key, for_update=True)
    if sighting.sent_at is not None:  # a double tap, or the back button
        return _to_draft(key, "")
    if do.startswith("same:"):
        sighting_actions.discard_draft(session, sighting)
        return RedirectResponse(f"/d/{short_number(device_id_of(do.removeprefix('same:')))}", 303)
    if do == "send" and sighting.lat is not None:
        sighting_actions.send_sighting(session, viewer, sighting, at=clock.now())
        return _to_draft(key, "")
    here, wrong = _place(where, datum, lat, lon)
    sighting_actions.amend_draft(sighting, here=here, words=words[:MAX_WORDS], language=_language(request))
    session.flush()
    return _to_draft(key, wrong)


def _draft_page(
    request: Request, session: Session, viewer: Viewer, sighting: Sighting, key: str, *, wrong: str
) -> Response:
    here = None
    if sighting.lat is not None and sighting.lon is not None:
        here = Position(sighting.lat, sighting.lon)
    around = sighting_queries.devices_around(session, viewer, here) if here is not None else []
    settings: Settings = request.app.state.settings
    devices = extent(database_of(request), viewer) if here is None else MANY
    return render(
        request,
        "reports/sighting_draft.html.jinja",
        headers={"Content-Security-Policy": map_policy(settings, POLICY)},
        map=map_config(settings, here, devices=devices),
        marks=list(Mark),
        key=key,
        here=here,
        words=sighting.place_zh or sighting.place_en or "",
        has_photo=sighting_queries.has_photo(session, sighting.id),
        around=[(short_number(each.device_id), each) for each in around],
        wrong=wrong[:MAX_NOTE],
        max_words=MAX_WORDS,
    )


@router.get("/report/{key}/photo")
def show_sighting_photo(session: ReadSession, key: Key) -> Response:
    """Return the photo to anyone with the secret of the report."""
    sighting = sighting_queries.sighting_by_key(session, key)
    return Response(sighting_queries.photo_of(session, sighting.id), media_type="image/jpeg")
