"""Routes for reminders, their answers and personal reminder preferences."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotFound
from aed.http.pages import PAGE_RESPONSE, WantsPage, render_page
from aed.http.parameters import Cursor, Limit, RowId, cursor_id
from aed.upkeep.due.rules import DUE_WORDS
from aed.upkeep.filter_parameters import DeviceFilterDep
from aed.upkeep.reminders import actions, queries
from aed.upkeep.reminders.message_lines import preference_of
from aed.upkeep.reminders.rules import ANSWERS
from aed.upkeep.reminders.schemas import (
    AnsweredOut,
    AnswerIn,
    PreferencesIn,
    PreferencesOut,
    ReminderLineOut,
    ReminderMessageOut,
    ReminderOut,
    ReminderPage,
)
from aed.upkeep.rules import short_number

router = APIRouter(tags=["upkeep"])

_TITLE: Final = "AED 待办 What is due"

MessageKey = Annotated[
    str,
    Path(
        min_length=1,
        max_length=100,
        pattern="^[A-Za-z0-9_-]+$",
        description="From the link of the message",
        examples=["d8s0Zk1u3Gv5Jm7Qp9TbXw"],
    ),
]


@router.get("/reminders")
def list_reminders(
    session: ReadSession,
    viewer: ViewerDep,
    whose: DeviceFilterDep,
    closed: Annotated[bool, Query(description="Those that are closed too")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ReminderPage:
    """List reminders, with the level and answer of each recipient.

    Covers the devices that you keep, manage or dispatch.
    """
    found = queries.reminders(
        session, viewer, whose, limit=limit + 1, after_id=cursor_id(cursor), also_closed=closed
    )
    return ReminderPage(
        reminders=[ReminderOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].reminder.id) if len(found) > limit else None,
    )


@router.get("/reminders/preferences")
def get_reminder_preferences(session: ReadSession, viewer: ViewerDep) -> PreferencesOut:
    """Return your reminder preferences."""
    return PreferencesOut.of(preference_of(session, actions.require_person_id(viewer)))


@router.put("/reminders/preferences")
def put_reminder_preferences(
    session: WriteSession, viewer: ViewerDep, given: PreferencesIn
) -> PreferencesOut:
    """Set your reminder preferences: the hours of the day, and how many days before the due date.

    The language is set on the person and the channel on their endpoints.
    """
    person_id = actions.require_person_id(viewer)
    found = actions.set_preference(session, person_id, hours=given.hours, days_before=given.days_before)
    return PreferencesOut.of(found)


@router.get("/reminders/{message_key}", response_model=ReminderMessageOut, responses=PAGE_RESPONSE)
def get_reminder_message(
    session: ReadSession, wants_page: WantsPage, message_key: MessageKey, response: Response
) -> ReminderMessageOut | Response:
    """Return the reminders listed in a message, by the key in its link.

    Browsers get a page with answer buttons. Opening the link does not answer anything.
    """
    try:
        told = actions.lines_behind_link(session, message_key, at=clock.now())
    except NotFound as error:
        if not wants_page:
            raise
        page = render_page(
            "http/templates/invalid_link.html.jinja", title=_TITLE, heading="AED 待办", detail=error.detail
        )
        return HTMLResponse(page.html, status_code=404, headers=page.headers)
    if wants_page:
        page = render_page(
            "upkeep/reminders/message.html.jinja",
            title=_TITLE,
            scripts=("upkeep/reminders/message.js",),
            lines=told,
            due_words=DUE_WORDS,
            answers=ANSWERS,
            short_number=short_number,
        )
        return HTMLResponse(page.html, headers=page.headers)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept"
    return ReminderMessageOut(reminders=[ReminderLineOut.of(each) for each in told])


@router.put("/reminders/{message_key}/{reminder_id}")
def answer_reminder(
    session: WriteSession, message_key: MessageKey, reminder_id: RowId, given: AnswerIn
) -> AnsweredOut:
    """Answer one reminder of a message: done, not me, or later.

    A later answer replaces an earlier one.
    """
    told = actions.answer(session, message_key, reminder_id=reminder_id, said=given.answer, at=clock.now())
    return AnsweredOut.of(told, given.answer)
