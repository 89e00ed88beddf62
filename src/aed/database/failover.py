"""Notice that another server has become the primary of PostgreSQL, and leave the one before it.

A primary may be succeeded without noticing: Patroni has died, PostgreSQL lives. It goes on to answer reads
with data that only grow older. PostgreSQL increments the timeline at each promotion, so a connection of an
older timeline than the newest one seen leads to such a server. How the newest one is seen:

1. Every new connection says its timeline.
2. If `AED_DATABASE_URL` names several servers, each is asked every half second, because a process whose
   connections all lead to the old primary would never meet its successor.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

import structlog
from sqlalchemy import URL, Engine, event
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from aed.database.session import connect_options, max_silence_seconds
from aed.deadlines import answer_within
from aed.settings import Settings

log = structlog.get_logger("aed")

ASK_SECONDS: Final = 0.5
"""Time between two questions to a server."""
ANSWER_SECONDS: Final = 2.5
"""Deadline of one question; opening a connection needs 2 s of it."""
TIMELINE_OF_PRIMARY: Final = """
    SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_walfile_name(pg_current_wal_lsn()) END
"""
"""The name of the WAL file, which begins with the timeline; null on a standby."""


class FailoverWatch:
    """The newest timeline that was seen, and the connections that must not be of an older one.

    Threads ask the servers between `start` and `close`, if the URL names more than one.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._servers: list[Mapping[str, Any]] = []
        """The options of libpq for each server that the URL names; none for SQLite."""
        self._max_silence_seconds = max_silence_seconds(settings)
        self._lock = threading.Lock()
        self._newest_timeline = 0
        self._primary = 0
        """The place in the URL of the server with the newest timeline."""
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def newest_timeline(self) -> int:
        return self._newest_timeline

    def guard(self, engine: Engine) -> None:
        """Give up the engine's connections to a primary that was succeeded; prefer its successor.

        It is the `prepare` of `open_database`, which calls it for PostgreSQL alone.
        """
        self._servers = _servers_of(engine.url, self._settings)
        event.listen(engine, "connect", self._note_connection)
        event.listen(engine, "checkout", self._refuse_deposed)
        if len(self._servers) > 1:
            event.listen(engine, "do_connect", self._connect_to_newest)

    def start(self) -> None:
        if len(self._servers) < 2:
            return
        for place in range(len(self._servers)):
            thread = threading.Thread(
                target=self._watch, args=(place,), name=f"aed-failover-watch-{place + 1}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(2 * ANSWER_SECONDS)

    def note(self, timeline: int, *, place: int | None = None) -> None:
        """Keep the timeline of a primary if it is the newest one; `place` is the server's in the URL."""
        with self._lock:
            if timeline > self._newest_timeline:
                if self._newest_timeline:
                    log.warning("another server has become the primary", timeline=timeline)
                self._newest_timeline = timeline
            if place is not None and timeline == self._newest_timeline:
                self._primary = place

    def _watch(self, place: int) -> None:
        """Ask one server for its timeline, again and again."""
        import psycopg  # SQLite does not need the driver

        from aed.database.postgres import connect_in_time

        connection: Any = None
        while not self._stopped.is_set():
            try:
                with answer_within(ANSWER_SECONDS):
                    if connection is None:
                        connection = connect_in_time(
                            self._servers[place], max_silence_seconds=self._max_silence_seconds
                        )
                        connection.autocommit = True
                    row = connection.execute(TIMELINE_OF_PRIMARY).fetchone()
            except psycopg.Error as error:
                log.debug("database server does not answer", place=place + 1, reason=str(error))
                if connection is not None:
                    connection.close()
                connection, row = None, None
            if row and row[0]:
                self.note(timeline_in(row[0]), place=place)
            self._stopped.wait(ASK_SECONDS)
        if connection is not None:
            connection.close()

    def _connect_to_newest(
        self, _dialect: Dialect, _entry: ConnectionPoolEntry, _arguments: Any, options: dict[str, Any]
    ) -> Any:
        """Connect to the servers of the URL, beginning with the newest primary."""
        from aed.database.postgres import connect_in_time  # SQLite does not need the driver

        first = self._servers[self._primary]
        others = [each for each in self._servers if each is not first]
        order = {name: ",".join(str(each[name]) for each in (first, *others)) for name in ("host", "port")}
        return connect_in_time({**options, **order}, max_silence_seconds=self._max_silence_seconds)

    def _note_connection(self, connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        """Keep the timeline of a new connection. Raises psycopg.Error if the primary was succeeded."""
        import psycopg  # SQLite does not need the driver

        cursor = connection.cursor()
        cursor.execute(TIMELINE_OF_PRIMARY)
        row = cursor.fetchone()
        cursor.close()
        connection.rollback()
        timeline = timeline_in(row[0]) if row and row[0] else None
        entry.info["timeline"] = timeline
        if timeline is not None:
            self.note(timeline)
        if self._is_deposed(entry):
            connection.close()
            raise psycopg.OperationalError(
                "another server has become the primary (if the database was created anew, restart)"
            )

    def _refuse_deposed(
        self, _connection: DBAPIConnection, entry: ConnectionPoolEntry, _lent: PoolProxiedConnection
    ) -> None:
        """Give up a connection to a primary that was succeeded, before anything is read or written there."""
        if self._is_deposed(entry):
            raise DisconnectionError

    def _is_deposed(self, entry: ConnectionPoolEntry) -> bool:
        timeline = entry.info.get("timeline")
        return timeline is not None and timeline < self._newest_timeline


def timeline_in(wal_file: str) -> int:
    """Return the timeline with which the name of a WAL file begins, in eight hexadecimal digits."""
    return int(wal_file[:8], 16)


def _servers_of(url: URL, settings: Settings) -> list[Mapping[str, Any]]:
    """Return the options of libpq for each server that the URL names, whatever state it is in."""
    options = connect_options(url, settings)
    options.pop("target_session_attrs", None)
    hosts = str(options.get("host", "")).split(",")
    ports = str(options.get("port", 5432)).split(",")
    ports = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    return [{**options, "host": host, "port": port} for host, port in zip(hosts, ports, strict=True)]
