"""Routes of the training desk, for those who run the training of an estate or region."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.masking import mask_holder_id
from aed.accounts.permissions import Viewer
from aed.certificates.awards.pdf import certificates_pdf
from aed.certificates.awards.queries import on_paper_of_session
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError, Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.http.parameters import PublicAddress, RowId, SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.issuers.queries import manages_issuers
from aed.issuers.rules import HolderIds
from aed.signatures import TokenPurpose, signed, signing_keys
from aed.training.assessments.queries import person_assessments
from aed.training.assessments.rules import plan_of
from aed.training.enrolments import actions as enrolment_actions
from aed.training.enrolments.schemas import EnrolmentIn
from aed.training.issuer_batches import queries as batch_queries
from aed.training.issuer_batches.actions import set_identity
from aed.training.issuer_batches.schemas import LearnerIdentityIn
from aed.training.models import TrainingSession
from aed.training.parameters import ReasonText, pdf_response
from aed.training.rosters import actions as roster_actions
from aed.training.rosters.actions import MessageGroup
from aed.training.rules import MarkedBy, SessionState
from aed.training.sessions import actions as session_actions
from aed.training.sessions.schemas import SessionAmend, SessionIn
from aed.training.trainers.queries import trainers
from aed.translation import detail_of
from aed.web.form_fields import text_fields
from aed.web.language import language_of
from aed.web.photo_form import PhotoForm, receive_photo_form
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.training_desk import page, queries
from aed.web.training_desk.queries import TrainingPlace
from aed.web.words import noop, translator

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

FOR_OFFLINE: Final = {"Cache-Control": "no-store", "X-Keep-Offline": "yes"}
"""The service worker keeps a page with this header for when there is no network."""
MAX_FIELDS: Final = 4_000
_REASON: Final = TypeAdapter(ReasonText)
BAD_FIELDS: Final = noop("Choose a course, and give the places as whole numbers.")
NO_REASON: Final = noop("Enter the reason; it is sent to everyone who enrolled.")
NO_GROUP: Final = noop("Choose who gets the message.")
BAD_IDENTITY: Final = noop("Enter the identity number as it is on the card.")
NO_PERSON: Final = noop("Enter the name and the phone number of the person.")


async def _typed(request: Request) -> dict[str, str]:
    """Return the text fields of a form, without space around them."""
    return {name: value.strip()[:500] for name, value in await text_fields(request, max_fields=MAX_FIELDS)}


Typed = Annotated[dict[str, str], Depends(_typed)]


def _form_viewer(viewer: FormViewerDep) -> Viewer:
    """Return who sent a form. Raises NotSignedIn once their session has ended."""
    if not viewer.is_signed_in:
        raise NotSignedIn(
            "You are no longer signed in. Sign in on another page, go back to the form, and send it again."
        )
    return viewer


SignedInViewer = Annotated[Viewer, Depends(_form_viewer)]


@router.get("/training")
def show_sessions(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    month: Annotated[str, Query(max_length=10)] = "",
) -> Response:
    """Show the sessions of a month that the viewer runs, as a calendar and as a list."""
    if not viewer.is_signed_in:
        return to_sign_in("/training")
    at = clock.now()
    zone = ZoneInfo(_places(session, viewer)[0].time_zone)
    first = page.month_in(month, at.astimezone(zone).date())
    days = (datetime.combine(day, time(), zone).astimezone(UTC) for day in page.span_of(first))
    found = queries.sessions_between(session, viewer, *days)
    lines = [page.session_line(*each, at=at) for each in found]
    return render(
        request,
        "training_desk/desk.html.jinja",
        headers=NO_STORE,
        month=page.month_of(first, lines),
        lines=[each for each in lines if each.day.month == first.month],
        today=at.astimezone(zone).date(),
        weekdays=page.WEEKDAYS,
        manages_issuers=manages_issuers(viewer),
        states=page.STATES,
    )


def _places(session: Session, viewer: Viewer) -> list[TrainingPlace]:
    """Return the places whose training the viewer runs. Raises NotAllowed if there is none."""
    places = queries.training_places(session, viewer)
    if not places:
        raise NotAllowed("Only the training officer or manager of the estate or region may do this.")
    return places


# --- The form of a session --------------------------------------------------------------------------------


@router.get("/training/new")
def show_new_session(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    place: Annotated[str, Query(max_length=50)] = "",
) -> Response:
    """Show the form of a new session, or first the choice of its place."""
    if not viewer.is_signed_in:
        return to_sign_in("/training/new")
    tomorrow = clock.now().date() + timedelta(days=1)
    return _form(request, session, viewer, page.empty_fields(tomorrow) | {"place": place})


@router.post("/training/new")
def create_session(request: Request, session: WriteSession, viewer: SignedInViewer, typed: Typed) -> Response:
    """Plan a session; what is wrong is shown beside what was typed."""
    chosen = _chosen(_places(session, viewer), typed)
    if chosen is None:
        return _form(request, session, viewer, typed, status=422)
    try:
        with session.begin_nested():
            new = SessionIn.model_validate(page.new_session(typed, chosen))
            made = session_actions.create_session(session, viewer, new, at=clock.now())
    except (ValidationError, AedError) as error:
        return _form(request, session, viewer, typed, **_problem(request, error))
    return RedirectResponse(f"/training/{made.id}", 303)


def _chosen(places: list[TrainingPlace], typed: Mapping[str, str]) -> TrainingPlace | None:
    if len(places) == 1:
        return places[0]
    return next((each for each in places if each.value == typed.get("place")), None)


def _problem(request: Request, error: ValidationError | AedError) -> dict[str, Any]:
    """Return the sentence and the status with which a form is shown again. Raises any other error."""
    language = language_of(request)
    if isinstance(error, ValidationError):
        return {"problem": translator(language)(BAD_FIELDS), "status": 422}
    if error.status not in (404, 409, 412, 422):
        raise error
    return {"problem": translator(language)(detail_of(error, language)), "status": error.status}


def _form(
    request: Request,
    session: Session,
    viewer: Viewer,
    typed: Mapping[str, str],
    *,
    training: TrainingSession | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    places = _places(session, viewer) if training is None else []
    chosen = _chosen(places, typed)
    if training is not None:
        known = trainers(session, estate_id=training.estate_id, region_id=training.region_id)
    else:
        known = trainers(session, estate_id=chosen.estate_id, region_id=chosen.region_id) if chosen else []
    return render(
        request,
        "training_desk/form.html.jinja",
        status=status,
        headers=NO_STORE,
        training=training,
        places=places,
        place=chosen,
        courses=queries.offered_courses(session),
        trainers=sorted({each.name for each in known}),
        typed=typed,
        version=typed.get("version") or (training.version if training is not None else ""),
        problem=problem,
        states=page.STATES,
    )


@router.get("/training/{session_id}/change")
def show_session_form(
    request: Request, session: ReadSession, viewer: ViewerDep, session_id: RowId
) -> Response:
    """Show the form of a session."""
    if not viewer.is_signed_in:
        return to_sign_in(f"/training/{session_id}/change")
    training, _, _ = queries.roster_of(session, viewer, session_id)
    return _form(request, session, viewer, page.fields_of(training), training=training)


@router.post("/training/{session_id}/change")
def amend_session(
    request: Request, session: WriteSession, viewer: SignedInViewer, session_id: RowId, typed: Typed
) -> Response:
    """Change a session, or cancel it with a reason; the people on its roster are notified."""
    training, _, _ = queries.roster_of(session, viewer, session_id)
    version = int(typed["version"]) if typed.get("version", "").isdecimal() else 0
    at = clock.now()
    try:
        with session.begin_nested():
            if typed.get("do") == "cancel":
                if not typed.get("reason"):
                    raise InvalidInput(NO_REASON, field="reason")
                reason = _REASON.validate_python(typed["reason"])
                session_actions.cancel_session(
                    session, viewer, session_id, reason=reason, version=version, at=at
                )
            else:
                change = SessionAmend.model_validate(page.changes(typed, training))
                session_actions.amend_session(session, viewer, session_id, change, version=version, at=at)
    except (ValidationError, AedError) as error:
        refusal = _problem(request, error)
        session.expire_all()
        training, _, _ = queries.roster_of(session, viewer, session_id)
        return _form(request, session, viewer, typed, training=training, **refusal)
    return RedirectResponse(f"/training/{session_id}", 303)


# --- The roster -------------------------------------------------------------------------------------------


@router.get("/training/{session_id}")
def show_roster(request: Request, session: ReadSession, viewer: ViewerDep, session_id: RowId) -> Response:
    """Show a session with its roster and waiting list. A phone keeps the page for offline."""
    if not viewer.is_signed_in:
        return to_sign_in(f"/training/{session_id}")
    return _roster_page(request, session, viewer, session_id)


@router.post("/training/{session_id}")
def change_roster(
    request: Request, session: WriteSession, viewer: SignedInViewer, session_id: RowId, typed: Typed
) -> Response:
    """Record attendance and results, enrol a person, write to people, or repeat the session weekly."""
    try:
        with session.begin_nested():
            done = _change(session, viewer, session_id, typed)
    except (ValidationError, AedError) as error:
        if isinstance(error, ValidationError):
            refusal: dict[str, Any] = {"problem": translator(language_of(request))(NO_PERSON), "status": 422}
        else:
            refusal = _problem(request, error)
        session.expire_all()
        return _roster_page(request, session, viewer, session_id, typed=typed, **refusal)
    return RedirectResponse(f"/training/{session_id}?{done}", 303)


def _change(session: Session, viewer: Viewer, session_id: int, typed: Mapping[str, str]) -> str:
    """Do what the form asks for; return the query with which the page says so."""
    at = clock.now()
    match typed.get("do"):
        case "enrol":
            training, _, _ = queries.roster_of(session, viewer, session_id)
            new = EnrolmentIn.model_validate(
                {
                    "name": typed.get("name", ""),
                    "phone": typed.get("phone", ""),
                    "estate_id": training.estate_id,
                }
            )
            enrolment_actions.enrol(session, viewer, session_id, new, at=at)
            return "done=enrolled"
        case "message":
            group = MessageGroup(typed["group"]) if typed.get("group") in MessageGroup else None
            if group is None:
                raise InvalidInput(NO_GROUP, field="group")
            count = roster_actions.message_people(
                session, viewer, session_id, group, typed.get("text", ""), at=at
            )
            return f"done=sent&count={count}"
        case "weekly":
            weeks = int(typed["weeks"]) if typed.get("weeks", "").isdecimal() else 0
            made = session_actions.repeat_weekly(session, viewer, session_id, weeks=weeks, at=at)
            return f"done=copied&count={len(made)}"
        case _:
            training = roster_actions.open_for_results(session, viewer, session_id, at=at)
            _, _, rows = queries.roster_of(session, viewer, session_id)
            placed = page.roster_of(training, rows, at=at).placed
            plan = plan_of(training.course.assessment)
            before = {
                each.enrolment_id: each for each in person_assessments(session, training, placed, at=at)
            }
            given = page.results_in(typed, placed, before, plan)
            roster_actions.save_results(
                session,
                viewer,
                training,
                given,
                how=MarkedBy.HAND,
                at=at,
                assessor=typed.get("assessor") or None,
            )
            return f"done=saved&count={len(given)}"


def _roster_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    session_id: int,
    *,
    typed: Mapping[str, str] | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    at = clock.now()
    training, places, rows = queries.roster_of(session, viewer, session_id)
    roster = page.roster_of(training, rows, at=at)
    plan = plan_of(training.course.assessment)
    known = trainers(session, estate_id=training.estate_id, region_id=training.region_id) if plan else []
    return render(
        request,
        "training_desk/roster.html.jinja",
        status=status,
        headers=FOR_OFFLINE if status == 200 else NO_STORE,
        emergency_number=training.region.emergency_number,
        training=training,
        line=page.session_line(training, places, at=at),
        roster=roster,
        plan=plan,
        wants_identity=batch_queries.wants_identity(session, training),
        assessments={
            each.enrolment_id: each for each in person_assessments(session, training, roster.placed, at=at)
        },
        trainers=sorted({each.name for each in known}),
        warnings=[
            page.WARNINGS[each] for each in queries.warnings_of_session(session, viewer, training, places)
        ],
        is_ahead=training.state is SessionState.PLANNED and at < training.starts_at,
        when=page.local_time,
        states=page.STATES,
        enrolment_states=page.ENROLMENT_STATES,
        groups=page.GROUPS,
        typed=typed or {},
        problem=problem,
        done=request.query_params.get("done", "")[:20],
        count=request.query_params.get("count", "")[:5],
    )


# --- Identity number and photo ----------------------------------------------------------------------------


@router.get("/training/{session_id}/identity/{enrolment_id}")
def show_identity(
    request: Request, session: ReadSession, viewer: ViewerDep, session_id: RowId, enrolment_id: RowId
) -> Response:
    """Show the form for the identity number and the photo of a learner, if the issuer wants them."""
    if not viewer.is_signed_in:
        return to_sign_in(f"/training/{session_id}/identity/{enrolment_id}")
    return _identity_page(request, session, viewer, session_id, enrolment_id)


async def _identity_form(request: Request, viewer: FormViewerDep) -> AsyncIterator[PhotoForm]:
    """Yield the form, its photo without metadata. Raises NotSignedIn before the photo is received."""
    _form_viewer(viewer)
    async with receive_photo_form(request, f"person {viewer.person_id}") as sent:
        yield sent


@router.post("/training/{session_id}/identity/{enrolment_id}")
def save_identity(
    request: Request,
    sent: Annotated[PhotoForm, Depends(_identity_form, scope="function")],
    session: WriteSession,
    viewer: SignedInViewer,
    session_id: RowId,
    enrolment_id: RowId,
) -> Response:
    """Keep the identity number and the photo of a learner; what is left empty stays as it is."""
    typed = sent.fields.get("holder_id", "").strip()[:100]
    jpeg = sent.picture.jpeg if sent.picture is not None else None
    try:
        if sent.is_unreadable:
            raise InvalidInput("This is not a complete JPEG, PNG or WebP image.", field="photo")
        with session.begin_nested():
            given = LearnerIdentityIn(holder_id=typed) if typed else None
            if given is not None or jpeg is not None:
                holder_id = given.holder_id if given is not None else None
                set_identity(session, viewer, enrolment_id, holder_id=holder_id, jpeg=jpeg, at=clock.now())
    except (ValidationError, AedError) as error:
        refusal = _problem(request, error)
        if isinstance(error, ValidationError):
            refusal["problem"] = translator(language_of(request))(BAD_IDENTITY)
        session.expire_all()
        return _identity_page(request, session, viewer, session_id, enrolment_id, typed=typed, **refusal)
    return RedirectResponse(f"/training/{session_id}/identity/{enrolment_id}?done=saved", 303)


def _identity_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    session_id: int,
    enrolment_id: int,
    *,
    typed: str = "",
    problem: str = "",
    status: int = 200,
) -> Response:
    enrolment, training, form = batch_queries.learner(session, viewer, enrolment_id)
    if training.id != session_id:
        raise NotFound(
            "There is no enrolment {enrolment_id}, or you may not see it.", enrolment_id=enrolment_id
        )
    if form is None:
        raise Conflict("The issuer of this course wants no identity numbers.", field="holder_id")
    found = batch_queries.identity(session, enrolment_id)
    number = found.holder_id if found is not None else None
    return render(
        request,
        "training_desk/identity.html.jinja",
        status=status,
        headers=NO_STORE,
        emergency_number=training.region.emergency_number,
        training=training,
        enrolment_id=enrolment_id,
        name=enrolment.person.name,
        wants_number=form.holder_ids is not HolderIds.NONE,
        wants_photo=form.wants_photo,
        holder_id=mask_holder_id(number) if number is not None else None,
        has_photo=batch_queries.has_photo(session, enrolment_id),
        typed=typed,
        problem=problem,
        done=request.query_params.get("done") == "saved",
    )


@router.get("/training/{session_id}/certificates")
def show_certificates(
    session: ReadSession, viewer: ViewerDep, settings: SettingsDep, address: PublicAddress, session_id: RowId
) -> Response:
    """Return the certificates of a session as one PDF, a page for each; without any, lead back to it."""
    keys = signing_keys(settings)
    papers = [
        (each, f"{address}/v1/check/{signed(keys, TokenPurpose.CERTIFICATE, each.number)}")
        for each in on_paper_of_session(session, viewer, session_id)
    ]
    if not papers:
        return RedirectResponse(f"/training/{session_id}", 303)
    return pdf_response(certificates_pdf(papers), f"certificates-session-{session_id}.pdf")
