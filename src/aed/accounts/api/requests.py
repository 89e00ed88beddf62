"""What the routes of people and roles have in common: whom paths name, and where numbers are at home."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request

from aed.settings import Settings

PersonId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
GrantId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


SettingsDep = Annotated[Settings, Depends(_settings)]
