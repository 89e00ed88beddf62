"""Structured logs: JSON for machines, a readable line for people; to standard error."""

from __future__ import annotations

import logging
import sys

import orjson
import structlog

from aed.settings import LogFormat, Settings


def set_up_logs(settings: Settings) -> None:
    """From now on every log line has the settings' form and level."""
    level = getattr(logging, settings.log_level.upper())
    renderer: structlog.typing.Processor
    if settings.log_format is LogFormat.JSON:
        renderer = structlog.processors.JSONRenderer(
            serializer=lambda value, **_: orjson.dumps(value).decode()
        )
        shaping: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, renderer]
    else:
        shaping = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # The default shows every local variable: keys and patients' places, and takes seconds.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *shaping,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", force=True
    )
    # It tells every URL that it asks, with the keys that may stand in it.
    logging.getLogger("httpx2").setLevel(max(level, logging.WARNING))
