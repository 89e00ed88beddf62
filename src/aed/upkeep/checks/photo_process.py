"""Photos are decoded in a process of their own, which gives way to everything else.

A decoder holds Python's interpreter while it makes room for 100 MB and gives it back, for up to 0.1 s at
once, in which no lookup is answered. Apart, it holds up nobody; nor does one that crashes, or runs out of
memory.
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
from aed.upkeep.checks.photo import Picture, picture_without_traces

log = structlog.get_logger("aed")

MAX_SECONDS: Final = 60
"""The largest photo takes 1 s; at its priority, on a machine that is busy, ten times that."""
MAX_MEMORY_BYTES: Final = 1_000_000_000
"""Of addresses, for the largest photo twice over; measured: 450 MB."""
NICENESS: Final = 10
"""Beside other processes that compute it gets a tenth of a core; at 19 it would starve."""
COMMAND: Final = (sys.executable, "-m", "aed.upkeep.checks.photo_process")
_REFUSED: Final = 3
"""The exit status where the sentence on stderr is for whoever sent the photo."""


def picture_in_subprocess(sent: bytes) -> Picture:
    """Call `photo.picture_without_traces` in another process. Raises InvalidInput, and TooBusy."""
    try:
        made = subprocess.run(
            COMMAND,
            input=sent,
            capture_output=True,
            timeout=MAX_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise TooBusy("This photo could not be read in time. Try again later.") from None
    if made.returncode == _REFUSED:
        raise InvalidInput(made.stderr.decode(), field="photo")
    if made.returncode != 0:
        why = made.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        log.error("photo not decoded", status=made.returncode, why=why)
        raise InvalidInput("This photo cannot be read.", field="photo")
    size, _, jpeg = made.stdout.partition(b"\n")
    width, height = size.split()
    return Picture(jpeg, int(width), int(height))


def main(memory_bytes: int = MAX_MEMORY_BYTES) -> int:
    """Read a photo from stdin, and write width, height and the JPEG made from it to stdout."""
    with contextlib.suppress(OSError):  # aed.service forbids it; the parent's priority then applies
        os.nice(NICENESS)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    try:
        picture = picture_without_traces(sys.stdin.buffer.read())
    except InvalidInput as error:
        sys.stderr.write(error.detail)
        return _REFUSED
    sys.stdout.buffer.write(f"{picture.width} {picture.height}\n".encode() + picture.jpeg)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
