"""Bring up the test hosts, with the demo's district in their database."""

from __future__ import annotations

import json
import shutil
import ssl
import sys
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any, Final

from deploy.cluster.certificates import FOLDER
from deploy.cluster.render import VALKEY_PORTS, Host, Inventory

from tests.cluster.hosts import (
    AED,
    CLIENT,
    STATE,
    ClusterError,
    enter,
    eventually,
    inventory,
    make_hosts,
    run_on,
    start,
)

TOKENS: Final = STATE / "tokens.json"
ROLES: Final = ("administrator", "dispatcher")
REGION: Final = "CN-33"
"""The region of the demo's district."""


def up() -> None:
    """Start the cluster: databases, repository and balancers first, then the schema, then the API.

    1. Make namespaces, files and certificates; start etcd, Patroni, Valkey, pgBackRest and the balancers.
    2. Once a leader has a synchronous standby, prepare pgBackRest's repository and join the nodes of Valkey.
    3. Load the demo's district through the floating address; make tokens.
    4. Start the API and the workers, and wait until the web answers.
    """
    hosts = inventory()
    passwords = make_hosts(hosts)
    for role in ("etcd", "database", "repository", "balancer"):
        for host in hosts.with_role(role):
            start(host)
    say("waiting for a leader with a synchronous standby")
    enter(CLIENT)
    eventually("a leader with a synchronous standby", lambda: is_safe(hosts))
    _prepare_repository(hosts.with_role("repository")[0])
    _join_valkey(hosts, passwords["valkey"])
    say("loading the demo's district")
    first, *others = hosts.with_role("application")
    run_on(first, [str(AED), "db", "upgrade"])
    run_on(first, [str(AED), "demo"])
    tokens = {role: _token(first, role) for role in ROLES}
    TOKENS.touch(mode=0o600)
    TOKENS.write_text(json.dumps(tokens), encoding="ascii")
    for other in others:
        for file in Path(first.root, "var/lib/aed").iterdir():
            if file.is_file():
                shutil.copy2(file, Path(other.root, "var/lib/aed"))
    for host in hosts.with_role("application"):
        start(host)
    seconds = eventually("the web", lambda: get(web(hosts), "/readyz")[0] == 200)
    say(f"https://{web(hosts)} answers after {seconds:.0f} s: ip netns exec aed-client curl …")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def web(hosts: Inventory) -> str:
    floating: str = hosts.settings["floating"]
    return floating


def tls_of(host: Host) -> ssl.SSLContext:
    """Return the TLS settings of a client that has the certificate of a host."""
    folder = Path(host.root, FOLDER)
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / "host.crt", folder / "host.key")
    return context


def get(
    address: str, path: str, *, timeout: float = 5.0, context: ssl.SSLContext | None = None
) -> tuple[int, Any]:
    """GET a path over TLS, by default as the first host; return status and JSON."""
    context = context or tls_of(inventory().hosts[0])
    with urllib.request.urlopen(f"https://{address}{path}", timeout=timeout, context=context) as answer:
        return answer.status, json.load(answer)


def members(hosts: Inventory) -> list[dict[str, Any]]:
    """Return the members of the PostgreSQL cluster as the first Patroni that answers sees them."""
    for host in hosts.with_role("database"):
        try:
            found: list[dict[str, Any]] = get(f"{host.address}:8008", "/cluster", timeout=2)[1]["members"]
        except OSError:
            continue
        return found
    raise ClusterError("no Patroni answers")


def leader(hosts: Inventory) -> Host:
    """Return the host of the leader. Raises ClusterError if there is none."""
    for host in hosts.with_role("database"):
        try:
            status, _ = get(f"{host.address}:8008", "/primary", timeout=2)
        except OSError:
            continue
        if status == 200:
            return host
    raise ClusterError("there is no leader")


def is_safe(hosts: Inventory, *, count: int | None = None) -> bool:
    """True if there is a leader, a synchronous standby, and every member runs."""
    states = [(each["role"], each["state"]) for each in members(hosts)]
    wanted = len(hosts.with_role("database")) if count is None else count
    roles = [role for role, state in states if state in ("running", "streaming")]
    return "leader" in roles and "sync_standby" in roles and len(roles) >= wanted


def _prepare_repository(host: Host) -> None:
    stanza = ["pgbackrest", f"--config={host.root}/etc/pgbackrest.conf", "--stanza=aed"]

    def succeeds(command: str) -> bool:
        run_on(host, [*stanza, command], user="postgres")
        return True

    for command in ("stanza-create", "check"):
        # The leader may hold the lock for a moment, as it sends the first files of its log.
        eventually(f"pgbackrest {command}", partial(succeeds, command))


def _join_valkey(hosts: Inventory, password: str) -> None:
    nodes = [f"{host.address}:{port}" for port in VALKEY_PORTS for host in hosts.with_role("database")]
    run_on(
        hosts.with_role("database")[0],
        [
            *valkey_cli(hosts, password),
            "--cluster",
            "create",
            *nodes,
            "--cluster-replicas",
            "1",
            "--cluster-yes",
        ],
    )


def each_holds_a_primary(hosts: Inventory) -> bool:
    """True if the first node of Valkey on each host is a primary, so that no host holds two of them."""
    password = json.loads((STATE / "secrets.json").read_text("ascii"))["valkey"]
    asked = [*valkey_cli(hosts, password), "-p", str(VALKEY_PORTS[0])]
    return all(
        run_on(host, [*asked, "-h", host.address, "ROLE"]).startswith("master")
        for host in hosts.with_role("database")
    )


def valkey_cli(hosts: Inventory, password: str) -> list[str]:
    tls = Path(hosts.hosts[0].root, FOLDER, "ca.crt")
    return ["valkey-cli", "--tls", "--cacert", str(tls), "--no-auth-warning", "-a", password]


def _token(host: Host, role: str) -> str:
    where = ["--region", REGION] if role == "dispatcher" else []
    scopes = ["--scope", "read", "--scope", "write"]
    made = run_on(host, [str(AED), "tokens", "create", f"test-{role}", "--role", role, *where, *scopes])
    return next(word for line in made.splitlines() for word in line.split() if word.startswith("aed_"))
