"""Decoding of photos in a separate, low-priority process.

The decoder holds Python's global interpreter lock while it allocates and frees 100 MB, for up to 0.1 s at a
time, during which no lookup is answered. In a separate process it blocks no request, even if it crashes or
runs out of memory.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from typing import Final

import structlog

from aed.errors import InvalidInput, TooBusy
from aed.upkeep.checks.photo import (
    UNKNOWN_ORIGIN,
    PhotoOrigin,
    Picture,
    origin_of,
    picture_without_traces,
)

log = structlog.get_logger("aed")

MAX_SECONDS: Final = 60
"""Timeout. The largest photo takes 1 s, or about 10 s at low priority on a busy machine."""
MAX_MEMORY_BYTES: Final = 1_000_000_000
"""Address space limit: about twice the 450 MB measured for the largest photo."""
NICENESS: Final = 10
"""Gives the process a tenth of a core next to busy processes; at 19 it would get almost none."""
COMMAND: Final = (sys.executable, "-m", "aed.upkeep.checks.photo_process")
WITH_ORIGIN: Final = "--with-origin"
_NONE: Final = "-"
_REFUSED: Final = 3
"""Exit status meaning that stderr holds the message of an InvalidInput."""


def picture_in_subprocess(sent: bytes) -> Picture:
    """Run `photo.picture_without_traces` in a subprocess and return its picture.

    Raises InvalidInput if the photo is refused or crashes the decoder, and TooBusy on timeout.
    """
    return placed_picture_in_subprocess(sent)[0]


def placed_picture_in_subprocess(sent: bytes, *, with_origin: bool = False) -> tuple[Picture, PhotoOrigin]:
    """Return the picture and, if asked, where and when it was taken, which the person has agreed to.

    Raises InvalidInput and TooBusy as `picture_in_subprocess`.
    """
    try:
        made = subprocess.run(
            (*COMMAND, WITH_ORIGIN) if with_origin else COMMAND,
            input=sent,
            capture_output=True,
            timeout=MAX_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise TooBusy("This photo could not be read in time. Try again later.") from None
    if made.returncode == _REFUSED:
        raise InvalidInput(made.stderr.decode(), field="photo")
    if made.returncode != 0:
        reason = made.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        log.error("photo not decoded", status=made.returncode, reason=reason)
        raise InvalidInput("This photo cannot be read.", field="photo")
    size, _, jpeg = made.stdout.partition(b"\n")
    width, height, lat, lon, taken_at = size.decode().split(" ", 4)
    origin = PhotoOrigin(_number(lat), _number(lon), taken_at if taken_at != _NONE else None)
    return Picture(jpeg, int(width), int(height)), origin


def _number(text: str) -> float | None:
    return float(text) if text != _NONE else None


def main(memory_bytes: int = MAX_MEMORY_BYTES, *, with_origin: bool = False) -> int:
    """Read a photo from stdin; write its width, height, origin and re-encoded JPEG to stdout.

    Returns the exit status.
    """
    with contextlib.suppress(OSError):  # aed.service forbids it; the parent's priority then applies
        os.nice(NICENESS)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    try:
        sent = sys.stdin.buffer.read()
        picture = picture_without_traces(sent)
        origin = origin_of(sent) if with_origin else UNKNOWN_ORIGIN
    except InvalidInput as error:
        sys.stderr.write(error.detail)
        return _REFUSED
    where = (_NONE if each is None else each for each in (origin.lat, origin.lon, origin.taken_at))
    header = " ".join(map(str, (picture.width, picture.height, *where)))
    sys.stdout.buffer.write(f"{header}\n".encode() + picture.jpeg)
    return 0


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each != WITH_ORIGIN]
    sys.exit(main(*numbers, with_origin=WITH_ORIGIN in sys.argv))
