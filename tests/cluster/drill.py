"""`make cluster-drill`: destroy acknowledged checks, and restore them as of the second before."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from deploy.cluster.render import Host, Inventory

from tests.cluster.faults import ask, is_whole, stored
from tests.cluster.history import Work, acknowledged
from tests.cluster.hosts import (
    CLIENT,
    ClusterError,
    enter,
    eventually,
    inventory,
    on_host,
    run_on,
    send,
)
from tests.cluster.up import TOKENS, leader, say, tls_of, web
from tests.cluster.workload import Load

LOAD_SECONDS: Final = 20.0
BIN: Final = "/usr/lib/postgresql/17/bin"
PORT: Final = 5433
COLUMNS: Final = (
    "SELECT string_agg(quote_ident(column_name), ',') FROM information_schema.columns "
    "WHERE table_name = 'checks'"
)
DESTROYED: Final = "checks WHERE note LIKE 'op %'"
"""The rows that the load has written."""


def drill() -> None:
    """Restore beside the cluster, compare, and copy the destroyed rows back.

    1. Make a full backup, then record checks through the web until some are acknowledged.
    2. Note the time, wait a second, and delete all checks: the mistake.
    3. Restore the data as of that time into a folder of a standby's host, and start a server on it.
    4. Count: every acknowledged check must be there. Copy the rows back into the cluster, and count again.
    """
    hosts = inventory()
    enter(CLIENT)
    eventually("a whole cluster", lambda: is_whole(hosts))
    repository = hosts.with_role("repository")[0]
    seconds = time.monotonic()
    run_on(repository, [*_backrest(repository), "--type=full", "backup"], user="postgres")
    say(f"a full backup took {time.monotonic() - seconds:.0f} s")
    kept = _record_checks(hosts)
    before = str(ask(hosts, "SELECT clock_timestamp()::text")[0][0])
    time.sleep(1)  # restored is the second before the rows are destroyed
    first = leader(hosts)
    _psql(first, 5432, f"DELETE FROM {DESTROYED}")  # noqa: S608 - a constant
    _psql(first, 5432, "SELECT pg_switch_wal()")
    run_on(repository, [*_backrest(repository), "check"], user="postgres")
    missing = kept - set(stored(hosts, Work.CHECK))
    say(f"{len(kept)} checks were acknowledged until {before}; then {len(missing)} of them were deleted")
    beside = next(host for host in hosts.with_role("database") if host != first)
    seconds = time.monotonic()
    _restore(beside, before)
    query = f"SELECT substr(note, 4) FROM {DESTROYED}"  # noqa: S608 - a constant
    found = set(_psql(beside, PORT, query).split())
    say(f"restored in {time.monotonic() - seconds:.0f} s; acknowledged checks missing: {len(kept - found)}")
    _copy_back(beside, first)
    _stop(beside)
    again = stored(hosts, Work.CHECK)
    lost, doubled = len(kept - set(again)), sum(count > 1 for count in again.values())
    say(f"copied back into the cluster; lost: {lost}, doubled: {doubled}")
    if kept - found or lost or doubled:
        raise ClusterError("the drill has failed")


def _record_checks(hosts: Inventory) -> set[str]:
    load = Load(web(hosts), json.loads(TOKENS.read_text(encoding="ascii")), tls_of(hosts.hosts[0]))
    with load.running():
        time.sleep(LOAD_SECONDS)  # the load runs in threads
    return acknowledged(load.history, Work.CHECK)


def _backrest(host: Host) -> list[str]:
    return ["pgbackrest", f"--config={host.root}/etc/pgbackrest.conf", "--stanza=aed"]


def _folder(host: Host) -> Path:
    return Path(host.root, "var/lib/postgresql/drill")


def _restore(host: Host, before: str) -> None:
    """Restore the data as of a time, start a server on it, and wait until it takes writes."""
    target = ["--type=time", f"--target={before}", "--target-action=promote", f"--pg1-path={_folder(host)}"]
    run_on(host, ["mkdir", "-p", "-m", "700", str(_folder(host))], user="postgres")
    run_on(host, [*_backrest(host), *target, "restore"], user="postgres")
    settings = {
        "port": str(PORT),
        "listen_addresses": "",
        "archive_mode": "off",
        "synchronous_standby_names": "",
        "unix_socket_directories": f"{host.root}/run/postgresql",
    }
    given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with Path(host.root, "var/log/drill.log").open("ab") as log:
        subprocess.Popen(
            on_host(host, [f"{BIN}/postgres", "-D", str(_folder(host)), *given], "postgres"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=host.root,
            start_new_session=True,
        )
    eventually("the restored server", lambda: _psql(host, PORT, "SELECT pg_is_in_recovery()") == "f")


def _stop(host: Host) -> None:
    send(host, signal.SIGINT, f"-D {_folder(host)}")
    eventually("the end of the restored server", lambda: not (_folder(host) / "postmaster.pid").exists())
    run_on(host, ["rm", "-r", str(_folder(host))], user="postgres")


def _copy_back(beside: Host, first: Host) -> None:
    """Copy the rows that the cluster lacks, with their ids."""
    columns = _psql(beside, PORT, COLUMNS)
    query = f"SELECT {columns} FROM {DESTROYED}"  # noqa: S608 - names of columns
    rows = _psql(beside, PORT, f"COPY ({query}) TO STDOUT")
    _psql(first, 5432, f"COPY checks ({columns}) FROM STDIN", rows + "\n")


def _psql(host: Host, port: int, statement: str, given: str | None = None) -> str:
    """Run a statement as the superuser over the socket of a host; return its rows."""
    socket = f"{host.root}/run/postgresql"
    command = ["psql", "-h", socket, "-p", str(port), "-d", "aed", "-U", "postgres"]
    options = ["--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--command", statement]
    return run_on(host, [*command, *options], user="postgres", given=given).strip("\n")
