"""A temporary PostgreSQL server with PostGIS, removed after use.

By hand: `python -m tests.throwaway_postgres` prints the URL of one and keeps it until interrupted.
"""

import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, make_url

BIN = Path("/usr/lib/postgresql/17/bin")
POSTGIS = Path("/usr/share/postgresql/17/extension/postgis.control")
FOLDER_PREFIX = "aed-postgres-"
MEMORY = Path("/dev/shm")
ROOM_IN_MEMORY_BYTES = 3_000_000_000
DATA = "data"
PASSWORD = "password"
OWNED = "owned"
"""The name of a file that the owner process keeps locked while it lives."""
START_SECONDS = 60.0
STOP_SECONDS = 20.0
MAX_SOCKET_FOLDER_LENGTH = 80
"""In bytes; a socket's path may have 107, and its own name needs the rest."""

SETTINGS: Mapping[str, str] = {
    # The data doesn't outlive the process, so it needn't reach the disk.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Plan for data in memory; JIT compilation costs more than it saves.
    "jit": "off",
    "random_page_cost": "1.1",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    # Load PostGIS once, not in each connection: 11 ms less of CPU time for each.
    "shared_preload_libraries": "postgis-3",
    # Log-in is not tested: use the smallest work factor of SCRAM.
    "scram_iterations": "1",
}


class PostgresMissingError(RuntimeError):
    """PostgreSQL can't be started here; the message gives advice."""


@contextlib.contextmanager
def throwaway_postgres(
    settings: Mapping[str, str] | None = None, prepared: Path | None = None
) -> Iterator[str]:
    """Yield the SQLAlchemy URL of an empty database with PostGIS; remove it and its server afterwards.

    With `prepared`, the database is as `prepare_postgres` left it.
    """
    with throwaway_server(settings, prepared) as server:
        yield server.url


@dataclass
class Server:
    """A server that can be stopped and restarted with its data, on the same port."""

    folder: Path
    user: pwd.struct_passwd | None
    password: str
    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        url = URL.create("postgresql+psycopg", "aed", self.password, "127.0.0.1", self.port, "aed")
        return url.render_as_string(hide_password=False)

    def stop(self) -> None:
        """Shut down cleanly, so that committed data is kept; connections are closed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(STOP_SECONDS)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze every process of the server within the block; connections stay open and silent."""
        main = self.process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text(encoding="ascii").split()
        processes = [main, *map(int, children)]
        try:
            for each in processes:
                os.kill(each, signal.SIGSTOP)
            yield
        finally:
            for each in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGCONT)

    def kill(self) -> None:
        """End every process of the server at once, as when its host is lost."""
        _stop(self.process)

    def promote(self) -> None:
        """Make the standby a primary of its own; the old primary is not notified."""
        with psycopg.connect(_conninfo(self.port, self.password, "postgres"), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")

    @contextlib.contextmanager
    def standby(self) -> Iterator["Server"]:
        """Start a streaming standby of this server; remove it when the block ends.

        The server needs `wal_level` replica and free `max_wal_senders`.
        """
        parent = _reachable_folder(self.user, in_memory=True)
        folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=parent))
        with contextlib.ExitStack() as cleaning_up:
            cleaning_up.callback(shutil.rmtree, folder, ignore_errors=True)
            owned = cleaning_up.enter_context((folder / OWNED).open("w", encoding="ascii"))
            fcntl.flock(owned, fcntl.LOCK_EX)
            if self.user is not None:
                os.chown(folder, self.user.pw_uid, self.user.pw_gid)
            source = make_conninfo(host="127.0.0.1", port=self.port, user="aed", password=self.password)
            backup = [
                str(BIN / "pg_basebackup"),
                "-D",
                str(folder / DATA),
                "-d",
                source,
                "-R",
                "-X",
                "fetch",
            ]
            command = [*_as_user(self.user), *backup, "--checkpoint=fast", "--no-sync"]
            subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, check=True)
            standby = Server(folder, self.user, self.password, *_start(folder, self.user, self.password))
            cleaning_up.callback(lambda: _stop(standby.process))
            yield standby

    def start(self) -> None:
        self.process, self.port = _start(self.folder, self.user, self.password, port=self.port)


def prepare_postgres(folder: Path, prepare: Callable[[str], None]) -> None:
    """Make a server, call `prepare` with its database's URL, and keep its data in the new folder `folder`.

    Copying it takes a tenth of a second, creating a cluster with PostGIS and the schema about six.
    """
    with throwaway_server() as server:
        prepare(server.url)
        _close_kept(server.port)
        server.stop()
        folder.mkdir()
        shutil.copytree(server.folder / DATA, folder / DATA)
        shutil.copyfile(server.folder / PASSWORD, folder / PASSWORD)


@contextlib.contextmanager
def throwaway_server(
    settings: Mapping[str, str] | None = None, prepared: Path | None = None
) -> Iterator[Server]:
    """Start a server with an empty PostGIS database; remove it when the block ends.

    `settings` are added to `SETTINGS` (a benchmark wants larger buffers than a test, and a disk). With
    `prepared`, a folder made by `prepare_postgres`, the server starts with a copy of its data.

    1. Remove the leftovers of a killed run.
    2. Create a cluster in a new folder, or copy the prepared one; as another user if this process is root,
       because PostgreSQL refuses to run as root.
    3. Start the server as a child process that the kernel stops when this process dies for any reason.
    4. On exit, including SIGTERM, stop the server immediately and remove the folder.

    Raises PostgresMissingError.
    """
    _require_installed()
    user = _server_user()
    _remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=_reachable_folder(user, in_memory=not settings)))
    with contextlib.ExitStack() as cleaning_up:
        cleaning_up.enter_context(_sigterm_as_exit())
        cleaning_up.callback(shutil.rmtree, folder, ignore_errors=True)
        owned = cleaning_up.enter_context((folder / OWNED).open("w", encoding="ascii"))
        fcntl.flock(owned, fcntl.LOCK_EX)
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        if prepared is None:
            password = secrets.token_urlsafe(18)
            _make_cluster(folder, user, password)
        else:
            password = (prepared / PASSWORD).read_text(encoding="ascii")
            _copy_cluster(prepared, folder, user)
        _write_settings(folder, {**SETTINGS, **(settings or {})})
        server = Server(folder, user, password, *_start(folder, user, password))
        cleaning_up.callback(lambda: _stop(server.process))
        port = server.port
        cleaning_up.callback(_close_kept, port)
        if prepared is None:
            with psycopg.connect(_conninfo(port, password, "postgres"), autocommit=True) as maintenance:
                maintenance.execute("CREATE DATABASE aed")
            with psycopg.connect(_conninfo(port, password, "aed"), autocommit=True) as database:
                database.execute("CREATE EXTENSION postgis")
        yield server


def copy_database(url: str, name: str) -> str:
    """Copy the database at `url` to a new database `name`; return its URL.

    The original must have no connections: dispose of engines first. Copying files ("FILE_COPY") takes two
    checkpoints, which cost almost nothing without fsync.
    """
    original = make_url(url)
    _maintenance(original).execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(name), sql.Identifier(original.database or "")
        )
    )
    return original.set(database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """Drop the database and close its connections."""
    database = make_url(url)
    _maintenance(database).execute(
        sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database.database or ""))
    )


_kept: Final[dict[int, psycopg.Connection]] = {}
"""A connection to the maintenance database of each server, by port."""


def _maintenance(url: URL) -> psycopg.Connection:
    """Return a connection to the maintenance database, from which others are created and dropped.

    It is kept open, because opening one takes 8 ms of CPU time, and is closed when the server is stopped.
    """
    assert url.port is not None
    if url.port not in _kept:
        plain = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
        _kept[url.port] = psycopg.connect(plain, autocommit=True)
    return _kept[url.port]


def _close_kept(port: int) -> None:
    connection = _kept.pop(port, None)
    if connection is not None:
        connection.close()


def _require_installed() -> None:
    if not (BIN / "initdb").exists():
        raise PostgresMissingError(f"PostgreSQL 17 is not in {BIN}: run `make test`, which installs it")
    if not POSTGIS.exists():
        raise PostgresMissingError(
            "PostGIS for PostgreSQL 17 is not installed: run `make test`, which installs it"
        )


def _server_user() -> pwd.struct_passwd | None:
    """Return the user that runs the server: None for the current one, or an unprivileged one for root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresMissingError(
        "PostgreSQL refuses to run as root, and there is no user postgres or nobody here"
    )


def _reachable_folder(user: pwd.struct_passwd | None, *, in_memory: bool) -> str:
    """Return a new temporary folder that the server's user can enter (root's own may be closed to it).

    With `in_memory`, it is in memory if there is room: copying a database takes 0.02 s there, 0.38 s on disk.
    """
    candidates = [Path(tempfile.gettempdir()).resolve(), Path("/tmp"), Path("/var/tmp")]
    if in_memory and has_room_in_memory():
        candidates.insert(0, MEMORY)
    for folder in candidates:
        if folder.is_dir() and (user is None or _may_enter(folder)):
            return str(folder)
    raise PostgresMissingError(
        f"{' and '.join(map(str, candidates))} are closed to the user that PostgreSQL runs as"
    )


def has_room_in_memory() -> bool:
    """Return whether temporary files fit on a file system in memory, where writes don't wait for a disk."""
    return MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM_IN_MEMORY_BYTES


def _may_enter(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))


def _remove_leftovers() -> None:
    """Remove folders of runs that were killed; their servers have ended with them."""
    for temporary in {Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), MEMORY}:
        for folder in temporary.glob(f"{FOLDER_PREFIX}*"):
            # Keep folders in use (BlockingIOError), another user's (PermissionError), or incomplete ones.
            with contextlib.suppress(OSError), (folder / OWNED).open("r+", encoding="ascii") as owned:
                fcntl.flock(owned, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)


def _as_user(user: pwd.struct_passwd | None) -> list[str]:
    """Return a command prefix that runs as `user` and ends the command when this process dies."""
    become = [] if user is None else [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return ["setpriv", *become, "--pdeathsig=QUIT", "--"]


def _copy_cluster(prepared: Path, folder: Path, user: pwd.struct_passwd | None) -> None:
    shutil.copytree(prepared / DATA, folder / DATA)
    if user is not None:
        for path in (folder / DATA, *(folder / DATA).rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)


def _write_settings(folder: Path, settings: Mapping[str, str]) -> None:
    """Let the server read these settings after those of its data folder."""
    with (folder / DATA / "postgresql.conf").open("a", encoding="ascii") as written:
        written.writelines(f"{name} = '{value}'\n" for name, value in settings.items())


def _make_cluster(folder: Path, user: pwd.struct_passwd | None, password: str) -> None:
    password_file = folder / PASSWORD
    password_file.touch(mode=0o600)
    password_file.write_text(password, encoding="ascii")
    if user is not None:
        os.chown(password_file, user.pw_uid, user.pw_gid)
    command = [
        *_as_user(user),
        str(BIN / "initdb"),
        f"--pgdata={folder / DATA}",
        "--username=aed",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--no-sync",
        "--no-instructions",
    ]
    made = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise PostgresMissingError(f"initdb failed:\n{made.stdout}{made.stderr}")


def _start(
    folder: Path, user: pwd.struct_passwd | None, password: str, *, port: int | None = None
) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server; return its process and port (`port`, or a free one).

    Another process may take a free port before the server does, so this tries three times.
    """
    log_path = folder / "log"
    is_free_to_choose = port is None
    socket_folder = str(folder) if len(str(folder)) <= MAX_SOCKET_FOLDER_LENGTH else ""
    for _ in range(3):
        port = port or free_port()
        command = [
            *_as_user(user),
            str(BIN / "postgres"),
            "-D",
            str(folder / DATA),
            "-p",
            str(port),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"unix_socket_directories={socket_folder}",
        ]
        with log_path.open("ab") as log:
            server = subprocess.Popen(
                command,
                cwd=folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches only this process, which stops the server
            )
        try:
            if _answers(server, port, password):
                return server, port
        except BaseException:
            _stop(server)
            raise
        _stop(server)
        port = None if is_free_to_choose else port
    raise PostgresMissingError(f"PostgreSQL did not start:\n{log_path.read_text(errors='replace')[-2000:]}")


def _answers(server: subprocess.Popen[bytes], port: int, password: str) -> bool:
    """Wait until the server accepts connections or has ended; return whether it accepts them."""
    give_up_at = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < give_up_at:
        with (
            contextlib.suppress(psycopg.OperationalError),
            psycopg.connect(_conninfo(port, password, "postgres"), connect_timeout=5),
        ):
            return server.poll() is None
        time.sleep(0.02)
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server immediately, without a checkpoint; kill it if necessary."""
    if server.poll() is None:
        server.send_signal(signal.SIGQUIT)
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextlib.contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Make SIGTERM raise SystemExit within the block, unless another handler is installed."""

    def leave(_signal_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    try:
        ours = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        if ours:
            signal.signal(signal.SIGTERM, leave)
    except ValueError:  # not the main thread, which alone can set handlers
        ours = False
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def free_port() -> int:
    """Return a port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _conninfo(port: int, password: str, database: str) -> str:
    return psycopg.conninfo.make_conninfo(
        host="127.0.0.1", port=port, user="aed", password=password, dbname=database
    )


def _environment() -> dict[str, str]:
    """Return the environment without PGDATA, PGPORT and the like, which would redirect the server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


if __name__ == "__main__":
    with throwaway_postgres() as database_url, contextlib.suppress(KeyboardInterrupt):
        print(database_url, flush=True)  # noqa: T201 - the purpose of this command
        print("stops with Ctrl-C", file=sys.stderr)  # noqa: T201 - a command by hand
        signal.pause()
