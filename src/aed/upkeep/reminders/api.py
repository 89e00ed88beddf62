"""Routes for reminders, their answers and personal reminder preferences, with their bodies."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Id
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.pages import PAGE_RESPONSE, WantsPage
from aed.http.parameters import Cursor, Limit, RowId, cursor_id
from aed.upkeep.due.rules import DUE_WORDS
from aed.upkeep.filter_parameters import DeviceFilterDep
from aed.upkeep.reminders import actions, queries
from aed.upkeep.reminders.actions import MESSAGE_PATH
from aed.upkeep.reminders.message_lines import ReminderLine, preference_of
from aed.upkeep.reminders.models import ReminderPreference
from aed.upkeep.reminders.queries import ReminderWithRecipients
from aed.upkeep.reminders.rules import ANSWERS, Hours
from aed.upkeep.rules import DueKind, ReminderAnswer, ReminderLevel, short_number


class ReminderRecipientOut(BaseModel):
    """A recipient of a reminder, without their name."""

    level: ReminderLevel
    notified_at: datetime | None = Field(
        description="When the message was put in the outbox; null if it was not yet"
    )
    answer: ReminderAnswer | None
    answered_at: datetime | None


class ReminderOut(BaseModel):
    """A reminder with its device and recipients."""

    id: Id
    device_id: Id
    number: str = Field(description="Short number on the device's label")
    estate_id: Id | None
    estate_en: str | None
    estate_zh: str | None
    place_en: str | None
    place_zh: str | None
    due_kind: DueKind
    en: str
    zh: str
    due_on: date = Field(description="Last day on which the task is on time, in the device's time zone")
    threshold_days: int = Field(
        description="Days before the due date at which the reminder was created; negative after it"
    )
    found_at: datetime
    closed_at: datetime | None = Field(
        description="When the task was done, or a later reminder replaced this one"
    )
    recipients: list[ReminderRecipientOut]

    @classmethod
    def of(cls, found: ReminderWithRecipients) -> ReminderOut:
        reminder, device, estate = found.reminder, found.device, found.estate
        en, zh = DUE_WORDS[reminder.due_kind]
        return cls(
            id=reminder.id,
            device_id=device.id,
            number=short_number(device.id),
            estate_id=device.estate_id,
            estate_en=estate.name_en if estate is not None else None,
            estate_zh=estate.name_zh if estate is not None else None,
            place_en=device.place_en,
            place_zh=device.place_zh,
            due_kind=reminder.due_kind,
            en=en,
            zh=zh,
            due_on=reminder.due_on,
            threshold_days=reminder.threshold_days,
            found_at=reminder.found_at,
            closed_at=reminder.closed_at,
            recipients=[
                ReminderRecipientOut(
                    level=each.level,
                    notified_at=each.notified_at,
                    answer=each.answer,
                    answered_at=each.answered_at,
                )
                for each in found.recipients
            ],
        )


class ReminderPage(BaseModel):
    """A page of reminders. If `next` is not null, send it as `cursor` for more."""

    reminders: list[ReminderOut]
    next: str | None


class ReminderLineOut(BaseModel):
    """A reminder listed in a message."""

    id: Id
    number: str
    where_en: str
    where_zh: str
    due_kind: DueKind
    en: str
    zh: str
    due_on: date
    is_open: bool = Field(description="True if the task is still open")
    answer: ReminderAnswer | None

    @classmethod
    def of(cls, line: ReminderLine) -> ReminderLineOut:
        en, zh = DUE_WORDS[line.due_kind]
        return cls(
            id=line.reminder_id,
            number=short_number(line.device_id),
            where_en=line.where_en,
            where_zh=line.where_zh,
            due_kind=line.due_kind,
            en=en,
            zh=zh,
            due_on=line.due_on,
            is_open=line.is_open,
            answer=line.answer,
        )


class ReminderMessageOut(BaseModel):
    """The reminders listed in a message, the longest overdue first."""

    reminders: list[ReminderLineOut]


class AnswerIn(BaseModel):
    """An answer to a reminder."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"answer": "later"}]})

    answer: ReminderAnswer = Field(
        description="done: a check will confirm it; not_me: the next level is notified at once; later: "
        "remind again in a week"
    )


class AnsweredOut(BaseModel):
    """An answered reminder, and the reply to the person who answered."""

    reminder: ReminderLineOut
    said_en: str
    said_zh: str

    @classmethod
    def of(cls, line: ReminderLine, answer: ReminderAnswer) -> AnsweredOut:
        said_en, said_zh = ANSWERS[answer].thanks
        return cls(reminder=ReminderLineOut.of(line), said_en=said_en, said_zh=said_zh)


class PreferencesIn(BaseModel):
    """Reminder preferences. Null fields use the network's default."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"from_hour": 9, "until_hour": 18, "days_before": 30}]},
    )

    from_hour: int | None = Field(
        None, ge=0, le=23, description="First hour at which to send reminders, in the devices' time zone"
    )
    until_hour: int | None = Field(
        None, ge=1, le=24, description="Hour from which no reminders are sent, in the devices' time zone"
    )
    days_before: int | None = Field(
        None,
        ge=0,
        le=366,
        description="Days before the due date from which to remind; the due date itself is always included",
    )

    @model_validator(mode="after")
    def _check_hours(self) -> PreferencesIn:
        """Check that both hours are given or neither, and that they are in order."""
        if (self.from_hour is None) != (self.until_hour is None):
            raise ValueError("from_hour and until_hour: give both or neither")
        if self.from_hour is not None and self.until_hour is not None and self.from_hour >= self.until_hour:
            raise ValueError("from_hour must be before until_hour")
        return self

    @property
    def hours(self) -> Hours | None:
        """The hours, or None for the network's default."""
        if self.from_hour is None or self.until_hour is None:
            return None
        return Hours(self.from_hour, self.until_hour)


class PreferencesOut(BaseModel):
    """A person's reminder preferences; null means the network's default."""

    from_hour: int | None
    until_hour: int | None
    days_before: int | None

    @classmethod
    def of(cls, found: ReminderPreference | None) -> PreferencesOut:
        if found is None:
            return cls(from_hour=None, until_hour=None, days_before=None)
        return cls(from_hour=found.from_hour, until_hour=found.until_hour, days_before=found.days_before)


router = APIRouter(tags=["upkeep"])


MessageKey = Annotated[
    str,
    Path(
        min_length=1,
        max_length=100,
        pattern="^[A-Za-z0-9_-]+$",
        description="Key from the link in the message",
        examples=["d8s0Zk1u3Gv5Jm7Qp9TbXw"],
    ),
]


@router.get("/reminders")
def list_reminders(
    session: ReadSession,
    viewer: ViewerDep,
    device_filter: DeviceFilterDep,
    closed: Annotated[bool, Query(description="Include closed reminders")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ReminderPage:
    """List reminders, with the level and answer of each recipient.

    Covers the devices that you keep, manage or dispatch.
    """
    found = queries.reminders(
        session, viewer, device_filter, limit=limit + 1, after_id=cursor_id(cursor), also_closed=closed
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

    Browsers are led to a page with answer buttons. Opening the link does not answer anything.
    """
    if wants_page:
        return RedirectResponse(MESSAGE_PATH + message_key, headers={"Vary": "Accept"})
    lines = actions.lines_behind_link(session, message_key, at=clock.now())
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept"
    return ReminderMessageOut(reminders=[ReminderLineOut.of(each) for each in lines])


@router.put("/reminders/{message_key}/{reminder_id}")
def answer_reminder(
    session: WriteSession, message_key: MessageKey, reminder_id: RowId, given: AnswerIn
) -> AnsweredOut:
    """Answer one reminder of a message: done, not me, or later.

    A later answer replaces an earlier one.
    """
    line = actions.answer(session, message_key, reminder_id=reminder_id, given=given.answer, at=clock.now())
    return AnsweredOut.of(line, given.answer)
