"""Photos as they are kept: of a bounded size, and without what a camera writes into them."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aed.errors import InvalidInput

if TYPE_CHECKING:
    from PIL import Image

LONGEST_SIDE: Final = 1_600
MOST_PIXELS: Final = 60_000_000
"""A phone's camera makes 12 to 50 million; a file that claims more is meant to fill the memory."""
QUALITY: Final = 80
KINDS: Final = ("JPEG", "PNG", "WEBP")


@dataclass(frozen=True, slots=True)
class Picture:
    jpeg: bytes
    width: int
    height: int


def picture_without_traces(sent: bytes) -> Picture:
    """The picture painted anew as JPEG, at most LONGEST_SIDE on a side, upright: of place, time, camera and
    owner nothing is left, nor anything else that was in the file beside the pixels.

    Raises InvalidInput for what is no whole JPEG, PNG or WebP, or is too large.
    """
    from PIL import Image, ImageOps  # late: 2 MB

    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(sent), formats=KINDS) as opened:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # told by MOST_PIXELS
            if opened.width * opened.height > MOST_PIXELS:
                raise InvalidInput(f"A photo has at most {MOST_PIXELS} pixels.", field="photo")
            opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            upright = ImageOps.exif_transpose(opened)
            upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            plain = _on_white(upright)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidInput("This is no whole JPEG, PNG or WebP picture.", field="photo") from error
    into = io.BytesIO()
    plain.save(into, "JPEG", quality=QUALITY)
    return Picture(into.getvalue(), plain.width, plain.height)


def _on_white(picture: Image.Image) -> Image.Image:
    """New pixels, with nothing attached; what was transparent is white."""
    from PIL import Image

    seen = picture.convert("RGBA")
    plain = Image.new("RGB", seen.size, "white")
    plain.paste(seen, mask=seen.getchannel("A"))
    return plain
