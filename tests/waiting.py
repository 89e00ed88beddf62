"""Waiting for what another process or thread does, which tells nobody when it is done."""

from __future__ import annotations

import time
from collections.abc import Callable

_BETWEEN_SECONDS = 0.05


def eventually(is_so: Callable[[], bool], seconds: float = 300) -> bool:
    """Whether it is so within so many seconds; as soon as it is."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(_BETWEEN_SECONDS)
    return True
