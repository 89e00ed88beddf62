"""Structured logs: JSON for machines, a readable line for people; to standard error."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

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
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # The default shows every local variable: keys and patients' places, and takes seconds.
            exception_formatter=structlog.dev.plain_traceback,
        )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_rows,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", force=True
    )
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Plain("%(levelname)s %(name)s: %(message)s"))
    # httpx2 logs every URL at level info, including the keys in it.
    logging.getLogger("httpx2").setLevel(max(level, logging.WARNING))


_ROWS: Final = re.compile(r"(DETAIL:|\[parameters:).*")
"""Where messages of PostgreSQL contain the rejected row, and those of SQLAlchemy the parameters."""


def without_rows(written: str) -> str:
    """Return a stack trace without rows of the database, which contain phone numbers, names and codes."""
    return _ROWS.sub(r"\1 removed", written)


def _without_rows(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if isinstance(event.get("exception"), str):
        event["exception"] = without_rows(event["exception"])
    return event


class _Plain(logging.Formatter):
    """Formatter of records from libraries, such as stack traces from uvicorn."""

    def format(self, record: logging.LogRecord) -> str:
        return without_rows(super().format(record))
