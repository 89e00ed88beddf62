"""Routes of the estate's desk, for its manager and the administrators of its region."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.free_text import one_line
from aed.accounts.people.actions import add_person, grant_role_to_known
from aed.accounts.people.rules import Language, e164
from aed.accounts.people.schemas import PersonIn
from aed.accounts.permissions import Role, Viewer
from aed.accounts.roles.actions import UNDO_FOR, revoke_role, undo_revocation
from aed.accounts.roles.schemas import RoleIn
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError, ChangedMeanwhile, Conflict, InvalidInput
from aed.hours.evaluation import parse_hours
from aed.http.parameters import RowId, SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.imports.devices.rules import thresholds_in
from aed.registry.devices import actions as device_actions
from aed.registry.devices.models import Device
from aed.registry.devices.schemas import DeviceAmend
from aed.registry.devices.undo import undo_change, undoable_changes
from aed.registry.estates.models import Estate
from aed.registry.estates.saved_filters import delete_filter, save_filter, saved_filters
from aed.settings import Settings
from aed.translation import detail_of
from aed.upkeep.rules import short_number
from aed.upkeep.signals.queries import monitors_of
from aed.web.estate_desk import actions, gates, page, queries, queue, report
from aed.web.estate_desk.actions import BulkChange, require_person
from aed.web.estate_desk.page import Shown
from aed.web.estate_desk.report import ListForm
from aed.web.form_fields import fields_by_name
from aed.web.language import language_of
from aed.web.render import render
from aed.web.signals import signals_of
from aed.web.week import week_of
from aed.web.words import noop, translator

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])
router.include_router(gates.router)

MAX_FIELDS: Final = 30
MAX_VALUE: Final = 4_000
MAX_SEARCH: Final = 100
SHOWN_AT_ONCE: Final = 100
"""Devices on one part of the list."""
MAX_PARTS: Final = 1_000
AT_ONCE: Final = 500
"""Devices that an export reads at once."""
NO_STORE: Final = {"Cache-Control": "no-store"}
NOT_STORABLE: Final = noop("These values cannot be stored. Leave out unusual characters, and shorten them.")
BAD_PHONE: Final = noop("This is not a phone number that can receive messages. Check the digits.")
NO_NAME: Final = noop("Enter the name of the person.")
OTHER_NAME: Final = noop("This number is registered under another name. Check the name and the number.")


Text = Annotated[str, Form(max_length=300)]


async def _fields(request: Request) -> dict[str, str]:
    """Return the fields of a form. Raises InvalidInput for one that these pages did not make."""
    return await fields_by_name(request, max_fields=MAX_FIELDS, max_characters=MAX_VALUE)


Fields = Annotated[dict[str, str], Depends(_fields)]


@router.get("/desk")
def choose_estate(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Lead to the desk of the only estate that the viewer manages, or list those that they manage."""
    if viewer.person_id is None:
        return RedirectResponse("/sign-in?next=/desk", 303)
    estates = queries.managed_estates(session, viewer)
    if len(estates) == 1:
        return RedirectResponse(f"/desk/{estates[0].id}", 303)
    return render(request, "estate_desk/estates.html.jinja", headers=NO_STORE, estates=estates)


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Which devices of the estate are listed."""

    shown: Shown
    q: str

    @property
    def query(self) -> str:
        """Return the filter as the query of an address."""
        return urlencode({"q": self.q, "shown": self.shown.value})


def _list_filter(
    shown: Shown = Shown.ALL, q: Annotated[str, Query(max_length=MAX_SEARCH)] = ""
) -> ListFilter:
    return ListFilter(shown, one_line(q).strip())


ListFilterDep = Annotated[ListFilter, Depends(_list_filter)]


@router.get("/desk/{estate_id}")
def show_desk(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    settings: SettingsDep,
    estate_id: RowId,
    chosen: ListFilterDep,
    part: Annotated[int, Query(ge=1, le=MAX_PARTS)] = 1,
) -> Response:
    """Show the devices of the estate, what is due on them, and what waits for its manager."""
    if viewer.person_id is None:
        return RedirectResponse(f"/sign-in?next=/desk/{estate_id}", 303)
    return _desk_page(request, session, viewer, settings, estate_id, chosen, part=part)


@router.get("/desk/{estate_id}/list.{form}")
def export_list(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    settings: SettingsDep,
    estate_id: RowId,
    chosen: ListFilterDep,
    form: ListForm,
) -> Response:
    """Download the list as filtered, with headings in the reader's language."""
    if viewer.person_id is None:
        return RedirectResponse(f"/sign-in?next=/desk/{estate_id}", 303)
    estate = queries.managed_estate(session, viewer, estate_id)
    at, language = clock.now(), language_of(request)
    ids = _chosen_ids(session, viewer, estate, chosen, queries.listed_devices(session, viewer, estate, at=at))
    within = settings.arrival.checked_within_days
    rows = [report.headings(language)]
    for some in batched(ids, AT_ONCE):
        read = queries.read_devices(session, viewer, estate, some, at=at, checked_within_days=within)
        rows += [report.cells(each, language) for each in page.lines_of(read, at=at)]
    today = at.astimezone(ZoneInfo(queries.time_zone_of_estate(estate))).date()
    name = f"aed-{estate.id}-{today:%Y%m%d}.{form.value}"
    return Response(
        report.FORMS[form](rows),
        media_type=report.MEDIA_TYPES[form],
        headers={**NO_STORE, "Content-Disposition": f'attachment; filename="{name}"'},
    )


def _chosen_ids(
    session: Session,
    viewer: Viewer,
    estate: Estate,
    chosen: ListFilter,
    listed: Sequence[queries.ListedDevice],
) -> list[int]:
    found = [each.id for each in listed if page.is_shown(each, chosen.shown)]
    if not chosen.q:
        return found
    matching = queries.matching_devices(session, viewer, estate, chosen.q)
    return [each for each in found if each in matching]


def _desk_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    settings: Settings,
    estate_id: int,
    chosen: ListFilter,
    *,
    part: int = 1,
    status: int = 200,
    problem: str = "",
    ticked: Sequence[str] = (),
    filter_problem: str = "",
    filter_name: str = "",
) -> Response:
    estate, at = queries.managed_estate(session, viewer, estate_id), clock.now()
    listed = queries.listed_devices(session, viewer, estate, at=at)
    ids = _chosen_ids(session, viewer, estate, chosen, listed)
    read = queries.read_devices(
        session,
        viewer,
        estate,
        ids[(part - 1) * SHOWN_AT_ONCE : part * SHOWN_AT_ONCE],
        at=at,
        checked_within_days=settings.arrival.checked_within_days,
    )
    waiting = queue.items_of(session, viewer, estate)
    return render(
        request,
        "estate_desk/desk.html.jinja",
        status=status,
        headers=NO_STORE,
        estate=estate,
        summary=page.summary_of(listed, waiting=len(waiting)),
        rows=page.lines_of(read, at=at),
        found=len(ids),
        part=part,
        parts=-(-len(ids) // SHOWN_AT_ONCE),
        choices=list(Shown),
        chosen=chosen,
        waiting=waiting,
        decided=queue.decided_items(session, viewer, estate, at=at),
        filters=saved_filters(session, viewer, estate_id=estate.id),
        keepers=queries.keepers_of(session, viewer, estate),
        problem=problem,
        ticked=ticked,
        filter_problem=filter_problem,
        filter_name=filter_name,
        undoable=_undoable(session, viewer, estate),
    )


@router.post("/desk/{estate_id}/devices")
def change_ticked_devices(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    settings: SettingsDep,
    estate_id: RowId,
    device: Annotated[list[str] | None, Form(max_length=actions.MAX_TICKED)] = None,
    do: Text = "",
    keeper: Text = "",
    reason: Annotated[str, Form(max_length=MAX_VALUE)] = "",
    shown: Annotated[Shown, Form()] = Shown.ALL,
    q: Annotated[str, Form(max_length=MAX_SEARCH)] = "",
) -> Response:
    """Do one thing with the ticked devices, and show what came of each; labels are downloaded."""
    require_person(viewer)
    estate = queries.managed_estate(session, viewer, estate_id)
    language, chosen = language_of(request), ListFilter(shown, one_line(q).strip())
    try:
        if do not in BulkChange:
            raise InvalidInput(actions.BAD_CHANGE, field="do")
        ticked, change = actions.ticked_in(device or []), BulkChange(do)
        if change is BulkChange.LABELS:
            query = urlencode([("estate_id", estate.id), *(("device_id", each.device_id) for each in ticked)])
            return RedirectResponse(f"/v1/labels.pdf?{query}", 303)
        results = actions.change_ticked(
            session,
            viewer,
            estate,
            change,
            keeper if change is BulkChange.KEEPER else reason,
            ticked,
            language=language,
            at=clock.now(),
        )
    except InvalidInput as error:
        return _desk_page(
            request,
            session,
            viewer,
            settings,
            estate_id,
            chosen,
            status=422,
            problem=translator(language)(detail_of(error, language)),
            ticked=[value.partition("-")[0] for value in device or []],
        )
    return render(
        request,
        "estate_desk/results.html.jinja",
        headers=NO_STORE,
        estate=estate,
        results=results,
        done=sum(each.is_done for each in results),
        back=chosen.query,
        undoable=_undoable(session, viewer, estate),
    )


@router.post("/desk/{estate_id}/devices/{device_id}/undo")
def undo_device_change(
    session: WriteSession,
    viewer: FormViewerDep,
    estate_id: RowId,
    device_id: RowId,
    change_id: Annotated[int, Form(ge=1, le=2**63 - 1)] = 1,
) -> RedirectResponse:
    """Undo the viewer's own last change of a device; a second time changes nothing."""
    require_person(viewer)
    _device(session, viewer, estate_id, device_id)
    undo_change(session, viewer, device_id, change_id, at=clock.now())
    return RedirectResponse(f"/desk/{estate_id}#device-{device_id}", 303)


@router.post("/desk/{estate_id}/queue")
def answer_queue_item(
    session: WriteSession,
    viewer: FormViewerDep,
    settings: SettingsDep,
    estate_id: RowId,
    item: Text = "",
    answer: Text = "",
) -> RedirectResponse:
    """Answer something that waits for the manager; a second time changes nothing."""
    require_person(viewer)
    estate = queries.managed_estate(session, viewer, estate_id)
    thresholds = thresholds_in(settings)
    queue.answer_item(session, viewer, estate, item, answer, thresholds=thresholds, at=clock.now())
    return RedirectResponse(f"/desk/{estate_id}#queue", 303)


@router.post("/desk/{estate_id}/filters")
def change_saved_filters(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    settings: SettingsDep,
    estate_id: RowId,
    name: Text = "",
    shown: Annotated[Shown, Form()] = Shown.ALL,
    q: Annotated[str, Form(max_length=MAX_SEARCH)] = "",
    delete: Annotated[int, Form(ge=0, le=2**63 - 1)] = 0,
) -> Response:
    """Save the filter under a name, for this person, or delete one of theirs."""
    require_person(viewer)
    queries.managed_estate(session, viewer, estate_id)
    chosen = ListFilter(shown, one_line(q).strip())
    if delete:
        delete_filter(session, viewer, estate_id, delete)
        return RedirectResponse(f"/desk/{estate_id}?{chosen.query}#devices", 303)
    try:
        save_filter(session, viewer, estate_id, name, chosen.query, at=clock.now())
    except (InvalidInput, Conflict) as error:
        problem = detail_of(error, language_of(request))
        return _desk_page(
            request,
            session,
            viewer,
            settings,
            estate_id,
            chosen,
            status=error.status,
            filter_problem=problem,
            filter_name=name,
        )
    return RedirectResponse(f"/desk/{estate_id}?{chosen.query}#devices", 303)


def _undoable(session: Session, viewer: Viewer, estate: Estate) -> list[page.UndoLine]:
    return page.undo_lines(undoable_changes(session, viewer, estate_id=estate.id, at=clock.now()))


# --- A device -------------------------------------------------------------------------------------------


@router.get("/desk/{estate_id}/devices/{device_id}")
def show_device_form(
    request: Request, session: ReadSession, viewer: ViewerDep, estate_id: RowId, device_id: RowId
) -> Response:
    """Show the form of a device of the estate."""
    if viewer.person_id is None:
        return RedirectResponse(f"/sign-in?next=/desk/{estate_id}/devices/{device_id}", 303)
    device = _device(session, viewer, estate_id, device_id)
    return _device_page(request, session, device, page.fields_of(device))


@router.post("/desk/{estate_id}/devices/{device_id}")
def amend_device(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    estate_id: RowId,
    device_id: RowId,
    fields: Fields,
) -> Response:
    """Show the hours of the coming week, or save the changes; show a conflict beside what was typed."""
    require_person(viewer)
    device = _device(session, viewer, estate_id, device_id)
    now, was = page.fields_of(device), _was(fields)
    typed = page.typed_in(fields, device)
    changed = page.changed_in(typed, was or now)
    version = int(fields["version"]) if fields.get("version", "").isdecimal() else 0
    try:
        if (hours := page.hours_in(typed)) is not None:
            parse_hours(hours)
        if fields.get("do") == "preview":
            return _device_page(request, session, device, typed, was=was, version=version, is_preview=True)
        change = DeviceAmend.model_validate(page.amendment_of(typed, changed.keys()))
        with session.begin_nested():
            device_actions.amend_device(session, viewer, device_id, change, version=version, at=clock.now())
    except ChangedMeanwhile:
        session.expunge_all()
        device = _device(session, viewer, estate_id, device_id)
        now = page.fields_of(device)
        clashes = page.clashes_of(now | changed, now, changed.keys())
        return _device_page(request, session, device, now | changed, status=409, clashes=clashes)
    except ValidationError:
        return _device_page(
            request, session, device, typed, was=was, version=version, status=422, problem=NOT_STORABLE
        )
    except AedError as error:
        if error.status not in (409, 422):
            raise
        session.expunge_all()
        device = _device(session, viewer, estate_id, device_id)
        problem = detail_of(error, language_of(request))
        return _device_page(
            request, session, device, typed, was=was, version=version, status=error.status, problem=problem
        )
    return RedirectResponse(f"/desk/{estate_id}#device-{device_id}", 303)


def _device(session: Session, viewer: Viewer, estate_id: int, device_id: int) -> Device:
    """Return a device of the estate for the manager of it. Raises NotFound, NotAllowed."""
    estate = queries.managed_estate(session, viewer, estate_id)
    return queries.device_of_estate(session, viewer, estate, device_id)


def _was(fields: dict[str, str]) -> dict[str, str] | None:
    """Return what the form showed when it was opened, or None if it was sent without that."""
    try:
        found = json.loads(fields.get("was", ""))
    except ValueError:
        return None
    is_form = isinstance(found, dict) and all(isinstance(each, str) for each in found.values())
    return found if is_form else None


def _device_page(
    request: Request,
    session: Session,
    device: Device,
    typed: dict[str, str],
    *,
    was: dict[str, str] | None = None,
    version: int | None = None,
    status: int = 200,
    problem: str = "",
    clashes: list[page.Clash] | None = None,
    is_preview: bool = False,
) -> Response:
    today = clock.now().astimezone(ZoneInfo(page.time_zone_of(device))).date()
    hours: str | None = page.hours_in(typed) if is_preview else device.opening_hours
    return render(
        request,
        "estate_desk/device.html.jinja",
        status=status,
        headers=NO_STORE,
        device=device,
        estate=device.estate,
        code=short_number(device.id),
        signals=signals_of(monitors_of(session, [device.id]).get(device.id), at=clock.now()),
        typed=typed,
        was=json.dumps(was or page.fields_of(device), ensure_ascii=False),
        version=device.version if version is None else version,
        problem=problem,
        clashes=clashes,
        entries=page.ENTRIES,
        week=week_of(hours, today, queries.calendar_of(session, device)),
        is_preview=is_preview,
    )


# --- People ---------------------------------------------------------------------------------------------


@router.get("/desk/{estate_id}/people")
def show_people(request: Request, session: ReadSession, viewer: ViewerDep, estate_id: RowId) -> Response:
    """List who holds a role on the estate."""
    if viewer.person_id is None:
        return RedirectResponse(f"/sign-in?next=/desk/{estate_id}/people", 303)
    return _people_page(request, session, viewer, estate_id, {"name": "", "phone": "", "role": Role.KEEPER})


@router.post("/desk/{estate_id}/people")
def add_role(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    settings: SettingsDep,
    estate_id: RowId,
    name: Annotated[str, Form(max_length=300)] = "",
    phone: Annotated[str, Form(max_length=300)] = "",
    role: Annotated[Role, Form()] = Role.KEEPER,
    is_same_person: Annotated[bool, Form()] = False,
) -> Response:
    """Give a role on the estate to a new person, or to one who is registered under this name and number.

    Asks before it takes two people for one. A number under another name is refused without that name.
    """
    require_person(viewer)
    typed: dict[str, Any] = {"name": name, "phone": phone, "role": role}
    estate = queries.managed_estate(session, viewer, estate_id)
    try:
        number = e164(phone, country=estate.region.country)
    except InvalidInput:
        return _people_page(request, session, viewer, estate_id, typed, status=422, phone_error=BAD_PHONE)
    known = queries.person_with(session, number, country=estate.region.country)
    if known is not None and known.name.strip() != name.strip():
        return _people_page(request, session, viewer, estate_id, typed, status=409, name_error=OTHER_NAME)
    if known is not None and not is_same_person:
        return _people_page(request, session, viewer, estate_id, typed, status=409, is_known=True)
    new = RoleIn(role=role, estate_id=estate_id)
    try:
        with session.begin_nested():
            if known is not None:
                grant_role_to_known(session, viewer, known, number, new, at=clock.now())
            else:
                person = PersonIn(name=name.strip(), phone=number, language=Language.ZH, role=new)
                add_person(session, viewer, person, country=settings.phone_country, at=clock.now())
    except ValidationError:
        return _people_page(request, session, viewer, estate_id, typed, status=422, name_error=NO_NAME)
    except AedError as error:
        if error.status not in (409, 422):
            raise
        problem = detail_of(error, language_of(request))
        return _people_page(request, session, viewer, estate_id, typed, status=error.status, problem=problem)
    return RedirectResponse(f"/desk/{estate_id}/people", 303)


@router.post("/desk/{estate_id}/people/{grant_id}/end")
def end_role(
    session: WriteSession, viewer: FormViewerDep, estate_id: RowId, grant_id: RowId
) -> RedirectResponse:
    """End a role on the estate; a second time changes nothing."""
    require_person(viewer)
    queries.managed_estate(session, viewer, estate_id)
    revoke_role(session, viewer, grant_id, at=clock.now())
    return RedirectResponse(f"/desk/{estate_id}/people", 303)


@router.post("/desk/{estate_id}/people/{grant_id}/undo")
def undo_end_of_role(
    session: WriteSession, viewer: FormViewerDep, estate_id: RowId, grant_id: RowId
) -> RedirectResponse:
    """Give a role again that the viewer ended a moment ago; a second time changes nothing."""
    require_person(viewer)
    queries.managed_estate(session, viewer, estate_id)
    undo_revocation(session, viewer, grant_id, at=clock.now())
    return RedirectResponse(f"/desk/{estate_id}/people", 303)


def _people_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    estate_id: int,
    typed: dict[str, Any],
    *,
    status: int = 200,
    problem: str = "",
    name_error: str = "",
    phone_error: str = "",
    is_known: bool = False,
) -> Response:
    estate = queries.managed_estate(session, viewer, estate_id)
    return render(
        request,
        "estate_desk/people.html.jinja",
        status=status,
        headers=NO_STORE,
        estate=estate,
        held=queries.people_of(session, viewer, estate),
        revoked=queries.revoked_by_viewer(session, viewer, estate, since=clock.now() - UNDO_FOR),
        roles=page.ROLES,
        typed=typed,
        problem=problem,
        name_error=name_error,
        phone_error=phone_error,
        is_known=is_known,
    )
