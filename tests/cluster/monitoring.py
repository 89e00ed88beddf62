"""What Prometheus's rules and Grafana's dashboard ask for."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Final

import yaml
from deploy.cluster.render import Inventory

from tests.cluster.hosts import ClusterError
from tests.cluster.up import TOKENS, tls_of, web

FILES: Final = Path("deploy/cluster")
RULES: Final = FILES / "alerts.yml"
DASHBOARD: Final = FILES / "dashboard.json"
NOT_ON_TEST_HOSTS: Final = {"aed_signal_bridge_receiving", "aed_linked_account_erasure_waiting_seconds"}
"""Metrics that exist once a bridge of signals has run, or while another cell has to erase a person."""


def expressions() -> list[str]:
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [
        *(rule["expr"] for group in rules["groups"] for rule in group["rules"]),
        *(target["expr"] for panel in dashboard["panels"] for target in panel["targets"]),
    ]


def metrics_asked_for(*programs: str) -> set[str]:
    """Return the names of metrics in the expressions that begin with the name of one of these programs."""
    name = re.compile(rf"\b(?:{'|'.join(programs)})_[a-z_]+\b")
    return {found for expression in expressions() for found in name.findall(expression)}


def metric_names(text: str) -> set[str]:
    """Return the names of metrics in Prometheus's format, also of those without a value."""
    found = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    return found | {f"{name}_{part}" for name in found for part in ("bucket", "count", "sum")}


def check_monitoring(hosts: Inventory) -> None:
    """Require that the rules are valid, and that every metric exists on the running cluster."""
    checked = subprocess.run(
        ["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    if checked.returncode:
        raise ClusterError(checked.stdout + checked.stderr)
    database, etcd, balancer = (hosts.with_role(role)[0] for role in ("database", "etcd", "balancer"))
    addresses = (
        f"{database.address}:8008",
        f"{etcd.address}:2379",
        f"{balancer.address}:8405",
        web(hosts),
    )
    token = json.loads(TOKENS.read_text(encoding="ascii"))["administrator"]
    known: set[str] = set()
    for address in addresses:
        request = urllib.request.Request(f"https://{address}/metrics")
        if address == web(hosts):
            request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=10, context=tls_of(database)) as answer:
            known |= metric_names(answer.read().decode())
    missing = metrics_asked_for("aed", "process", "patroni", "etcd", "haproxy") - known - NOT_ON_TEST_HOSTS
    if missing:
        raise ClusterError(f"rules and dashboard ask for metrics that do not exist: {sorted(missing)}")
