"""Logs and metrics of requests contain route templates, never paths."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.orm import Session
from tests import make
from tests.apps import app_on

from aed.accounts.permissions import TokenRole
from aed.http.request_timing import METRICS_FOLDER
from aed.settings import Settings

NAME = "aed_http_request_duration_seconds"
SECRET = "9f86d081884c7d659a2feaa0c55ad015"


@dataclass
class Served:
    app: FastAPI
    client: TestClient

    def counts(self) -> dict[tuple[str, str, str], float]:
        """Return the number of observed requests by route, method and status class."""
        return counts_in(self.app.state.request_metrics.text())


def counts_in(text: str) -> dict[tuple[str, str, str], float]:
    return {
        (each.labels["route"], each.labels["method"], each.labels["status"]): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
        if each.name == f"{NAME}_count"
    }


@pytest.fixture
def served() -> Iterator[Served]:
    """Serve the application without a database."""
    app = app_on(Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none", access_log=False))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Served(app, client)


def test_requests_are_counted_by_route_method_and_class_of_status(served: Served) -> None:
    for _ in range(3):
        served.client.get("/healthz")
    served.client.get("/readyz")
    assert served.counts() == {("/healthz", "GET", "2xx"): 3, ("/readyz", "GET", "5xx"): 1}


def test_no_path_and_no_query_is_in_the_metrics(served: Served) -> None:
    served.client.get(f"/v1/nowhere/{SECRET}?lat=30.28&key={SECRET}")
    served.client.get(f"/v1/calendar.ics?key={SECRET}")
    served.client.get(f"/{SECRET}/a/b/c")
    text = served.app.state.request_metrics.text()
    assert ("/v1/…", "GET", "4xx") in counts_in(text)
    assert SECRET not in text
    assert "30.28" not in text


def test_requests_of_strangers_create_a_bounded_number_of_series(served: Served) -> None:
    for number in range(50):
        served.client.request(f"VERB{number}", f"/v1/devices/{number}/x{number}")
    assert set(served.counts()) == {("/v1/devices/{device_id}/…", "other", "4xx")}


def test_an_administrator_reads_the_metrics_of_the_process(session: Session, client: TestClient) -> None:
    reading = make.key(session, TokenRole.ADMINISTRATOR, writes=False)
    session.commit()
    client.get("/v1/devices")

    assert client.get("/metrics").status_code == 401
    answer = client.get("/metrics", headers=reading)

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert counts_in(answer.text)["/v1/devices", "GET", "2xx"] == 1
    assert "process_resident_memory_bytes" in answer.text
    assert "aed_worker_alive" in answer.text


OBSERVING = """
from aed.http.request_timing import RequestMetrics

metrics = RequestMetrics()
metrics.observe(route="/v1/nearest", method="GET", status=200, seconds=0.002)
print(metrics.text())
"""


def test_processes_of_one_server_count_together(tmp_path: Path) -> None:
    """Runs in separate processes, because the library reads its folder when it is imported."""
    environment = {**os.environ, METRICS_FOLDER: str(tmp_path)}
    texts = [
        subprocess.run(
            [sys.executable, "-c", OBSERVING], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]

    assert [counts_in(each)["/v1/nearest", "GET", "2xx"] for each in texts] == [1, 2]
