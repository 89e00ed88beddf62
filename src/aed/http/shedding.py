"""Refuse the least urgent requests at once when too many are under way, so that the others stay quick.

One count per process of the requests that wait for their answer. Each class of requests is refused from a
count of its own, the least urgent first. Streams count until their first byte; files that are being received
or sent do not count, since they last as long as the client's line.

Lookups have a second count, which shrinks where they are slow: one that found 96 others and took two seconds
shows that 14 would have taken 0.3 s. Writes are not in it, since they may only wait for a standby.

A client that repeats its request before the time in Retry-After waits a second for the next refusal:
otherwise hundreds of them would keep the event loop busy with refusals, and each step of an accepted request
would wait for all of these.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final

from fastapi import Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aed.errors import AedError, Overloaded


class Urgency(StrEnum):
    """Classes of requests, the most urgent first."""

    INCIDENT = "incident"
    LOOKUP = "lookup"
    CHECK = "check"
    DESK = "desk"


MAX_WAITING_PER_THREAD: Final[Mapping[Urgency, float]] = {
    Urgency.INCIDENT: inf,  # until AED_CONNECTIONS
    Urgency.LOOKUP: 12,
    Urgency.CHECK: 10,
    Urgency.DESK: 2,
}
"""Requests under way, of any class, from which one of this class is refused, for each of AED_THREADS.

A lookup takes about 2 ms: 96 of them wait a fifth of a second. A class of 60 people signs its attendance list
at once, and none is refused.
"""
LOOKUP_SECONDS: Final = 0.3
"""How long a lookup may take under overload; where that needs fewer under way, more are refused."""
MIN_SHARE: Final = 1 / 6
"""The smallest part of the limits that remains: two lookups for each thread."""
SMOOTHING: Final = 0.05
"""Weight of the newest lookup in the share of the limits that are in force."""
HOLD_SECONDS: Final = 1.0
"""How long a client waits for a refusal if it has repeated its request too early."""
MAX_REFUSED_CLIENTS: Final = 10_000
"""Clients that are remembered as refused; beyond, all are forgotten."""
_PATHS: Final = tuple(
    (re.compile(pattern), urgency)
    for pattern, urgency in (
        (r"/(v1/(incidents|alerts|centres|cap|location)|a|healthz|readyz|metrics)(/|$)", Urgency.INCIDENT),
        (r"/($|v1/nearest$|v1/cells/nearest$|packs/|static/|offline$|worker\.js$)", Urgency.LOOKUP),
        (r"/v1/devices/[^/]+/(checks|reports|form)$", Urgency.CHECK),
        (r"/v1/sessions/[^/]+/enrolments(/|$)", Urgency.CHECK),
        (r"/v1/(attendance|check|checks|enrolments|me|reports|sign-in)(/|$)", Urgency.CHECK),
        (r"/(v1|ogc|tiles)(/|$)", Urgency.DESK),
    )
)


def urgency_of(path: str) -> Urgency:
    """Return the class of a request: an incident and the answer to a call, a lookup, a check, or the desk.

    Pages that are not listed are of the class of a check: people are before them.
    """
    return next((urgency for pattern, urgency in _PATHS if pattern.match(path)), Urgency.CHECK)


@dataclass
class LimitShare:
    """The part of the limits that is in force, so that a lookup under overload takes about LOOKUP_SECONDS."""

    threads: int
    value: float = 1.0

    def note(self, *, found: int, seconds: float) -> None:
        """Adapt to a lookup that found other lookups under way and took some time.

        `found / seconds` of them were answered a second, so that `LOOKUP_SECONDS` times as many may be under
        way. A lookup that found a thread free says that nobody waits.
        """
        share = 1.0
        if found >= self.threads:
            most = MAX_WAITING_PER_THREAD[Urgency.LOOKUP] * self.threads
            share = min(1.0, found / max(seconds, 1e-3) * LOOKUP_SECONDS / most)
        self.value = max(MIN_SHARE, self.value + (share - self.value) * SMOOTHING)


class ShedLoad:
    """Answer 503 with Retry-After to requests beyond what their class may find under way.

    Paths that start with one of `slow_paths` may be refused, too, but do not count.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        threads: int,
        slow_paths: Sequence[str],
        answer: Callable[[Request, AedError, dict[str, str]], Response],
    ) -> None:
        self._app, self._slow_paths, self._answer = app, tuple(slow_paths), answer
        self._max_waiting = {each: most * threads for each, most in MAX_WAITING_PER_THREAD.items()}
        self._share = LimitShare(threads=threads)
        self._waiting = self._lookups = 0
        self._refused_until: dict[object, float] = {}
        """When each refused client may repeat its request, by address and port."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        urgency = urgency_of(path)
        most = self._max_waiting[urgency]
        if self._waiting >= most or self._lookups >= most * self._share.value:
            await self._refuse(scope, receive, send)
        elif path.startswith(self._slow_paths):
            await self._app(scope, receive, send)
        else:
            await self._count(scope, receive, send, urgency)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = Overloaded("The server has too much to do. Try again in a few seconds.")
        client = scope.get("client")
        if time.monotonic() < self._refused_until.get(client, 0.0):
            await asyncio.sleep(HOLD_SECONDS)
        elif len(self._refused_until) >= MAX_REFUSED_CLIENTS:
            self._refused_until.clear()
        self._refused_until[client] = time.monotonic() + error.retry_after_seconds
        headers = {"Retry-After": str(error.retry_after_seconds)}
        await self._answer(Request(scope), error, headers)(scope, receive, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send, urgency: Urgency) -> None:
        is_waiting, is_lookup = True, urgency is Urgency.LOOKUP
        found, began = self._lookups, time.monotonic()
        self._waiting += 1
        self._lookups += is_lookup

        def stop_waiting() -> None:
            nonlocal is_waiting
            if is_waiting:
                self._waiting -= 1
                self._lookups -= is_lookup
                if is_lookup:
                    self._share.note(found=found, seconds=time.monotonic() - began)
            is_waiting = False

        async def answer(message: Message) -> None:
            stop_waiting()
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            stop_waiting()
