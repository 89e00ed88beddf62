"""`aed serve --processes`: processes that count together, replaced when they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest

from aed.accounts.permissions import TokenRole
from aed.cli.server import bring_up_to_date
from aed.database.session import open_database, transaction
from aed.settings import Settings
from tests import make
from tests.commands import environment
from tests.http.test_request_timing import counts_in
from tests.make import PATIENT
from tests.throwaway_postgres import free_port
from tests.waiting import eventually

LOOKUP = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}"


def children(process: subprocess.Popen[bytes]) -> set[int]:
    """Return the processes that answer, without multiprocessing's own."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii").split()
    return {int(each) for each in listed if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()}


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def ask(address: str, path: str, headers: dict[str, str] | None = None) -> httpx2.Response:
    """Ask on a connection of its own, which any process may accept."""
    return httpx2.get(f"{address}{path}", headers=headers, timeout=60)


def answers(address: str) -> bool:
    try:
        return ask(address, "/healthz").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.skipif("PROCESSES" not in os.environ, reason="takes 20 s of CPU; `make soak` runs it")
def test_processes_count_together_and_are_replaced(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/aed.sqlite"
    with closing(open_database(Settings(database_url=url))) as database:
        bring_up_to_date(database)
        with transaction(database) as session:
            make.responder(session)
            dispatcher = make.key(session, TokenRole.DISPATCHER, region=make.region(session))
            administrator = make.key(session, TokenRole.ADMINISTRATOR)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "aed", "serve", "--port", str(port), "--processes", "2"]
    server = subprocess.Popen(
        command,
        env=environment(
            AED_DATABASE_URL=url,
            AED_WALKING_NETWORK=str(tmp_path / "none"),
            AED_RESPONDER_LOOKUPS_PER_HOUR="3",
            AED_RUN_JOBS="false",
        ),
    )
    try:
        assert eventually(lambda: answers(address))
        assert eventually(lambda: len(children(server)) == 2)
        one, other = children(server)
        seen = []
        for pid in (one, other):
            with stopped(pid):
                assert eventually(lambda: answers(address))
                seen += [ask(address, LOOKUP, dispatcher).json()["responders"] is not None for _ in range(2)]
        assert seen == [True, True, True, False], "the limit is one of both processes"
        counted = counts_in(ask(address, "/metrics", administrator).text)
        assert counted["/v1/nearest", "GET", "2xx"] == 4, "each process counts, and either answers for both"

        os.kill(one, signal.SIGKILL)
        assert eventually(lambda: len(children(server) - {one}) == 2)
        server.terminate()
        assert server.wait(300) == 0
    finally:
        server.kill()
        server.wait()
