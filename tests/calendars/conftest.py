"""HTTP clients for the roles that use calendars."""

from __future__ import annotations

from tests.registry.conftest import Desk, desk_of, nobody, office

__all__ = ["Desk", "desk_of", "nobody", "office"]
