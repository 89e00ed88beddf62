"""Browsers, as the tests of accounts have them."""

from __future__ import annotations

from tests.accounts.conftest import browser

__all__ = ["browser"]
