"""Limits on request bodies: size, time to arrive, and nesting of JSON."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from fastapi import Request, Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aed.errors import AedError, InvalidInput, TooBusy, TooLarge, TooSlow

MAX_NESTING: Final = 32
"""A GeoJSON MultiPolygon in a body has 7 levels."""


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """Limits on the keys and commas of a JSON body, outside of strings.

    Each can become an error that validation makes on the event loop, while every lookup waits.
    """

    keys: int
    commas: int


SMALL: Final = JsonLimits(keys=500, commas=1_000)
"""The largest of these, an issuer with 100 courses or a year of holidays aside, have 60."""
LIST: Final = JsonLimits(keys=5_000, commas=35_000)
"""1,000 rows of attendance have 3,000 keys; a boundary of 10,000 vertices has 30,000 commas."""
MAX_COLLECTED_BYTES: Final = 64_000_000
"""Limit on all bodies being received together: sixty large lists, or a thousand small bodies."""


@dataclass(frozen=True, slots=True)
class FileLimit:
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Limits of a body in bytes and seconds, by path.

    `lists` are by the template of their route, `files` by its path. A file goes to its route as it arrives;
    any other body is collected first.
    """

    small_bytes: int
    seconds: float
    lists: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, FileLimit] = field(default_factory=dict)


type ErrorAnswer = Callable[[Request, AedError, dict[str, str]], Response]


class BodyLimit:
    """Refuse a body that is too large, too slow or too deeply nested for its path.

    `answer` makes the response for an error: a problem document, or a page.
    """

    def __init__(self, app: ASGIApp, limits: BodyLimits, answer: ErrorAnswer) -> None:
        self._app, self._limits, self._answer = app, limits, answer
        self._lists = [(compile_path(path)[0], limit) for path, limit in limits.lists.items()]
        self._collected = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        file = self._limits.files.get(scope["path"])
        limit = file.bytes if file is not None else self._limit_bytes(scope["path"])
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > limit:
            await self._refuse(_too_large(limit), scope, receive, send)
            return
        if file is not None:
            await self._app(scope, _bounded(receive, limit, file.seconds), send)
            return
        try:
            chunks = await self._collect(_bounded(receive, limit, self._limits.seconds))
            if b"json" in headers.get(b"content-type", b"").lower():
                shape = LIST if limit > self._limits.small_bytes else SMALL
                check_json_shape(b"".join(each.get("body", b"") for each in chunks), shape)
        except AedError as error:
            await self._refuse(error, scope, receive, send)
            return

        async def again() -> Message:
            return chunks.pop(0) if chunks else await receive()

        await self._app(scope, again, send)

    async def _refuse(self, error: AedError, scope: Scope, receive: Receive, send: Send) -> None:
        # What follows of a body that is not waited for must not be taken for the next request.
        headers = {"Connection": "close"} if isinstance(error, TooSlow) else {}
        await self._answer(Request(scope), error, headers)(scope, receive, send)

    def _limit_bytes(self, path: str) -> int:
        for pattern, limit in self._lists:
            if pattern.match(path):
                return limit
        return self._limits.small_bytes

    async def _collect(self, receive: Receive) -> list[Message]:
        chunks: list[Message] = []
        held = 0
        try:
            while not chunks or chunks[-1].get("more_body", False):
                chunks.append(await receive())
                held += len(chunks[-1].get("body", b""))
                self._collected += len(chunks[-1].get("body", b""))
                if self._collected > MAX_COLLECTED_BYTES:
                    raise TooBusy("Too many large requests are being sent right now. Try again soon.")
        finally:
            self._collected -= held
        return chunks


def _bounded(receive: Receive, limit: int, seconds: float) -> Receive:
    """Receive a whole body. Raises TooLarge beyond `limit` bytes, TooSlow after `seconds`."""
    taken, ends_at, is_whole = 0, time.monotonic() + seconds, False

    async def bounded() -> Message:
        nonlocal taken, is_whole
        if is_whole:  # what follows is the end of the connection, which may take its time
            return await receive()
        try:
            async with asyncio.timeout(ends_at - time.monotonic()):
                message = await receive()
        except TimeoutError:
            raise TooSlow(
                "The request body must arrive within {seconds:g} seconds.", seconds=seconds
            ) from None
        taken += len(message.get("body", b""))
        if taken > limit:
            raise _too_large(limit)
        is_whole = not message.get("more_body", False)
        return message

    return bounded


def _too_large(limit: int) -> TooLarge:
    return TooLarge("The request body must have at most {limit} bytes.", limit=limit)


_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS: Final = bytes(set(range(256)) - set(_STEPS))


def check_json_shape(body: bytes, most: JsonLimits = LIST) -> None:
    """Raise InvalidInput for JSON that is nested too deep, or has too many keys or values."""
    is_small = body.count(b":") <= most.keys and body.count(b",") <= most.commas
    if is_small and body.count(b"[") + body.count(b"{") <= MAX_NESTING:
        return
    outside = _STRINGS.sub(b"", body)
    if outside.count(b":") > most.keys:
        raise InvalidInput("The request body must have at most {keys} keys.", keys=most.keys)
    if outside.count(b",") > most.commas:
        raise InvalidInput("The request body must have at most {commas} values.", commas=most.commas)
    brackets = outside.translate(None, delete=_NO_BRACKETS)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_NESTING:
        raise InvalidInput("JSON must be nested at most {max_nesting} levels deep.", max_nesting=MAX_NESTING)
