"""Cabinet labels as PDF, with a QR code and the device's short number. The layout is in labels.typ."""

from __future__ import annotations

from collections.abc import Sequence

from aed.files.typesetting import pdf_of, qr_svg
from aed.upkeep.labels.queries import Labelled
from aed.upkeep.rules import short_number


def check_address(public_url: str, device_id: int) -> str:
    """Return the URL of the device's page, which the QR code on the label contains."""
    return f"{public_url}/d/{short_number(device_id)}"


def label_sheets(labels: Sequence[Labelled], *, public_url: str) -> bytes:
    """Return a PDF with ten labels to an A4 sheet. Raises PaperNotMade if typesetting fails."""
    given = [
        {
            "number": short_number(each.device_id),
            "qr": qr_svg(check_address(public_url, each.device_id), error="q"),
            "estate": _words(each.estate_zh, each.estate_en if each.estate_en != each.estate_zh else None),
            "place_zh": each.place_zh or each.place_en or "",
            "place_en": each.place_en or "" if each.place_zh else "",
            "guard_phone": each.guard_phone or "",
            "emergency_number": each.emergency_number,
        }
        for each in labels
    ]
    return pdf_of(__package__, "labels.typ", {"labels": given})


def _words(*parts: str | None) -> str:
    """Return the parts that are not empty, joined by spaces."""
    return " ".join(each for each in parts if each)
