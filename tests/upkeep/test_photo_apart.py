"""Photos are decoded in a separate process."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from PIL import Image
from structlog.testing import capture_logs

from aed.errors import InvalidInput
from aed.upkeep.checks import photo_process
from aed.upkeep.checks.photo import picture_without_traces
from aed.upkeep.checks.photo_process import NICENESS, picture_in_subprocess
from tests.waiting import eventually

LOWEST_PRIORITY = 19


def picture(side: int, kind: str = "PNG") -> bytes:
    into = io.BytesIO()
    Image.new("RGB", (side, side), (200, 30, 40)).save(into, kind)
    return into.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_picture_is_the_one_that_is_made_here(kind: str) -> None:
    sent = picture(40, kind)

    assert picture_in_subprocess(sent) == picture_without_traces(sent)


def test_a_broken_photo_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidInput, match="not a complete JPEG") as refused:
        picture_in_subprocess(b"no picture")
    assert refused.value.field == "photo"
    with pytest.raises(InvalidInput, match="25 million pixels"):
        picture_in_subprocess(picture(5_001))


def test_a_photo_that_needs_too_much_memory_is_refused_and_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory limit applies to the child process only, so this process is not affected."""
    least = 60_000_000  # enough for the interpreter, too little for 5,000 x 5,000 pixels
    monkeypatch.setattr(photo_process, "COMMAND", (*photo_process.COMMAND, str(least)))

    with pytest.raises(InvalidInput, match="cannot be read"), capture_logs() as logs:
        picture_in_subprocess(picture(5_000))

    assert [each["event"] for each in logs] == ["photo not decoded"]


def test_the_photo_process_runs_at_low_priority() -> None:
    with subprocess.Popen(photo_process.COMMAND, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        nice = min(os.getpriority(os.PRIO_PROCESS, 0) + NICENESS, LOWEST_PRIORITY)
        assert eventually(lambda: os.getpriority(os.PRIO_PROCESS, child.pid) == nice)
        child.communicate(picture(4))
    assert child.returncode == 0
    assert photo_process.COMMAND[0] == sys.executable
