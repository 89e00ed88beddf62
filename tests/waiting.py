"""Wait for another process or thread that doesn't signal when it is done."""

from __future__ import annotations

import time
from collections.abc import Callable

_BETWEEN_SECONDS = 0.05


def eventually(is_so: Callable[[], bool], seconds: float = 300) -> bool:
    """Return True as soon as `is_so()` holds, or False after `seconds`."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(_BETWEEN_SECONDS)
    return True
