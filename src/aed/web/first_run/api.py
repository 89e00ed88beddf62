"""The pages `/first-run` and `/first-run/place`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep, require_same_origin
from aed.accounts.first_run.actions import add_first_administrator, require_first_run
from aed.accounts.people.models import Person
from aed.accounts.people.rules import Language, e164
from aed.accounts.people.schemas import PersonIn
from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.regions.actions import put_region
from aed.accounts.regions.queries import region_by_code, regions
from aed.accounts.regions.schemas import RegionIn
from aed.accounts.sign_in.actions import open_session
from aed.accounts.sign_in.requests import SIGN_IN_TURN, browser_of, keep_session
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.database.session import read_session, transaction
from aed.errors import AedError, InvalidInput, NotFound
from aed.geo import Datum
from aed.http.parameters import SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.registry.estates.actions import create_estate
from aed.registry.estates.schemas import EstateIn
from aed.settings import Settings
from aed.translation import detail_of
from aed.web.basemap import has_own_basemap, map_config, map_policy
from aed.web.first_run import queries
from aed.web.first_run.rules import ELSEWHERE, boundary_of, corners_in, provinces
from aed.web.form_fields import BAD_PHONE, Text
from aed.web.language import language_of
from aed.web.render import NO_STORE, POLICY, render, to_sign_in
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

BAD_NAME: Final = noop("This name cannot be stored. Leave out unusual characters.")
BAD_PLACE: Final = noop(
    "The region or the estate cannot be stored like this. Check the names, the code, the country (two "
    "letters), the time zone and the emergency number."
)


# --- The administrator ----------------------------------------------------------------------------------


@router.get("/first-run")
def show_first_run(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Ask for the one-time code; show an administrator how far the installation is.

    Raises NotFound for everybody else once there is an administrator.
    """
    if viewer.is_administrator:
        return render(
            request,
            "first_run/steps.html.jinja",
            headers=NO_STORE,
            progress=queries.progress(session, viewer),
        )
    require_first_run(session, at=clock.now())
    return _code_page(request, {})


@router.post("/first-run", dependencies=[SIGN_IN_TURN, Depends(require_same_origin)])
def make_administrator(
    request: Request,
    database: DatabaseDep,
    settings: SettingsDep,
    code: Text = "",
    name: Text = "",
    phone: Text = "",
    password: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Add the first administrator, sign them in, and lead on to the first place.

    visibility: the caller is the person, who was added a moment ago.
    """
    at, typed = clock.now(), {"code": code, "name": name, "phone": phone}
    with read_session(database) as session:
        require_first_run(session, at=at)
    try:
        number = e164(phone, country=settings.phone_country)
    except InvalidInput:
        return _code_page(request, typed, field="phone", problem=BAD_PHONE, status=422)
    language = Language.ZH if language_of(request).startswith("zh") else Language.EN
    try:
        new = PersonIn(name=name, phone=number, language=language)
    except ValidationError:
        return _code_page(request, typed, field="name", problem=BAD_NAME, status=422)
    try:
        person_id = add_first_administrator(
            database, code, new, password, country=settings.phone_country, at=at
        )
    except NotFound:
        raise
    except AedError as error:
        problem = detail_of(error, language_of(request))
        return _code_page(request, typed, field=error.field or "code", problem=problem, status=error.status)
    lasts = timedelta(hours=settings.sign_in_hours)
    with transaction(database) as session:
        person = session.get_one(Person, person_id)
        browser = browser_of(request, database, number, at=at)
        opened = open_session(session, person, browser=browser, lasts=lasts, at=at)
    response = RedirectResponse("/first-run", 303)
    keep_session(request, response, database, opened.key, phone=number, lasts=lasts, at=at)
    return response


def _code_page(
    request: Request, typed: dict[str, str], *, field: str = "", problem: str = "", status: int = 200
) -> Response:
    return render(
        request,
        "first_run/code.html.jinja",
        status=status,
        headers=NO_STORE,
        typed={"code": "", "name": "", "phone": "", **typed},
        field=field,
        problem=problem,
    )


# --- The first region and estate ------------------------------------------------------------------------


def _empty() -> dict[str, str]:
    return {
        "region": "CN-33",
        "code": "",
        "name_zh": "",
        "name_en": "",
        "country": "",
        "time_zone": "",
        "emergency_number": "",
        "estate": "",
        "corners": "",
        "datum": Datum.WGS84.value,
    }


@router.get("/first-run/place")
def show_place_form(
    request: Request, session: ReadSession, viewer: ViewerDep, settings: SettingsDep
) -> Response:
    """Show the form of a region and an estate, with a map on which its corners are tapped."""
    if not viewer.is_signed_in:
        return to_sign_in("/first-run/place")
    require_administrator(viewer)
    return _place_page(request, session, settings, _empty())


@router.post("/first-run/place")
def add_place(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    settings: SettingsDep,
    region: Text = "",
    code: Text = "",
    name_zh: Text = "",
    name_en: Text = "",
    country: Text = "",
    time_zone: Text = "",
    emergency_number: Text = "",
    estate: Text = "",
    corners: Annotated[str, Form(max_length=20_000)] = "",
    datum: Annotated[Datum, Form()] = Datum.WGS84,
) -> Response:
    """Add an estate in a region that exists, in a province, or in a region of its own."""
    require_administrator(viewer)
    typed = {
        "region": region,
        "code": code.strip(),
        "name_zh": (name_zh or name_en).strip(),
        "name_en": (name_en or name_zh).strip(),
        "country": country.strip().upper(),
        "time_zone": time_zone.strip(),
        "emergency_number": emergency_number.strip(),
        "estate": estate.strip(),
        "corners": corners,
        "datum": datum.value,
    }
    try:
        with session.begin_nested():
            _add_place(session, viewer, settings, typed, datum)
    except ValidationError:
        return _place_page(request, session, settings, typed, problem=BAD_PLACE, status=422)
    except AedError as error:
        if error.status not in (404, 409, 422):
            raise
        problem, field = detail_of(error, language_of(request)), error.field or ""
        return _place_page(
            request, session, settings, typed, problem=problem, field=field, status=error.status
        )
    return RedirectResponse("/first-run", 303)


def _add_place(
    session: Session, viewer: Viewer, settings: Settings, typed: dict[str, str], datum: Datum
) -> None:
    """Add the region if it is new, and the estate. Raises ValidationError, InvalidInput, NotFound."""
    boundary = boundary_of(corners_in(typed["corners"], datum))
    known = {each.code for each in regions(session)}
    names = ("code", "name_en", "name_zh", "country", "time_zone", "emergency_number")
    if typed["region"] == ELSEWHERE:
        new = RegionIn.model_validate({name: typed[name] for name in names})
        if new.code not in known:
            put_region(session, new)
        code = new.code
    else:
        code = typed["region"]
        province = provinces(settings.emergency_number_mainland_china).get(code)
        if code not in known and province is not None:
            put_region(session, province)
    estate = EstateIn(
        region=region_by_code(session, code).code,
        name_en=typed["estate"],
        name_zh=typed["estate"],
        boundary=boundary,
    )
    create_estate(session, viewer, estate, at=clock.now())


def _place_page(
    request: Request,
    session: Session,
    settings: Settings,
    typed: dict[str, str],
    *,
    problem: str = "",
    field: str = "",
    status: int = 200,
) -> Response:
    choices: dict[str, Any] = provinces(settings.emergency_number_mainland_china)
    known = regions(session)
    return render(
        request,
        "first_run/place.html.jinja",
        status=status,
        headers={**NO_STORE, "Content-Security-Policy": map_policy(settings, POLICY)},
        typed=typed,
        problem=problem,
        field=field,
        known=known,
        provinces=[each for code, each in choices.items() if code not in {one.code for one in known}],
        elsewhere=ELSEWHERE,
        map=map_config(settings),
        has_basemap=has_own_basemap(settings) or bool(settings.other_basemap.url),
    )
