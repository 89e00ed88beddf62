"""Render the configuration files of a cluster's hosts from an inventory.

    python -m deploy.cluster.render INVENTORY FOLDER

FOLDER/HOST/… holds the files of each host at the paths where Debian's packages read them. Passwords are
generated once and kept in FOLDER/secrets.json; a rendering with the same folder keeps them.
"""

from __future__ import annotations

import json
import secrets
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jinja2

TEMPLATES: Final = Path(__file__).parent / "templates"
INVENTORY: Final = Path(__file__).parent / "inventory.toml"
SECRETS: Final = ("superuser", "replication", "rewind", "application", "valkey", "encryption_key")
VALKEY_PORTS: Final = (7000, 7001)
"""Each database host has two nodes of Valkey: a primary, and a replica of another host's primary."""
DRAIN_SECONDS: Final = 3
"""Time in which both balancers notice that the API of a host is about to stop: they ask each second."""
MAX_REQUESTS: Final = 160
"""Requests that a balancer passes to the API of a host at once: the 96 lookups that one process accepts, and
boards, whose streams stay open. With AED_PROCESSES, as many for each."""
FILES: Final[Mapping[str, Mapping[str, str]]] = {
    "database": {
        "etc/patroni/config.yml": "patroni.yml",
        "etc/patroni/create-database.sh": "create-database.sh",
        "etc/patroni/OpenSSL.py": "no-pyopenssl.py",
        "etc/patroni_env.conf": "patroni.env",
        "etc/pgbackrest.conf": "pgbackrest-database.conf",
        **{f"etc/valkey/valkey-{port}.conf": "valkey.conf" for port in VALKEY_PORTS},
        "etc/valkey/take-back.sh": "valkey-take-back.sh",
        "etc/systemd/system/valkey-take-back.service": "valkey-take-back.service",
    },
    "etcd": {"etc/default/etcd": "etcd.env"},
    "application": {
        "etc/haproxy/haproxy.cfg": "haproxy-application.cfg",
        "etc/aed/aed.env": "aed.env",
        "etc/systemd/system/aed.service.d/drain.conf": "drain.conf",
    },
    "balancer": {
        "etc/haproxy/haproxy.cfg": "haproxy-balancer.cfg",
        "etc/keepalived/keepalived.conf": "keepalived.conf",
    },
    "repository": {"etc/pgbackrest.conf": "pgbackrest-repository.conf"},
}
"""Template of each file, by the role of a host."""


@dataclass(frozen=True)
class Host:
    name: str
    role: str
    address: str
    root: str
    """Folder under which its files are, without a slash at its end: "" on a real host."""


@dataclass(frozen=True)
class Inventory:
    hosts: tuple[Host, ...]
    settings: Mapping[str, Any]

    def with_role(self, role: str) -> list[Host]:
        return [host for host in self.hosts if host.role == role]


def read_inventory(file: Path = INVENTORY) -> Inventory:
    """Read the hosts, by role, and the settings that all of them share."""
    given = tomllib.loads(file.read_text(encoding="utf-8"))
    root = given["root"].rstrip("/")
    hosts = [
        Host(name, role, address, root.format(host=name))
        for role in FILES
        for name, address in given.pop(role).items()
    ]
    return Inventory(tuple(hosts), given)


def read_secrets(file: Path) -> dict[str, str]:
    """Return the passwords in the file, which is created, or completed, if necessary."""
    known = json.loads(file.read_text(encoding="ascii")) if file.exists() else {}
    made = {name: secrets.token_urlsafe(32) for name in SECRETS}
    made["encryption_key"] = f"aedkey-{made['encryption_key']}"  # as of `aed keys new`
    known = {**made, **known}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps(known, indent=2), encoding="ascii")
    return known


def render(inventory: Inventory, passwords: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the text of each file, by host and path."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # configuration files, not HTML
    )
    shared = {
        **inventory.settings,
        "passwords": passwords,
        "valkey_ports": VALKEY_PORTS,
        "drain_seconds": DRAIN_SECONDS,
        "max_requests": MAX_REQUESTS,
        **{f"{role}_hosts": inventory.with_role(role) for role in FILES},
    }
    return {
        host.name: {
            path: environment.get_template(f"{template}.jinja").render(
                shared,
                host=host,
                loop_index=inventory.with_role(host.role).index(host),
                path=path,
                root=host.root,
                tls=f"{host.root}/etc/aed-cluster/tls",
            )
            for path, template in FILES[host.role].items()
        }
        for host in inventory.hosts
    }


def write(files: Mapping[str, Mapping[str, str]], folder: Path) -> None:
    """Write the files into FOLDER/HOST/PATH, for their owner alone: some hold passwords."""
    for host, texts in files.items():
        for path, text in texts.items():
            file = folder / host / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o700 if file.suffix == ".sh" else 0o600)
            file.write_text(text, encoding="utf-8")


def main() -> None:
    inventory, folder = Path(sys.argv[1]), Path(sys.argv[2])
    write(render(read_inventory(inventory), read_secrets(folder / "secrets.json")), folder)


if __name__ == "__main__":
    main()
