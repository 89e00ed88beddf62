"""Labels for cabinets as PDF sheets: a QR code and the device's short number. How they look: labels.typ."""

from __future__ import annotations

from collections.abc import Sequence

from aed.files.typesetting import pdf_of, qr_svg
from aed.upkeep.labels.queries import Labelled
from aed.upkeep.rules import short_number


def check_address(public_url: str, device_id: int) -> str:
    """What the code on the label says: the page of that device."""
    return f"{public_url}/c/{short_number(device_id)}"


def label_sheets(labels: Sequence[Labelled], *, public_url: str) -> bytes:
    """Ten labels to a sheet of A4. Raises PaperNotMade."""
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
    return " ".join(each for each in parts if each)
