"""The pages `/administration` and `/administration/{subject}`, for administrators of the network."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.free_text import one_line
from aed.accounts.permissions import Viewer, require_administrator
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.database.session import Database
from aed.errors import AedError, InvalidInput
from aed.http.parameters import SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.notifications.queries import require_can_see_outbox
from aed.personal_data.key_rotation import count_by_key
from aed.settings import Settings
from aed.translation import detail_of
from aed.web.administration import accounts_page, audit_page, operations_page, page, queries, sources_page
from aed.web.administration.actions import ACTS, BAD_CHOICE, Sent
from aed.web.administration.rules import TITLES, Asked, Content, Subject
from aed.web.form_fields import NOT_STORABLE, fields_by_name
from aed.web.language import language_of
from aed.web.render import NO_STORE, render, to_sign_in

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

MAX_FIELDS: Final = 20
MAX_CHARACTERS: Final = 20_000


async def _fields(request: Request) -> dict[str, str]:
    return await fields_by_name(request, max_fields=MAX_FIELDS, max_characters=MAX_CHARACTERS)


def _asked(request: Request) -> Asked:
    """Return the query; what is no number or day counts as not given."""
    query = request.query_params
    return Asked(
        q=one_line(query.get("q", "")[:100]).strip(),
        state=query.get("state", ""),
        person=_number(query.get("person", "")),
        who=one_line(query.get("person", "")[:100]).strip(),
        thing=one_line(query.get("thing", "")[:100]).strip(),
        since=_day(query.get("since", "")),
        until=_day(query.get("until", "")),
        after=_number(query.get("after", "")),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@router.get("/administration")
def show_administration(
    request: Request, session: ReadSession, viewer: ViewerDep, settings: SettingsDep
) -> Response:
    """Show a line for each subject: what is wrong, or how it stands."""
    if not viewer.is_signed_in:
        return to_sign_in("/administration")
    at = clock.now()
    require_can_see_outbox(viewer)
    has_network = request.app.state.network is not None
    health = page.health_rows(session, viewer, settings, has_network=has_network, at=at)
    return render(
        request,
        "administration/overview.html.jinja",
        headers=NO_STORE,
        lines=page.lines_of(queries.overview(session, viewer, at=at), health),
        titles=TITLES,
    )


@router.get("/administration/{subject}")
def show_subject(
    request: Request,
    session: ReadSession,
    database: DatabaseDep,
    viewer: ViewerDep,
    subject: Subject,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show the page of a subject."""
    if not viewer.is_signed_in:
        return to_sign_in(f"/administration/{subject.value}")
    require_can_see_outbox(viewer)
    return _subject_page(request, session, database, viewer, subject, is_done=bool(done))


@router.post("/administration/{subject}")
def change_subject(
    request: Request,
    session: WriteSession,
    database: DatabaseDep,
    viewer: FormViewerDep,
    subject: Subject,
    fields: Annotated[dict[str, str], Depends(_fields)],
) -> Response:
    """Do what a form or a button of the page says; a secret is shown once, on the page that answers."""
    require_administrator(viewer)
    do = fields.get("do", "")
    settings: Settings = request.app.state.settings
    sent = Sent(viewer, fields, settings, clock.now())
    try:
        act = ACTS.get((subject, do))
        if act is None:
            raise InvalidInput(BAD_CHOICE, field="do")
        with session.begin_nested():
            secret = act(session, sent)
    except ValidationError:
        return _refused(request, session, database, viewer, subject, fields, NOT_STORABLE, 422)
    except AedError as error:
        if error.status not in (404, 409, 412, 422):
            raise
        problem = detail_of(error, language_of(request))
        return _refused(request, session, database, viewer, subject, fields, problem, error.status)
    if secret is not None:
        return _subject_page(request, session, database, viewer, subject, secret=secret)
    return RedirectResponse(f"/administration/{subject.value}?done={do}", 303)


def _refused(
    request: Request,
    session: Session,
    database: Database,
    viewer: Viewer,
    subject: Subject,
    fields: Mapping[str, str],
    problem: str,
    status: int,
) -> Response:
    session.expire_all()
    return _subject_page(
        request, session, database, viewer, subject, typed=fields, problem=problem, status=status
    )


def _subject_page(
    request: Request,
    session: Session,
    database: Database,
    viewer: Viewer,
    subject: Subject,
    *,
    typed: Mapping[str, str] | None = None,
    problem: str = "",
    status: int = 200,
    secret: str = "",
    is_done: bool = False,
) -> Response:
    content = _content(request, session, database, viewer, subject, clock.now())
    values: dict[str, Any] = {"typed": typed or {}, "problem": problem, "secret": secret, "is_done": is_done}
    return render(
        request,
        "administration/subject.html.jinja",
        status=status,
        headers=NO_STORE,
        subject=subject.value,
        title=TITLES[subject],
        content=content,
        **values,
    )


def _content(
    request: Request, session: Session, database: Database, viewer: Viewer, subject: Subject, at: datetime
) -> Content:
    """Return what the page of the subject shows."""
    asked, state = _asked(request), request.app.state
    match subject:
        case Subject.PEOPLE:
            return accounts_page.people_content(session, viewer, asked, state.settings)
        case Subject.ROLES:
            return accounts_page.roles_content(session, viewer, asked)
        case Subject.TOKENS:
            return accounts_page.tokens_content(session, state.settings, at)
        case Subject.ENDPOINTS:
            return operations_page.endpoints_content(session, viewer, asked)
        case Subject.OUTBOX:
            return operations_page.outbox_content(session, viewer, asked, at)
        case Subject.JOBS:
            return operations_page.jobs_content(session, viewer, asked, state.timetable, at)
        case Subject.FEEDS:
            return sources_page.feeds_content(session, viewer)
        case Subject.ISSUERS:
            return sources_page.issuers_content(session, viewer, asked)
        case Subject.HOLIDAYS:
            return sources_page.holidays_content(session, viewer, asked, at)
        case Subject.KEYS:
            return audit_page.keys_content(session, viewer, count_by_key(database))
        case Subject.AUDIT:
            return audit_page.audit_content(session, viewer, asked)
        case Subject.HEALTH:
            has_network = state.network is not None
            rows = page.health_rows(session, viewer, state.settings, has_network=has_network, at=at)
            return page.health_content(rows)
