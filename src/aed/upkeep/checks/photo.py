"""Re-encoding of uploaded photos: bounded in size and without metadata."""

from __future__ import annotations

import io
import math
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aed.errors import InvalidInput

if TYPE_CHECKING:
    from PIL import Image

MAX_SIDE: Final = 1_600
MAX_PIXELS: Final = 25_000_000
"""Phone photos usually have 12 million pixels; decoding 25 million takes 100 MB."""
MAX_PIXELS_OF_WEBP: Final = 12_500_000
"""The WebP decoder holds several full-size copies of the picture."""
MAX_SCANS: Final = 50
"""A progressive JPEG has about 10 scans; each is a pass over all pixels, and a file could hold a million."""
QUALITY: Final = 80
IMAGE_FORMATS: Final = ("JPEG", "PNG", "WEBP")


@dataclass(frozen=True, slots=True)
class Picture:
    """A re-encoded photo, with its size in pixels."""

    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PhotoOrigin:
    """Where and when a photo was taken, by its metadata; None for what they do not say."""

    lat: float | None
    """WGS-84, as `lon`."""
    lon: float | None
    taken_at: str | None
    """By the camera's clock, as `2026-11-30 12:00:00`."""


UNKNOWN_ORIGIN: Final = PhotoOrigin(None, None, None)
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_TAKEN_AT = 0x9003
_TAKEN_FORMAT = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)")


def origin_of(sent: bytes) -> PhotoOrigin:
    """Read where and when a photo was taken. Call it only with the consent of the person who sent it."""
    from PIL import Image  # imported late to save 2 MB

    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(sent), formats=IMAGE_FORMATS) as opened:
            warnings.simplefilter("ignore")
            exif = opened.getexif()
            place, details = exif.get_ifd(_GPS_IFD), exif.get_ifd(_EXIF_IFD)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return UNKNOWN_ORIGIN
    lat, lon = _degrees(place.get(2), place.get(1), "S"), _degrees(place.get(4), place.get(3), "W")
    taken = _TAKEN_FORMAT.fullmatch(str(details.get(_TAKEN_AT, "")).strip("\0 "))
    taken_at = "{}-{}-{} {}".format(*taken.groups()) if taken is not None else None
    if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180 or (lat == 0 and lon == 0):
        return PhotoOrigin(None, None, taken_at)
    return PhotoOrigin(lat, lon, taken_at)


def _degrees(parts: Any, side: Any, negative: str) -> float | None:
    """Return degrees from EXIF's degrees, minutes and seconds."""
    try:
        degrees, minutes, seconds = (float(each) for each in parts)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    found = degrees + minutes / 60 + seconds / 3_600
    if not math.isfinite(found):
        return None
    return -found if str(side).upper().startswith(negative) else found


def picture_without_traces(sent: bytes) -> Picture:
    """Return the photo re-encoded as JPEG, upright, at most MAX_SIDE pixels on each side.

    Only pixels are kept: location, time, camera, owner and all other metadata are dropped. Raises
    InvalidInput if the file is not a complete JPEG, PNG or WebP, or is too large.
    """
    from PIL import Image, ImageOps  # imported late to save 2 MB

    _check_webp_size(sent)
    if sent.startswith(b"\xff\xd8") and sent.count(b"\xff\xda") > MAX_SCANS:
        raise InvalidInput(
            "The JPEG has too many scans: at most {max_scans} are allowed.",
            field="photo",
            max_scans=MAX_SCANS,
        )
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(sent), formats=IMAGE_FORMATS) as opened:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS is checked below
            _check_size(opened.width, opened.height)
            # Shrink before any other processing; a JPEG is shrunk while it is decoded.
            opened.draft("RGB", (MAX_SIDE, MAX_SIDE))
            opened.thumbnail((MAX_SIDE, MAX_SIDE))
            plain = _on_white(ImageOps.exif_transpose(opened))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidInput("This is not a complete JPEG, PNG or WebP image.", field="photo") from error
    into = io.BytesIO()
    plain.save(into, "JPEG", quality=QUALITY)
    return Picture(into.getvalue(), plain.width, plain.height)


def _on_white(picture: Image.Image) -> Image.Image:
    """Return a copy of the pixels without metadata, with transparent areas made white."""
    from PIL import Image

    seen = picture.convert("RGBA")
    plain = Image.new("RGB", seen.size, "white")
    plain.paste(seen, mask=seen.getchannel("A"))
    return plain


def _check_size(width: int, height: int, *, most: int = MAX_PIXELS) -> None:
    """Raise InvalidInput if the picture has more than `most` pixels."""
    if width * height > most:
        raise InvalidInput(
            "The photo is too large: at most {most} million pixels are allowed in this format.",
            field="photo",
            most=most // 1000000,
        )


def _check_webp_size(sent: bytes) -> None:
    """Check the size of a WebP from its header, because opening it allocates two full-size pictures."""
    if sent[:4] != b"RIFF" or sent[8:12] != b"WEBP":
        return
    kind, bits = sent[12:16], int.from_bytes(sent[21:25], "little")
    if kind == b"VP8X":
        size = (int.from_bytes(sent[24:27], "little") + 1, int.from_bytes(sent[27:30], "little") + 1)
    elif kind == b"VP8L":
        size = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    else:
        size = (
            int.from_bytes(sent[26:28], "little") & 0x3FFF,
            int.from_bytes(sent[28:30], "little") & 0x3FFF,
        )
    _check_size(*size, most=MAX_PIXELS_OF_WEBP)
