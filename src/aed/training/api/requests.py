"""What the routes of papers, codes and calendars have in common: who wants a page, where we are reached."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Depends, Request

from aed.settings import Settings


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


SettingsDep = Annotated[Settings, Depends(_settings)]


async def _public_address(request: Request, settings: SettingsDep) -> str:
    return settings.public_url or str(request.base_url).rstrip("/")


PublicAddress = Annotated[str, Depends(_public_address)]
"""Of this network, as people reach it, without a slash at its end."""


PDF: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The PDF",
        "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
    }
}
