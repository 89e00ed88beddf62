"""The Chromium that tests of pages run."""

from __future__ import annotations

import shutil
from typing import Final

PROGRAM: Final = shutil.which("chromium-headless-shell") or shutil.which("chromium")
"""Chromium without windows, which takes a quarter less CPU time; else the whole; None without either."""
