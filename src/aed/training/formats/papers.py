"""Certificates and attendance sheets as PDF, in Chinese and English. How they look: *.typ beside this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from aed.files.typesetting import pdf_of, qr_svg
from aed.responders.rules import CertificateKind
from aed.training.models import TrainingSession
from aed.training.queries.certificates import OnPaper
from aed.training.queries.rosters import RosterRow
from aed.training.rules.enrolment import HOLDS_A_PLACE, STANDS

TITLES: Final[Mapping[CertificateKind, tuple[str, str]]] = {
    CertificateKind.FIRST_AID: ("救护员证", "First-aid certificate"),
    CertificateKind.CPR_AED: ("心肺复苏与自动体外除颤器证书", "CPR and AED certificate"),
    CertificateKind.PROFESSIONAL: ("专业急救人员证书", "Professional responder's certificate"),
}
BLANK_LINES: Final = 3
"""For who comes and is not on the list."""


def certificate_pdf(about: OnPaper, *, address: str) -> bytes:
    """The certificate, with `address` as the code by which anyone checks it. Asked again: the same bytes.

    Raises PaperNotMade.
    """
    title_zh, title_en = TITLES[about.kind]
    issued_on = about.issued_on or about.valid_until
    given = {
        "title_zh": title_zh,
        "title_en": title_en,
        "name": about.name,
        "course_zh": about.course_zh,
        "course_en": about.course_en,
        "hours": f"{about.hours:g}",
        "number": about.number,
        "issuer": about.issuer,
        "issued_zh": _in_chinese(issued_on),
        "issued_en": _in_english(issued_on),
        "until_zh": _in_chinese(about.valid_until),
        "until_en": _in_english(about.valid_until),
        "emergency_number": about.emergency_number,
        "qr": qr_svg(address),
    }
    return pdf_of(__package__, "certificate.typ", given, made_at=datetime.combine(issued_on, time(), UTC))


@dataclass(frozen=True, slots=True)
class SheetOf:
    """A session and who is on its roster, to be signed."""

    training: TrainingSession
    people: Sequence[RosterRow]


def sheet_pdf(sheet: SheetOf) -> bytes:
    """The people of a session who have a place, then those who wait, each with a line to sign; and some lines
    more. Raises PaperNotMade."""
    training = sheet.training
    zone = ZoneInfo(training.time_zone)
    begins, ends = training.starts_at.astimezone(zone), training.ends_at.astimezone(zone)
    until = f"{ends:%H:%M}" if ends.date() == begins.date() else f"{ends:%Y-%m-%d %H:%M}"
    standing = [each for each in sheet.people if each.state in STANDS]
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
            for each in sorted(standing, key=lambda each: each.state not in HOLDS_A_PLACE)
        ],
    }
    return pdf_of(__package__, "sheet.typ", given, made_at=training.starts_at)


def _in_chinese(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def _in_english(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
"""strftime would ask the machine's language."""
