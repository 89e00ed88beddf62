"""The pages of training: `/learn`, a session, and an enrolment with its buttons."""

from __future__ import annotations

import base64
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.people.queries import person as person_seen_by
from aed.accounts.permissions import SCHEDULER, Viewer
from aed.accounts.viewers import viewer_of_person
from aed.certificates.awards.pdf import certificate_pdf
from aed.certificates.awards.queries import on_paper
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import Conflict, InvalidInput, NotFound, NotSignedIn
from aed.files.typesetting import qr_svg
from aed.geo import box_around
from aed.http.parameters import PublicAddress, RowId, SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.notifications.short_links import KEY_IN_PATH, opens, short_link
from aed.signatures import TokenPurpose, signed, signing_keys
from aed.training import queries as session_queries
from aed.training.courses import queries as course_queries
from aed.training.enrolments import actions as enrolment_actions
from aed.training.enrolments import queries as enrolment_queries
from aed.training.enrolments.queries import RosterRow
from aed.training.enrolments.schemas import EnrolmentIn
from aed.training.messages import LINK_LASTS, enrolment_path
from aed.training.models import TrainingSession
from aed.training.permissions import runs_training
from aed.training.queries import After, SessionPlaces
from aed.training.rules import ACTIVE_STATES, CourseState, EnrolmentState, SessionState
from aed.translation import detail_of
from aed.web.language import language_of
from aed.web.learn.page import SessionLine, local_time, session_line
from aed.web.learn.rules import NEAR_METRES, after_parameter, filter_asked
from aed.web.render import render

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])
PAGE_SIZE: Final = 40
MAX_ALTERNATIVES: Final = 5
MAX_COURSES: Final = 100
SessionId = RowId
EnrolmentId = RowId
LinkKey = Annotated[str, Path(max_length=200)]
_NAME_AND_PHONE: Final = TypeAdapter(EnrolmentIn)


@router.get("/learn")
def get_sessions_page(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show the planned sessions that the viewer may see, soonest first; near a place if one is given."""
    asked, now = filter_asked(request.query_params), clock.now()
    courses = [
        each
        for each in course_queries.courses(session, limit=MAX_COURSES)
        if each.state is CourseState.OFFERED
    ]
    near = box_around([asked.here.lat], [asked.here.lon], NEAR_METRES) if asked.here is not None else None
    found = session_queries.training_sessions(
        session,
        viewer,
        limit=PAGE_SIZE + 1,
        after=asked.after,
        starts_from=now,
        box=near,
        course=asked.course or None,
    )
    shown = found[:PAGE_SIZE]
    places = session_queries.places(session, [each.id for each in shown])
    lines = [
        session_line(each, places[each.id], at=now, here=asked.here)
        for each in shown
        if each.state is SessionState.PLANNED
    ]
    more = after_parameter(After(shown[-1].starts_at, shown[-1].id)) if len(found) > PAGE_SIZE else None
    return render(request, "learn/learn.html.jinja", asked=asked, courses=courses, lines=lines, more=more)


@router.get("/learn/sessions/{session_id}")
def get_session_page(
    request: Request, session: ReadSession, viewer: ViewerDep, session_id: SessionId
) -> Response:
    """Show a session with its places, and how to enrol."""
    return _session_page(request, session, viewer, session_id)


@router.post("/learn/sessions/{session_id}")
def enrol_from_page(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    session_id: SessionId,
    name: Annotated[str, Form(max_length=1000)] = "",
    phone: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Enrol the signed-in person, or another person by name and phone, and show the enrolment.

    Enrolling twice leads to the same enrolment.
    """
    if viewer.person_id is None:
        raise NotSignedIn("Sign in to enrol.")
    own, _account = person_seen_by(session, viewer, viewer.person_id)
    is_other = bool(name.strip() or phone.strip())
    language = "en" if language_of(request) == "en" else "zh"
    training = session_queries.training_session(session, viewer, session_id)
    if not is_other:
        existing = enrolment_queries.active_enrolment_of(session, session_id, own.id)
        if existing is not None:
            return RedirectResponse(f"/learn/enrolments/{existing.id}", 303)
    given = {"name": name, "phone": phone} if is_other else {"name": own.name, "phone": own.phone}
    try:
        new = _NAME_AND_PHONE.validate_python(
            {**given, "language": language, "estate_id": training.estate_id if is_other else None}
        )
    except ValidationError:
        return _session_page(
            request, session, viewer, session_id, status=422, problem="name-or-phone", typed=(name, phone)
        )
    try:
        with session.begin_nested():
            made = enrolment_actions.enrol(session, viewer, session_id, new, at=clock.now())
    except (Conflict, InvalidInput) as error:
        return _session_page(
            request,
            session,
            viewer,
            session_id,
            status=error.status,
            problem="refused",
            detail=detail_of(error, language_of(request)),
            typed=(name, phone),
        )
    if made.person_id == viewer.person_id:
        return RedirectResponse(f"/learn/enrolments/{made.id}", 303)
    return RedirectResponse(f"/learn/sessions/{session_id}?enrolled={made.state}", 303)


@router.get("/learn/enrolments/{enrolment_id}")
def get_own_enrolment_page(
    request: Request, session: ReadSession, viewer: ViewerDep, enrolment_id: EnrolmentId
) -> Response:
    """Show an enrolment of the signed-in person."""
    return _enrolment_page(request, session, _own(session, viewer, enrolment_id), enrolment_id, None)


@router.get("/learn/enrolments/{enrolment_id}/{link_key}")
def get_enrolment_page(
    request: Request, session: ReadSession, enrolment_id: EnrolmentId, link_key: LinkKey
) -> Response:
    """Show the enrolment that the link of a notice leads to."""
    viewer = _viewer_of_link(session, enrolment_id, link_key)
    if viewer is None:
        return _expired(request)
    return _enrolment_page(request, session, viewer, enrolment_id, link_key)


Change = Annotated[Literal["accept", "withdraw", "move"], Form()]
ToSession = Annotated[int | None, Form(ge=1, le=2**63 - 1)]


@router.post("/learn/enrolments/{enrolment_id}")
def change_own_enrolment(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    enrolment_id: EnrolmentId,
    change: Change,
    to_session: ToSession = None,
) -> Response:
    """Accept, decline, cancel or move an enrolment of the signed-in person."""
    own = _own(session, viewer, enrolment_id)
    return _apply_change(request, session, own, enrolment_id, None, change, to_session)


@router.post("/learn/enrolments/{enrolment_id}/{link_key}")
def change_enrolment(
    request: Request,
    session: WriteSession,
    _form: FormViewerDep,
    enrolment_id: EnrolmentId,
    link_key: LinkKey,
    change: Change,
    to_session: ToSession = None,
) -> Response:
    """Accept, decline, cancel or move the enrolment that the link of a notice leads to."""
    viewer = _viewer_of_link(session, enrolment_id, link_key)
    if viewer is None:
        return _expired(request)
    return _apply_change(request, session, viewer, enrolment_id, link_key, change, to_session)


@router.get("/learn/enrolments/{enrolment_id}/{link_key}/certificate.pdf")
def get_certificate_by_link(
    request: Request,
    session: ReadSession,
    settings: SettingsDep,
    address: PublicAddress,
    enrolment_id: EnrolmentId,
    link_key: LinkKey,
) -> Response:
    """Download the certificate that was awarded for the enrolment, as PDF."""
    viewer = _viewer_of_link(session, enrolment_id, link_key)
    if viewer is None:
        return _expired(request)
    row = enrolment_queries.roster_row(session, viewer, enrolment_id)
    if row.certificate is None:
        raise NotFound("No certificate was awarded for this enrolment.", field="enrolment_id")
    paper = on_paper(session, viewer, row.certificate)
    token = signed(signing_keys(settings), TokenPurpose.CERTIFICATE, paper.number)
    return Response(
        certificate_pdf(paper, address=f"{address}/v1/check/{token}"),
        media_type="application/pdf",
        headers={
            "Content-Disposition": f'attachment; filename="{paper.number}.pdf"',
            "Cache-Control": "no-store",
        },
    )


# --- steps ----------------------------------------------------------------------------------------------


def _own(session: Session, viewer: Viewer, enrolment_id: int) -> Viewer:
    """Return the viewer, if the enrolment is their own. Raises NotSignedIn, and NotFound."""
    if viewer.person_id is None:
        raise NotSignedIn("Sign in to see your enrolments, or open the link in your message.")
    if enrolment_queries.person_of_enrolment(session, enrolment_id) != viewer.person_id:
        raise NotFound(
            "You have no enrolment {enrolment_id}.", field="enrolment_id", enrolment_id=enrolment_id
        )
    return viewer


def _viewer_of_link(session: Session, enrolment_id: int, key: str) -> Viewer | None:
    """Return the enrolled person as a viewer, if the link with this key leads to the enrolment."""
    if not opens(session, key, enrolment_path(enrolment_id, key), at=clock.now()):
        return None
    person_id = enrolment_queries.person_of_enrolment(session, enrolment_id)
    return viewer_of_person(session, person_id) if person_id is not None else None


def _expired(request: Request) -> Response:
    return render(request, "templates/no_link.html.jinja", status=410, is_expired=True)


def _session_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    session_id: int,
    *,
    status: int = 200,
    problem: str = "",
    detail: str = "",
    typed: tuple[str, str] = ("", ""),
) -> Response:
    training = session_queries.training_session(session, viewer, session_id)
    own = None
    if viewer.person_id is not None:
        own = enrolment_queries.active_enrolment_of(session, session_id, viewer.person_id)
    return render(
        request,
        "learn/session.html.jinja",
        status=status,
        emergency_number=training.region.emergency_number,
        line=session_line(training, session_queries.places_of(session, training.id), at=clock.now()),
        needs=course_queries.prerequisites(session, [training.course_id]).get(training.course_id, []),
        own=own,
        is_person=viewer.person_id is not None,
        enrols_others=viewer.person_id is not None
        and runs_training(viewer, training.estate_id, training.region_id),
        enrolled=request.query_params.get("enrolled", ""),
        problem=problem,
        detail=detail,
        typed=typed,
    )


def _enrolment_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    enrolment_id: int,
    key: str | None,
    *,
    status: int = 200,
    problem: str = "",
) -> Response:
    """Render the enrolment with the buttons that its state allows."""
    now = clock.now()
    row = enrolment_queries.roster_row(session, viewer, enrolment_id)
    # The person may see a session of which they are on the roster, even if they may not enrol in it.
    training = session_queries.training_session(session, SCHEDULER, row.session_id)
    line = session_line(training, SessionPlaces(), at=now)
    is_active = row.state in ACTIVE_STATES and not line.has_begun and row.attendance is None
    return render(
        request,
        "learn/enrolment.html.jinja",
        status=status,
        headers={"Cache-Control": "no-store", "Referrer-Policy": "same-origin"},
        emergency_number=training.region.emergency_number,
        row=row,
        State=EnrolmentState,
        line=line,
        key=key,
        is_active=is_active,
        code=_code(row) if row.state is EnrolmentState.ENROLLED and row.attendance is None else "",
        offer_until=(
            local_time(row.offer_expires_at, training.time_zone) if row.offer_expires_at is not None else None
        ),
        others=_alternatives(session, viewer, row, training),
        done=request.query_params.get("done", ""),
        problem=problem,
    )


def _code(row: RosterRow) -> str:
    """Return the code that the trainer scans on the roster, as the address of an image."""
    drawn = qr_svg(f"/learn/enrolments/{row.id}").encode()
    return f"data:image/svg+xml;base64,{base64.b64encode(drawn).decode()}"


def _alternatives(
    session: Session, viewer: Viewer, row: RosterRow, training: TrainingSession
) -> list[SessionLine]:
    """Return later sessions of the same course to which the person can move."""
    now = clock.now()
    found = [
        each
        for each in session_queries.training_sessions(
            session, viewer, limit=PAGE_SIZE, starts_from=now, course=training.course.code
        )
        if each.id != training.id
    ]
    places = session_queries.places(session, [each.id for each in found])
    lines = [session_line(each, places[each.id], at=now) for each in found]
    has_place = row.state in (EnrolmentState.ENROLLED, EnrolmentState.OFFERED)
    return [each for each in lines if each.is_open and (each.places_free or not has_place)][:MAX_ALTERNATIVES]


def _apply_change(
    request: Request,
    session: Session,
    viewer: Viewer,
    enrolment_id: int,
    key: str | None,
    change: str,
    to_session: int | None,
) -> Response:
    """Make the change and redirect to the enrolment. A second tap of the same button changes nothing."""
    now = clock.now()
    row = enrolment_queries.roster_row(session, viewer, enrolment_id)
    if change == "move" and row.state is EnrolmentState.MOVED and row.moved_to_id is not None:
        return _see(session, row.moved_to_id, key, done="move")
    try:
        with session.begin_nested():
            if change == "accept":
                enrolment_actions.accept(session, viewer, enrolment_id, version=row.version, at=now)
            elif change == "withdraw":
                enrolment_actions.withdraw(session, viewer, enrolment_id, version=row.version, at=now)
            elif to_session is not None:
                moved = enrolment_actions.move(
                    session, viewer, enrolment_id, to_session_id=to_session, version=row.version, at=now
                )
                return _see(session, moved.id, key, done="move")
    except (Conflict, NotFound):
        return _enrolment_page(request, session, viewer, enrolment_id, key, status=409, problem="refused")
    return _see(session, enrolment_id, key, done=change)


def _see(session: Session, enrolment_id: int, key: str | None, *, done: str) -> Response:
    """Redirect to the enrolment; after a move by link, under a new link."""
    if key is None:
        return RedirectResponse(f"/learn/enrolments/{enrolment_id}?done={done}", 303)
    path = enrolment_path(enrolment_id, key)
    now = clock.now()
    if not opens(session, key, path, at=now):
        row = enrolment_queries.roster_row(session, SCHEDULER, enrolment_id)
        training = session_queries.training_session(session, SCHEDULER, row.session_id)
        link = short_link(session, enrolment_path(enrolment_id, KEY_IN_PATH), training.ends_at + LINK_LASTS)
        path = enrolment_path(enrolment_id, link.rpartition("/")[2])
    return RedirectResponse(f"{path}?done={done}", 303)
