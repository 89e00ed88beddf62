"""What a process that stays (aed serve, aed work) is told about its memory and its threads."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Final

_M_ARENA_MAX: Final = -8
"""mallopt(3) of glibc."""
HEAPS: Final = 2
SWITCH_SECONDS: Final = 0.0005


def share_heaps() -> None:
    """The threads share two heaps of the C library. Called before there are any.

    glibc gives them up to eight for each core, and each keeps what it once took: 20 MB more where the jobs
    run beside the API. One thread works at a time (the GIL), so that nobody waits for a heap.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc has it; others have heaps of another kind
        libc.mallopt(_M_ARENA_MAX, HEAPS)


def spare_the_collector() -> None:
    """Python looks for garbage in cycles no longer among all that was made at the start, and less often.

    A request leaves next to none, and looking took a tenth of a lookup and, now and then, 20 ms at once.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def answer_lookups_first() -> None:
    """A thread that computes gives way within half a millisecond, not within Python's 5 ms.

    The event loop answers lookups, and lets go of the interpreter whenever it sends, receives or asks the
    database: beside one thread that computes it would wait 5 ms each time to get it back.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
