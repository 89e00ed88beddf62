"""Run many cases in one test, on one database."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import pytest


def each_case(
    names: str | tuple[str, ...], cases: Sequence[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a test to run once per case as a subtest; like `pytest.mark.parametrize`, but with one setup.

    It suits refusals, which change nothing: a new database and a new application for each would take most of
    the time. A failing case does not stop the others. The fixture `session`, if used, is rolled back after
    each case.
    """
    keys = (names,) if isinstance(names, str) else names

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(test)

        @wraps(test)
        def run(subtests: pytest.Subtests, **fixtures: Any) -> None:
            for case in cases:
                given = dict(zip(keys, (case,) if isinstance(names, str) else case, strict=True))
                with subtests.test(" ".join(f"{name}={value!r:.60}" for name, value in given.items())):
                    try:
                        test(**fixtures, **given)
                    finally:
                        if "session" in fixtures:
                            fixtures["session"].rollback()

        left = [each for name, each in signature.parameters.items() if name not in keys]
        asked = inspect.Parameter("subtests", inspect.Parameter.KEYWORD_ONLY)
        run.__signature__ = signature.replace(parameters=[*left, asked])  # type: ignore[attr-defined]  # read by pytest
        return run

    return decorate
