"""FastAPI dependencies: the session of a request, and the database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from aed.database.session import Database, read_session, transaction
from aed.database.standby_requests import READS_FROM


def database_of(request: Request) -> Database:
    """Return the database of the application, or the standbys of it for a request that may read from them."""
    database: Database = getattr(request.state, READS_FROM, None) or request.app.state.database
    return database


async def _write_slot(request: Request) -> AsyncIterator[None]:
    async with database_of(request).write_slots:
        yield


def _writing(
    request: Request, _write_slot: Annotated[None, Depends(_write_slot, scope="function")]
) -> Iterator[Session]:
    with transaction(database_of(request)) as session:
        yield session


def _reading(request: Request) -> Iterator[Session]:
    with read_session(database_of(request)) as session:
        yield session


# scope="function" ends the transaction before the response is sent, so a failed commit cannot return 201.
WriteSession = Annotated[Session, Depends(_writing, scope="function")]
ReadSession = Annotated[Session, Depends(_reading, scope="function")]


async def _database(request: Request) -> Database:
    return database_of(request)  # async, since FastAPI runs plain functions in another thread


DatabaseDep = Annotated[Database, Depends(_database)]
