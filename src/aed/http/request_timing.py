"""The time that each request takes: one log line, and one observation for the metrics.

Neither says the path, which may hold the key of a message, nor the query, which may hold a patient's place.
"""

from __future__ import annotations

import os
import time
from typing import Final

import structlog
from prometheus_client import (
    CollectorRegistry,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aed.http.routes import template_of

log = structlog.get_logger("aed")

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNKNOWN_METHOD: Final = "other"
BUCKETS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable of prometheus-client: the folder in which processes count together. It must be set
before the library is imported."""

# Without it each series has a second line, its time of creation.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no annotation here


class RequestMetrics:
    """Counts and durations of the requests that were answered.

    Those of all processes of one `aed serve`; a single process adds its memory, CPU and files.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "aed_http_request_duration_seconds",
            "Time to answer a request completely, by route, method and status class",
            ["route", "method", "status"],
            buckets=BUCKETS_SECONDS,
            registry=self._registry,
        )
        self._answering = self._registry
        if METRICS_FOLDER in os.environ:
            self._answering = CollectorRegistry()
            MultiProcessCollector(self._answering)  # type: ignore[no-untyped-call]  # untyped library
        else:
            ProcessCollector(registry=self._registry)

    def observe(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Add one request. `route` is a template: a path would make a series of its own."""
        known = method if method in METHODS else UNKNOWN_METHOD
        self._seconds.labels(route, known, f"{status // 100}xx").observe(seconds)

    def text(self) -> str:
        """Return the metrics in Prometheus's text format 0.0.4."""
        return generate_latest(self._answering).decode()


class RequestTiming:
    """Observe method, route template, status and duration of each request, and log them if `is_logged`.

    A stream counts as answered once it has ended.
    """

    def __init__(self, app: ASGIApp, *, metrics: RequestMetrics, is_logged: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._is_logged = is_logged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            seconds = time.perf_counter() - started
            status = status or 500  # nothing sent yet: what was raised is answered farther out
            route, method = template_of(scope["app"], scope["path"]), scope["method"]
            self._metrics.observe(route=route, method=method, status=status, seconds=seconds)
            if self._is_logged:
                log.info("request", method=method, path=route, status=status, ms=round(seconds * 1000, 2))
