"""Ask a function that requires a permission whether it allows something."""

from __future__ import annotations

from collections.abc import Callable

from aed.errors import NotAllowed


def is_allowed[**Given](require: Callable[Given, object], *given: Given.args, **named: Given.kwargs) -> bool:
    """Return False if the function raises NotAllowed, and True if it raises nothing."""
    try:
        require(*given, **named)
    except NotAllowed:
        return False
    return True
