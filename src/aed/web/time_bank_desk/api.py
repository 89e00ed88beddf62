"""Routes of the time bank's desk: what waits for those who manage an estate or a region."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.fields import FreeText
from aed.accounts.permissions import Viewer
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.errors import AedError
from aed.http.parameters import RowId
from aed.http.query import ANY_PARAMETER
from aed.timebank.goods import actions as goods_actions
from aed.timebank.goods import queries as goods_queries
from aed.timebank.permissions import require_person
from aed.translation import detail_of
from aed.volunteering.appeals import queries as appeal_queries
from aed.volunteering.certificates import actions as certificate_actions
from aed.volunteering.certificates import queries as certificate_queries
from aed.volunteering.certificates.schemas import ServiceCertificateIn
from aed.volunteering.permissions import manages_any, require_any_manager, require_signed_in
from aed.volunteering.platforms import actions as platform_actions
from aed.volunteering.platforms import queries as platform_queries
from aed.volunteering.records import queries as record_queries
from aed.volunteering.rules import AppealState
from aed.web.language import language_of
from aed.web.photo_form import PhotoForm, receive_photo_form
from aed.web.render import render, to_sign_in
from aed.web.time_bank_desk import appeals, goods, page, queries, records, regional_rules, report
from aed.web.time_bank_words import points_text
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])
router.include_router(appeals.router)
router.include_router(goods.router)
router.include_router(records.router)
router.include_router(regional_rules.router)
router.include_router(report.router)

_REASON: Final = TypeAdapter[str](FreeText)
MAX_LISTED: Final = 50
"""Rows of each kind: the oldest wait longest."""
BAD_PHOTO: Final = noop("This photo cannot be read. Choose another: JPEG, PNG or WebP.")
NO_WORDS: Final = noop("Write who handles it, or why you decline.")


@router.get("/time-bank")
def show_desk(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show what waits for the signed-in manager, administrator or member of an appeal panel."""
    if viewer.person_id is None:
        return to_sign_in("/time-bank")
    return _page(request, session, viewer)


@router.post("/time-bank/orders/{order_id}/collection")
def hand_out_order(
    request: Request,
    database: DatabaseDep,
    session: WriteSession,
    viewer: FormViewerDep,
    order_id: RowId,
    code: Annotated[str, Form(max_length=300)] = "",
    delivered_by: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Hand over the goods of an order against its code; a second time changes nothing."""
    name = delivered_by.strip()[:200] or None
    try:
        goods_actions.check_collection_code(database, viewer, order_id, code.strip(), at=clock.now())
        with session.begin_nested():
            goods_actions.hand_over_order(
                session, viewer, order_id, code=code.strip(), delivered_by=name, at=clock.now()
            )
    except AedError as error:
        return _refused(request, session, viewer, error, at_order=order_id, typed_name=name or "")
    return RedirectResponse("/time-bank#orders", 303)


@router.get("/time-bank/goods/{goods_id}/photo")
def show_goods_photo(
    session: ReadSession, goods_id: RowId, version: Annotated[str, Query(alias="v", max_length=64)] = ""
) -> Response:
    """Return the photo of goods, which is public; `v` in its address changes with it."""
    jpeg = goods_queries.photo_of(session, goods_id)
    kept = "public, max-age=31536000, immutable" if version else "no-cache"
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": kept})


async def _photo_form(request: Request, viewer: FormViewerDep) -> AsyncIterator[PhotoForm]:
    """Yield the form, its photo without metadata. Raises NotSignedIn before the photo is received."""
    async with receive_photo_form(request, f"person {require_person(viewer)}") as sent:
        yield sent


@router.post("/time-bank/goods/{goods_id}/photo")
def set_goods_photo(
    request: Request,
    sent: Annotated[PhotoForm, Depends(_photo_form, scope="function")],
    session: WriteSession,
    viewer: FormViewerDep,
    goods_id: RowId,
) -> Response:
    """Set the photo of goods."""
    goods.managed(session, viewer, goods_id)
    if sent.picture is None:
        return goods.item_page(request, session, viewer, goods_id, status=422, problem=BAD_PHOTO, at="photo")
    goods_actions.set_photo(session, viewer, goods_id, jpeg=sent.picture.jpeg)
    return RedirectResponse(f"/time-bank/goods/{goods_id}", 303)


@router.post("/time-bank/proofs/{proof_request_id}")
def answer_proof_request(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    proof_request_id: RowId,
    answer: Annotated[str, Form(pattern="^(issue|decline)$")],
    words: Annotated[str, Form(max_length=300)] = "",
    awards: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Issue a proof of service that a volunteer asked for, or decline with a reason.

    `words`: the name of the person who handles it, or the reason.
    """
    require_signed_in(viewer)
    found = certificate_queries.proof_request(session, viewer, proof_request_id)
    try:
        if not words.strip():
            return _page(request, session, viewer, status=422, problem=NO_WORDS, at_proof=proof_request_id)
        with session.begin_nested():
            if answer == "decline":
                certificate_actions.decline_request(
                    session, viewer, proof_request_id, reason=_REASON.validate_python(words), at=clock.now()
                )
            else:
                new = ServiceCertificateIn(
                    key=uuid4(),
                    person_id=found.person_id,
                    estate_id=found.estate_id,
                    from_on=found.from_on,
                    until_on=found.until_on,
                    handler=words,
                    awards=awards.strip() or None,
                    request_id=found.id,
                )
                certificate_actions.issue_certificate(session, viewer, new, at=clock.now())
    except ValidationError:
        return _page(request, session, viewer, status=422, problem=NO_WORDS, at_proof=proof_request_id)
    except AedError as error:
        return _refused(request, session, viewer, error, at_proof=proof_request_id)
    return RedirectResponse("/time-bank#proofs", 303)


@router.post("/time-bank/batches/{batch_id}/next")
def prepare_batch_again(
    request: Request, session: WriteSession, viewer: FormViewerDep, batch_id: RowId
) -> Response:
    """Put what a platform rejected into the next batch; a second time changes nothing."""
    try:
        with session.begin_nested():
            platform_actions.prepare_again(session, viewer, batch_id, at=clock.now())
    except AedError as error:
        return _refused(request, session, viewer, error, at_batch=batch_id)
    return RedirectResponse("/time-bank#rejected", 303)


def _refused(
    request: Request,
    session: Session,
    viewer: Viewer,
    error: AedError,
    *,
    at_order: int | None = None,
    at_batch: int | None = None,
    at_proof: int | None = None,
    typed_name: str = "",
) -> Response:
    """Render the desk with why something was refused, beside what it was about."""
    if error.status not in (409, 422) or viewer.person_id is None:
        raise error
    problem = detail_of(error, language_of(request))
    return _page(
        request,
        session,
        viewer,
        status=error.status,
        problem=problem,
        at_order=at_order,
        at_batch=at_batch,
        at_proof=at_proof,
        typed_name=typed_name,
    )


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    *,
    status: int = 200,
    problem: str = "",
    at_order: int | None = None,
    at_batch: int | None = None,
    at_proof: int | None = None,
    typed_name: str = "",
) -> Response:
    if not appeal_queries.is_on_a_panel(session, viewer):
        require_any_manager(viewer)
    held = queries.records_to_settle(session, viewer, limit=MAX_LISTED)
    open_appeals = appeal_queries.appeals(session, viewer, limit=MAX_LISTED, state=AppealState.OPEN)
    orders = goods_queries.orders_to_hand_out(session, viewer, limit=MAX_LISTED)
    rejected = platform_queries.rejected_rows(session, viewer, limit=MAX_LISTED)
    estate_ids = {
        *(each.estate_id for each in held),
        *(each.record.estate_id for each in open_appeals),
        *(item.estate_id for _, item, _ in orders if item.estate_id is not None),
    }
    names = queries.estate_names(session, estate_ids)
    zones = {each: ZoneInfo(record_queries.time_zone_of(session, each)) for each in estate_ids}
    flags = record_queries.flags_of(session, [each.id for each in held])
    votes = appeal_queries.votes_on(session, [each.id for each in open_appeals])
    now = clock.now()
    return render(
        request,
        "time_bank_desk/desk.html.jinja",
        status=status,
        headers={"Cache-Control": "no-store"},
        problem=problem,
        at_order=at_order if at_order in {order.id for order, _, _ in orders} else None,
        at_batch=at_batch if at_batch in {batch.id for _, batch, _, _ in rejected} else None,
        is_manager=manages_any(viewer),
        to_confirm=queries.count_to_confirm(session, viewer),
        held=[
            page.record_line(
                each, zone=zones[each.estate_id], estate=names[each.estate_id], flags=flags[each.id]
            )
            for each in held
        ],
        appeals=[
            page.appeal_line(
                each,
                zone=zones[each.record.estate_id],
                due=appeal_queries.appeal_day(session, each.record.estate_id, after=each.opened_at),
                today=now.astimezone(zones[each.record.estate_id]).date(),
                votes=len(votes[each.id]),
            )
            for each in open_appeals
        ],
        orders=[
            (order, item, person, points_text(order.amount), names.get(item.estate_id or 0))
            for order, item, person in orders
        ],
        rejected=[
            (row, batch, record, volunteer, page.PLATFORMS[row.platform])
            for row, batch, record, volunteer in rejected
        ],
        proofs=certificate_queries.proof_requests(session, viewer, is_open=True, limit=MAX_LISTED)
        if manages_any(viewer)
        else [],
        at_proof=at_proof,
        typed_name=typed_name,
        is_administrator=bool(queries.administered_regions(session, viewer)),
        max_listed=MAX_LISTED,
    )
