"""The server as a process, as started by `aed serve`."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests import forked
from tests.commands import wait_until_answered


@dataclass(frozen=True)
class Served:
    address: str
    port: int
    process: forked.Forked
    log: Path

    def peak_bytes(self) -> int:
        """Return the peak memory of the process since `forget_peak`, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def is_connected(self, client_port: int) -> bool:
        """Return whether the server still holds the connection from that port, according to the kernel."""
        ends = [f"0100007F:{port:04X}" for port in (self.port, client_port)]
        established = "01"
        lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()
        return any(line.split()[1:4] == [*ends, established] for line in lines)

    def forget_peak(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5", encoding="ascii")


@pytest.fixture
def serve(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Yield a function that starts `aed serve` on the test's database with given settings."""
    started: list[forked.Forked] = []

    def start(**settings: str) -> Served:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        environment = {
            **os.environ,
            "AED_DATABASE_URL": database_url,
            "AED_WALKING_NETWORK": str(tmp_path / "none"),
            "AED_SIGNING_KEYS": str(tmp_path / "signing-keys.json"),
            "AED_RUN_JOBS": "false",
            **settings,
        }
        log = tmp_path / f"serve-{port}.log"
        process = forked.start(["serve", "--port", str(port)], cwd=tmp_path, env=environment, output=log)
        started.append(process)
        address = f"http://127.0.0.1:{port}"
        wait_until_answered(address, process, log)
        return Served(address, port, process, log)

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(300)
