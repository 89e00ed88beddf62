"""How long an answer may be kept, and by whom."""

from __future__ import annotations

from collections.abc import Mapping

from aed.accounts.rules import Viewer

PUBLIC_SECONDS = 60
"""A device that is no longer public is gone from every cache within a minute."""


def caching(viewer: Viewer) -> Mapping[str, str]:
    """Anyone may keep a stranger's answer for a little; one for a token only its holder, who asks anew."""
    kept = "private, no-cache" if viewer.is_signed_in else f"public, max-age={PUBLIC_SECONDS}"
    return {"Cache-Control": kept, "Vary": "Authorization"}
