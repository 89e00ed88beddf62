"""The attendance sheet of a session as PDF, in Chinese and English. The layout is in `sheet.typ`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from aed.files.typesetting import pdf_of
from aed.training.enrolments.queries import RosterRow
from aed.training.models import TrainingSession
from aed.training.rules import ACTIVE_STATES, HOLDS_A_PLACE

BLANK_LINES: Final = 3
"""For people who come without being on the roster."""


@dataclass(frozen=True, slots=True)
class SheetOf:
    """A session and its roster, for a sheet to sign."""

    training: TrainingSession
    people: Sequence[RosterRow]


def sheet_pdf(sheet: SheetOf) -> bytes:
    """Return the attendance sheet as PDF: people with a place, the waiting list, and blank lines.

    Raises PaperNotMade if typesetting fails.
    """
    training = sheet.training
    zone = ZoneInfo(training.time_zone)
    begins, ends = training.starts_at.astimezone(zone), training.ends_at.astimezone(zone)
    until = f"{ends:%H:%M}" if ends.date() == begins.date() else f"{ends:%Y-%m-%d %H:%M}"
    active = [each for each in sheet.people if each.state in ACTIVE_STATES]
    given = {
        "course_zh": training.course.name_zh,
        "course_en": training.course.name_en,
        "when": f"{begins:%Y-%m-%d %H:%M}–{until}",
        "time_zone": training.time_zone,
        "place_zh": training.place_zh,
        "place_en": training.place_en,
        "trainer": training.trainer.name if training.trainer is not None else "",
        "session": str(training.id),
        "blank_lines": BLANK_LINES,
        "people": [
            {
                "enrolment": str(each.id),
                "name": each.name,
                "phone": each.phone or "",
                "waits": each.state not in HOLDS_A_PLACE,
            }
            for each in sorted(active, key=lambda each: each.state not in HOLDS_A_PLACE)
        ],
    }
    return pdf_of(__package__, "sheet.typ", given, made_at=training.starts_at)
