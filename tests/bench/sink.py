"""A cheap HTTP gateway that accepts POST requests and records the key and time of each.

`python -m tests.bench.sink FD FILE` serves on the listening socket FD. At SIGTERM it writes FILE, with one
line per message: its `Idempotency-Key` and the time of arrival in seconds.
"""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEY = re.compile(rb"\r\nidempotency-key: ?([0-9a-f]+)\r\n", re.IGNORECASE)
LENGTH = re.compile(rb"\r\ncontent-length: ?([0-9]+)\r\n", re.IGNORECASE)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


async def _serve(listening: socket.socket, file: Path) -> None:
    came: list[tuple[str, float]] = []
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length, key = LENGTH.search(head), KEY.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            came.append((key[1].decode() if key else "", time.time()))
            writer.write(ANSWER)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            came.append(("broken off", time.time()))
        finally:
            writer.close()

    server = await asyncio.start_server(take, sock=listening, backlog=256)
    await over.wait()
    server.close()
    file.write_text("".join(f"{key} {at:.6f}\n" for key, at in came), encoding="ascii")


@dataclass(frozen=True)
class Sink:
    port: int
    file: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def came(self) -> list[tuple[str, float]]:
        """Stop the server; return (key, time) of each message, in order of arrival."""
        self.process.terminate()
        self.process.wait(20)
        lines = (line.split(" ") for line in self.file.read_text(encoding="ascii").splitlines())
        return [(" ".join(words[:-1]), float(words[-1])) for words in lines]


@contextmanager
def sink(folder: Path) -> Iterator[Sink]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        file = folder / "came.txt"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.sink", str(listening.fileno()), str(file)],
            pass_fds=[listening.fileno()],
        )
        try:
            yield Sink(listening.getsockname()[1], file, process)
        finally:
            process.terminate()
            process.wait(20)


if __name__ == "__main__":
    asyncio.run(_serve(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2])))
