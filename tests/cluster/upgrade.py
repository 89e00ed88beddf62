"""`make cluster-upgrade`: upgrade the cluster from an earlier commit under load, and check each request."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from deploy.cluster.render import DRAIN_SECONDS, Host, Inventory

from tests.cluster.faults import Fault, run, table
from tests.cluster.hosts import (
    AED,
    CLIENT,
    STATE,
    ClusterError,
    enter,
    eventually,
    inventory,
    run_on,
    start,
    stop_api,
    stop_worker,
)
from tests.cluster.up import get, say

BEFORE: Final = STATE / "before"
"""The checkout of the earlier commit. It uses the packages of this checkout's environment."""
VERSIONS: Final = "src/aed/migrations/versions"
MUST_BE_NOTHING: Final = ("lost", "doubled", "stale", "500s", "over 5 s", "called twice", "other answers")


def upgrade(before: str | None) -> None:
    """Put an earlier commit on the cluster, then upgrade it under load; print what the clients saw.

    `before`: default the commit before the newest migration. Raises ClusterError if a request failed.
    """
    hosts = inventory()
    enter(CLIENT)
    commit = _git("rev-parse", before or f"{_git('log', '-1', '--format=%H', '--', VERSIONS)}^")
    _put_before(hosts, commit)
    say(f"from {_git('log', '-1', '--format=%h %s', commit)}")
    say(f"schema {_head(BEFORE)} to {_head(Path())}")
    row = run(Fault("rolling upgrade", _roll, 5), hosts)
    say(table([row]))
    wrong = [name for name in MUST_BE_NOTHING if row.values[name]]
    if wrong:
        raise ClusterError(f"the upgrade was noticed: {', '.join(wrong)}")


def _put_before(hosts: Inventory, commit: str) -> None:
    """Downgrade the schema with this checkout's program, then start the earlier one on all hosts."""
    shutil.rmtree(BEFORE, ignore_errors=True)
    BEFORE.mkdir()
    archive = subprocess.run(["git", "archive", commit, "src"], capture_output=True, check=True)
    subprocess.run(["tar", "--extract", "--directory", BEFORE], input=archive.stdout, check=True)
    applications = hosts.with_role("application")
    for host in applications:
        stop_api(host)
        stop_worker(host)
    run_on(applications[0], [str(AED), "db", "downgrade", _head(BEFORE)])
    for host in applications:
        _use_before(host)
        start(host, "serve", "work")
        _wait_until_it_answers(host)


def _roll(hosts: Inventory) -> Callable[[], object]:
    """Upgrade the schema while the earlier program serves, then one host after the other.

    On each: the balancers send new requests elsewhere, the API ends after those under way, the new one starts
    and answers, the balancers notice; then the worker.
    """
    applications = hosts.with_role("application")
    for host in applications:
        _use_this_checkout(host)
        if host is applications[0]:
            run_on(host, [str(AED), "db", "upgrade"])
        stop_api(host)
        start(host, "serve")
        _wait_until_it_answers(host)
        time.sleep(DRAIN_SECONDS)  # the balancers notice
        stop_worker(host)
        start(host, "work")
    return lambda: None


def _wait_until_it_answers(host: Host) -> None:
    eventually(f"the API of {host.name}", lambda: get(f"{host.address}:8443", "/readyz")[0] == 200)


def _settings(host: Host) -> Path:
    return Path(host.root, "etc/aed/aed.env")


def _use_before(host: Host) -> None:
    file = _settings(host)
    file.write_text(f"{file.read_text('utf-8')}PYTHONPATH={BEFORE}/src\n", encoding="utf-8")


def _use_this_checkout(host: Host) -> None:
    file = _settings(host)
    lines = file.read_text("utf-8").splitlines(keepends=True)
    file.write_text("".join(each for each in lines if not each.startswith("PYTHONPATH=")), encoding="utf-8")


def _head(checkout: Path) -> str:
    """Return the newest migration of a checkout, by the number at the beginning of its file."""
    return max(each.name[:4] for each in (checkout / VERSIONS).glob("[0-9]*.py"))


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()
