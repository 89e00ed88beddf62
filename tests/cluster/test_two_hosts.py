"""Two hosts of the API behind two balancers, in network namespaces: each fault under load, and what was lost.

`make cluster-faults` does this with databases of a cluster, and longer.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from deploy.cluster.certificates import make_certificates
from deploy.cluster.render import SECRETS, Host, Inventory, read_inventory, render, write
from sqlalchemy import text

from aed.accounts.permissions import TokenRole
from aed.cli.server import bring_up_to_date
from aed.database.session import open_database, transaction
from aed.geo import Position
from aed.settings import Settings
from tests import make
from tests.cluster import history
from tests.cluster.history import Work
from tests.cluster.hosts import (
    enter,
    eventually,
    ip,
    make_folders,
    make_network,
    namespace,
    send,
    start,
)
from tests.cluster.up import get, tls_of
from tests.cluster.workload import DEVICES, HERE, Load
from tests.commands import KEY

SWITCH = "aed-test-switch"
CLIENT = Host("test-client", "client", "10.123.0.99", "")
LOAD_SECONDS = 3.0
PROGRAMS = ("ip", "haproxy", "keepalived", "curl")


def _under(folder: Path) -> Inventory:
    """Return the inventory of the test hosts under other names, so that a cluster may run beside it."""
    found = read_inventory()
    named = [
        replace(each, name=f"test-{each.name}", root=f"{folder}/test-{each.name}") for each in found.hosts
    ]
    return replace(found, hosts=tuple(named))


@dataclass(frozen=True)
class Site:
    inventory: Inventory
    folder: Path
    token: str

    @property
    def floating(self) -> str:
        return str(self.inventory.settings["floating"])

    def holds_address(self, balancer: Host) -> bool:
        return f" {self.floating}/" in ip("-n", namespace(balancer), "-4", "address")


@pytest.fixture
def site() -> Iterator[Site]:
    """Yield two hosts of the API and two balancers that run, with one SQLite database for both."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    missing = [each for each in PROGRAMS if shutil.which(each, path=path) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (deploy/setup.sh cluster)")
    made = subprocess.run(["ip", "netns", "add", SWITCH], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"network namespaces are not allowed here: {made.stderr.strip()}")
    ip("netns", "delete", SWITCH)
    with tempfile.TemporaryDirectory(prefix="aed-", dir="/tmp") as name:  # HAProxy's socket has a short path
        inventory, folder = _under(Path(name)), Path(name)
        run_here = [*inventory.with_role("application"), *inventory.with_role("balancer")]
        token = _prepare(inventory, folder)
        programs = []
        try:
            make_network((*run_here, CLIENT), inventory, switch=SWITCH)
            for each in run_here:
                make_folders(each)
                programs += start(each, "serve", "haproxy", "keepalived")
            yield Site(inventory, folder, token)
        finally:
            for each in run_here:
                send(each, signal.SIGKILL)
            for program in programs:
                program.wait()
            for namespace_name in (*(namespace(each) for each in (*run_here, CLIENT)), SWITCH):
                ip("netns", "delete", namespace_name, check=False)  # it may not have been made


def _prepare(inventory: Inventory, folder: Path) -> str:
    """Write the files of all hosts; make the schema and the devices that are checked; return a token."""
    files = render(inventory, dict.fromkeys(SECRETS, "password"))
    for each in inventory.with_role("application"):
        settings = {
            "AED_DATABASE_URL": f"sqlite:///{folder}/aed.sqlite",
            "AED_ENCRYPTION_KEYS": KEY,
            "AED_WALKING_NETWORK": f"{each.root}/none",
            "AED_PORT": "8000",
            "FORWARDED_ALLOW_IPS": "127.0.0.1",
        }
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        files[each.name]["etc/aed/aed.env"] = "".join(lines)
    write(files, folder)
    make_certificates(inventory, folder)
    with closing(open_database(_database(folder))) as database:
        bring_up_to_date(database)
        with transaction(database) as session:
            for _ in DEVICES:
                make.device(session, at=Position(*HERE))
            return make.key(session, TokenRole.ADMINISTRATOR, writes=True)["Authorization"].split()[1]


def _database(folder: Path) -> Settings:
    return Settings(database_url=f"sqlite:///{folder}/aed.sqlite")


def _stored(folder: Path) -> Counter[str]:
    """Count the checks of the load by key, which is in their note."""
    with closing(open_database(_database(folder))) as database, database.read_sessions() as session:
        notes = session.scalars(text("SELECT note FROM checks WHERE note LIKE 'op %'"))
        return Counter(str(note).removeprefix("op ") for note in notes)


def _break_both(site: Site) -> Load:
    """Load the site; end HAProxy of the balancer with the address, then a host of the API."""
    enter(CLIENT)
    first = site.inventory.with_role("application")[0]
    context = tls_of(first)
    eventually("the web", lambda: get(site.floating, "/readyz", context=context)[0] == 200)
    rates = {Work.LOOKUP: 5.0, Work.CHECK: 2.0}
    load = Load(site.floating, {"administrator": site.token}, context, per_second=rates)
    with load.running():
        time.sleep(LOAD_SECONDS)  # the load runs in threads
        one, other = sorted(site.inventory.with_role("balancer"), key=site.holds_address)
        send(other, signal.SIGKILL, "haproxy.cfg")
        eventually("the address at the other balancer", lambda: site.holds_address(one))
        time.sleep(LOAD_SECONDS)  # requests go on at the other balancer
        send(first, signal.SIGKILL)
        time.sleep(LOAD_SECONDS)  # and at the other host of the API
    return load


@pytest.mark.one_engine(
    "processes and balancers; the databases of a cluster are broken by make cluster-faults"
)
def test_no_check_is_lost_or_doubled_when_a_balancer_and_a_host_end(site: Site) -> None:
    with ThreadPoolExecutor(1) as pool:  # the thread that enters the client's network ends with it
        load = pool.submit(_break_both, site).result()

    stored = _stored(site.folder)
    after = max(each.began for each in load.history) - LOAD_SECONDS / 2
    assert len(history.acknowledged(load.history, Work.CHECK)) >= 10
    assert history.lost(load.history, Work.CHECK, stored) == set()
    assert history.doubled(stored) == set()
    assert history.statuses(load.history)[500] == 0
    assert any(each.is_done and each.began > after for each in load.history), "the others go on"
