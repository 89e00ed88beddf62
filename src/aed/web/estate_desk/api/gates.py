"""Routes of the gates of an estate: on a map and as a list, with their hours and who may pass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.database.geometry import position_of
from aed.errors import AedError, ChangedMeanwhile, InvalidInput, NotFound
from aed.geo import Datum, coordinates_in, from_wgs84
from aed.hours.evaluation import parse_hours
from aed.http.parameters import RowId, SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.registry.estates import actions as estate_actions
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.gate_codes import GateCodeIn, codes_of_gates, set_gate_code
from aed.registry.estates.models import Gate
from aed.registry.estates.rules import GateState, Passage
from aed.registry.estates.schemas import GateAmend, GateIn
from aed.settings import Settings
from aed.translation import detail_of
from aed.web.basemap import datum_of_map, has_own_basemap, map_config, map_policy
from aed.web.estate_desk import page, queries
from aed.web.estate_desk.actions import require_person
from aed.web.form_fields import fields_by_name
from aed.web.language import language_of
from aed.web.render import NO_STORE, POLICY, render, to_sign_in
from aed.web.words import noop, translator

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

PASSAGES: Final = {
    Passage.OPEN: noop("Everybody may pass"),
    Passage.GUARDED: noop("A guard lets outsiders in"),
    Passage.RESIDENTS: noop("Residents only"),
}
BAD_PLACE: Final = noop("Give the gate as latitude and longitude, such as 30.2948, 120.0982.")
BAD_GATE: Final = noop("Give the gate a name that can be printed, of at most 200 characters.")
BAD_CODE: Final = noop("Give the gate code in at most 50 characters that can be printed.")
NEW: Final = "new"
"""The form of a gate that does not exist yet."""
NAMES: Final = (
    "name_zh",
    "name_en",
    "place",
    "datum",
    "passage",
    "hours",
    "code",
    "was_code",
    "key",
    "version",
    "do",
)


async def _fields(request: Request) -> dict[str, str]:
    return await fields_by_name(request, max_fields=len(NAMES), max_characters=1_000)


Fields = Annotated[dict[str, str], Depends(_fields)]


@router.get("/desk/{estate_id}/gates")
def show_gates(
    request: Request, session: ReadSession, viewer: ViewerDep, settings: SettingsDep, estate_id: RowId
) -> Response:
    """Show the gates of the estate on a map, each with a form, and a form for a new one."""
    if viewer.person_id is None:
        return to_sign_in(f"/desk/{estate_id}/gates")
    return _gates_page(request, session, viewer, settings, estate_id)


@router.post("/desk/{estate_id}/gates")
def add_gate(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    settings: SettingsDep,
    estate_id: RowId,
    fields: Fields,
) -> Response:
    """Add a gate; a form that is sent twice adds one."""
    require_person(viewer)
    queries.managed_estate(session, viewer, estate_id)
    try:
        key = str(UUID(fields.get("key", "")))
    except ValueError:
        key = str(uuid4())
    if any(each.source_id == key for each in estate_queries.gates(session, viewer, estate_id=estate_id)):
        return RedirectResponse(f"/desk/{estate_id}/gates", 303)
    try:
        with session.begin_nested():
            new = GateIn.model_validate({**_values(fields), "source_id": key})
            gate = estate_actions.create_gate(session, viewer, estate_id, new, at=clock.now())
            _set_code(session, viewer, gate, fields)
    except (AedError, ValidationError) as error:
        return _refused(request, session, viewer, settings, estate_id, NEW, fields, error)
    return RedirectResponse(f"/desk/{estate_id}/gates", 303)


@router.post("/desk/{estate_id}/gates/{gate_id}")
def change_gate(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    settings: SettingsDep,
    estate_id: RowId,
    gate_id: RowId,
    fields: Fields,
) -> Response:
    """Change or move a gate, or remove it; if it was changed meanwhile, nothing is saved."""
    require_person(viewer)
    queries.managed_estate(session, viewer, estate_id)
    gate = estate_queries.gate(session, viewer, gate_id)
    if gate.estate_id != estate_id:
        raise NotFound("The estate has no such gate.", field="gate_id")
    text = fields.get("version", "")
    version = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    try:
        with session.begin_nested():
            if fields.get("do") == "remove":
                if gate.state is not GateState.WITHDRAWN:
                    estate_actions.withdraw_gate(session, viewer, gate.id, version=version, at=clock.now())
            else:
                change = GateAmend.model_validate(_values(fields))
                estate_actions.amend_gate(session, viewer, gate.id, change, version=version, at=clock.now())
                _set_code(session, viewer, gate, fields)
    except (AedError, ValidationError) as error:
        return _refused(request, session, viewer, settings, estate_id, str(gate_id), fields, error)
    return RedirectResponse(f"/desk/{estate_id}/gates", 303)


def _values(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a form as the schemas take them. Raises InvalidInput for a place that is none."""
    pair = coordinates_in(fields.get("place", ""))
    if pair is None:
        raise InvalidInput(BAD_PLACE, field="place")
    hours = fields.get("hours", "").strip()
    if hours:
        parse_hours(hours)
    zh, en = fields.get("name_zh", "").strip(), fields.get("name_en", "").strip()
    return {
        "name_zh": zh or en,
        "name_en": en or zh,
        "position": {"lat": pair[0], "lon": pair[1], "datum": fields.get("datum", Datum.WGS84.value)},
        "passage": fields.get("passage", ""),
        "opening_hours": hours or None,
    }


def _set_code(session: Session, viewer: Viewer, gate: Gate, fields: Mapping[str, str]) -> None:
    """Set or remove the code of a gate, if it was changed in the form."""
    code = fields.get("code", "").strip()
    if code != fields.get("was_code", ""):
        given = GateCodeIn.model_validate({"code": code or None})
        set_gate_code(session, viewer, gate.id, given.code, at=clock.now())


def _refused(
    request: Request,
    session: Session,
    viewer: Viewer,
    settings: Settings,
    estate_id: int,
    form: str,
    fields: Mapping[str, str],
    error: AedError | ValidationError,
) -> Response:
    """Show the page with the sentence beside what was typed; what was saved meanwhile is shown, too."""
    language, status = language_of(request), 422
    if isinstance(error, AedError):
        if error.status not in (409, 412, 422):
            raise error
        status, problem = error.status, translator(language)(detail_of(error, language))
    else:
        places = {str(part) for each in error.errors() for part in each["loc"]}
        sentence = BAD_PLACE if "position" in places else BAD_CODE if "code" in places else BAD_GATE
        problem = translator(language)(sentence)
    session.expire_all()
    is_stale = isinstance(error, ChangedMeanwhile)
    return _gates_page(
        request,
        session,
        viewer,
        settings,
        estate_id,
        typed=(form, fields),
        problem=problem,
        status=status,
        is_stale=is_stale,
    )


def _gates_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    settings: Settings,
    estate_id: int,
    *,
    typed: tuple[str, Mapping[str, str]] | None = None,
    problem: str = "",
    status: int = 200,
    is_stale: bool = False,
) -> Response:
    estate = queries.managed_estate(session, viewer, estate_id)
    gates = [
        each
        for each in estate_queries.gates(session, viewer, estate_id=estate.id)
        if each.state is GateState.ACTIVE
    ]
    datum = datum_of_map(settings)
    codes = codes_of_gates(session, estate.id)
    forms: dict[str, dict[str, str]] = {
        NEW: {
            "name_zh": "",
            "name_en": "",
            "place": "",
            "datum": datum.value,
            "passage": Passage.GUARDED.value,
            "hours": "",
            "code": "",
            "was_code": "",
            "key": str(uuid4()),
            "version": "",
        },
        **{str(each.id): _form_of(each, codes.get(each.id, ""), datum) for each in gates},
    }
    if typed is not None and typed[0] in forms:
        sent = {name: value for name, value in typed[1].items() if name in NAMES}
        if is_stale:
            sent.pop("version", None)
        forms[typed[0]] |= sent
    return render(
        request,
        "estate_desk/gates.html.jinja",
        status=status,
        headers={**NO_STORE, "Content-Security-Policy": map_policy(settings, POLICY)},
        estate=estate,
        forms=forms,
        new=NEW,
        passages=PASSAGES,
        problem=problem,
        problem_of=typed[0] if typed is not None else "",
        map=map_config(settings),
        outline=json.dumps(page.outline_of(estate, datum)),
        has_basemap=has_own_basemap(settings) or bool(settings.other_basemap.url),
    )


def _form_of(gate: Gate, code: str, datum: Datum) -> dict[str, str]:
    lat, lon = from_wgs84(position_of(gate.position), datum)
    return {
        "name_zh": gate.name_zh,
        "name_en": gate.name_en,
        "place": f"{lat:.6f}, {lon:.6f}",
        "datum": datum.value,
        "passage": gate.passage.value,
        "hours": gate.opening_hours or "",
        "code": code,
        "was_code": code,
        "key": "",
        "version": str(gate.version),
    }
