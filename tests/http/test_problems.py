"""Problem documents are small, whatever the request contains."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from tests.apps import app_on
from tests.test_app import assert_problem

from aed.errors import InvalidInput
from aed.http.bodies import LIST, MAX_NESTING, SMALL, JsonLimits, check_json_shape
from aed.http.problems import MAX_ERRORS, problem
from aed.settings import Settings

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def stranger() -> TestClient:
    """Return a client without a token; the application has no database."""
    settings = Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none", access_log=False)
    return TestClient(app_on(settings))


def test_twenty_errors_are_named_and_the_others_counted(stranger: TestClient) -> None:
    body = {f"unknown_{number}": 1 for number in range(400)}

    refused = assert_problem(stranger.post("/v1/reports", json=body), 422, "invalid-input", field="kind")

    assert len(refused["errors"]) == MAX_ERRORS == 20
    assert refused["more_errors"] >= 380
    assert len(json.dumps(refused)) < 4_000


def test_values_repeated_in_errors_are_cut(stranger: TestClient) -> None:
    body = {"x" * 50_000: 1, "y" * 10_000: 2}

    answer = stranger.post("/v1/reports", json=body)

    assert answer.status_code == 422
    assert len(answer.content) < 4_000


def test_a_problem_of_any_size_is_built_small() -> None:
    request = Request({"type": "http", "path": "/" + "p" * 60_000, "headers": [], "query_string": b""})
    errors = [{"field": "f" * 10_000, "detail": "d" * 10_000}] * 10_000

    answer = problem(request, 422, "invalid-input", "t" * 9_000, "d" * 9_000, "f" * 9_000, errors=errors)

    assert len(answer.body) < 30_000


def test_seventy_five_thousand_unknown_keys_are_refused_by_their_size(stranger: TestClient) -> None:
    body = json.dumps({f"k{number}": 1 for number in range(75_000)}).encode()
    assert_problem(stranger.post("/v1/reports", content=body, headers=JSON), 413, "too-large")


@pytest.mark.parametrize(("path", "most"), [("/v1/reports", SMALL), ("/v1/estates", LIST)])
def test_a_body_of_many_keys_or_values_is_refused_before_it_is_read(
    stranger: TestClient, path: str, most: JsonLimits
) -> None:
    """Each key would become an error that delays every lookup; a small body may cause a few hundred."""
    keys = dict.fromkeys(map(str, range(most.keys + 1)), 1)
    values = {"boundary": [1] * (most.commas + 2)}
    for body, what in (keys, f"{most.keys} keys"), (values, f"{most.commas} values"):
        answer = stranger.post(path, content=json.dumps(body).encode(), headers=JSON)

        assert what in assert_problem(answer, 422, "invalid-input", field=None)["detail"]


def test_the_largest_valid_bodies_are_within_the_limits() -> None:
    boundary = {"type": "Polygon", "coordinates": [[[120.1, 30.2, 5.5]] * 10_000]}
    attendance = {"rows": [{"enrolment_id": 1, "present": True, "note": "a, b: c"}] * 1_000}
    for body in boundary, attendance:
        check_json_shape(json.dumps(body).encode(), LIST)
    check_json_shape(json.dumps({"answers": dict.fromkeys(map(str, range(60)), True)}).encode(), SMALL)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 64_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * (MAX_NESTING + 1) + b"]" * (MAX_NESTING + 1),
        b'{"a":"\\\\","b":' + b"[" * (MAX_NESTING + 1),
        b"{" + b'"":1,' * (LIST.keys + 1),
        b"[" + b"1," * (LIST.commas + 1),
    ],
)
def test_json_that_is_nested_too_deep_or_has_too_many_keys_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        check_json_shape(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"text":"' + b"[{:" * 10_000 + b'"}',
        b'{"text":"\\"' + b"[{:" * 10_000 + b'"}',
        b"[" * MAX_NESTING + b"]" * MAX_NESTING,
        b"[" + b"[],{}," * 1_000 + b"0]",
        b'"' * 64_001,
        b'"\\' * 32_000,
    ],
)
def test_characters_in_strings_are_not_counted(body: bytes) -> None:
    check_json_shape(body)


def test_the_shape_of_the_largest_list_is_checked_fast() -> None:
    """No string causes backtracking: the check takes no longer than parsing."""
    hostile = [b'"\\' * 500_000, b'"' * 1_000_000, b"[" * 1_000_000, b'\\"' * 500_000, b":" * 1_000_000]
    typed = json.dumps([{"note": "x" * 50}] * 15_000).encode()
    started = time.process_time()
    for _ in range(3):
        json.loads(typed)
    parsing = (time.process_time() - started) / 3
    for body in hostile:
        started = time.process_time()
        with contextlib.suppress(InvalidInput):
            check_json_shape(body)
        assert time.process_time() - started < 50 * max(parsing, 0.002), body[:10]
