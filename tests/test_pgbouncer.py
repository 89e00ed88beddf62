"""Through PgBouncer in transaction mode: limits that were lost are noticed, and the shipped file serves."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import make_url

from aed.accounts.permissions import TokenRole
from aed.database.session import open_database, transaction
from aed.settings import Settings
from tests import make
from tests.apps import app_on
from tests.http.test_deadlines import DEVICE, NEAREST, assert_unavailable, settings_for
from tests.throwaway_postgres import Server, free_port, throwaway_server
from tests.waiting import eventually

SHIPPED = Path(__file__).parent.parent / "deploy" / "pgbouncer.ini"
PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed")


@pytest.fixture(scope="module")
def server(prepared_postgres: Path) -> Iterator[Server]:
    with throwaway_server(prepared=prepared_postgres) as server:
        database = open_database(Settings(database_url=server.url))
        with transaction(database) as session:
            make.device(session)
        database.close()
        yield server


@contextmanager
def pgbouncer(server: Server) -> Iterator[str]:
    """Run PgBouncer with the shipped configuration before the server; yield the URL through it."""
    assert PROGRAM is not None
    port = free_port()
    config = configparser.ConfigParser(comment_prefixes=(";",))
    config.read(SHIPPED)
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="aed-pgbouncer-") as folder:
        Path(folder).chmod(0o755)
        users = Path(folder) / "userlist.txt"
        users.write_text(f'"aed" "{server.password}"\n', encoding="ascii")
        config["databases"]["aed"] = f"host=127.0.0.1 port={server.port} dbname=aed"
        config["pgbouncer"].update(listen_port=str(port), auth_file=str(users), unix_socket_dir="")
        written = Path(folder) / "pgbouncer.ini"
        with written.open("w", encoding="ascii") as opened:
            config.write(opened)
        become = (
            []
            if server.user is None
            else [f"--reuid={server.user.pw_uid}", f"--regid={server.user.pw_gid}", "--clear-groups"]
        )
        with (Path(folder) / "log").open("w", encoding="ascii") as log:
            process = subprocess.Popen(
                ["setpriv", *become, "--pdeathsig=KILL", "--", PROGRAM, str(written)], stdout=log, stderr=log
            )
            url = make_url(server.url).set(port=port)
            plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
            try:
                assert eventually(lambda: _answers(plain), 30), (Path(folder) / "log").read_text("ascii")
                yield url.render_as_string(hide_password=False)
            finally:
                process.kill()
                process.wait()


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def limit_role(server: Server, settings: Settings) -> None:
    plain = make_url(server.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        for name, value in (
            ("statement_timeout", settings.statement_timeout_ms),
            ("lock_timeout", settings.lock_timeout_ms),
            ("jit", "off"),
            ("timezone", "UTC"),
        ):
            connection.execute(f"ALTER ROLE aed SET {name} = '{value}'".encode())


def test_limits_that_the_pooler_drops_are_refused_and_those_of_the_role_serve(server: Server) -> None:
    direct = open_database(settings_for(server.url))
    with transaction(direct) as session:
        key = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    direct.close()
    with pgbouncer(server) as url:
        settings = settings_for(url, answer_seconds=120)
        with TestClient(app_on(settings), raise_server_exceptions=False) as client:
            detail = assert_unavailable(client.get("/readyz"))
            assert "statement_timeout" in detail
            assert "ALTER ROLE CURRENT_USER SET lock_timeout" in detail

    limit_role(server, settings)
    with pgbouncer(server) as url:
        settings = settings_for(url, answer_seconds=120)
        with TestClient(app_on(settings), raise_server_exceptions=False) as client:
            assert client.get("/readyz").status_code == 200
            for _ in range(10):  # more often than psycopg's threshold for preparing a statement
                assert client.get(NEAREST).status_code == 200
                assert client.post("/v1/devices", json=DEVICE, headers=key).status_code == 201
        with TestClient(app_on(settings_for(url)), raise_server_exceptions=False) as client:
            assert eventually(lambda: client.get(NEAREST).status_code == 200)
            with server.frozen():
                assert_unavailable(client.get(NEAREST))
            assert eventually(lambda: client.get(NEAREST).status_code == 200)


def test_the_shipped_file_gives_up_before_a_request_must_be_answered() -> None:
    config = configparser.ConfigParser(comment_prefixes=(";",))
    config.read(SHIPPED)
    shipped, limit = config["pgbouncer"], Settings.model_fields["answer_seconds"].default
    assert shipped["server_connect_timeout"] == "2"
    for name in ("server_connect_timeout", "query_wait_timeout", "client_login_timeout"):
        assert float(shipped[name]) < limit, name
