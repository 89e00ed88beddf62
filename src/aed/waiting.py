"""Waiting for a socket: in a thread, or on the event loop while others go on.

The way into a thread and back takes as long as finding the nearest devices in the database. So what is sure
to be short is done on the event loop itself: as plain functions, in a greenlet, which is left where they have
to wait for a socket and entered again when it is ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from select import POLLIN, POLLOUT, poll

from greenlet import getcurrent, greenlet


class WouldWait(Exception):
    """What is done on the event loop came to something that may hold it up: it is for a thread."""


class _OnTheLoop(greenlet):
    """Work that is done on the event loop."""


def wait_for(descriptor: int, events: int) -> None:
    """Until the socket is ready for one of these (POLLIN, POLLOUT); other requests go on meanwhile."""
    coming = poll()
    coming.register(descriptor, events)
    work = getcurrent()
    if not isinstance(work, _OnTheLoop):
        coming.poll()
    elif not coming.poll(0):
        assert work.parent is not None
        work.parent.switch((descriptor, events))


def needs_a_thread() -> None:
    """Said before whatever waits in a way of its own. Raises WouldWait on the event loop."""
    if isinstance(getcurrent(), _OnTheLoop):
        raise WouldWait


async def on_the_loop[Answer](work: Callable[[], Answer]) -> Answer:
    """Does the work on the event loop, which goes on with others wherever it `wait_for`s a socket.

    Raises what it raises, and WouldWait where it `needs_a_thread`.
    """
    doing = _OnTheLoop(work)
    doing.gr_context = copy_context()
    try:
        found = doing.switch()
        while not doing.dead:
            await _ready(*found)
            found = doing.switch()
    finally:
        while not doing.dead:  # nobody wants it any more; it may wait once more while it tidies up
            with suppress(asyncio.CancelledError):
                doing.throw(asyncio.CancelledError)
    answer: Answer = found
    return answer


async def _ready(descriptor: int, events: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    if events & POLLIN:
        loop.add_reader(descriptor, tell)
    if events & POLLOUT:
        loop.add_writer(descriptor, tell)
    try:
        await ready
    finally:
        if events & POLLIN:
            loop.remove_reader(descriptor)
        if events & POLLOUT:
            loop.remove_writer(descriptor)
