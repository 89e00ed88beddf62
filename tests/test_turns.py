"""Request queues: how many run at once, who waits, and who is refused."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import anyio
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.accounts.regions.models import Region
from aed.accounts.sign_in.requests import SIGN_IN_QUEUE
from aed.errors import TooBusy
from aed.geo import Position
from aed.http.concurrency_limits import RETRY_AFTER_SECONDS, Queue, QueueLimits, wait_for_turn
from aed.incidents.calls.api import REPORTS
from aed.upkeep.checks.api import PHOTOS
from tests import make
from tests.make import PATIENT

TURNS = QueueLimits("tests", at_once=2, waiting=3, each=2, otherwise="Try again.")
REFUSED = "try again in 2 s"


@pytest.fixture
def request_() -> Request:
    app = FastAPI()
    app.state.queues = {}
    return Request({"type": "http", "app": app})


async def all_at_once(request: Request, callers: list[str]) -> tuple[list[str], int]:
    """Enter all callers at the same moment; return each result and the greatest number that ran at once."""
    busy, most = 0, 0

    async def come(caller: str) -> str:
        nonlocal busy, most
        try:
            async with wait_for_turn(request, TURNS, caller):
                busy += 1
                most = max(most, busy)
                await asyncio.sleep(0.01)
                busy -= 1
        except TooBusy as error:
            return f"try again in {error.retry_after_seconds} s"
        return "done"

    return await asyncio.gather(*map(come, callers)), most


def test_some_requests_run_some_wait_and_the_others_are_refused(request_: Request) -> None:
    callers = [str(number) for number in range(8)]

    became, most = asyncio.run(all_at_once(request_, callers))

    assert most == TURNS.at_once == 2
    assert became == ["done"] * 5 + [REFUSED] * 3, "two at once, three wait"


def test_one_flooding_client_leaves_room_for_others(request_: Request) -> None:
    became, _ = asyncio.run(all_at_once(request_, ["flood"] * 20 + ["another", "a third"]))

    assert became == ["done"] * 2 + [REFUSED] * 18 + ["done"] * 2


def test_a_slot_is_released_even_after_an_error(request_: Request) -> None:
    """After a failure, a cancellation during the work, and a cancellation while waiting."""

    async def fail() -> None:
        async with wait_for_turn(request_, TURNS, "a"):
            raise ValueError("on purpose")

    async def stay(caller: str) -> None:
        async with wait_for_turn(request_, TURNS, caller):
            await asyncio.sleep(60)

    async def story() -> None:
        with pytest.raises(ValueError, match="on purpose"):
            await fail()
        tasks = [asyncio.create_task(stay(caller)) for caller in "abcd"]
        await asyncio.sleep(0.01)
        for each in reversed(tasks):
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with AsyncExitStack() as stack, asyncio.timeout(1):
            for caller in "aa":
                await stack.enter_async_context(wait_for_turn(request_, TURNS, caller))

    asyncio.run(story())
    assert not (left := request_.app.state.queues["tests"].callers), left


def test_kinds_of_work_do_not_wait_for_each_other(request_: Request) -> None:
    async def story() -> None:
        others = QueueLimits("others", at_once=1, waiting=0, each=1, otherwise="")
        async with (
            wait_for_turn(request_, others, "a"),
            asyncio.timeout(1),
            wait_for_turn(request_, TURNS, "a"),
        ):
            with pytest.raises(TooBusy):
                async with wait_for_turn(request_, others, "b"):
                    pass

    asyncio.run(story())


# --- routes with a queue --------------------------------------------------------------------------------


def full(client: TestClient, turns: QueueLimits) -> None:
    """Occupy the queue: all its places are taken, and more callers are waiting."""
    callers = Counter({"others": turns.at_once + turns.waiting})
    client.app.state.queues[turns.name] = Queue(anyio.Semaphore(0), callers)  # type: ignore[attr-defined]  # of the application


def report(position: Position) -> dict[str, object]:
    where = {"lat": position.lat, "lon": position.lon}
    return {"key": str(uuid.uuid4()), "kind": "real", "position": where}


def test_a_dispatcher_opens_an_incident_while_strangers_flood(client: TestClient, session: Session) -> None:
    estate = make.estate(session, around=PATIENT)
    member = make.key(session, TokenRole.MEMBER, estate=estate, writes=True)
    region = session.get_one(Region, estate.region_id)
    dispatcher = make.key(session, TokenRole.DISPATCHER, region=region, writes=True)
    session.commit()
    full(client, REPORTS)

    refused = client.post("/v1/incidents", json=report(PATIENT), headers=member)
    opened = client.post("/v1/incidents", json=report(PATIENT), headers=dispatcher)

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, str(RETRY_AFTER_SECONDS))
    assert "Call the emergency number" in refused.json()["detail"]
    assert opened.status_code == 200, opened.text


def test_many_simultaneous_reports_of_one_account_are_refused_and_none_is_left_waiting(
    client: TestClient, session: Session
) -> None:
    """All accepted reports are planned, and afterwards the queue has free places again."""
    estate = make.estate(session, around=PATIENT)
    member = make.key(session, TokenRole.MEMBER, estate=estate, writes=True)
    session.commit()

    def send(_: int) -> int:
        return int(client.post("/v1/incidents", json=report(PATIENT), headers=member).status_code)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(send, range(36)))

    assert set(answers) == {200, 429}
    assert answers.count(200) >= REPORTS.each
    assert send(0) == 200


def test_a_flood_of_sign_ins_leaves_room_for_lookups(client: TestClient, session: Session) -> None:
    password = "a long pass phrase of one's own"
    make.person(session, phone="+8613800138000", password=password)
    session.commit()
    given = {"phone": "+8613800138000", "password": password}
    full(client, SIGN_IN_QUEUE)
    refused = client.post("/v1/sign-in", json=given)
    code_refused = client.post("/v1/sign-in/code", json={"phone": given["phone"]})
    found = client.get(f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}")
    client.app.state.queues.clear()  # type: ignore[attr-defined]  # the same

    assert refused.status_code == code_refused.status_code == 429
    assert found.status_code == 200
    assert refused.headers["Retry-After"] == str(RETRY_AFTER_SECONDS)
    assert client.post("/v1/sign-in", json=given).status_code == 200


def test_too_many_photos_at_once_are_refused_before_they_are_read(
    client: TestClient, session: Session
) -> None:
    check = make.check(session, make.device(session)).check
    key = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    full(client, PHOTOS)

    refused = client.post(f"/v1/photos?check={check.key}", content=b"no picture", headers=key)

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, str(RETRY_AFTER_SECONDS))
