"""Routes of `/desk`: the devices of an estate, what is done with those ticked, and what waits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Annotated, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.free_text import one_line
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import Conflict, InvalidInput
from aed.http.parameters import RowId, SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.imports.devices.rules import thresholds_in
from aed.registry.devices.undo import undoable_changes
from aed.registry.estates.models import Estate
from aed.registry.estates.saved_filters import delete_filter, save_filter, saved_filters
from aed.settings import Settings
from aed.translation import detail_of
from aed.web.basemap import datum_of_map, map_config, map_policy
from aed.web.estate_desk import actions, page, queries, queue, report
from aed.web.estate_desk.actions import BulkChange, require_person
from aed.web.estate_desk.page import MAX_VALUE, Shown
from aed.web.estate_desk.report import ListForm
from aed.web.form_fields import Text
from aed.web.language import language_of
from aed.web.render import NO_STORE, POLICY, render, to_sign_in
from aed.web.words import translator

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

MAX_SEARCH: Final = 100
SHOWN_AT_ONCE: Final = 100
"""Devices on one part of the list."""
MAX_PARTS: Final = 1_000
AT_ONCE: Final = 500
"""Devices that an export reads at once."""


@router.get("/desk")
def choose_estate(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Lead to the desk of the only estate that the viewer manages, or list those that they manage."""
    if viewer.person_id is None:
        return to_sign_in("/desk")
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
        return to_sign_in(f"/desk/{estate_id}")
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
        return to_sign_in(f"/desk/{estate_id}")
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
    found = [each.id for each in listed if page.matches_filter(each, chosen.shown)]
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
    rows, datum = page.lines_of(read, at=at), datum_of_map(settings)
    return render(
        request,
        "estate_desk/desk.html.jinja",
        status=status,
        headers={**NO_STORE, "Content-Security-Policy": map_policy(settings, POLICY)},
        estate=estate,
        summary=page.summary_of(listed, waiting=len(waiting)),
        rows=rows,
        map=map_config(settings),
        outline=json.dumps(page.outline_of(estate, datum)),
        points=json.dumps(page.points_of(rows, datum)),
        found=len(ids),
        part=part,
        parts=-(-len(ids) // SHOWN_AT_ONCE),
        choices=list(Shown),
        chosen=chosen,
        zone=ZoneInfo(queries.time_zone_of_estate(estate)),
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
