"""Path parameters shared by the routes of the register."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

DeviceId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
CalendarName = Annotated[str, Path(pattern="^[A-Za-z0-9._:-]{1,32}$", examples=["CN"])]
Year = Annotated[int, Path(ge=1990, le=2100, examples=[2026])]
