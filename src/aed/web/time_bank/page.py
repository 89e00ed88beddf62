"""What the pages of the time bank show, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import Request

from aed.accounts.permissions import Viewer
from aed.errors import AedError
from aed.timebank.rules import ExchangeState, OfferKind, Relation
from aed.translation import detail_of
from aed.volunteering.models import ServiceRecord
from aed.web.language import language_of
from aed.web.time_bank_words import SOURCES, STATES
from aed.web.words import noop

MAX_SHOWN: Final = 20
MAX_TO_CONFIRM: Final = 100
EXCHANGES: Final = {
    ExchangeState.ASKED: noop("Asked for: waits until the time is agreed on"),
    ExchangeState.AGREED: noop("Agreed on; the points are held"),
    ExchangeState.SETTLED: noop("Done, and confirmed by both"),
    ExchangeState.CANCELLED: noop("Cancelled"),
}
OFFERS: Final = {
    OfferKind.ACCOMPANYING: noop("Accompanying"),
    OfferKind.REPAIR: noop("Repair"),
    OfferKind.LESSON: noop("Lesson"),
    OfferKind.OTHER: noop("Other help"),
}
RELATIONS: Final = {
    Relation.SPOUSE: noop("Spouse"),
    Relation.PARENT: noop("Mother or father"),
    Relation.CHILD: noop("Child"),
}
"""What the other person is to the reader."""


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """A service record in a list."""

    id: int
    number: str
    what: str
    """The kind of service, to be translated."""
    activity: str
    name: str
    when: str
    minutes: int
    state: str
    is_held: bool


def service_line(record: ServiceRecord, zone: ZoneInfo, *, shows_time: bool = True) -> ServiceLine:
    """Describe a record; of a call, others than the volunteer see only its day."""
    begins = record.started_at.astimezone(zone)
    ends = record.ended_at.astimezone(zone)
    return ServiceLine(
        id=record.id,
        number=record.number,
        what=SOURCES[record.source],
        activity=record.activity,
        name=record.person.name,
        when=f"{begins:%Y-%m-%d %H:%M}–{ends:%H:%M}" if shows_time else f"{begins:%Y-%m-%d}",
        minutes=record.minutes,
        state=STATES[record.state],
        is_held=record.is_held,
    )


def problem_of(request: Request, viewer: Viewer, error: AedError) -> str:
    """Return a refusal in the reader's language, to show beside the form.

    Raises the error if the reader can do nothing about it.
    """
    if error.status >= 500 or viewer.person_id is None:
        raise error
    return detail_of(error, language_of(request))
