"""Routes of the page behind the link of a daily reminder."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from aed import clock
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotFound
from aed.http.query import ANY_PARAMETER
from aed.upkeep.due.rules import DUE_WORDS
from aed.upkeep.reminders import actions
from aed.upkeep.reminders.actions import MESSAGE_PATH
from aed.upkeep.reminders.rules import ANSWERS
from aed.upkeep.rules import ReminderAnswer, short_number
from aed.web.render import render

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])
MessageKey = Annotated[str, Path(max_length=100)]


@router.get(MESSAGE_PATH + "{message_key}")
def show_reminders(
    request: Request,
    session: ReadSession,
    message_key: MessageKey,
    answered: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show the tasks of a reminder. Opening the page answers nothing; `answered` is the one just answered."""
    try:
        lines = actions.lines_behind_link(session, message_key, at=clock.now())
    except NotFound:
        return render(request, "templates/no_link.html.jinja", status=404, is_expired=True)
    return render(
        request,
        "reminders/reminders.html.jinja",
        headers={"Cache-Control": "no-store"},
        path=MESSAGE_PATH + message_key,
        lines=lines,
        due_words=DUE_WORDS,
        answers=ANSWERS,
        short_number=short_number,
        answered=answered,
    )


@router.post(MESSAGE_PATH + "{message_key}")
def answer_reminder_form(
    session: WriteSession,
    message_key: MessageKey,
    reminder_id: Annotated[int, Form(ge=1, le=2**63 - 1)],
    answer: Annotated[ReminderAnswer, Form()],
) -> Response:
    """Answer one task.

    The key of the link is the only authority, so that forms are not checked for the site that they come from.
    """
    actions.answer(session, message_key, reminder_id=reminder_id, given=answer, at=clock.now())
    return RedirectResponse(f"{MESSAGE_PATH}{message_key}?answered={reminder_id}#task-{reminder_id}", 303)
