"""`make cluster-faults`: break the cluster in each way under load, and check the history of requests."""

from __future__ import annotations

import json
import os
import platform
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg
from deploy.cluster.certificates import FOLDER
from deploy.cluster.render import Host, Inventory

from tests.cluster import history
from tests.cluster.history import Exchange, Work
from tests.cluster.hosts import (
    CLIENT,
    STATE,
    ClusterError,
    cut_off,
    enter,
    eventually,
    inventory,
    ip,
    kill,
    namespace,
    processes,
    reconnect,
    run_on,
    send,
    start,
)
from tests.cluster.up import TOKENS, each_holds_a_primary, get, is_safe, leader, members, say, tls_of, web
from tests.cluster.workload import Load

RESULTS: Final = Path(".state/cluster-faults.txt")
HISTORIES: Final = Path(".state/cluster-histories")
BEFORE_SECONDS, AFTER_SECONDS = 8.0, 10.0
"""Load before each fault, and after the cluster is whole again."""
LAG_LIMIT_SECONDS: Final = 5.5
"""AED_MAX_REPLICATION_LAG_SECONDS, and half a second between heartbeats."""
WRITES: Final = (Work.CHECK, Work.INCIDENT)
COLUMNS: Final = (
    "fault",
    "lookup gap s",
    "write gap s",
    "writes refused until s",
    "writes acknowledged",
    "lost",
    "doubled",
    "stale",
    "500s",
    "over 5 s",
    "called twice",
    "message gap s",
    "messages twice",
    "other answers",
)


@dataclass(frozen=True)
class Fault:
    name: str
    begin: Callable[[Inventory], Callable[[], object]]
    """Breaks something; returns what mends it."""
    seconds: float
    """How long it stays broken."""
    loses_connections: bool = False
    """Whether the clients' connections end at the host that is lost."""


@dataclass(frozen=True)
class Row:
    """What a fault did. Seconds; counts are of requests, writes, people or messages."""

    fault: str
    values: Mapping[str, object] = field(default_factory=dict)

    def cells(self) -> list[str]:
        return [self.fault, *(str(self.values[each]) for each in COLUMNS[1:])]


# --- what breaks --------------------------------------------------------------------------------------------


def _nothing() -> None:
    pass


def switchover(hosts: Inventory) -> Callable[[], object]:
    standby = next(each["name"] for each in members(hosts) if each["role"] == "sync_standby")
    old = leader(hosts)
    run_on(old, [*_patronictl(old), "switchover", "--leader", old.name, "--candidate", standby, "--force"])
    return _nothing


def leader_killed(hosts: Inventory) -> Callable[[], object]:
    send(leader(hosts), signal.SIGKILL, "postgres")
    return _nothing


def leaders_host_dead(hosts: Inventory) -> Callable[[], object]:
    host = leader(hosts)
    kill(host)
    return lambda: _come_back(host)


def leader_cut_off(hosts: Inventory) -> Callable[[], object]:
    host = leader(hosts)
    cut_off(host)
    return lambda: reconnect(host)


def leader_frozen(hosts: Inventory) -> Callable[[], object]:
    host = leader(hosts)
    send(host, signal.SIGSTOP)
    return lambda: send(host, signal.SIGCONT)


def patroni_killed(hosts: Inventory) -> Callable[[], object]:
    host = leader(hosts)
    send(host, signal.SIGKILL, "/usr/bin/patroni")
    return lambda: start(host, "patroni")


def standbys_dead(hosts: Inventory) -> Callable[[], object]:
    """Both standbys' servers die, and nothing restarts them; etcd goes on, so the leader stays."""
    first = leader(hosts)
    others = [host for host in hosts.with_role("database") if host != first]
    for host in others:
        send(host, signal.SIGKILL, "/usr/bin/patroni")
        send(host, signal.SIGKILL, "postgres")

    def mend() -> None:
        for host in others:
            start(host, "patroni")

    return mend


def etcds_leader_dead(hosts: Inventory) -> Callable[[], object]:
    host = next(each for each in hosts.with_role("etcd") if _leads_etcd(each))
    kill(host)
    return lambda: _come_back(host)


def haproxy_killed(hosts: Inventory) -> Callable[[], object]:
    """HAProxy of the balancer dies; its unit has Restart=always, which starts it again after 100 ms."""
    host = _holder(hosts)
    send(host, signal.SIGKILL, "haproxy.cfg")
    time.sleep(0.1)  # RestartSec of Debian's unit
    start(host, "haproxy")
    return _nothing


def haproxy_gone(hosts: Inventory) -> Callable[[], object]:
    """HAProxy of the balancer dies, and cannot start again: the floating address must move."""
    host = _holder(hosts)
    send(host, signal.SIGKILL, "haproxy.cfg")
    return lambda: start(host, "haproxy")


def balancers_host_dead(hosts: Inventory) -> Callable[[], object]:
    host = _holder(hosts)
    kill(host)
    return lambda: _come_back(host)


def valkey_killed(hosts: Inventory) -> Callable[[], object]:
    host = hosts.with_role("database")[1]
    send(host, signal.SIGKILL, f"{host.address}:7000")
    return lambda: start(host, "valkey-7000")


def worker_killed(hosts: Inventory) -> Callable[[], object]:
    """The worker that holds the lease dies; another one takes over."""
    holder = str(ask(hosts, "SELECT holder FROM leases")[0][0])
    process = int(holder.rpartition(":")[2])
    host = next(each for each in hosts.with_role("application") if process in processes(each))
    os.kill(process, signal.SIGKILL)
    return lambda: start(host, "work")


def api_host_dead(hosts: Inventory) -> Callable[[], object]:
    host = hosts.with_role("application")[0]
    kill(host)
    return lambda: _come_back(host)


FAULTS: Final = (
    Fault("none", lambda _hosts: _nothing, 20),
    Fault("switchover", switchover, 20),
    Fault("leader killed in place", leader_killed, 25),
    Fault("leader's host dead", leaders_host_dead, 40),
    Fault("leader cut off 30 s", leader_cut_off, 30),
    Fault("leader frozen 30 s", leader_frozen, 30),
    Fault("Patroni killed, postgres alive", patroni_killed, 35),
    Fault("both standbys dead 25 s", standbys_dead, 25),
    Fault("leader cut off 90 s", leader_cut_off, 90),
    Fault("host of etcd's leader dead", etcds_leader_dead, 25),
    Fault("HAProxy killed", haproxy_killed, 15),
    Fault("HAProxy gone 15 s", haproxy_gone, 15),
    Fault("balancer's host dead", balancers_host_dead, 15, loses_connections=True),
    Fault("Valkey node killed", valkey_killed, 20),
    Fault("worker killed", worker_killed, 25),
    Fault("API's host dead", api_host_dead, 25),
)


def _come_back(host: Host) -> None:
    reconnect(host)
    start(host)


def _leads_etcd(host: Host) -> bool:
    address = f"https://{host.address}:2379/metrics"
    with urllib.request.urlopen(address, timeout=5, context=tls_of(host)) as answer:
        return b"\netcd_server_is_leader 1\n" in answer.read()


def _patronictl(host: Host) -> list[str]:
    return ["patronictl", "-c", f"{host.root}/etc/patroni/config.yml"]


def _holder(hosts: Inventory) -> Host:
    """Return the balancer that holds the floating address."""
    floating = web(hosts)
    return next(
        host
        for host in hosts.with_role("balancer")
        if f" {floating}/" in ip("-n", namespace(host), "-4", "address")
    )


# --- what is asked of the database --------------------------------------------------------------------------


def ask(hosts: Inventory, query: str, *values: object) -> list[tuple[object, ...]]:
    passwords = json.loads((STATE / "secrets.json").read_text(encoding="ascii"))
    authority = Path(hosts.hosts[0].root, FOLDER, "ca.crt")
    with psycopg.connect(
        host=web(hosts),
        port=5000,
        user="aed",
        password=passwords["application"],
        dbname="aed",
        sslmode="verify-full",
        sslrootcert=str(authority),
        connect_timeout=5,
    ) as connection:
        return connection.execute(query.encode(), values or None).fetchall()


def stored(hosts: Inventory, work: Work) -> Counter[str]:
    """Count the rows of each write: checks by their note, since their key is unique; reports by key."""
    query = {
        Work.CHECK: "SELECT substr(note, 4) FROM checks WHERE note LIKE 'op %'",
        Work.INCIDENT: "SELECT key FROM incident_reports",
    }[work]
    return Counter(str(row[0]) for row in ask(hosts, query))


def _called_twice(hosts: Inventory) -> int:
    query = "SELECT incident_id, person_id FROM alerts GROUP BY 1, 2 HAVING count(*) > 1"
    return len(ask(hosts, query))


def deliveries(hosts: Inventory) -> Counter[str]:
    """Count the deliveries of each message, by key, in the spool folders of all hosts."""
    files = [
        file
        for host in hosts.with_role("application")
        for file in Path(host.root, "var/lib/aed/outbox").glob("*.jsonl")
    ]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return Counter(json.loads(line)["key"] for line in lines)


def _message_gap(hosts: Inventory, since: datetime) -> float:
    """Return the longest time from a message's due time to its delivery, in seconds."""
    query = "SELECT max(extract(epoch FROM sent_at - due_at)) FROM outbox WHERE due_at > %s"
    longest = ask(hosts, query, since)[0][0]
    return float(str(longest)) if longest is not None else 0.0


# --- a run --------------------------------------------------------------------------------------------------


def is_whole(hosts: Inventory) -> bool:
    """Return True for a cluster that could bear the next fault. Raises ClusterError with what it lacks."""
    if not is_safe(hosts):
        raise ClusterError(f"Patroni's members are {members(hosts)}")
    if not each_holds_a_primary(hosts):
        raise ClusterError("a host holds no primary of Valkey")
    status, *_ = get(web(hosts), "/readyz")
    if status != 200:
        raise ClusterError(f"/readyz is {status}")
    return True


def run(fault: Fault, hosts: Inventory) -> Row:
    """Load the whole cluster, break something, mend it, and check what came of every request."""
    eventually("a whole cluster", lambda: is_whole(hosts))
    tokens = json.loads(TOKENS.read_text(encoding="ascii"))
    load = Load(web(hosts), tokens, tls_of(hosts.hosts[0]))
    started = datetime.now(UTC)
    delivered_before = deliveries(hosts)
    with load.running():
        time.sleep(BEFORE_SECONDS)  # the load runs in threads
        began = time.monotonic()
        mend = fault.begin(hosts)
        broken_at = time.monotonic()
        time.sleep(max(0.0, fault.seconds - (time.monotonic() - began)))
        mend()
        eventually("a whole cluster again", lambda: is_whole(hosts))
        time.sleep(AFTER_SECONDS)  # what comes back in this time is measured
        ended = time.monotonic()
    eventually("a whole cluster", lambda: is_whole(hosts))
    _keep_history(fault, load.history, began)
    time.sleep(3)  # the worker sends the last messages
    cut = history.cut_off(load.history, at=broken_at) if fault.loses_connections else []
    return row_of(fault.name, hosts, load.history, began, ended, started, delivered_before, cut)


def _keep_history(fault: Fault, found: Sequence[Exchange], began: float) -> None:
    """Write each request into a file, with its times in seconds since the fault."""
    lines = [
        f"{each.began - began:8.2f} {each.seconds:6.2f} {each.work:8} {each.status:3} {each.key} {each.value}"
        for each in sorted(found, key=lambda each: each.began)
    ]
    file = HISTORIES / f"{fault.name.replace(' ', '-')}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def row_of(
    name: str,
    hosts: Inventory,
    found: Sequence[Exchange],
    began: float,
    ended: float,
    started: datetime,
    delivered_before: Counter[str],
    cut: Sequence[Exchange],
) -> Row:
    rows = {work: stored(hosts, work) for work in WRITES}
    delivered = deliveries(hosts) - delivered_before
    others = history.statuses(found)
    names = {status: "none" if status == history.NO_ANSWER else str(status) for status in others}
    without = sum(not each.has_retry_after for each in found)
    shown = [f"{names[status]}: {count}" for status, count in sorted(others.items())]
    shown += [f"{len(cut)} of these under way at the lost host"] if cut else []
    return Row(
        name,
        {
            "lookup gap s": f"{history.longest_gap(found, [Work.LOOKUP], since=began, until=ended):.1f}",
            "write gap s": f"{history.longest_gap(found, WRITES, since=began, until=ended):.1f}",
            "writes refused until s": f"{history.refused_until(found, WRITES, since=began):.1f}",
            "writes acknowledged": sum(len(history.acknowledged(found, work)) for work in WRITES),
            "lost": sum(len(history.lost(found, work, rows[work])) for work in WRITES),
            "doubled": sum(len(history.doubled(rows[work])) for work in WRITES),
            "stale": len(history.stale_reads(found, limit_seconds=LAG_LIMIT_SECONDS)),
            "500s": others[500],
            "over 5 s": len(history.slow(found, but=cut)),
            "called twice": _called_twice(hosts),
            "message gap s": f"{_message_gap(hosts, started):.1f}",
            "messages twice": sum(count > 1 for count in delivered.values()),
            "other answers": ", ".join(shown + ([f"{without} without Retry-After"] if without else [])),
        },
    )


def table(rows: Sequence[Row]) -> str:
    """Return the rows in columns of text, with the machine and the date."""
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}, Linux {platform.release()}"
    grid = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in grid) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in grid]
    return "\n".join([f"{datetime.now(UTC):%Y-%m-%d}, {machine}", "", *(line.rstrip() for line in lines)])


def faults(names: Sequence[str]) -> None:
    """Run the faults whose names begin with one of `names`, or all; print and keep the table."""
    hosts = inventory()
    enter(CLIENT)
    rows = []
    for fault in FAULTS:
        if names and not fault.name.startswith(tuple(names)):
            continue
        row = run(fault, hosts)
        rows.append(row)
        say(" | ".join(f"{name}: {cell}" for name, cell in zip(COLUMNS, row.cells(), strict=True)))
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(table(rows) + "\n", encoding="utf-8")
    say(table(rows))
