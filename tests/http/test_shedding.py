"""Too many requests: the least urgent are refused at once, an incident never before the others."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx2
import pytest
from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from aed.errors import AedError
from aed.http.problems import PROBLEM_TYPE, problem
from aed.http.shedding import MIN_SHARE, LimitShare, ShedLoad, Urgency, urgency_of

THREADS = 2
SLOW = ("/v1/export/",)


@pytest.mark.parametrize(
    ("path", "urgency"),
    [
        ("/v1/incidents", Urgency.INCIDENT),
        ("/v1/incidents/3/alerts/4", Urgency.INCIDENT),
        ("/v1/alerts/KEY", Urgency.INCIDENT),
        ("/a/KEY", Urgency.INCIDENT),
        ("/healthz", Urgency.INCIDENT),
        ("/", Urgency.LOOKUP),
        ("/v1/nearest", Urgency.LOOKUP),
        ("/packs/7", Urgency.LOOKUP),
        ("/d/CODE/check", Urgency.CHECK),
        ("/v1/devices/3/checks", Urgency.CHECK),
        ("/v1/devices", Urgency.DESK),
        ("/v1/devices/3", Urgency.DESK),
        ("/v1/export/csv", Urgency.DESK),
        ("/attendance/TOKEN", Urgency.CHECK),
        ("/agreements", Urgency.CHECK),
    ],
)
def test_the_class_of_a_request_is_that_of_its_path(path: str, urgency: Urgency) -> None:
    assert urgency_of(path) is urgency


class Site:
    """An application whose requests wait until `goes_on` is set."""

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()
        self.waiting = 0
        self.app = ShedLoad(self._app, threads=THREADS, slow_paths=SLOW, answer=refusal)
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url="http://test")

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.waiting += 1
        await self.goes_on.wait()
        await Response("done")(scope, receive, send)

    async def ask(self, path: str, times: int) -> list[asyncio.Task[httpx2.Response]]:
        """Send so many requests; return once each waits or was refused."""
        all_there = self.waiting + times
        asked = [asyncio.create_task(self.client.get(path)) for _ in range(times)]
        while self.waiting + sum(each.done() for each in asked) < all_there:
            await asyncio.sleep(0)  # lets the requests go on
        return asked


def refusal(request: Request, error: AedError, headers: dict[str, str]) -> Response:
    return problem(request, error.status, error.code, error.title, error.detail, None, headers)


def test_the_least_urgent_are_refused_at_once_and_incidents_are_not() -> None:
    async def overload() -> None:
        site = Site()
        times = {"/v1/devices": 9, "/d/CODE": 20, "/v1/nearest": 20, "/v1/incidents": 99}
        asked = {path: await site.ask(path, count) for path, count in times.items()}
        refused = {path: [each for each in tasks if each.done()] for path, tasks in asked.items()}
        assert {path: len(tasks) for path, tasks in refused.items()} == {
            "/v1/devices": 5,  # 2 for each thread wait
            "/d/CODE": 4,  # 10 for each thread, with those before
            "/v1/nearest": 16,  # 12 for each thread
            "/v1/incidents": 0,
        }
        answer = refused["/v1/nearest"][0].result()
        assert answer.status_code == 503
        assert answer.headers["content-type"] == PROBLEM_TYPE
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["type"] == "urn:aed:problem:overloaded"

        site.goes_on.set()
        answers = await asyncio.gather(*(each for tasks in asked.values() for each in tasks))
        assert Counter(each.status_code for each in answers) == {200: 4 + 16 + 4 + 99, 503: 5 + 4 + 16}
        assert (await site.client.get("/v1/devices")).status_code == 200, "once they are answered"

    asyncio.run(overload())


def test_the_limits_shrink_where_lookups_are_slow_and_grow_again() -> None:
    share = LimitShare(threads=8)

    for _ in range(200):
        share.note(found=96, seconds=1.0)
    assert share.value == pytest.approx(0.3, abs=0.01), "29 of 96 are answered in 0.3 s"
    for _ in range(200):
        share.note(found=20, seconds=10.0)
    assert share.value == pytest.approx(1 / 6), "two for each thread remain"
    for _ in range(200):
        share.note(found=2, seconds=3.0)
    assert share.value == pytest.approx(1.0, abs=0.01), "one slow lookup is no overload"


def test_writes_that_wait_for_a_standby_do_not_take_the_room_of_lookups() -> None:
    async def overload() -> None:
        site = Site()
        site.app._share.value = MIN_SHARE
        writes = await site.ask("/d/CODE", 5 * THREADS)
        lookups = await site.ask("/v1/nearest", 2 * THREADS)
        assert not any(each.done() for each in (*writes, *lookups))
        assert (await site.client.get("/v1/nearest")).status_code == 503, "only lookups count for this"
        site.goes_on.set()
        await asyncio.gather(*writes, *lookups)

    asyncio.run(overload())


def test_a_client_that_repeats_too_early_waits_for_its_refusal_and_others_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aed.http.shedding.HOLD_SECONDS", 600.0)

    async def overload() -> None:
        site = Site()
        full = await site.ask("/v1/devices", 2 * THREADS)
        assert (await site.client.get("/v1/devices")).status_code == 503, "the first refusal is at once"
        repeated = asyncio.create_task(site.client.get("/v1/devices"))
        other = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(site.app, client=("192.0.2.7", 1)), base_url="http://test"
        )
        assert (await other.get("/v1/devices")).status_code == 503
        assert not repeated.done()
        urgent = await site.ask("/v1/incidents", 1)
        site.goes_on.set()
        assert [each.status_code for each in await asyncio.gather(*full, *urgent)] == [200] * 5
        repeated.cancel()

    asyncio.run(overload())


def test_files_under_way_do_not_count_but_are_refused_too() -> None:
    async def overload() -> None:
        site = Site()
        files = await site.ask("/v1/export/csv", 50)
        lists = await site.ask("/v1/devices", 4)
        assert not any(each.done() for each in [*files, *lists])
        assert (await site.client.get("/v1/export/csv")).status_code == 503
        site.goes_on.set()
        await asyncio.gather(*files, *lists)

    asyncio.run(overload())
