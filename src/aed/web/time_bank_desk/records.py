"""Routes of a service record at the desk: its history, its entries in the ledger, and what is decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final
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
from aed.timebank.ledger import actions as ledger
from aed.timebank.ledger.posting import find_person_account
from aed.timebank.rules import Currency
from aed.translation import detail_of
from aed.volunteering.appeals import queries as appeal_queries
from aed.volunteering.models import ServiceRecord
from aed.volunteering.permissions import require_manager, require_signed_in
from aed.volunteering.records import actions, flags
from aed.volunteering.records import queries as record_queries
from aed.volunteering.records.schemas import ServiceCorrectionIn, ServiceReasonIn
from aed.volunteering.rules import OF_CALLS, ServiceState
from aed.web.language import language_of
from aed.web.render import render, to_sign_in
from aed.web.time_bank_desk import page, queries
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

NO_REASON: Final = noop("Give a reason: the volunteer reads it.")
BAD_CORRECTION: Final = noop("Say from when until when the service was.")
Text = Annotated[str, Form(max_length=500)]


class Decision(StrEnum):
    """What a manager decides about a record."""

    RELEASE = "release"
    DISPUTE = "dispute"
    UPHOLD = "uphold"
    VOID = "void"


DECISIONS: Final[Mapping[Decision, Callable[..., ServiceRecord]]] = {
    Decision.RELEASE: flags.release_record,
    Decision.DISPUTE: flags.dispute_record,
    Decision.UPHOLD: flags.uphold_record,
    Decision.VOID: actions.void_record,
}
LABELS: Final = {
    Decision.RELEASE: noop("Nothing is wrong: release the points"),
    Decision.DISPUTE: noop("Dispute it: hold the points"),
    Decision.UPHOLD: noop("It stands: end the dispute"),
    Decision.VOID: noop("Void it: take the minutes and points back"),
}


@router.get("/time-bank/records/{record_id}")
def show_record(request: Request, session: ReadSession, viewer: ViewerDep, record_id: RowId) -> Response:
    """Show a record with its history to those who manage its estate."""
    if viewer.person_id is None:
        return to_sign_in(f"/time-bank/records/{record_id}")
    return _page(request, session, viewer, record_id)


@router.post("/time-bank/records/{record_id}")
def decide_on_record(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    record_id: RowId,
    decision: Annotated[Decision, Form()],
    reason: Text = "",
) -> Response:
    """Release, dispute, uphold or void a record."""
    try:
        given = ServiceReasonIn(reason=reason)
        with session.begin_nested():
            DECISIONS[decision](session, viewer, record_id, reason=given.reason, at=clock.now())
    except ValidationError:
        return _page(request, session, viewer, record_id, status=422, problem=NO_REASON)
    except AedError as error:
        return _refused(request, session, viewer, record_id, error, typed={"reason": reason})
    return RedirectResponse(f"/time-bank/records/{record_id}", 303)


@router.post("/time-bank/records/{record_id}/correction")
def correct_record(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    record_id: RowId,
    begins: Annotated[str, Form(max_length=30)] = "",
    ends: Annotated[str, Form(max_length=30)] = "",
    activity: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Record anew what a void record got wrong; another person confirms it."""
    require_signed_in(viewer)
    typed = {"begins": begins, "ends": ends, "activity": activity}
    try:
        found = record_queries.record(session, viewer, record_id)
        zone = ZoneInfo(record_queries.time_zone_of(session, found.estate_id))
        new = ServiceCorrectionIn(
            started_at=datetime.fromisoformat(begins).replace(tzinfo=zone),
            ended_at=datetime.fromisoformat(ends).replace(tzinfo=zone),
            activity=activity.strip() or None,
        )
        with session.begin_nested():
            made = actions.correct_record(session, viewer, record_id, new, at=clock.now())
    except AedError as error:
        return _refused(request, session, viewer, record_id, error, typed=typed)
    except ValueError:  # not a time, or what the schema refuses
        return _page(request, session, viewer, record_id, status=422, problem=BAD_CORRECTION, typed=typed)
    return RedirectResponse(f"/time-bank/records/{made.id}", 303)


def _refused(
    request: Request,
    session: Session,
    viewer: Viewer,
    record_id: int,
    error: AedError,
    *,
    typed: Mapping[str, str],
) -> Response:
    """Render the record as it is now, with why the decision was refused."""
    if error.status in (401, 404, 500) or viewer.person_id is None:
        raise error
    problem = detail_of(error, language_of(request))
    return _page(request, session, viewer, record_id, status=error.status, problem=problem, typed=typed)


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    record_id: int,
    *,
    status: int = 200,
    problem: str = "",
    typed: Mapping[str, str] | None = None,
) -> Response:
    found = record_queries.record(session, viewer, record_id)
    require_manager(viewer, estate_id=found.estate_id, region_id=found.region_id)
    choices = _choices(found)
    zone = ZoneInfo(record_queries.time_zone_of(session, found.estate_id))
    recorded = {
        "reason": "",
        "begins": f"{found.started_at.astimezone(zone):%Y-%m-%dT%H:%M}",
        "ends": f"{found.ended_at.astimezone(zone):%Y-%m-%dT%H:%M}",
        "activity": found.activity,
    }
    return render(
        request,
        "time_bank_desk/record.html.jinja",
        status=status,
        headers={"Cache-Control": "no-store"},
        problem=problem,
        typed={**recorded, **(typed or {})},
        decisions={each.value: LABELS[each] for each in choices},
        is_pending=found.state is ServiceState.PENDING,
        can_correct=found.state is ServiceState.VOID and not record_queries.is_corrected(session, found.id),
        **details_of(session, found),
    )


def _choices(found: ServiceRecord) -> list[Decision]:
    """Return what can be decided about a record in its state, the mildest first."""
    is_disputed = found.state is ServiceState.DISPUTED
    choices = []
    if found.is_held and not is_disputed:
        choices.append(Decision.RELEASE)
    if is_disputed:
        choices.append(Decision.UPHOLD)
    if found.state is ServiceState.CONFIRMED:
        choices.append(Decision.DISPUTE)
    if found.state is not ServiceState.VOID and found.source not in OF_CALLS:
        choices.append(Decision.VOID)
    return choices


def details_of(session: Session, found: ServiceRecord) -> dict[str, Any]:
    """Return what the pages of a record and of an appeal show of it.

    visibility: of a record that the caller has found. A call has no history here.
    """
    zone = ZoneInfo(record_queries.time_zone_of(session, found.estate_id))
    events = [] if found.source in OF_CALLS else record_queries.events_of(session, found.id)
    names = names_by_actor(session, [*(each.by for each in events), found.confirmed_by or ""])
    accounts = [find_person_account(session, found.person_id, each) for each in Currency]
    account_ids = {each.id for each in accounts if each is not None}
    entries = ledger.entries_of_record(session, ledger.service_record(found.id))
    is_open = found.state is ServiceState.VOID or found.is_held
    return {
        "record": page.record_line(
            found,
            zone=zone,
            estate=queries.estate_names(session, [found.estate_id])[found.estate_id],
            flags=record_queries.flags_of(session, [found.id])[found.id],
            events=events,
            appeal_until=(
                appeal_queries.appeal_day(session, found.estate_id, after=found.decided_at)
                if found.decided_at is not None
                and is_open
                and not appeal_queries.is_appealed(session, found.id)
                else None
            ),
        ),
        "confirmed_by": names.get(found.confirmed_by or "")
        or page.PROGRAMS.get(found.confirmed_by or "", found.confirmed_by or ""),
        "events": [page.history_line(each, zone, names) for each in events],
        "entries": [page.ledger_line(each, zone, account_ids) for each in entries],
    }
