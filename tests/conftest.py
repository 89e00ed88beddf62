"""Load the fixtures of all tests, but not in a process that only hands out tests to workers.

That process would import the program for seconds before it starts the workers.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.throwaway_postgres import MEMORY, has_room_in_memory

# Cache compiled modules whatever the environment says: it saves each process 10 s of CPU time.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if has_room_in_memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))  # in memory, commits don't wait for a disk


def pytest_configure(config: pytest.Config) -> None:
    """Import `tests.fixtures` where tests are collected and run."""
    is_worker = hasattr(config, "workerinput")
    if is_worker or config.getoption("dist", "no") == "no":
        config.pluginmanager.import_plugin("tests.fixtures")
