"""A deadline for every request."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aed.deadlines import answer_within


class AnswerDeadline:
    """Give each request `seconds` until its answer begins, except paths that start with one of `slow_paths`.

    Waiting for the database ends at the deadline. A stream has none after its first byte.
    """

    def __init__(self, app: ASGIApp, *, seconds: float, slow_paths: Sequence[str]) -> None:
        self._app, self._seconds, self._slow_paths = app, seconds, tuple(slow_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self._slow_paths):
            await self._app(scope, receive, send)
            return
        with answer_within(self._seconds) as deadline:

            async def answer(message: Message) -> None:
                deadline.lift()
                await send(message)

            await self._app(scope, receive, answer)
