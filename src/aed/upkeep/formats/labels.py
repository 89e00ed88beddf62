"""Labels for cabinets as PDF sheets: a QR code and the device's short number. How they look: labels.typ."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Final

import segno
import typst

from aed.errors import PaperNotMade
from aed.upkeep.queries.labels import Labelled
from aed.upkeep.rules.number import short_number

FONT: Final = "Noto Sans CJK SC"


def check_address(public_url: str, device_id: int) -> str:
    """What the code on the label says: the page of that device."""
    return f"{public_url}/c/{short_number(device_id)}"


def label_sheets(labels: Sequence[Labelled], *, public_url: str) -> bytes:
    """Ten labels to a sheet of A4. Raises PaperNotMade."""
    given = [
        {
            "number": short_number(each.device_id),
            "qr": _qr(check_address(public_url, each.device_id)),
            "estate": _words(each.estate_zh, each.estate_en if each.estate_en != each.estate_zh else None),
            "place_zh": each.place_zh or each.place_en or "",
            "place_en": each.place_en or "" if each.place_zh else "",
            "guard_phone": each.guard_phone or "",
            "emergency_number": each.emergency_number,
        }
        for each in labels
    ]
    source = resources.files(__package__).joinpath("labels.typ").read_bytes()
    try:
        return typst.compile(source, font_paths=_fonts(), sys_inputs={"data": json.dumps({"labels": given})})
    except typst.TypstError as error:
        raise PaperNotMade(f"The labels could not be set: {error}") from error


def _qr(address: str) -> str:
    """Quartile correction: a label outdoors gets scratched."""
    into = io.BytesIO()
    segno.make(address, error="q", micro=False).save(into, kind="svg", border=2, xmldecl=False)
    return into.getvalue().decode()


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    """The fonts of this machine, looked for once. Without a Chinese one there were boxes for words."""
    found = typst.Fonts()
    if FONT not in found.families():
        raise PaperNotMade(
            f"This machine has no font {FONT}, without which Chinese cannot be set. Tell who runs this "
            "server: apt-get install fonts-noto-cjk."
        )
    return found


def _words(*parts: str | None) -> str:
    return " ".join(each for each in parts if each)
