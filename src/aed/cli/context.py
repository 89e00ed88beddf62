"""What every command needs: settings, the database, who is acting, and errors as sentences."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from aed.accounts import queries as accounts
from aed.accounts.rules import ANYONE, Role, Scope, Viewer
from aed.db import Database, open_database, reads, transaction
from aed.errors import AedError, InvalidInput
from aed.registry import queries as registry
from aed.settings import Settings, load_settings


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[Database]:
    """The database that the settings name."""
    database = open_database(settings or load_settings())
    try:
        yield database
    finally:
        database.close()


@contextmanager
def writing(settings: Settings | None = None) -> Iterator[Session]:
    """One transaction for one command."""
    with opened(settings) as database, transaction(database) as session:
        yield session


@contextmanager
def reading(settings: Settings | None = None) -> Iterator[Session]:
    with opened(settings) as database, reads(database) as session:
        yield session


def operator() -> Viewer:
    """Whoever runs a command on the machine of the database may do all; the record says who it was."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return Viewer(role=Role.ADMINISTRATOR, name=f"cli:{name}", scopes=frozenset(Scope))


def viewer_as(session: Session, text: str) -> Viewer:
    """anonymous, administrator, estate:ID, estate:SOURCE/SOURCE_ID, dispatcher:REGION."""
    kind, _, rest = text.partition(":")
    if kind == "anonymous" and not rest:
        return ANYONE
    if kind == "administrator" and not rest:
        return operator()
    if kind == "dispatcher" and rest:
        region = accounts.region_by_code(session, rest)
        return Viewer(
            role=Role.DISPATCHER, name=f"cli:{text}", region_ids=accounts.regions_below(session, region.id)
        )
    if kind == "estate" and rest:
        return _member(session, rest)
    raise InvalidInput(
        "--as is anonymous, administrator, estate:ID, estate:SOURCE/SOURCE_ID or dispatcher:REGION.",
        field="as",
    )


def _member(session: Session, which: str) -> Viewer:
    source, slash, source_id = which.partition("/")
    if slash:
        estate_id = registry.estate_id_of(session, source=source, source_id=source_id)
    else:
        estate_id = int(which) if which.isdigit() else None
    if estate_id is None:
        raise InvalidInput(f"There is no estate {which}.", field="as")
    estate = registry.estate(session, operator(), estate_id)
    return Viewer(
        role=Role.MEMBER,
        name=f"cli:estate:{which}",
        estate_id=estate.id,
        estate_ids=accounts.estates_sharing(session, estate.id),
    )


@contextmanager
def answering_errors() -> Iterator[None]:
    """Says an expected failure in one sentence and ends with status 1."""
    try:
        yield
    except AedError as error:
        sys.stderr.write(f"aed: {error.detail}\n")
        sys.exit(1)
    except DBAPIError as error:
        first = str(error.orig).strip().splitlines()[:1]
        sys.stderr.write(f"aed: the database refused: {first[0] if first else error.__class__.__name__}\n")
        if "no such table" in str(error.orig) or "does not exist" in str(error.orig):
            sys.stderr.write("aed: is its schema there? Run: aed db upgrade\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("aed: stopped\n")
        sys.exit(130)
