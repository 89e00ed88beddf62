"""The real application in a process, with an extra route that returns fixed bytes.

`python -m tests.bench.server FD` serves on the listening socket FD, as `aed serve` does.
`python -m tests.bench.server FD echo BYTES` answers any request with that many bytes without reading it; this
measures the client's own cost.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import Request, Response

from aed import schedule
from aed.app import create_app, make_routes_ready
from aed.cli.process import share_heaps, spare_the_collector
from aed.http.query import ANY_PARAMETER
from aed.logs import set_up_logs
from aed.settings import load_settings
from tests.bench.client import Line

SAME_BYTES = "/bench/same-bytes"
START_SECONDS = 30.0
QUIET = {"AED_ACCESS_LOG": "false", "AED_LOG_LEVEL": "error", "AED_RUN_JOBS": "false"}


def main(arguments: list[str]) -> None:
    listening = socket.socket(fileno=int(arguments[0]))
    if arguments[1:2] == ["echo"]:
        _echo(listening, int(arguments[2]))
        return
    settings = load_settings()
    set_up_logs(settings)
    share_heaps()
    app = create_app(settings)
    make_routes_ready(app)
    kept = {"body": b""}

    @app.put(SAME_BYTES)
    async def keep(request: Request) -> Response:
        kept["body"] = await request.body()
        return Response(status_code=204)

    @app.get(SAME_BYTES, dependencies=[ANY_PARAMETER])
    def same_bytes() -> Response:
        return Response(kept["body"], media_type="application/json")

    app.router.routes.insert(0, app.router.routes.pop())  # matched first, as the lookup is
    spare_the_collector()
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
    with schedule.running(settings):
        uvicorn.Server(config).run(sockets=[listening])


def _echo(listening: socket.socket, size: int) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\ncontent-type: application/json\r\n\r\n" % size
    answer += b"x" * size
    while True:
        connection, _ = listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while connection.recv(65_536):
            connection.sendall(answer)


@dataclass(frozen=True)
class Running:
    """A running server."""

    port: int
    pid: int

    def line(self) -> Line:
        return Line(self.port)

    def resident_mb(self) -> float:
        """Return its resident memory, in 10^6 bytes."""
        for row in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if row.startswith("VmRSS:"):
                return int(row.split()[1]) * 1024 / 1e6
        raise RuntimeError("the server is gone")


@contextlib.contextmanager
def serving(
    environment: Mapping[str, str], *arguments: str, module: str = "tests.bench.server"
) -> Iterator[Running]:
    """Run a server in a separate process during the block."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        command = [sys.executable, "-m", module, str(listening.fileno()), *arguments]
        process = subprocess.Popen(
            command,
            pass_fds=[listening.fileno()],
            env={**os.environ, **QUIET, **environment},
        )
    try:
        if not arguments:
            _wait_until_ready(port, process)
        yield Running(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < give_up_at:
        with contextlib.suppress(OSError), contextlib.closing(Line(port)) as line:
            line.get("/healthz")
            return
        time.sleep(0.1)
    raise RuntimeError("the server did not start")


if __name__ == "__main__":
    main(sys.argv[1:])
