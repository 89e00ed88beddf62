"""Traces of requests and their SQL statements for an OpenTelemetry collector. Needs the extra `otel`.

A span names a route by its template and a statement by its verb. Paths, queries, statements, parameters and
messages of exceptions are left out: they may hold the key of a message, a patient's place or a phone number.
"""

from __future__ import annotations

from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from sqlalchemy import Connection, Engine, ExceptionContext, event
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aed import __version__
from aed.http.routes import template_of

_SPANS: Final = "aed.spans"


def tracer_provider(url: str) -> TracerProvider:
    """Return a provider that sends spans to an OTLP/HTTP endpoint, in batches from a thread of its own.

    Shut it down at the end: that sends the last batch.
    """
    provider = TracerProvider(
        resource=Resource.create({"service.name": "aed", "service.version": __version__})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return provider


class RequestTracing:
    """Record a span for each request: method, route template and status."""

    def __init__(self, app: ASGIApp, *, provider: TracerProvider) -> None:
        self._app = app
        self._tracer = provider.get_tracer("aed.http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, route = scope["method"], template_of(scope["app"], scope["path"])
        with self._tracer.start_as_current_span(
            f"{method} {route}",
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "http.route": route},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:

            async def note_status(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            await self._app(scope, receive, note_status)


def trace_statements(engine: Engine, provider: TracerProvider) -> None:
    """Record a span for each statement that SQLAlchemy executes on this engine, within its request's."""
    tracer = provider.get_tracer("aed.database")
    system = engine.dialect.name

    @event.listens_for(engine, "before_cursor_execute")
    def start(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        verb = statement.split(maxsplit=1)[0].upper() if statement.strip() else ""
        span = tracer.start_span(
            verb or "SQL",
            kind=SpanKind.CLIENT,
            attributes={"db.system.name": system, "db.operation.name": verb},
        )
        _open_spans(connection).append(span)

    @event.listens_for(engine, "after_cursor_execute")
    def end(connection: Connection, *_: Any) -> None:
        if spans := _open_spans(connection):
            spans.pop().end()

    @event.listens_for(engine, "handle_error")
    def fail(context: ExceptionContext) -> None:
        if context.connection is not None and (spans := _open_spans(context.connection)):
            span = spans.pop()
            span.set_status(StatusCode.ERROR)
            span.end()


def _open_spans(connection: Connection) -> list[Span]:
    spans: list[Span] = connection.info.setdefault(_SPANS, [])
    return spans
