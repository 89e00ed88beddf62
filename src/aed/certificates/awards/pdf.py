"""Certificates as PDF, in Chinese and English. The layout is in `certificate.typ`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Final

from aed.certificates.awards.queries import OnPaper
from aed.files.typesetting import pdf_of, qr_svg
from aed.responders.rules import CertificateKind

TITLES: Final[Mapping[CertificateKind, tuple[str, str]]] = {
    CertificateKind.FIRST_AID: ("救护员证", "First-aid certificate"),
    CertificateKind.CPR_AED: ("心肺复苏与自动体外除颤器证书", "CPR and AED certificate"),
    CertificateKind.PROFESSIONAL: ("专业急救人员证书", "Professional responder's certificate"),
}


def certificate_pdf(about: OnPaper, *, address: str) -> bytes:
    """Return the certificate as PDF, with `address` as the QR code for checking it.

    The same input gives the same bytes. Raises PaperNotMade if typesetting fails.
    """
    return certificates_pdf([(about, address)])


def certificates_pdf(papers: Sequence[tuple[OnPaper, str]]) -> bytes:
    """Return one PDF with a page for each certificate and the address in its QR code; at least one."""
    latest = max(about.issued_on or about.valid_until for about, _ in papers)
    given = {"certificates": [_content(about, address) for about, address in papers]}
    return pdf_of(__package__, "certificate.typ", given, made_at=datetime.combine(latest, time(), UTC))


def _content(about: OnPaper, address: str) -> dict[str, str]:
    title_zh, title_en = TITLES[about.kind]
    issued_on = about.issued_on or about.valid_until
    return {
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


def _in_chinese(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def _in_english(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
"""English names, because strftime depends on the locale."""
