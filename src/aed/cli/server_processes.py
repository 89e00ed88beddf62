"""`aed serve` in several processes, which uvicorn starts, supervises and replaces when they die.

They accept from one listening socket and share the walking network (`aed.walking.file`). What they count
together is in one folder: the metrics of requests, and AED_SHARED_FOLDER. Everything else that a process
remembers is derived from the database or from settings, so each may have its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from aed.app import create_app, make_routes_ready
from aed.cli.process import answer_lookups_first, end_with_parent, share_heaps, spare_the_collector
from aed.errors import AedError
from aed.http.connections import BoundedProtocol, protocol_for
from aed.http.request_timing import METRICS_FOLDER
from aed.logs import set_up_logs
from aed.settings import Settings, load_settings

log = structlog.get_logger("aed")

SILENT_SECONDS: Final = 10
"""A process that does not answer its supervisor for so long is replaced."""


def ready_app(settings: Settings) -> FastAPI:
    """Return the application, prepared so that the first request is as fast as the next."""
    answer_lookups_first()
    app = create_app(settings)
    make_routes_ready(app)
    return app


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """Return the options of uvicorn, for one process or for several."""
    return {
        "log_config": None,
        "access_log": False,  # aed.app writes one structured line per request
        "server_header": False,
        "timeout_graceful_shutdown": 10,
        "ws": "none",  # there is no WebSocket route, and WebSockets have no deadlines
        "limit_concurrency": settings.connections,
    }


def serve_in_processes(count: int, settings: Settings, *, host: str, port: int) -> None:
    """Serve in `count` processes until SIGTERM or SIGINT; SIGHUP replaces one after the other."""
    with _counting_together(settings):
        config = uvicorn.Config(
            f"{__name__}:application",
            factory=True,
            http=f"{__name__}:protocol",
            host=host,
            port=port,
            workers=count,
            timeout_worker_healthcheck=SILENT_SECONDS,
            **uvicorn_options(settings),
        )
        supervisor = Multiprocess(config, sockets=[config.bind_socket()])
        supervisor.run()
    if any(each.exitcode == STARTUP_FAILURE for each in supervisor.processes):
        sys.exit(STARTUP_FAILURE)


def application() -> FastAPI:
    """Return the application of one of several processes."""
    end_with_parent()
    settings = load_settings()
    set_up_logs(settings)
    share_heaps()
    try:
        app = ready_app(settings)
    except AedError as error:  # another process would fail, too
        log.error("not started", reason=error.detail)
        sys.exit(STARTUP_FAILURE)
    spare_the_collector()
    return app


def protocol(**arguments: Any) -> BoundedProtocol:
    """Return the protocol of a new connection; uvicorn gives the arguments."""
    return _protocol()(**arguments)


@cache
def _protocol() -> type[BoundedProtocol]:
    return protocol_for(load_settings())


@contextmanager
def _counting_together(settings: Settings) -> Iterator[None]:
    """Name the folders in which the processes count to those that are started in the block."""
    with tempfile.TemporaryDirectory(prefix="aed-serve-") as name:
        os.environ[METRICS_FOLDER] = name
        if settings.shared_folder is None:
            os.environ["AED_SHARED_FOLDER"] = name
        try:
            yield
        finally:
            del os.environ[METRICS_FOLDER]
            if settings.shared_folder is None:
                del os.environ["AED_SHARED_FOLDER"]
