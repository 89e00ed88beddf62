"""A pytest plugin that prints which source files take part in each HTTP request of the selected tests.

    pytest -p tests.figures.call_paths -s tests/registry/test_devices.py -k "spatialite and ..."

It prints one line per request: method, path, status, the number of our files whose functions ran, and the
greatest number of our frames on the stack when a statement was sent to the database.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

SOURCE: Final = str(Path(__file__).parents[2] / "src" / "aed") + "/"


class Recorder:
    """Records our files, and the frames above each SQL statement, while it is on."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.frames: list[int] = []

    def profile(self, frame: FrameType, event_name: str, _: object) -> None:
        if event_name == "call" and frame.f_code.co_filename.startswith(SOURCE):
            self.files.add(frame.f_code.co_filename.removeprefix(SOURCE))

    def statement(self, *_: object) -> None:
        depth, frame = 0, sys._getframe(1)
        current: FrameType | None = frame
        while current is not None:
            depth += current.f_code.co_filename.startswith(SOURCE)
            current = current.f_back
        self.frames.append(depth)

    def figures(self) -> str:
        deepest = max(self.frames, default=0)
        return f"{len(self.files)} files, {deepest} frames, {len(self.frames)} statements"


@contextmanager
def recorded() -> Iterator[Recorder]:
    """Record the files and statements of all threads."""
    recorder = Recorder()
    event.listen(Engine, "before_cursor_execute", recorder.statement)
    threading.setprofile_all_threads(recorder.profile)
    try:
        yield recorder
    finally:
        threading.setprofile_all_threads(None)
        event.remove(Engine, "before_cursor_execute", recorder.statement)


@pytest.fixture(autouse=True)
def _print_call_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = TestClient.request

    def request(client: TestClient, method: str, url: Any, **kwargs: Any) -> Any:
        with recorded() as recorder:
            answer = plain(client, method, url, **kwargs)
        sys.stdout.write(
            f"\n{method} {str(url)[:70]} {answer.status_code}: {recorder.figures()}\n"
            f"  {' '.join(sorted(recorder.files))}\n"
        )
        return answer

    monkeypatch.setattr(TestClient, "request", request)
