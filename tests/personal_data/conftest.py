"""Browser fixtures, shared with the tests of accounts."""

from __future__ import annotations

from tests.accounts.conftest import browser

__all__ = ["browser"]
