"""Database connections at hand for short questions, which are answered on the event loop."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Final

import structlog
from sqlalchemy import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from aed.database.event_loop import WouldWait, at_once, on_the_loop
from aed.database.session import Database, is_closed, translate_database_errors
from aed.errors import DatabaseUnavailable

log = structlog.get_logger("aed")

_MOST_ON_A_SERVER: Final = 4
"""SQLite has one: it answers at once, and there never are two questions on their way."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """A connection that no pool knows: nobody else closes the driver's when it is dead."""

    connection: Connection
    driver: DBAPIConnection

    def close(self) -> None:
        self.connection.close()
        self.driver.close()


class AtHand:
    """A few open connections of one event loop's own, beside those of the pool.

    They are opened in threads as they turn out to be wanted (`open_one`). Whatever is out of the ordinary, a
    dead connection, a locked file, is nothing that is dealt with here: the question is for a thread then,
    and the connection given up.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_sqlite = database.engine.dialect.name == "sqlite"
        self._most = 1 if self._is_sqlite else _MOST_ON_A_SERVER
        self._idle: list[_Opened] = []
        self._given_up: list[_Opened] = []
        """To be closed in a thread."""
        self._count = 0
        self._counting = Lock()

    async def ask[Answer](self, question: Callable[[Connection], Answer]) -> Answer:
        """The question's answer. Raises WouldWait when it cannot be had without holding up the event loop.

        When the server refuses it, raises as `aed.database.session.ask` does.
        """
        opened = self._taken()
        if opened is None:
            raise WouldWait
        is_well = False
        try:
            with translate_database_errors():
                work = partial(question, opened.connection)
                answer = at_once(work) if self._is_sqlite else await on_the_loop(work)
            is_well = True
        except WouldWait:
            is_well = True
            raise
        except DatabaseUnavailable as error:
            refused = error.__cause__
            if self._is_sqlite or (isinstance(refused, DBAPIError) and refused.connection_invalidated):
                raise WouldWait from error  # locked, for how long? or dead, and there are others
            raise
        finally:
            (self._idle if is_well else self._given_up).append(opened)
        return answer

    def _taken(self) -> _Opened | None:
        """One that is open, as far as can be seen; none where somebody listens to statements: see `sent`."""
        if self._database.engine.dispatch.before_cursor_execute:
            return None
        while self._idle:
            opened = self._idle.pop()
            if not is_closed(opened.driver):
                return opened
            self._given_up.append(opened)
        return None

    @property
    def has_too_few(self) -> bool:
        """Whether one more might have helped."""
        return bool(self._given_up) or (not self._idle and self._count < self._most)

    def open_one(self) -> None:
        """Opens one more, unless there are as many as there may be. For a thread."""
        with self._counting:
            given_up = [self._given_up.pop() for _ in range(len(self._given_up))]
            self._count -= len(given_up)
            is_wanted = self._count < self._most
            self._count += is_wanted
        for each in given_up:
            each.close()
        if not is_wanted:
            return
        try:
            connection = self._database.autocommit_engine.connect()
            connection.detach()  # the pool counts it no more, nor is it given to a thread
        except (DBAPIError, PoolTimeout) as error:  # whoever asks next is told, by the thread that answers
            with self._counting:
                self._count -= 1
            log.warning("no connection at hand", why=str(error.__cause__ or error))
            return
        driver = connection.connection.dbapi_connection
        assert driver is not None
        if isinstance(driver, sqlite3.Connection):
            driver.execute("PRAGMA busy_timeout=0")
        self._idle.append(_Opened(connection, driver))

    def close(self) -> None:
        """Closes those that are not in use."""
        for some in (self._idle, self._given_up):
            while some:
                some.pop().close()
