"""Work on the event loop that has to wait for a socket."""

from __future__ import annotations

import asyncio
import socket
from contextvars import ContextVar
from functools import partial
from select import POLLIN, POLLOUT
from weakref import ReferenceType, ref

import pytest

from aed.database.event_loop import WouldWait, at_once, needs_a_thread, on_the_loop, wait_for

ASKED_BY: ContextVar[str] = ContextVar("asked_by")


def read_from(line: socket.socket) -> bytes:
    wait_for(line.fileno(), POLLIN)
    return line.recv(100)


def fill(line: socket.socket) -> int:
    """Sends until nothing more can go; how much that was."""
    sent = 0
    while True:
        try:
            sent += line.send(b"x" * 65_536)
        except BlockingIOError:
            return sent


def test_two_wait_at_once_and_each_gets_its_own() -> None:
    async def run() -> list[bytes]:
        (one, ones), (other, others) = socket.socketpair(), socket.socketpair()
        with one, ones, other, others:
            work = [on_the_loop(partial(read_from, line)) for line in (one, other)]
            asked = [asyncio.create_task(each) for each in work]
            await asyncio.sleep(0)  # no time: they begin
            assert not any(each.done() for each in asked)
            others.send(b"second")
            assert await asked[1] == b"second"
            assert not asked[0].done()
            ones.send(b"first")
            return await asyncio.gather(*asked)

    assert asyncio.run(run()) == [b"first", b"second"]


def test_it_goes_on_at_once_where_there_is_nothing_to_wait_for() -> None:
    async def run() -> bytes:
        here, there = socket.socketpair()
        with here, there:
            there.send(b"there already")
            work = on_the_loop(lambda: read_from(here))
            with pytest.raises(StopIteration) as done:
                work.send(None)  # the loop is not even asked
            found: bytes = done.value.value
            return found

    assert asyncio.run(run()) == b"there already"


def test_it_waits_until_something_can_go() -> None:
    async def run() -> int:
        here, there = socket.socketpair()
        with here, there:
            here.setblocking(False)
            there.setblocking(False)
            sent = fill(here)

            def send() -> int:
                wait_for(here.fileno(), POLLOUT)
                return here.send(b"the last")

            last = asyncio.create_task(on_the_loop(send))
            await asyncio.sleep(0)  # no time: it begins
            assert not last.done()
            while sent > 0:
                sent -= len(there.recv(1 << 20))
            return await last

    assert asyncio.run(run()) == 8


def test_in_a_thread_it_simply_waits() -> None:
    async def run() -> bytes:
        here, there = socket.socketpair()
        with here, there:
            asked = asyncio.create_task(asyncio.to_thread(read_from, here))
            there.send(b"told")
            return await asked

    assert asyncio.run(run()) == b"told"


def test_what_needs_a_thread_says_so_on_the_loop_alone() -> None:
    needs_a_thread()
    with pytest.raises(WouldWait):
        asyncio.run(on_the_loop(needs_a_thread))


def test_what_is_done_at_once_is_for_a_thread_as_soon_as_it_would_wait_and_what_follows_is_not() -> None:
    here, there = socket.socketpair()
    with here, there:
        for work in (needs_a_thread, partial(read_from, here)):
            with pytest.raises(WouldWait):
                at_once(work)
        there.send(b"there already")
        assert at_once(partial(read_from, here)) == b"there already"
        with pytest.raises(ZeroDivisionError):
            at_once(lambda: 1 // 0)
        needs_a_thread()
        assert asyncio.run(asyncio.to_thread(at_once, lambda: ASKED_BY.get("nobody"))) == "nobody"


def test_it_raises_what_the_work_raises_and_knows_who_asked() -> None:
    async def asked_by(name: str) -> str:
        ASKED_BY.set(name)
        return await on_the_loop(ASKED_BY.get)

    async def run() -> list[str]:
        with pytest.raises(ZeroDivisionError):
            await on_the_loop(lambda: str(1 // 0))
        return await asyncio.gather(asked_by("one"), asked_by("other"))

    assert asyncio.run(run()) == ["one", "other"]


def test_work_that_nobody_wants_any_more_tidies_up_even_where_it_would_wait_again() -> None:
    tidied: list[str] = []

    async def run() -> None:
        here, there = socket.socketpair()
        with here, there:

            def work() -> bytes:
                try:
                    return read_from(here)
                finally:
                    try:
                        read_from(here)  # as whoever wants to read the rest of an answer
                    finally:
                        tidied.append("everything")

            asked = asyncio.create_task(on_the_loop(work))
            await asyncio.sleep(0)  # no time: it begins
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked

    asyncio.run(run())
    assert tidied == ["everything"]


def test_what_was_done_and_its_answer_are_held_by_nothing_afterwards() -> None:
    class Answer:
        pass

    class Work:
        def __call__(self) -> Answer:
            return Answer()

    async def run() -> list[object]:
        held: list[ReferenceType[object]] = []
        for _ in range(3):  # by what did the one before, too
            work = Work()
            held += [ref(work), ref(await on_the_loop(work))]
            del work
        return [each() for each in held]

    assert asyncio.run(run()) == [None] * 6
