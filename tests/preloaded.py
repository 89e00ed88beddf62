"""Import the program and prepare its routes, in the process from which `tests.forked` forks others."""

from __future__ import annotations

import gc
from importlib import import_module

from aed.cli import COMMANDS, server_processes
from tests.apps import app_on, ready_app
from tests.commands import use_test_settings

use_test_settings()  # the first test that needs this process may have changed them

for _place, _ in COMMANDS.values():
    import_module(f"aed.cli.{_place.rpartition('.')[0]}")
import_module("tests.worker.processes")

ready_app()
vars(server_processes)["create_app"] = app_on  # so `aed serve` takes the routes that are prepared here

gc.collect()
gc.freeze()  # so that collections do not copy these objects into each process
