"""Papers as PDF, in Chinese and English, and addresses as QR codes."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import segno

from aed.errors import PaperNotMade

if TYPE_CHECKING:
    import typst

FONT: Final = "Noto Sans CJK SC"


def pdf_of(
    package: str, template: str, given: Mapping[str, Any], *, made_at: datetime | None = None
) -> bytes:
    """The template, a file of Typst beside the modules of `package`, with what it is given as JSON.

    With `made_at` the same again is the same bytes. Raises PaperNotMade.
    """
    import typst  # late: 7 MB

    source = resources.files(package).joinpath(template).read_bytes()
    try:
        return typst.compile(
            source,
            font_paths=_fonts(),
            sys_inputs={"data": json.dumps(given, ensure_ascii=False)},
            timestamp=made_at.astimezone(UTC).replace(microsecond=0) if made_at is not None else None,
        )
    except typst.TypstError as error:
        raise PaperNotMade(
            "The PDF cannot be created: {message}. Inform the operator of this server.", message=error.message
        ) from error


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    """The fonts of this machine, looked for once. Without a Chinese one there were boxes for words."""
    import typst

    found = typst.Fonts()
    if FONT not in found.families():
        raise PaperNotMade(
            "The PDF cannot be created, because the font {font} is missing on the server. "
            "Inform the operator: apt-get install fonts-noto-cjk.",
            font=FONT,
        )
    return found


def qr_svg(address: str, *, error: str = "m") -> str:
    """A black and white SVG, its quiet zone included, that fills what it is put into.

    `error` is what may be scratched: m 15 in 100 of it, q 25 (outdoors).
    """
    written = io.BytesIO()
    code = segno.make_qr(address, error=error)
    code.save(written, kind="svg", xmldecl=False, omitsize=True, light="#fff")
    return written.getvalue().decode()
