"""Two cells on test hosts, a network namespace each: lookups at their border, while one is cut off too."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2
from deploy.cluster.render import Host, read_inventory
from fastapi.testclient import TestClient

from aed.cli.server import bring_up_to_date
from aed.database.session import open_database
from aed.settings import Settings
from aed.signatures import public_key_texts
from aed.walking.file import save_network
from tests.apps import app_on
from tests.cells.tables import cell, keys_in, write_table
from tests.cells.test_border import BORDER, CENTRE, EAST, RADIUS, WEST, fill, without_numbers
from tests.cluster.hosts import (
    AED,
    ClusterError,
    enter,
    eventually,
    ip,
    make_network,
    namespace,
    on_host,
    send,
)
from tests.cluster.up import say
from tests.commands import KEY, environment
from tests.lookup.test_exact import MOMENTS
from tests.walking.grids import street_grid

SWITCH: Final = "aed-cells-switch"
CLIENT: Final = Host("cell-client", "client", "10.123.0.99", "")
HOSTS: Final = {
    WEST: Host("cell-west", "application", "10.123.0.33", ""),
    EAST: Host("cell-east", "application", "10.123.0.34", ""),
}
QUESTIONS: Final = 40
CUT_OFF_SECONDS: Final = 30.0
MAX_SECONDS: Final = 5.0
"""Within which every request is answered."""

type Question = dict[str, str | int | float]


def cells() -> None:
    """Run two cells, compare their answers with one installation's, and cut one off for a while.

    Raises ClusterError if an answer differs, comes late, or does not say what is missing.
    """
    if os.geteuid() != 0:
        raise ClusterError("network namespaces need root")
    os.environ["AED_ENCRYPTION_KEYS"] = KEY  # of this process, which reads the databases too
    names = [namespace(each) for each in (*HOSTS.values(), CLIENT)] + [SWITCH]
    programs: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="aed-cells-") as name:
        folder = Path(name)
        make_network((*HOSTS.values(), CLIENT), read_inventory(), switch=SWITCH)
        try:
            union = _start(folder, programs)
            with (
                TestClient(union) as whole,
                ThreadPoolExecutor(1, initializer=enter, initargs=(CLIENT,)) as client,
            ):
                _compare(client, whole)
                _cut_off(client)
        finally:
            for host in HOSTS.values():
                send(host, signal.SIGKILL)
            for program in programs:
                program.wait()
            for each in names:
                ip("netns", "delete", each, check=False)


def _start(folder: Path, programs: list[subprocess.Popen[bytes]]) -> Any:
    """Start both cells; return the application with the devices of both."""
    urls = [f"sqlite:///{folder}/{name}.sqlite" for name in (WEST, EAST, "union")]
    for url in urls:
        database = open_database(Settings(database_url=url))
        bring_up_to_date(database)
        database.close()
    fill(urls)
    network = folder / "walking.npz"
    save_network(street_grid(1_600), network)
    boxes = {WEST: (118.0, 28.0, BORDER, 32.0), EAST: (BORDER, 28.0, 122.0, 32.0)}
    signed_by = write_table(
        folder / "cells.json",
        keys_in(folder, "signer"),
        *(
            cell(code, boxes[code], address=_address(code), keys=public_key_texts(keys_in(folder, code)))
            for code in HOSTS
        ),
    )
    for (code, host), url in zip(HOSTS.items(), urls, strict=False):
        settings = {
            "AED_DATABASE_URL": url,
            "AED_WALKING_NETWORK": str(network),
            "AED_SEARCH_RADIUS_METRES": str(RADIUS),
            "AED_RUN_JOBS": "false",
            "AED_SIGNING_KEYS": f"{folder}/{code}-keys.json",
            "AED_CELLS__FILE": f"{folder}/cells.json",
            "AED_CELLS__CODE": code,
            "AED_CELLS__SIGNED_BY": signed_by,
        }
        with (folder / f"{code}.log").open("ab") as log:
            command = on_host(host, [str(AED), "serve", "--host", host.address, "--port", "8000"], "root")
            programs.append(
                subprocess.Popen(command, stdout=log, stderr=log, env=environment(**settings), cwd=folder)
            )
    return app_on(
        Settings(
            database_url=urls[2],
            walking_network=network,
            search_radius_metres=RADIUS,
            signing_keys=folder / "union-keys.json",
            access_log=False,
        )
    )


def _address(code: str) -> str:
    return f"http://{HOSTS[code].address}:8000"


def _ask(code: str, question: Question) -> tuple[dict[str, Any], float]:
    """Ask a cell; return its answer and the seconds it took. Raises ClusterError."""
    began = time.monotonic()
    answer = httpx2.get(f"{_address(code)}/v1/nearest", params=question, timeout=30)
    seconds = time.monotonic() - began
    if answer.status_code != 200:
        raise ClusterError(f"cell {code} answered {answer.status_code}: {answer.text[:300]}")
    found: dict[str, Any] = answer.json()
    return found, seconds


def _is_whole(code: str, question: Question) -> bool:
    with suppress(httpx2.HTTPError):
        return not _ask(code, question)[0]["missing_cells"]
    return False


def _gets_whole(client: ThreadPoolExecutor, code: str, question: Question) -> bool:
    return client.submit(_is_whole, code, question).result()


def _compare(client: ThreadPoolExecutor, whole: TestClient) -> None:
    """Compare both cells' answers with those of one installation, on both sides of the border."""
    chance, compared, across = random.Random(7), 0, 0
    for _ in range(QUESTIONS):
        question: Question = {
            "lat": CENTRE.lat + chance.gauss(0, 0.004),
            "lon": BORDER + chance.gauss(0, 0.004),
            "at": chance.choice(MOMENTS).isoformat(),
            "limit": chance.randint(1, 10),
        }
        expected = without_numbers(whole.get("/v1/nearest", params=question).json())
        for code in HOSTS:
            eventually(f"a whole answer of cell {code}", partial(_gets_whole, client, code, question))
            found, _seconds = client.submit(_ask, code, question).result()
            if found["missing_cells"]:
                continue  # a busy machine: the other cell took too long just now
            compared += 1
            if without_numbers(found) != expected:
                raise ClusterError(f"cell {code} answers otherwise than one installation: {question}")
            across += any("cell" in each for each in found["devices"])
    if not across:
        raise ClusterError("no answer had a device from across the border")
    say(f"{compared} lookups as of one installation, {across} of them with devices across the border")


def _cut_off(client: ThreadPoolExecutor) -> None:
    """Cut the eastern cell off; the western one goes on alone, and says so."""
    question: Question = {"lat": CENTRE.lat, "lon": BORDER - 0.0001, "limit": 10}
    ip("-n", SWITCH, "link", "set", HOSTS[EAST].name, "down")
    took: list[float] = []
    until = time.monotonic() + CUT_OFF_SECONDS
    while time.monotonic() < until:
        found, seconds = client.submit(_ask, WEST, question).result()
        took.append(seconds)
        if [each["code"] for each in found["missing_cells"]] != [EAST]:
            raise ClusterError(f"cell {WEST} does not say that {EAST} is missing: {found['missing_cells']}")
        if any("cell" in each for each in found["devices"]) or not found["devices"]:
            raise ClusterError(f"cell {WEST} does not answer with its own devices alone")
        time.sleep(0.1)  # about ten questions a second
    if max(took) > MAX_SECONDS:
        raise ClusterError(f"an answer took {max(took):.1f} s")
    took.sort()
    middle = took[len(took) // 2]
    say(
        f"{EAST} cut off for {CUT_OFF_SECONDS:.0f} s: {len(took)} lookups in {WEST}, with its own devices "
        f"and what is missing; median {middle * 1000:.0f} ms, longest {took[-1] * 1000:.0f} ms"
    )
    ip("-n", SWITCH, "link", "set", HOSTS[EAST].name, "up")
    again = eventually("a whole answer after the cut", partial(_gets_whole, client, WEST, question))
    say(f"whole again {again:.1f} s after the connection is back")
