"""Ask other cells, all at once and each within a deadline. A cell that does not answer is left out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import anyio
import httpx2
import structlog

from aed import __version__, clock
from aed.cells.requests import ANSWER_HEADER, REQUEST_HEADER, is_answer_of, sign_request
from aed.cells.rules import Cell
from aed.cells.table import CellTable

log = structlog.get_logger("aed")
MAX_ANSWER_BYTES: Final = 2_000_000
"""50 devices with routes of 5 km are under 1 MB."""
MAX_AT_ONCE: Final = 16
"""Requests under way to one cell; beyond, it is left out at once."""
FAILURES_BEFORE_PAUSE: Final = 3
PAUSE_SECONDS: Final = 2.0
"""How long a cell is not asked after so many failures in a row, so that its border does not wait for it."""


class AnswerRefused(Exception):
    """The answer of another cell cannot be used; the argument says why."""


class NoAnswer(AnswerRefused):
    """Another cell cannot be reached, or is too slow."""


def _client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        verify=httpx2.create_ssl_context(),
        trust_env=False,
        follow_redirects=False,
        limits=httpx2.Limits(max_connections=4 * MAX_AT_ONCE, max_keepalive_connections=MAX_AT_ONCE),
    )


@dataclass
class NeighbourClient:
    """Send signed requests to other cells. Used from one event loop."""

    table: CellTable
    seconds: float
    """Deadline of a request, with its answer."""
    _client: httpx2.AsyncClient = field(default_factory=_client)
    _under_way: Counter[str] = field(default_factory=Counter)
    _failures: Counter[str] = field(default_factory=Counter)
    _paused_until: dict[str, float] = field(default_factory=dict)

    async def ask[Answer](
        self, cells: Sequence[Cell], path: str, read: Callable[[Cell, bytes], Answer]
    ) -> tuple[list[Answer], list[Cell]]:
        """Return the answers to GET `path`, and the cells that gave none that can be used.

        `read` parses the content, and raises AnswerRefused if it is not as agreed.
        """
        answers = dict[str, Answer]()

        async def ask_one(cell: Cell) -> None:
            try:
                answers[cell.code] = read(cell, await self._get(cell, path))
                self._failures[cell.code] = 0
            except AnswerRefused as error:
                self._note_failure(cell, str(error))
            except httpx2.HTTPError as error:
                self._note_failure(cell, f"{type(error).__name__}: {error}")

        async with anyio.create_task_group() as tasks:
            for cell in cells:
                if self._is_paused(cell):
                    continue
                tasks.start_soon(ask_one, cell)
        return (
            [answers[cell.code] for cell in cells if cell.code in answers],
            [cell for cell in cells if cell.code not in answers],
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _is_paused(self, cell: Cell) -> bool:
        is_full = self._under_way[cell.code] >= MAX_AT_ONCE
        return is_full or time.monotonic() < self._paused_until.get(cell.code, 0.0)

    def _note_failure(self, cell: Cell, reason: str) -> None:
        self._failures[cell.code] += 1
        is_pausing = self._failures[cell.code] >= FAILURES_BEFORE_PAUSE
        if is_pausing:
            self._paused_until[cell.code] = time.monotonic() + PAUSE_SECONDS
        log.warning("neighbouring cell left out", cell=cell.code, reason=reason, paused=is_pausing)

    async def _get(self, cell: Cell, path: str) -> bytes:
        """Return the content of an answer that the cell has signed. Raises AnswerRefused, HTTPError."""
        return await self._send(cell, "GET", path, b"")

    async def post(self, cell: Cell, path: str, content: bytes) -> bytes:
        """POST a JSON body, and return the answer that the cell has signed.

        Raises NoAnswer, AnswerRefused.
        """
        try:
            return await self._send(cell, "POST", path, content)
        except httpx2.HTTPError as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from error

    async def _send(self, cell: Cell, method: Literal["GET", "POST"], path: str, body: bytes) -> bytes:
        token = sign_request(self.table, cell, method=method, path=path, at=clock.now(), body=body)
        headers = {
            REQUEST_HEADER: token,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"aed/{__version__}",
        }
        if body:
            headers["Content-Type"] = "application/json"
        self._under_way[cell.code] += 1
        try:
            with anyio.fail_after(self.seconds):
                request = self._client.build_request(
                    method, cell.address + path, headers=headers, content=body, timeout=self.seconds
                )
                answer = await self._client.send(request, stream=True)
                try:
                    content = await _content(answer)
                finally:
                    await answer.aclose()
        except TimeoutError:
            raise NoAnswer(f"no answer within {self.seconds:g} s") from None
        finally:
            self._under_way[cell.code] -= 1
        if not is_answer_of(cell, answer.headers.get(ANSWER_HEADER), token, content):
            raise AnswerRefused("the answer is not signed by this cell")
        return content


def post(table: CellTable, cell: Cell, path: str, content: bytes, *, seconds: float) -> bytes:
    """POST a JSON body from a thread without an event loop, as `NeighbourClient.post` does."""

    async def send() -> bytes:
        client = NeighbourClient(table, seconds)
        try:
            return await client.post(cell, path, content)
        finally:
            await client.close()

    return anyio.run(send)


async def _content(answer: httpx2.Response) -> bytes:
    if answer.status_code != 200:
        raise AnswerRefused(f"status {answer.status_code}")
    content = bytearray()
    async for chunk in answer.aiter_raw():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise AnswerRefused(f"more than {MAX_ANSWER_BYTES:,} bytes")
    return bytes(content)
