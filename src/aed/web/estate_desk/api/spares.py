"""The page of an estate's spare pads and batteries."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.people.queries import names_by_actor
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError
from aed.http.parameters import RowId
from aed.http.query import ANY_PARAMETER
from aed.registry.devices.rules import ConsumableKind
from aed.translation import detail_of
from aed.upkeep.spares import actions as spare_actions
from aed.upkeep.spares import queries as spare_queries
from aed.upkeep.spares.rules import KIND_WORDS, SpareReason
from aed.upkeep.spares.schemas import SpareMovementIn, SpareStockAmend, SpareStockIn, SpareStockOut
from aed.web.estate_desk import queries
from aed.web.estate_desk.actions import require_person
from aed.web.form_fields import Text, problem_in
from aed.web.language import language_of
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])
SHOWN_MOVEMENTS: Final = 20
REASONS: Final = {
    SpareReason.RECEIVED: noop("Came in"),
    SpareReason.FITTED: noop("Fitted in an AED"),
    SpareReason.DISCARDED: noop("Discarded: expired or damaged"),
    SpareReason.PASSED_ON: noop("Passed on, or sent back"),
    SpareReason.COUNTED: noop("Counted: so many are there"),
}
FIELDS: Final = {
    "reason": noop("What happened"),
    "kind": noop("Kind"),
    "quantity": noop("How many"),
    "reorder_point": noop("Order when no more are left than"),
    "expires_on": noop("Expiry date"),
    "lot": noop("Lot number (optional)"),
    "maker": noop("Maker of the AED (optional)"),
    "model": noop("Model of the AED (optional)"),
    "note": noop("Note (optional)"),
}


@router.get("/desk/{estate_id}/spares")
def show_spares(request: Request, session: ReadSession, viewer: ViewerDep, estate_id: RowId) -> Response:
    """Show what is left of each kind, what expires, and the last movements."""
    if viewer.person_id is None:
        return to_sign_in(f"/desk/{estate_id}/spares")
    return _page(request, session, viewer, estate_id)


@router.post("/desk/{estate_id}/spares")
def change_spares(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    estate_id: RowId,
    do: Text = "",
    stock: Annotated[int, Form(ge=0, le=2**63 - 1)] = 0,
    version: Annotated[int, Form(ge=0, le=2**31)] = 0,
    key: Text = "",
    kind: Text = "",
    maker: Text = "",
    model: Text = "",
    reorder_point: Text = "",
    reason: Text = "",
    quantity: Text = "",
    lot: Text = "",
    expires_on: Text = "",
    note: Text = "",
) -> Response:
    """Record a movement; for managers also keep spares, set their reorder point, or keep them no longer."""
    require_person(viewer)
    spare_queries.estate_with_spares(session, viewer, estate_id)
    at, language = clock.now(), language_of(request)
    typed = {
        "do": do,
        "kind": kind,
        "maker": maker,
        "model": model,
        "reorder_point": reorder_point,
        "reason": reason,
        "quantity": quantity,
        "lot": lot,
        "expires_on": expires_on,
        "note": note,
    }
    at_stock = stock
    try:
        with session.begin_nested():
            if do == "add":
                new = SpareStockIn.model_validate(
                    _given(kind=kind, maker=maker, model=model, reorder_point=reorder_point)
                )
                at_stock = spare_actions.create_stock(session, viewer, estate_id, new, at=at).id
            elif do == "amend":
                change = SpareStockAmend.model_validate(_given(reorder_point=reorder_point))
                spare_actions.amend_stock(session, viewer, stock, change, version=version, at=at)
            elif do == "withdraw":
                spare_actions.withdraw_stock(session, viewer, stock, version=version, at=at)
                at_stock = 0
            else:
                moved = SpareMovementIn.model_validate(
                    _given(
                        key=key, reason=reason, quantity=quantity, lot=lot, expires_on=expires_on, note=note
                    )
                )
                spare_actions.record_movement(session, viewer, stock, moved, at=at)
    except ValidationError as error:
        problem = problem_in(error, FIELDS, language)
        return _page(
            request, session, viewer, estate_id, status=422, problem=problem, at_stock=stock, typed=typed
        )
    except AedError as error:
        if error.status not in (409, 412, 422):
            raise
        session.expunge_all()
        problem = detail_of(error, language)
        return _page(
            request,
            session,
            viewer,
            estate_id,
            status=error.status,
            problem=problem,
            at_stock=stock,
            typed=typed,
        )
    return RedirectResponse(f"/desk/{estate_id}/spares#stock-{at_stock}", 303)


def _given(**fields: str) -> dict[str, str]:
    """Return the fields that were filled in."""
    return {name: value.strip() for name, value in fields.items() if value.strip()}


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    estate_id: int,
    *,
    status: int = 200,
    problem: str = "",
    at_stock: int = 0,
    typed: Mapping[str, str] | None = None,
) -> Response:
    """Show the page; after a refusal with what was typed, in the form of `at_stock`."""
    estate = spare_queries.estate_with_spares(session, viewer, estate_id)
    zone = ZoneInfo(queries.time_zone_of_estate(estate))
    counts = spare_queries.stocks(session, viewer, estate.id)
    movements = spare_queries.latest_movements(session, counts, limit=SHOWN_MOVEMENTS)
    return render(
        request,
        "estate_desk/spares.html.jinja",
        status=status,
        headers=NO_STORE,
        estate=estate,
        typed=typed or {},
        stocks=[SpareStockOut.of(each, at=clock.now()) for each in counts],
        movements=movements,
        names=names_by_actor(session, {each.by_name for some in movements.values() for each in some}),
        is_manager=queries.manages(viewer, estate),
        keys={each.stock.id: str(uuid.uuid4()) for each in counts},
        today=clock.now().astimezone(zone).date(),
        zone=zone,
        kinds={kind: dict(zip(("en", "zh"), KIND_WORDS[kind], strict=True)) for kind in ConsumableKind},
        reasons=REASONS,
        problem=problem,
        at_stock=at_stock,
    )
