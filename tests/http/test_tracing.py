"""Spans as received by an OpenTelemetry collector on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.apps import app_on

from aed.settings import Settings

SECRET = "9f86d081884c7d659a2feaa0c55ad015"


@dataclass
class Collector:
    port: int
    bodies: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/traces"

    def spans(self) -> list[Span]:
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received = Collector(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield received
        server.shutdown()
        thread.join()


def ask(settings: Settings, collector: Collector, *paths: str) -> None:
    traced = settings.model_copy(update={"traces_url": collector.url})
    with TestClient(app_on(traced), raise_server_exceptions=False) as client:
        for path in paths:
            client.get(path)


def test_a_request_and_its_statements_are_one_trace(settings: Settings, collector: Collector) -> None:
    ask(settings, collector, "/v1/devices/1")

    spans = collector.spans()
    (request,) = (each for each in spans if each.name == "GET /v1/devices/{device_id}")
    attributes = {each.key: each.value for each in request.attributes}
    statements = [each for each in spans if each.parent_span_id == request.span_id]

    assert attributes["http.route"].string_value == "/v1/devices/{device_id}"
    assert attributes["http.response.status_code"].int_value == 404
    assert "SELECT" in {each.name for each in statements}
    assert {each.trace_id for each in statements} == {request.trace_id}


def test_spans_contain_no_location_or_person(settings: Settings, collector: Collector) -> None:
    ask(
        settings,
        collector,
        f"/v1/calendar.ics?key={SECRET}",
        f"/v1/alerts/{SECRET}",
        "/v1/nearest?lat=30.283512&lon=120.100311",
        "/v1/devices?bbox=120.100311,30.283512,120.2,30.4",
    )

    sent = b"".join(collector.bodies)
    assert "GET /v1/alerts/{alert_key}" in {each.name for each in collector.spans()}
    for hidden in (SECRET, "30.2835", "120.1003"):
        assert hidden.encode() not in sent


def test_a_statement_that_fails_ends_its_span(settings: Settings, collector: Collector) -> None:
    traced = settings.model_copy(update={"traces_url": collector.url})
    app = app_on(traced)
    with TestClient(app), app.state.database.engine.connect() as connection:
        with pytest.raises(Exception, match="no_such_table"):
            connection.exec_driver_sql("SELECT 1 FROM no_such_table")
        connection.rollback()
        connection.exec_driver_sql("SELECT 1")

    spans = collector.spans()
    assert [each.name for each in spans if each.status.code == each.status.STATUS_CODE_ERROR] == ["SELECT"]
    assert all(each.end_time_unix_nano >= each.start_time_unix_nano for each in spans)
    assert b"no_such_table" not in b"".join(collector.bodies)
