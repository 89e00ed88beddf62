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
from threading import local
from typing import Any

from greenlet import getcurrent, greenlet


class WouldWait(Exception):
    """What is done on the event loop came to something that may hold it up: it is for a thread."""


class _OnTheLoop(greenlet):
    """What does work on the event loop, one piece after the other: making another each time takes a twentieth
    of a lookup, most of it for the memory of its frames."""

    def run(self, desk: list[Any]) -> None:
        """Takes the work off the desk and puts there what came of it. Nothing else holds either: what is idle
        would hold them until there is something to do again. Ends with an error, which goes to the parent."""
        while True:
            desk.append(desk.pop()())
            assert self.parent is not None
            desk = self.parent.switch(desk)


class _Here(local):
    """Of each thread."""

    def __init__(self) -> None:
        self.idle: list[_OnTheLoop] = []
        """Those that have nothing to do."""
        self.is_at_once = False
        """Work is being done on this thread's event loop, and not in a greenlet."""


_here = _Here()


def wait_for(descriptor: int, events: int) -> None:
    """Until the socket is ready for one of these (POLLIN, POLLOUT); other requests go on meanwhile.

    Raises WouldWait where that cannot be (`at_once`).
    """
    coming = poll()
    coming.register(descriptor, events)
    work = getcurrent()
    if isinstance(work, _OnTheLoop):
        if not coming.poll(0):
            assert work.parent is not None
            work.parent.switch((descriptor, events))
    elif not _here.is_at_once:
        coming.poll()
    elif not coming.poll(0):
        raise WouldWait


def needs_a_thread() -> None:
    """Said before whatever waits in a way of its own. Raises WouldWait on the event loop."""
    if _here.is_at_once or isinstance(getcurrent(), _OnTheLoop):
        raise WouldWait


def at_once[Answer](work: Callable[[], Answer]) -> Answer:
    """Does work on the event loop that never waits for a socket: a file is asked. Without a greenlet, which
    takes a twentieth of the shortest lookup.

    Raises what it raises, and WouldWait where it `needs_a_thread`.
    """
    _here.is_at_once = True
    try:
        return work()
    finally:
        _here.is_at_once = False


async def on_the_loop[Answer](work: Callable[[], Answer]) -> Answer:
    """Does the work on the event loop, which goes on with others wherever it `wait_for`s a socket.

    Raises what it raises, and WouldWait where it `needs_a_thread`.
    """
    doing = _here.idle.pop() if _here.idle else _OnTheLoop()
    doing.parent, doing.gr_context = getcurrent(), copy_context()
    desk: list[Any] = [work]
    found: Any = None
    try:
        found = doing.switch(desk)
        while found is not desk:
            await _ready(*found)
            found = doing.switch()
    finally:
        while found is not desk and not doing.dead:  # nobody wants it any more
            with suppress(asyncio.CancelledError):  # it may wait once more while it tidies up
                found = doing.throw(asyncio.CancelledError)
    _here.idle.append(doing)
    answer: Answer = desk.pop()
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
