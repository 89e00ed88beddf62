"""A temporary Valkey (or Redis) cluster on loopback, removed after use."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

SLOTS = 16_384
START_SECONDS = 30.0
ATTEMPTS = 5
ANSWER_SECONDS = 2.0
"""A timeout, since another program on the port may not answer."""
PROGRAM = shutil.which("valkey-server") or shutil.which("redis-server")
MISSING = "neither valkey-server nor redis-server is installed"


@dataclass(frozen=True)
class Cluster:
    """Nodes that know each other and share the hash slots."""

    url: str
    nodes: Sequence[Any]
    """One client per node, for the tests' own queries."""
    processes: Sequence[subprocess.Popen[bytes]]

    def empty(self) -> None:
        for node in self.nodes:
            node.flushall()

    def members(self) -> set[str]:
        """Return the members of all keys."""
        found: set[bytes] = set()
        for node in self.nodes:
            for key in node.scan_iter():
                is_hash = node.type(key) == b"hash"
                found.update(node.hkeys(key) if is_hash else node.zrange(key, 0, -1))
        return {each.decode() for each in found}

    def seconds_left(self) -> list[int]:
        """Return the remaining time to live of each key, in seconds."""
        return [node.ttl(key) for node in self.nodes for key in node.scan_iter()]


@contextlib.contextmanager
def throwaway_cluster(nodes: int = 3, *, has_replica: bool = False) -> Iterator[Cluster]:
    """Yield a cluster that serves every slot and writes no files; a replica of the first node is its last."""
    assert PROGRAM is not None, MISSING
    primaries = nodes
    nodes += has_replica
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aed-valkey-")))
        started = [_started(stack, PROGRAM, folder / str(number)) for number in range(nodes)]
        clients = [client for _, _, _, client in started]
        each = -(-SLOTS // primaries)
        first: Any = clients[0]
        for number, client in enumerate(clients[:primaries]):
            last = min(SLOTS, (number + 1) * each) - 1
            node: Any = client
            node.execute_command("CLUSTER ADDSLOTSRANGE", number * each, last)
        for _, port, bus, _ in started[1:]:
            first.execute_command("CLUSTER MEET", "127.0.0.1", port, bus)
        for client in clients:
            _wait_for(lambda client=client: _is_whole(client, nodes))
        if has_replica:
            clients[-1].execute_command("CLUSTER REPLICATE", first.execute_command("CLUSTER MYID"))
            _wait_for(lambda: clients[-1].info("replication")["master_link_status"] == "up")
        yield Cluster(f"redis://127.0.0.1:{started[0][1]}", clients, [process for process, *_ in started])


def _started(stack: ExitStack, program: str, folder: Path) -> tuple[subprocess.Popen[bytes], int, int, Any]:
    """Return a node that answers, its two ports and a client; choose other ports if these were taken."""
    for attempt in range(ATTEMPTS):
        port, bus = _free_ports()
        process = stack.enter_context(_node(program, folder.with_name(f"{folder.name}-{attempt}"), port, bus))
        client: Any = stack.enter_context(contextlib.closing(Redis(port=port, socket_timeout=ANSWER_SECONDS)))
        _wait_for(lambda client=client, process=process: process.poll() is not None or _is(process, client))
        if process.poll() is None:
            return process, port, bus, client
    raise RuntimeError(f"no node started in {ATTEMPTS} attempts")


@contextlib.contextmanager
def _node(program: str, folder: Path, port: int, bus: int) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "2000"]
    command += ["--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", ""]
    if (with_us := shutil.which("setpriv")) is not None:
        command = [with_us, "--pdeathsig", "KILL", *command]  # ends when this process ends, for any reason
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _is(process: subprocess.Popen[bytes], client: Any) -> bool:
    """Return whether this process is the server that the client reaches."""
    return bool(client.info("server")["process_id"] == process.pid)


def _is_whole(client: Any, nodes: int) -> bool:
    found = client.execute_command("CLUSTER INFO")
    if isinstance(found, bytes):
        found = dict(line.split(":", 1) for line in found.decode().split())
    return found["cluster_state"] == "ok" and int(found["cluster_known_nodes"]) == nodes


def _wait_for(what: Any) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        with contextlib.suppress(RedisError, OSError):
            if what():
                return
        time.sleep(0.02)  # between attempts
    raise RuntimeError("the cluster did not start")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
