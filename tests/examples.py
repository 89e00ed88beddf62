"""How many examples property-based tests try: usually few, in `make fuzz` many."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

IS_DEEP: Final = os.environ.get("AED_TEST_PROFILE") == "deep"
TIMES_IN_DEPTH: Final = 20


def examples(usual: int, in_depth: int | None = None) -> int:
    """Return the number of examples; in depth, `in_depth` or twenty times as many as usual."""
    return (in_depth or TIMES_IN_DEPTH * usual) if IS_DEEP else usual


def load_profile() -> None:
    """Make a failing test print how to repeat it; in depth, try more examples.

    No example has a deadline: tests do not depend on how busy the machine is.
    """
    settings.register_profile("usual", print_blob=True, deadline=None)
    settings.register_profile("deep", print_blob=True, max_examples=examples(100), deadline=None)
    settings.load_profile("deep" if IS_DEEP else "usual")
