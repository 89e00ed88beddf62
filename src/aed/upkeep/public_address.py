"""The public address of this service."""

from __future__ import annotations

from fastapi import Request

from aed.settings import Settings


def public_address(request: Request) -> str:
    """Return the configured public URL, or else the base URL of the request, without a trailing slash."""
    settings: Settings = request.app.state.settings
    return settings.public_url or str(request.base_url).rstrip("/")
