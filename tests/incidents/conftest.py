"""Fixtures of the registry's HTTP tests, reused for incidents."""

from __future__ import annotations

from tests.registry.conftest import Desk, desk_of, nobody, office

__all__ = ["Desk", "desk_of", "nobody", "office"]
