"""Limits and headers that the routes of the estate's desk share."""

from __future__ import annotations

from typing import Final

MAX_VALUE: Final = 4_000
"""Characters of a field."""
NO_STORE: Final = {"Cache-Control": "no-store"}
