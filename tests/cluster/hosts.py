"""Test hosts of a cluster: a network namespace each, joined by a bridge in a namespace of its own.

No address of theirs exists outside these namespaces. A process belongs to the host whose namespace it is in,
so that nothing else is ever ended here.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.cluster.certificates import FOLDER, make_certificates
from deploy.cluster.render import (
    DRAIN_SECONDS,
    VALKEY_PORTS,
    Host,
    Inventory,
    read_inventory,
    read_secrets,
    render,
    write,
)

STATE: Final = Path("/var/tmp/aed-cluster")
"""Files of every host; outside of the checkout, since PostgreSQL's user must reach it."""
PREFIX: Final = "aed-"
SWITCH: Final = "aed-switch"
CLIENT: Final = Host("client", "client", "10.123.0.99", "")
NETNS: Final = Path("/run/netns")
AED: Final = Path(".venv/bin/aed").absolute()
PATIENCE_SECONDS: Final = 120.0
_POSTGRES_FOLDERS: Final = (
    "run/postgresql",
    "run/pgbackrest",
    "var/lib/postgresql",
    "var/lib/pgbackrest",
    "var/log/pgbackrest",
    "var/spool/pgbackrest",
)
_FOLDERS: Final = ("run/aed", "run/haproxy", "var/lib/etcd", "var/lib/valkey", "var/lib/aed", "var/log")


class ClusterError(RuntimeError):
    """The test hosts cannot be used; the message says why."""


@dataclass(frozen=True)
class Service:
    """A program of a host, as its unit of systemd starts it on a real one."""

    name: str
    command: Sequence[str]
    user: str = "root"
    environment: str | None = None
    """A file of NAME=value lines, below the host's root."""
    marks: str = ""
    """Text in the command lines of its processes; default: its first word."""


def services_of(host: Host) -> list[Service]:
    """Return what runs on a host, in the order in which it starts."""
    etc, run = f"{host.root}/etc", f"{host.root}/run"
    haproxy = Service(
        "haproxy", ["haproxy", "-W", "-db", "-f", f"{etc}/haproxy/haproxy.cfg", "-p", f"{run}/haproxy.pid"]
    )
    backrest = Service(
        "pgbackrest", ["pgbackrest", "server", f"--config={etc}/pgbackrest.conf"], user="postgres"
    )
    match host.role:
        case "database":
            return [
                backrest,
                Service(
                    "patroni",
                    ["/usr/bin/patroni", f"{etc}/patroni/config.yml"],
                    user="postgres",
                    environment="etc/patroni_env.conf",
                ),
                *(
                    Service(
                        f"valkey-{port}",
                        ["valkey-server", f"{etc}/valkey/valkey-{port}.conf"],
                        marks=f"{host.address}:{port}",
                    )
                    for port in VALKEY_PORTS
                ),
                Service("valkey-take-back", [f"{etc}/valkey/take-back.sh"]),
            ]
        case "etcd":
            return [Service("etcd", ["/usr/bin/etcd"], environment="etc/default/etcd")]
        case "application":
            return [
                Service("serve", [str(AED), "serve"], environment="etc/aed/aed.env", marks="aed serve"),
                Service("work", [str(AED), "work"], environment="etc/aed/aed.env", marks="aed work"),
                haproxy,
            ]
        case "balancer":
            conf = f"{etc}/keepalived/keepalived.conf"
            pids = [f"--{name}={run}/{name}" for name in ("pid", "vrrp_pid", "checkers_pid", "bfd_pid")]
            keepalived = ["keepalived", "--vrrp", "--dont-fork", "--log-console", f"--use-file={conf}", *pids]
            return [haproxy, Service("keepalived", keepalived)]
        case _:
            return [backrest]


# --- network ------------------------------------------------------------------------------------------------


def namespace(host: Host) -> str:
    return PREFIX + host.name


def ip(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise ClusterError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def namespaces() -> list[str]:
    """Return the namespaces of test hosts that exist."""
    return sorted(each.name for each in NETNS.glob(f"{PREFIX}*")) if NETNS.is_dir() else []


def make_network(hosts: Iterable[Host], inventory: Inventory, *, switch: str = SWITCH) -> None:
    """Make a namespace for each host, joined by a bridge in the namespace `switch`."""
    interface, bits = inventory.settings["interface"], inventory.settings["network"].partition("/")[2]
    ip("netns", "add", switch)
    ip("-n", switch, "link", "add", "bridge", "type", "bridge")
    ip("-n", switch, "link", "set", "bridge", "up")
    for host in hosts:
        name = namespace(host)
        ip("netns", "add", name)
        ip("-n", switch, "link", "add", host.name, "type", "veth", "peer", "name", interface, "netns", name)
        ip("-n", switch, "link", "set", host.name, "master", "bridge", "up")
        ip("-n", name, "address", "add", f"{host.address}/{bits}", "dev", interface)
        ip("-n", name, "link", "set", interface, "up")
        ip("-n", name, "link", "set", "lo", "up")
        # A balancer listens on the floating address before it holds it.
        ip("netns", "exec", name, "sysctl", "-q", "-w", "net.ipv4.ip_nonlocal_bind=1")


def cut_off(host: Host) -> None:
    """Let nothing through between the host and the others; its processes go on."""
    ip("-n", SWITCH, "link", "set", host.name, "down")


def reconnect(host: Host) -> None:
    ip("-n", SWITCH, "link", "set", host.name, "up")


def enter(host: Host) -> None:
    """Move this thread, and those that it starts, to the network of a test host."""
    with (NETNS / namespace(host)).open() as file:
        os.setns(file.fileno(), os.CLONE_NEWNET)


# --- processes ----------------------------------------------------------------------------------------------


def processes(host: Host, marks: str = "") -> list[int]:
    """Return the processes of a host, those whose command line contains `marks`."""
    found = []
    for each in ip("netns", "pids", namespace(host), check=False).split():
        with suppress(OSError):
            command = Path(f"/proc/{each}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if marks in command and int(each) != os.getpid():
                found.append(int(each))
    return found


def send(host: Host, number: signal.Signals, marks: str = "") -> None:
    """Send a signal to processes of a host."""
    for each in processes(host, marks):
        with suppress(ProcessLookupError):
            os.kill(each, number)


def run_on(host: Host, command: Sequence[str], *, user: str = "root", given: str | None = None) -> str:
    """Run a command on a host, with `given` as its input; return its output. Raises ClusterError."""
    done = subprocess.run(
        on_host(host, command, user),
        input=given,
        capture_output=True,
        text=True,
        check=False,
        env=_environment(host, "etc/aed/aed.env" if host.role == "application" else None),
        cwd=host.root or "/",
    )
    if done.returncode:
        raise ClusterError(f"{host.name}: {shlex.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def on_host(host: Host, command: Sequence[str], user: str) -> list[str]:
    """Return the command that runs another one in the network of a host, as a user."""
    become = (
        [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
    )
    return ["ip", "netns", "exec", namespace(host), *become, *command]


def _environment(host: Host, file: str | None) -> dict[str, str]:
    found = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "HOME": host.root or "/",
    }
    if file is not None:
        lines = (Path(host.root) / file).read_text(encoding="utf-8").splitlines()
        for line in lines:
            name, _, value = line.partition("=")
            if value and not name.startswith("#"):
                found[name] = value
    return found


def start(host: Host, *names: str) -> list[subprocess.Popen[bytes]]:
    """Start services of a host: those with these names, or all; they go on when this program ends."""
    started = []
    for service in services_of(host):
        if names and service.name not in names:
            continue
        with (Path(host.root) / "var/log" / f"{service.name}.log").open("ab") as log:
            process = subprocess.Popen(
                on_host(host, service.command, service.user),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(host, service.environment),
                cwd=host.root,
                start_new_session=True,
            )
            started.append(process)
    return started


def stop_api(host: Host) -> None:
    """Stop the API as its unit and drain.conf do: let balancers send new requests elsewhere, then SIGTERM."""
    draining = Path(host.root, "run/aed/draining")
    draining.touch()
    time.sleep(DRAIN_SECONDS)  # as ExecStop
    send(host, signal.SIGTERM, "aed serve")
    eventually(f"the end of the API of {host.name}", lambda: not processes(host, "aed serve"))
    draining.unlink()


def stop_worker(host: Host) -> None:
    send(host, signal.SIGTERM, "aed work")
    eventually(f"the end of the worker of {host.name}", lambda: not processes(host, "aed work"))


def kill(host: Host) -> None:
    """Lose the host: nothing passes any more, and every process of it ends at once."""
    cut_off(host)
    send(host, signal.SIGKILL)


def eventually(what: str, is_so: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> float:
    """Wait until the condition holds; return how long that took. Raises ClusterError."""
    began = time.monotonic()
    while True:
        reason = ""
        try:
            if is_so():
                return time.monotonic() - began
        except (OSError, ClusterError, KeyError, ValueError) as error:
            reason = f": {error}"
        if time.monotonic() - began > seconds:
            raise ClusterError(f"{what}: not within {seconds:.0f} s{reason}")
        time.sleep(0.25)  # between questions: the cluster does not signal its state


def make_folders(host: Host) -> None:
    """Create the folders in which the programs of a host write."""
    for folder in (*_FOLDERS, *_POSTGRES_FOLDERS):
        Path(host.root, folder).mkdir(parents=True, exist_ok=True)


# --- up and down --------------------------------------------------------------------------------------------


def make_hosts(inventory: Inventory) -> dict[str, str]:
    """Create the namespaces, files, certificates and folders of all hosts; return the passwords."""
    if os.geteuid() != 0:
        raise ClusterError("network namespaces need root")
    if namespaces():
        raise ClusterError("test hosts exist already: run make cluster-down first")
    passwords = read_secrets(STATE / "secrets.json")
    write(render(inventory, passwords), STATE)
    make_certificates(inventory, STATE)
    postgres, group = pwd.getpwnam("postgres"), grp.getgrnam("ssl-cert").gr_gid
    for path in (STATE, *STATE.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    for host in inventory.hosts:
        root = Path(host.root)
        make_folders(host)
        owned = [root / each for each in _POSTGRES_FOLDERS]
        owned += [root / "etc/pgbackrest.conf", *root.glob("etc/patroni/*")]
        for each in owned:
            if each.exists():
                os.chown(each, postgres.pw_uid, postgres.pw_gid)
        (root / "var/lib/postgresql").chmod(0o700)
        os.chown(root / FOLDER / "host.key", 0, group)
    make_network((*inventory.hosts, CLIENT), inventory)
    return passwords


def down() -> None:
    """End every process of the test hosts, and remove their namespaces and files; also after a crash."""
    for name in namespaces():
        for each in ip("netns", "pids", name, check=False).split():
            with suppress(ProcessLookupError):
                if int(each) != os.getpid():
                    os.kill(int(each), signal.SIGKILL)
    for name in namespaces():
        ip("netns", "delete", name, check=False)
    shutil.rmtree(STATE, ignore_errors=True)


def inventory() -> Inventory:
    return read_inventory()
