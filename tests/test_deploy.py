"""Checks of the deployment files that need no deployment."""

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests import forked
from tests.commands import environment

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
SHELL_SCRIPTS = [*sorted(DEPLOY.glob("*.sh")), ROOT / ".ci" / "run"]
PINNED = re.compile(r"^([a-z0-9._-]+)==(\S+)(?: ; ([^\\]+?))? \\$", re.MULTILINE)


def yaml_mapping(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return {str(key): inner for key, inner in value.items()}


def compose_services() -> dict[str, dict[str, object]]:
    compose = yaml_mapping(yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    return {name: yaml_mapping(service) for name, service in yaml_mapping(compose["services"]).items()}


def dockerfile_instructions() -> list[list[str]]:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def settings_named_in(text: str) -> set[str]:
    return set(re.findall(r"\bAED_[A-Z_]+(?==|: )", text))


@pytest.mark.parametrize(
    "file",
    ["Dockerfile", "compose.yaml", "aed.env.example", "aed.service", "aed@.service"],
    ids=lambda name: str(name),
)
def test_every_setting_used_in_deployment_exists(file: str) -> None:
    from aed.settings import Settings

    given = {
        name.removeprefix("AED_").lower() for name in settings_named_in((DEPLOY / file).read_text("utf-8"))
    }

    assert {name.split("__")[0] for name in given} <= set(Settings.model_fields)


def test_the_example_settings_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    from aed.settings import Settings

    for line in (DEPLOY / "aed.env.example").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, value = line.split("=", 1)
            monkeypatch.setenv(name, value)

    assert Settings().database_url == "sqlite:////var/lib/aed/aed.sqlite"


def test_the_database_is_migrated_before_the_api_starts() -> None:
    services = compose_services()

    assert set(services) == {"database", "migrate", "api", "worker"}
    assert services["migrate"]["command"] == ["aed", "db", "upgrade"]
    assert services["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert services["worker"]["command"] == ["aed", "work"]
    for name in ("api", "worker"):
        assert yaml_mapping(services[name]["depends_on"])["migrate"] == {
            "condition": "service_completed_successfully"
        }


def test_compose_refuses_to_start_without_a_password() -> None:
    services = compose_services()

    given = [
        str(value)
        for service in services.values()
        for name, value in yaml_mapping(service["environment"]).items()
        if "PASSWORD" in name
    ]

    assert len(given) == len(services)
    assert all(value.startswith("${DATABASE_PASSWORD:?") for value in given)


def test_compose_gives_the_keys_to_the_program_and_not_to_the_database() -> None:
    given = {
        name: str(yaml_mapping(service["environment"]).get("AED_ENCRYPTION_KEYS"))
        for name, service in compose_services().items()
    }
    assert given.pop("database") == "None"
    assert all(value.startswith("${ENCRYPTION_KEYS:?") for value in given.values())


def test_every_deployment_file_names_the_trusted_proxies() -> None:
    """Otherwise all clients share the proxy's address, and one stranger locks all others out."""
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    gateway = re.search(r"gateway: (\S+)", compose)
    assert gateway is not None
    assert f"FORWARDED_ALLOW_IPS: ${{FORWARDED_ALLOW_IPS:-{gateway[1]}}}" in compose
    for file in ("aed.service", "aed@.service", "Dockerfile", "aed.env.example"):
        written = (DEPLOY / file).read_text(encoding="utf-8")
        assert re.search(r"^\s*(Environment=)?FORWARDED_ALLOW_IPS=127\.0\.0\.1$", written, re.MULTILINE), file
    for file in ("nginx.conf", "Caddyfile"):
        assert "FORWARDED_ALLOW_IPS" in (DEPLOY / file).read_text(encoding="utf-8"), file


def test_every_service_has_a_read_only_file_system() -> None:
    for service in compose_services().values():
        assert service["read_only"] is True
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_image_copies_only_files_that_exist_and_are_not_ignored() -> None:
    let_through = [
        line.removeprefix("!")
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    ]
    stages = {words[3] for words in dockerfile_instructions() if words[0] == "FROM" and len(words) == 4}
    copied_from_here = []
    for words in dockerfile_instructions():
        if words[0] == "COPY" and words[1].startswith("--from="):
            assert words[1].removeprefix("--from=") in stages
        elif words[0] == "COPY":
            copied_from_here += words[1:-1]

    assert copied_from_here
    assert [name for name in copied_from_here if not (ROOT / name).exists()] == []
    assert set(copied_from_here) <= set(let_through)


def test_the_image_runs_as_an_unprivileged_user_and_has_a_health_check() -> None:
    instructions = dockerfile_instructions()

    assert [words[1] for words in instructions if words[0] == "USER"] == ["10001"]
    assert any(words[0] == "HEALTHCHECK" for words in instructions)
    assert "/healthz" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def test_the_tested_versions_are_the_deployed_versions() -> None:
    """The runtime lock file has the same versions as the development lock file."""
    deployed = PINNED.findall((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    tested = PINNED.findall((ROOT / "requirements-dev.lock").read_text(encoding="utf-8"))

    assert deployed
    assert {(name, version) for name, version, _ in deployed} <= {
        (name, version) for name, version, _ in tested
    }


@pytest.mark.parametrize("script", SHELL_SCRIPTS, ids=lambda script: script.name)
def test_shell_scripts_parse(script: Path) -> None:
    shell = "bash" if script.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash") else "sh"

    parsed = run(shell, "-n", script)

    assert parsed.returncode == 0, parsed.stderr
    assert os.access(script, os.X_OK)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", SHELL_SCRIPTS, ids=lambda script: script.name)
def test_shell_scripts_have_no_known_traps(script: Path) -> None:
    checked = run("shellcheck", script)

    assert checked.returncode == 0, checked.stdout


UNITS = sorted(path.name for ending in ("service", "timer") for path in DEPLOY.glob(f"*.{ending}"))
DROP_INS = {"with-postgresql.conf": ["aed", "aed-backup"], "with-compose.conf": ["aed-backup"]}


def copy_units(folder: Path) -> None:
    """Copy the units as installed, without programs that this machine lacks (systemd would complain)."""
    for name in UNITS:
        unit = (DEPLOY / name).read_text(encoding="utf-8")
        (folder / name).write_text(unit.replace("/opt/aed/.venv/bin/aed", "/bin/true"), encoding="utf-8")
    for name in ("docker.service", "postgresql.service"):
        (folder / name).write_text("[Service]\nExecStart=/bin/true\n", encoding="utf-8")


def verify_units(folder: Path, *names: str) -> tuple[int, str]:
    verified = run(
        "env",
        f"SYSTEMD_UNIT_PATH={folder}:",
        "systemd-analyze",
        "verify",
        "--man=no",
        *map(folder.joinpath, names),
    )
    return verified.returncode, verified.stdout + verified.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    copy_units(tmp_path)

    assert UNITS == [
        "aed-backup.service",
        "aed-backup.timer",
        "aed-signals.service",
        "aed.service",
        "aed@.service",
    ]
    assert verify_units(tmp_path, *UNITS) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("drop_in", DROP_INS)
def test_systemd_accepts_the_units_with_a_drop_in(tmp_path: Path, drop_in: str) -> None:
    copy_units(tmp_path)
    added = (DEPLOY / drop_in).read_text(encoding="utf-8").replace("/usr/bin/docker", "/bin/true")
    for unit in DROP_INS[drop_in]:
        (tmp_path / f"{unit}.service.d").mkdir()
        (tmp_path / f"{unit}.service.d" / drop_in).write_text(added, encoding="utf-8")

    assert verify_units(tmp_path, *UNITS) == (0, "")


def test_a_backup_is_made_every_night_in_a_folder_that_the_unit_may_write() -> None:
    unit = (DEPLOY / "aed-backup.service").read_text(encoding="utf-8")
    timer = (DEPLOY / "aed-backup.timer").read_text(encoding="utf-8")
    example = (DEPLOY / "aed.env.example").read_text(encoding="utf-8")
    folder = re.search(r"^AED_BACKUPS=(.*)$", example, re.MULTILINE)

    assert folder is not None
    assert f"ReadWritePaths={folder[1]}\n" in unit
    assert {"RandomizedDelaySec=30min", "Persistent=true"} <= set(timer.splitlines())


# --- the proxy before the API -----------------------------------------------------------------------------


def body_limits() -> dict[str, int]:
    """Return {path: bytes} by the default settings, with the limit of all other paths as `default`.

    The default is the limit for lists, since the API itself refuses larger bodies that are not lists.
    """
    from aed.imports.drafts.actions import MAX_BYTES as MAX_LIST_BYTES
    from aed.settings import Settings

    fields = Settings.model_fields
    return {
        "default": fields["list_limit_bytes"].default,
        "/v1/lint": fields["lint_limit_bytes"].default,
        "/v1/imports/devices": fields["import_limit_bytes"].default,
        "/v1/imports/responders": fields["import_limit_bytes"].default,
        "/v1/imports/issuer-roster": fields["import_limit_bytes"].default,
        "/v1/photos": fields["photo_limit_bytes"].default,
        "/report": fields["photo_limit_bytes"].default,
        "/me/certificate": fields["photo_limit_bytes"].default,
        "/lists": MAX_LIST_BYTES,
    }


def test_every_path_with_a_larger_body_limit_is_listed_in_the_tests() -> None:
    from aed.http.bodies import BodyLimits
    from tests.apps import ready_app

    (limits,) = (each.kwargs["limits"] for each in ready_app().user_middleware if "limits" in each.kwargs)
    assert isinstance(limits, BodyLimits)
    files = {path: limit.bytes for path, limit in limits.files.items()}

    assert files == {path: limit for path, limit in body_limits().items() if path != "default"}
    assert set(limits.lists.values()) == {body_limits()["default"]}
    assert limits.small_bytes < body_limits()["default"]


def test_nginx_has_the_same_body_limits_as_the_api() -> None:
    nginx = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    everywhere, *elsewhere = re.findall(
        r"^(?:    location = (\S+) \{\n)? +client_max_body_size (\d+);", nginx, re.MULTILINE
    )
    limits = re.search(r"map \$uri \$aed_body_limit \{\n(.*?)\}", nginx, re.DOTALL)

    assert nginx.count("client_max_body_size") == 1 + 1 + len(elsewhere), "and once in a comment"
    assert {"default": int(everywhere[1]), **{path: int(size) for path, size in elsewhere}} == body_limits()
    assert limits is not None
    assert {path: int(size) for path, size in re.findall(r"(\S+) +(\d+);", limits[1])} == body_limits()
    assert "at most $aed_body_limit bytes" in nginx


def test_caddy_lets_slightly_larger_bodies_through_so_that_the_api_answers_them() -> None:
    caddy = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    limits = dict(re.findall(r"request_body (\S+) \{\s+max_size (\d+)MB", caddy))
    elsewhere = re.search(r"@no_list not path (.*)", caddy)

    found = {path.replace("@no_list", "default"): int(size) * 1_000_000 for path, size in limits.items()}
    assert caddy.count("request_body") == len(limits)
    assert found == {path: limit + 1_000_000 for path, limit in body_limits().items()}
    assert elsewhere is not None
    assert set(elsewhere[1].split()) == set(body_limits()) - {"default"}


@pytest.mark.skipif(shutil.which("caddy") is None, reason="Caddy is not installed")
def test_caddy_accepts_its_configuration(tmp_path: Path) -> None:
    checked = run(
        *("env", f"HOME={tmp_path}", f"XDG_DATA_HOME={tmp_path}", f"XDG_CONFIG_HOME={tmp_path}"),
        *("caddy", "validate", "--adapter", "caddyfile", "--config", DEPLOY / "Caddyfile"),
    )

    assert checked.returncode == 0, checked.stderr


class Echo(BaseHTTPRequestHandler):
    """An HTTP server in place of the API that returns the headers it received."""

    wbufsize = 1 << 16

    def do_GET(self) -> None:
        left = int(self.headers.get("Content-Length", 0))
        while left and (piece := self.rfile.read(min(left, 1 << 20))):
            left -= len(piece)
        body = json.dumps(dict(self.headers.items())).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - as http.server calls it

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name for it
        """Log nothing."""


@dataclass(frozen=True)
class Front:
    """nginx as deployed, on other ports and with its own certificate, before an echo server."""

    https: int
    http: int
    folder: Path
    api: ThreadingHTTPServer

    def ask(self, path: str, *options: str) -> list[str]:
        """Return the lines of the response: status, headers, an empty line, the body."""
        url = f"https://aed.example.org:{self.https}{path}"
        return self._curl(url, *options)

    def ask_plainly(self, path: str) -> list[str]:
        return self._curl(f"http://aed.example.org:{self.http}{path}")

    def know_this_machine(self) -> None:
        """Add 127.0.0.1 to the known addresses, as an operator adds a dispatch centre's, and reload."""
        site = self.folder / "site.conf"
        known = site.read_text(encoding="utf-8").replace("# 192.0.2.10   1;", "127.0.0.1 1;")
        assert "127.0.0.1 1;" in known
        site.write_text(known, encoding="utf-8")
        os.kill(int((self.folder / "pid").read_text()), signal.SIGHUP)
        time.sleep(1)

    def _curl(self, url: str, *options: str) -> list[str]:
        resolved = [
            word
            for port in (self.https, self.http)
            for word in ("--resolve", f"aed.example.org:{port}:127.0.0.1")
        ]
        quietly = ("--silent", "--insecure", "--include", "--max-time", "60", "--noproxy", "*")
        return run("curl", *quietly, *resolved, *options, url).stdout.splitlines()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    for program in ("nginx", "openssl", "curl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    api = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    made = run(
        *(
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=aed.example.org",
        ),
        *("-keyout", tmp_path / "privkey.pem", "-out", tmp_path / "fullchain.pem"),
    )
    assert made.returncode == 0, made.stderr
    found = Front(free_port(), free_port(), tmp_path, api)
    site = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    site = re.sub(r" *listen \[::\].*\n", "", site)
    for given, here in {
        "listen 443 ": f"listen 127.0.0.1:{found.https} ",
        "listen 80;": f"listen 127.0.0.1:{found.http};",
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{api.server_port};",
        "/etc/letsencrypt/live/aed.example.org/": f"{tmp_path}/",
        "/var/log/nginx/": f"{tmp_path}/",
    }.items():
        assert given in site
        site = site.replace(given, here)
    (tmp_path / "site.conf").write_text(site, encoding="utf-8")
    paths = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; daemon off; worker_processes 1; user root; error_log {tmp_path}/all.log;"
        f"events {{}} http {{ {paths} include {tmp_path}/site.conf; }}",
        encoding="utf-8",
    )
    command = ["nginx", "-e", str(tmp_path / "start.log"), "-c", str(tmp_path / "nginx.conf")]
    checked = run(*command, "-t")
    assert checked.returncode == 0, checked.stderr
    complaints = [line for line in checked.stderr.splitlines() if "[warn]" in line or "[emerg]" in line]
    assert [
        line
        for line in complaints
        if 'the "listen ... http2" directive is deprecated' not in line and '"user"' not in line
    ] == []
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not found.ask("/healthz"):
            assert server.poll() is None, (tmp_path / "start.log").read_text(encoding="utf-8")
            time.sleep(0.05)
        yield found
    finally:
        server.terminate()
        server.wait()
        api.shutdown()
        api.server_close()


QUIETLY = ("--silent", "--include", "--max-time", "60", "--noproxy", "*", "--header", "Expect:")


@dataclass(frozen=True)
class Caddy:
    address: str
    log: Path
    api: forked.Forked


@pytest.fixture(scope="module")
def caddy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caddy]:
    """Yield Caddy as deployed, without TLS and on another port, before the real API."""
    for program in ("caddy", "curl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    tmp_path = tmp_path_factory.mktemp("caddy")
    port, api_port = free_port(), free_port()
    site = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    for given, here in {
        "aed.example.org {": f"http://127.0.0.1:{port} {{",
        "127.0.0.1:8000": f"127.0.0.1:{api_port}",
        "{\n\tlog {": "{\n\tadmin off\n\tdebug\n\tlog {",  # log every request
    }.items():
        assert given in site
        site = site.replace(given, here)
    (tmp_path / "Caddyfile").write_text(site, encoding="utf-8")
    home = {name: str(tmp_path) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    settings = environment(AED_DATABASE_URL=f"sqlite:///{tmp_path}/aed.sqlite")
    assert forked.run(["db", "upgrade"], cwd=ROOT, env=settings).returncode == 0
    proxy = ["caddy", "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    address = f"http://127.0.0.1:{port}"
    log_path = tmp_path / "log"
    with log_path.open("ab") as log, ExitStack() as running:
        server = subprocess.Popen(proxy, env=os.environ | home, stdout=log, stderr=log)
        serve = ["serve", "--port", str(api_port)]
        api = forked.start(serve, cwd=ROOT, env=settings, output=log_path)
        for each in (server, api):
            running.callback(each.wait)
            running.callback(each.terminate)
        while '"ok"' not in run("curl", "--silent", "--noproxy", "*", f"{address}/healthz").stdout:
            assert {server.poll(), api.poll()} == {None}, log_path.read_text(encoding="utf-8")
            time.sleep(0.1)
        yield Caddy(address, log_path, api)


@pytest.mark.parametrize("path", body_limits())
def test_behind_caddy_the_api_answers_a_body_over_the_limit(caddy: Caddy, tmp_path: Path, path: str) -> None:
    body = tmp_path / "body"
    body.touch()
    os.truncate(body, body_limits()[path] + 1)
    url = caddy.address + path.replace("default", "/v1/cap")
    if "issuer" in path:
        url += "?issuer_id=1"
    if "photos" in path:
        url += "?check=0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a10"

    def status_and_type(*how: str) -> tuple[str, str]:
        sent = run("curl", *QUIETLY, *how, "--request", "POST", "--upload-file", str(body), url)
        answer = sent.stdout.splitlines()
        return answer[0].split()[1], json.loads(answer[-1])["type"]

    assert status_and_type() == ("413", "urn:aed:problem:too-large")
    # Without a Content-Length; only who may send lists, or a form of the site, is allowed a large body.
    form = ("403", "not-allowed")
    others = {"default": ("413", "too-large"), "/report": form, "/me/certificate": form, "/lists": form}
    status, kind = others.get(path, ("401", "not-signed-in"))
    assert status_and_type("--header", "Transfer-Encoding: chunked") == (status, f"urn:aed:problem:{kind}")


def test_nginx_serves_tls_and_forwards_the_host_and_the_client_address(front: Front) -> None:
    answer = front.ask("/v1/nearest?lat=30.29&lon=120.10", "--header", "X-Forwarded-For: 8.8.8.8")
    received = json.loads(answer[-1])

    assert answer[0].startswith("HTTP/2 200")
    assert "strict-transport-security: max-age=63072000" in answer
    assert received["Host"] == "aed.example.org"
    assert received["X-Forwarded-For"] == "127.0.0.1"
    assert received["X-Forwarded-Proto"] == "https"
    plain = front.ask_plainly("/v1/nearest?lat=30.29&lon=120.10")
    assert plain[0].startswith("HTTP/1.1 301")
    assert "Location: https://aed.example.org/v1/nearest?lat=30.29&lon=120.10" in plain


def test_nginx_refuses_old_tls(front: Front) -> None:
    assert front.ask("/healthz", "--tlsv1.2", "--tls-max", "1.2")[0].startswith("HTTP/2 200")
    assert front.ask("/healthz", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0") == []


def test_nginx_refuses_a_body_over_the_limit_with_a_problem_document(front: Front) -> None:
    body = front.folder / "body"
    body.write_bytes(b"x" * 1_000_000)
    assert front.ask("/v1/devices", "--data-binary", f"@{body}")[0].startswith("HTTP/2 200")
    body.write_bytes(b"x" * 1_000_001)

    answer = front.ask("/v1/devices", "--data-binary", f"@{body}")

    assert answer[0].startswith("HTTP/2 413")
    assert "content-type: application/problem+json" in answer
    assert "strict-transport-security: max-age=63072000" in answer
    assert json.loads(answer[-1])["instance"] == "/v1/devices"
    assert "at most 1000000 bytes" in json.loads(answer[-1])["detail"]


@pytest.mark.parametrize("path", [path for path in body_limits() if path != "default"])
def test_nginx_accepts_larger_imports_up_to_a_limit(front: Front, path: str) -> None:
    limit = body_limits()[path]
    body = front.folder / "body"
    body.touch()
    os.truncate(body, limit)
    sent = ("--request", "POST", "--upload-file", str(body))
    assert front.ask(path, *sent)[0].startswith("HTTP/2 200")
    os.truncate(body, limit + 1)

    answer = front.ask(path, *sent)

    assert answer[0].startswith("HTTP/2 413")
    assert f"at most {limit} bytes" in json.loads(answer[-1])["detail"]


def test_nginx_limits_only_excessive_requests_and_a_forged_header_lifts_no_limit(front: Front) -> None:
    at_once = (
        "--parallel",
        "--parallel-max",
        "20",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}\\n",
    )

    stranger = front.ask("/v1/nearest?n=[1-300]", *at_once)
    invented = front.ask("/v1/nearest?n=[1-300]", *at_once, "--header", "Authorization: Bearer key")

    assert stranger.count("200") >= 200
    assert set(stranger) == {"200", "429"}
    assert invented.count("200") < 100, "the address has reached its limit"
    front.know_this_machine()
    assert front.ask("/v1/nearest?n=[1-300]", *at_once) == ["200"] * 300


def test_nginx_answers_with_advice_when_the_api_is_down(front: Front) -> None:
    front.api.shutdown()
    front.api.server_close()

    answer = front.ask("/v1/nearest?lat=30.123456&lon=120.654321")

    assert answer[0].startswith("HTTP/2 503")
    assert "retry-after: 5" in answer
    assert "Call the emergency number" in json.loads(answer[-1])["detail"]


def test_no_nginx_log_holds_a_patient_position(front: Front) -> None:
    front.ask("/v1/nearest?lat=30.123456&lon=120.654321", "--referer", "https://map/?lat=30.123456")
    front.api.shutdown()
    front.api.server_close()
    front.ask("/v1/nearest?lat=30.123456&lon=120.654321")
    front.ask("/v1/nearest?lat=30.123456&n=[1-300]", "--parallel", "--output", "/dev/null")

    written = "".join(log.read_text(encoding="utf-8") for log in front.folder.glob("*.log"))

    assert "GET /v1/nearest" in written
    assert "30.123456" not in written


def secret_paths() -> list[str]:
    """Return the path of every route with a text parameter, filled with a secret, and some unknown paths."""
    from tests.apps import ready_app

    app = ready_app()
    paths = []
    for path, item in app.openapi()["paths"].items():
        parameters = [each for one in item.values() for each in one.get("parameters", [])]
        types = {each["name"]: each["schema"].get("type") for each in parameters if each["in"] == "path"}
        if "string" not in types.values():
            continue
        numbers = {name: "7" for name, kind in types.items() if kind != "string"}
        texts = {name: SECRET for name, kind in types.items() if kind == "string"}
        paths.append(path.format(**numbers, **texts))
    unknown = (
        f"/a/{SECRET}",  # pages are not in the API's document
        f"/c/{SECRET}",
        f"/d/{SECRET}",
        f"/d/0042-6/report/{SECRET}",
        f"/l/{SECRET}",
        f"/l/{SHORT}",
        f"/a/{SHORT}",
        f"/reminders/{SHORT}",
        f"/attendance/{SHORT}",
        f"/v1/alerts/{SHORT}",
        f"/v1/reminders/{SHORT}",
        f"/learn/enrolments/7/{SHORT}",
        f"/learn/enrolments/7/{SHORT}/certificate.pdf",
        f"/residence/7/8/9/{SHORT}",
        f"/v1/alerts/{SECRET}/nothing",
        f"/nothing/{SECRET}",
        f"/v1/nothing/{SECRET}/x",
        f"/{SECRET}",
    )
    return [*paths, *unknown]


SECRET = "call_Xb9Qm2Lr7Tz4Kc1Vn8Wd"
"""A key like those in messages: a prefix and at least 16 letters and digits."""


SHORT = "2fJkQm9Lr7Tz"
"""A key like those of short links, which is shorter."""


def test_some_paths_contain_secrets() -> None:
    paths = secret_paths()

    assert {
        f"/v1/alerts/{SECRET}",
        f"/c/{SECRET}",
        f"/d/{SECRET}",
        f"/v1/confirmation-requests/{SECRET}",
    } <= set(paths)
    assert f"/v1/reminders/{SECRET}/7" in paths


def test_no_nginx_log_holds_a_secret_from_a_path(front: Front) -> None:
    paths = secret_paths()
    for path in paths:
        front.ask(path, "--request", "POST", "--data", "x")
    front.api.shutdown()
    front.api.server_close()
    for path in paths:
        front.ask(path)
        front.ask_plainly(path)

    written = "".join(log.read_text(encoding="utf-8") for log in front.folder.glob("*.log"))

    assert "POST /v1/alerts/{alert_key} 200" in written
    assert "GET /v1/alerts/{alert_key}/location 503" in written
    assert SECRET[5:] not in written
    assert SHORT not in written


def test_no_log_of_caddy_or_the_program_holds_a_secret_from_a_path(caddy: Caddy) -> None:
    """Runs last with this Caddy, because it stops the API behind it."""
    paths = secret_paths()
    for path in paths:
        run("curl", *QUIETLY, "--get", caddy.address + path)
        run("curl", *QUIETLY, "--data", "x", caddy.address + path + f"?key={SECRET}")
    caddy.api.terminate()
    caddy.api.wait()
    for path in paths:
        answer = run("curl", *QUIETLY, "--get", caddy.address + path)
        assert answer.stdout.startswith("HTTP/1.1 502"), answer.stdout
    written = caddy.log.read_text(encoding="utf-8")

    assert "path=/v1/alerts/{alert_key} " in written
    assert "/v1/alerts/…" in written, "Caddy logs the upstream that does not answer"
    assert SECRET[5:] not in written
    assert SHORT not in written


# --- set-up -----------------------------------------------------------------------------------------------


def test_a_second_set_up_is_quick_and_silent() -> None:
    if run("sh", DEPLOY / "setup.sh", "check").returncode != 0:
        pytest.skip("this environment was not made by `make`, or its lock files have changed since")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    again = run("sh", DEPLOY / "setup.sh")

    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0, "seconds of CPU time"
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_set_up_refuses_a_missing_interpreter() -> None:
    command = ["env", "AED_PYTHON=/nowhere/python3", "sh", str(DEPLOY / "setup.sh"), "check"]

    assert run(*command).returncode == 1


def test_the_pre_commit_hooks_run_the_same_checks_as_make_check() -> None:
    planned = run("make", "--no-print-directory", "--dry-run", "check").stdout.splitlines()
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (local,) = config["repos"]

    assert [hook["entry"] for hook in local["hooks"]] == [
        line for line in planned if line.startswith(".venv/")
    ]


def test_make_lists_its_targets() -> None:
    listed = run("make", "--no-print-directory", "help")

    for target in (
        "demo",
        "serve",
        "test",
        "bench",
        "soak",
        "attack",
        "clients",
        "check",
        "release",
        "lock",
        "clean",
    ):
        assert f"make {target} " in listed.stdout


def test_every_command_named_in_the_guide_exists() -> None:
    from typer.main import get_command

    from aed.cli import app

    guide = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "run").glob("*.md"))
    named = set(re.findall(r"(?:^|`|/bin/| api )aed ([a-z]+)", guide, re.MULTILINE))

    assert {"backup", "restore", "nearest", "walking", "tokens"} <= named
    assert named <= set(getattr(get_command(app), "commands", {}))


def test_every_file_named_in_the_guide_exists() -> None:
    guide = (DEPLOY / "README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (`[^|]*) \| [^|]* \|$", guide, re.MULTILINE)
    named = {name for row in table for name in re.findall(r"`([^`]+)`", row)}

    assert named | {"README.md", "Dockerfile.dockerignore"} == {path.name for path in DEPLOY.iterdir()}
