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


async def _wants_page(request: Request) -> bool:
    """A browser asks for a page before anything else; a program for what it can read, or for anything."""
    wanted = [each.partition(";")[0].strip().lower() for each in request.headers.get("accept", "").split(",")]
    return "text/html" in wanted and "application/json" not in wanted[: wanted.index("text/html")]


WantsPage = Annotated[bool, Depends(_wants_page)]
OR_A_PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "As JSON, or as a page"}
}
PDF: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The PDF",
        "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
    }
}
