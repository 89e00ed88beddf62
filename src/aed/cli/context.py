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
from aed.database.session import Database, open_database, reads, transaction, trial
from aed.errors import AedError, DatabaseUnavailable, InvalidInput
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
def writing_much() -> Iterator[Session]:
    """One transaction for a long command, which waits its turn behind another such one."""
    patient = {"lock_timeout_ms": 600_000, "statement_timeout_ms": 600_000}
    with writing(load_settings().model_copy(update=patient)) as session:
        yield session


@contextmanager
def trying_much() -> Iterator[Session]:
    """The same, and nothing of it stays."""
    patient = {"lock_timeout_ms": 600_000, "statement_timeout_ms": 600_000}
    settings = load_settings().model_copy(update=patient)
    with opened(settings) as database, trial(database) as session:
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
        estate_id = int(which) if which.isascii() and which.isdecimal() and len(which) < 19 else None
    if estate_id is None:
        raise InvalidInput(f"There is no estate '{which}': see aed estates list.", field="as")
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
    except DatabaseUnavailable as error:
        why = _first_line(error.__cause__.orig) if isinstance(error.__cause__, DBAPIError) else ""
        _fail(f"{error.detail} ({why})" if why else error.detail)
    except AedError as error:
        _fail(error.detail)
    except DBAPIError as error:
        _fail(f"the database refused: {_first_line(error.orig)}")
    except UnicodeEncodeError:
        _fail("what was given holds characters that are no text.")
    except OSError as error:
        _fail(f"{error.filename or 'a file'}: {error.strerror or error}.")
    except KeyboardInterrupt:
        sys.stderr.write("aed: stopped\n")
        sys.exit(130)


def _first_line(error: BaseException | None) -> str:
    return next(iter(str(error).strip().splitlines()), error.__class__.__name__)


def _fail(sentence: str) -> None:
    sys.stderr.write(f"aed: {sentence}\n")
    sys.exit(1)
