"""The program as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOT_THEIRS = ("AED_", "PYTHONDONTWRITEBYTECODE", "COLUMNS", "FORCE_COLOR", "NO_COLOR")


def environment(**settings: str) -> dict[str, str]:
    """The environment with these settings and none of the tester's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_THEIRS)}
    return kept | settings


def aed(
    *arguments: str, cwd: Path = ROOT, within_seconds: float = 120, **settings: str
) -> subprocess.CompletedProcess[str]:
    """`aed …` as a process, with what it said."""
    return subprocess.run(
        [sys.executable, "-m", "aed", *arguments],
        cwd=cwd,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=within_seconds,
        check=False,
    )
