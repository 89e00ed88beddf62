"""Where people reach this."""

from __future__ import annotations

from fastapi import Request

from aed.settings import Settings


def public_address(request: Request) -> str:
    """As it is set, else as the question came; without a slash at its end."""
    settings: Settings = request.app.state.settings
    return settings.public_url or str(request.base_url).rstrip("/")
