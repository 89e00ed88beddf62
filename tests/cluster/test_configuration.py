"""The configuration files of a cluster, as the programs that read them check them."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from deploy.cluster.certificates import FOLDER, make_certificates
from deploy.cluster.render import (
    DRAIN_SECONDS,
    SECRETS,
    Inventory,
    read_inventory,
    read_secrets,
    render,
    write,
)

from tests.cluster.hosts import services_of
from tests.throwaway_postgres import free_port
from tests.waiting import eventually

PASSWORDS = {name: f"password-{name}" for name in SECRETS}


def _below(folder: Path) -> Inventory:
    """Return the inventory of the test hosts with all files below a folder."""
    found = read_inventory()
    return replace(found, hosts=tuple(replace(each, root=str(folder / each.name)) for each in found.hosts))


def _require(program: str) -> str:
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed: deploy/setup.sh cluster")
    return found


def test_real_hosts_have_the_paths_of_debians_packages() -> None:
    inventory = read_inventory()
    real = replace(inventory, hosts=tuple(replace(each, root="") for each in inventory.hosts))

    files = render(real, PASSWORDS)

    assert "data_dir: /var/lib/postgresql/aed\n" in files["db1"]["etc/patroni/config.yml"]
    assert not [
        path for texts in files.values() for path, text in texts.items() if "//var" in text or "{{" in text
    ]
    assert not re.search(r"/var/tmp", "".join(text for texts in files.values() for text in texts.values()))


def test_patroni_does_not_use_pyopenssl_which_writes_into_files_of_others(tmp_path: Path) -> None:
    inventory = _below(tmp_path)
    write(render(inventory, PASSWORDS), tmp_path)
    host = inventory.with_role("database")[0]
    name, _, value = (
        Path(host.root, "etc/patroni_env.conf").read_text("utf-8").splitlines()[-1].partition("=")
    )
    assert (
        next(each for each in services_of(host) if each.name == "patroni").environment
        == "etc/patroni_env.conf"
    )

    done = subprocess.run(
        [sys.executable, "-c", "import OpenSSL"],
        env={name: value},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "ImportError: Patroni must not use pyOpenSSL" in done.stderr


def test_a_commit_needs_a_standby_and_a_lost_leader_is_replaced_within_25_seconds() -> None:
    patroni = yaml.safe_load(render(read_inventory(), PASSWORDS)["db1"]["etc/patroni/config.yml"])

    cluster = patroni["bootstrap"]["dcs"]
    assert cluster["synchronous_mode"]
    assert cluster["synchronous_mode_strict"]
    assert cluster["ttl"] + cluster["loop_wait"] <= 25
    assert cluster["ttl"] >= cluster["loop_wait"] + 2 * cluster["retry_timeout"]  # as Patroni requires


def test_a_lost_host_cannot_take_the_leaders_of_etcd_and_of_postgresql() -> None:
    inventory = read_inventory()
    files = render(inventory, PASSWORDS)

    assert [name for name, texts in files.items() if "etc/default/etcd" in texts] == [
        host.name for host in inventory.with_role("etcd")
    ]
    hosts = yaml.safe_load(files["db1"]["etc/patroni/config.yml"])["etcd3"]["hosts"]
    assert hosts == [f"{host.address}:2379" for host in inventory.with_role("etcd")]


def test_the_shared_patroni_configuration_has_no_path_of_one_host() -> None:
    inventory = read_inventory()
    patroni = yaml.safe_load(render(inventory, PASSWORDS)["db1"]["etc/patroni/config.yml"])

    assert inventory.hosts[0].root not in str(patroni["bootstrap"]["dcs"])
    assert inventory.hosts[0].root in patroni["postgresql"]["parameters"]["archive_command"]


def test_every_connection_is_over_tls() -> None:
    files = render(read_inventory(), PASSWORDS)

    hba = yaml.safe_load(files["db1"]["etc/patroni/config.yml"])["postgresql"]["pg_hba"]
    assert {line.split()[0] for line in hba} == {"local", "hostssl"}
    everything = "\n".join(text for texts in files.values() for text in texts.values())
    assert "http://" not in everything.replace("http://127.0.0.1:", "")  # HAProxy of the same host
    assert "redis://" not in everything.replace("rediss://", "")
    assert everything.count("sslmode=verify-full") == 2 * 2  # two hosts of the API, leader and standbys


def test_passwords_are_generated_once(tmp_path: Path) -> None:
    first = read_secrets(tmp_path / "secrets.json")

    assert read_secrets(tmp_path / "secrets.json") == first
    assert len(set(first.values())) == len(SECRETS)
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0


def test_each_service_reads_a_file_that_is_rendered() -> None:
    inventory = read_inventory()
    files = render(inventory, PASSWORDS)

    for host in inventory.hosts:
        read = [
            word.partition("=")[2] or word
            for service in services_of(host)
            for word in (*service.command, f"{host.root}/{service.environment or ''}")
            if f"{host.root}/etc/" in word
        ]
        assert {each.removeprefix(f"{host.root}/") for each in read} <= set(files[host.name])


@pytest.mark.parametrize("path", ["etc/valkey/take-back.sh", "etc/patroni/create-database.sh"])
def test_scripts_are_without_faults(path: str) -> None:
    checked = subprocess.run(
        [_require("shellcheck"), "-"],
        input=render(read_inventory(), PASSWORDS)["db1"][path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Yield a folder with a short path: that of a socket of HAProxy has at most 97 characters."""
    with tempfile.TemporaryDirectory(prefix="aed-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.parametrize("host", ["lb1", "app1"])
def test_haproxy_accepts_its_files(host: str, short_folder: Path) -> None:
    haproxy = _require("haproxy")
    inventory = _below(short_folder)
    make_certificates(inventory, short_folder)
    write(render(inventory, PASSWORDS), short_folder)

    checked = subprocess.run(
        [haproxy, "-c", "-f", str(short_folder / host / "etc/haproxy/haproxy.cfg")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


def test_an_api_that_drains_has_time_in_which_the_balancers_notice() -> None:
    files = render(read_inventory(), PASSWORDS)

    unit = files["app1"]["etc/systemd/system/aed.service.d/drain.conf"]
    drain_file = re.search(r"^AED_DRAIN_FILE=(.*)$", files["app1"]["etc/aed/aed.env"], re.MULTILINE)
    assert drain_file is not None
    assert f"touch {drain_file[1]} && sleep {DRAIN_SECONDS}" in unit
    assert "http-check disable-on-404" in files["lb1"]["etc/haproxy/haproxy.cfg"]


class _Health(BaseHTTPRequestHandler):
    """Plays the API's /healthz."""

    status = 200
    seconds = 0.0

    def do_GET(self) -> None:
        time.sleep(self.seconds)  # as slow as a busy API
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        pass


def test_balancers_hear_whether_an_api_serves_is_about_to_stop_or_does_not_answer(short_folder: Path) -> None:
    haproxy = _require("haproxy")
    inventory = _below(short_folder)
    make_certificates(inventory, short_folder)
    write(render(inventory, PASSWORDS), short_folder)
    host = inventory.with_role("application")[0]
    api = ThreadingHTTPServer(("127.0.0.1", 0), _Health)
    port = free_port()
    file = Path(host.root, "etc/haproxy/haproxy.cfg")
    text = file.read_text("utf-8").replace(f"{host.address}:8443 ssl", f"127.0.0.1:{port} ssl")
    file.write_text(text.replace("127.0.0.1:8000", f"127.0.0.1:{api.server_port}"), encoding="utf-8")
    trusted = ssl.create_default_context(cafile=Path(host.root, FOLDER, "ca.crt"))
    trusted.check_hostname = False  # the certificate is for the host's name and address

    def answers(status: int) -> bool:
        connection = HTTPSConnection("127.0.0.1", port, timeout=10, context=trusted)
        with closing(connection), suppress(ConnectionError):
            connection.request("GET", "/host-health")
            return connection.getresponse().status == status
        return False

    threading.Thread(target=api.serve_forever, daemon=True).start()
    with subprocess.Popen([haproxy, "-db", "-f", file], stdout=subprocess.DEVNULL) as program:
        try:
            assert eventually(lambda: answers(200), 60)
            _Health.status = 503
            assert eventually(lambda: answers(404), 60)
            _Health.status, _Health.seconds = 200, 0.5
            assert eventually(lambda: answers(200), 60)
            api.shutdown()
            api.server_close()
            assert eventually(lambda: answers(503), 60)
        finally:
            _Health.status, _Health.seconds = 200, 0.0
            program.terminate()


def test_keepalived_asks_haproxy_for_an_answer() -> None:
    files = render(read_inventory(), PASSWORDS)["lb1"]

    asked = re.search(r'script "/usr/bin/curl .* http://(\S+)/"', files["etc/keepalived/keepalived.conf"])
    assert asked is not None
    assert f"    bind {asked[1]}\n    monitor-uri /\n" in files["etc/haproxy/haproxy.cfg"]


def test_keepalived_accepts_its_file(tmp_path: Path) -> None:
    keepalived = _require("keepalived")
    write(render(_below(tmp_path), PASSWORDS), tmp_path)

    file = tmp_path / "lb1/etc/keepalived/keepalived.conf"
    checked = subprocess.run(
        [keepalived, f"--use-file={file}", "--config-test"], capture_output=True, text=True, check=False
    )

    # An interface of the name in the inventory is not at every machine.
    found = [line for line in checked.stderr.splitlines() if "(Line" in line and "interface" not in line]
    assert not found


def test_patroni_accepts_its_file(tmp_path: Path) -> None:
    patroni = _require("patroni")
    write(render(_below(tmp_path), PASSWORDS), tmp_path)

    checked = subprocess.run(
        [patroni, "--validate-config", str(tmp_path / "db1/etc/patroni/config.yml")],
        capture_output=True,
        text=True,
        check=False,
    )

    # The ports may be in use, and the addresses are not this machine's.
    found = [line for line in checked.stdout.splitlines() if "didn't pass" in line and "Port" not in line]
    assert not found
