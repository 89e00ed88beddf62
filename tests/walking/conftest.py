"""Run each walking test twice: searching the whole network, and searching a window of it."""

from __future__ import annotations

import pytest

from aed.walking import reachable


@pytest.fixture(autouse=True, params=["whole", "cut_out"])
def as_large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "cut_out":
        monkeypatch.setattr(reachable, "WHOLE_UP_TO_JUNCTIONS", 0)
