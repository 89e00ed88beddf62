"""Shared by all commands: settings, the database, and the viewer on whose behalf they act."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, TokenRole, TokenScope, Viewer
from aed.cli.language import either
from aed.database.session import Database, dry_run, open_database, read_session, transaction
from aed.errors import InvalidInput
from aed.settings import Settings, load_settings
from aed.translation import call_leads


@contextmanager
def cli_database(settings: Settings | None = None) -> Iterator[Database]:
    """Open the database named by the settings."""
    settings = settings or load_settings()
    call_leads(settings.lead_word)
    database = open_database(settings)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def cli_transaction(settings: Settings | None = None) -> Iterator[Session]:
    """Open one transaction for a command."""
    import aed.tables  # noqa: F401 - so that rows are written after the rows they refer to

    with cli_database(settings) as database, transaction(database) as session:
        yield session


@contextmanager
def long_cli_transaction() -> Iterator[Session]:
    """Open one transaction for a long command, which waits for another such one to finish."""
    patient = {"lock_timeout_ms": 600_000, "statement_timeout_ms": 600_000}
    with cli_transaction(load_settings().model_copy(update=patient)) as session:
        yield session


@contextmanager
def long_cli_dry_run() -> Iterator[Session]:
    """Like `long_cli_transaction`, but roll back at the end (dry run)."""
    import aed.tables  # noqa: F401 - as above

    patient = {"lock_timeout_ms": 600_000, "statement_timeout_ms": 600_000}
    settings = load_settings().model_copy(update=patient)
    with cli_database(settings) as database, dry_run(database) as session:
        yield session


@contextmanager
def cli_read_session(settings: Settings | None = None) -> Iterator[Session]:
    with cli_database(settings) as database, read_session(database) as session:
        yield session


def operator() -> Viewer:
    """Return the viewer of commands: an administrator named after the system user, for the record."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return Viewer(role=TokenRole.ADMINISTRATOR, name=f"cli:{name}", scopes=frozenset(TokenScope))


def viewer_as(session: Session, text: str) -> Viewer:
    """Parse a viewer: anonymous, administrator, estate:ID, estate:SOURCE/SOURCE_ID or dispatcher:REGION."""
    kind, _, rest = text.partition(":")
    if kind == "anonymous" and not rest:
        return ANYONE
    if kind == "administrator" and not rest:
        return operator()
    if kind == "dispatcher" and rest:
        from aed.accounts.regions.queries import region_by_code, regions_below

        region = region_by_code(session, rest)
        return Viewer(
            role=TokenRole.DISPATCHER, name=f"cli:{text}", region_ids=regions_below(session, region.id)
        )
    if kind == "estate" and rest:
        return _member(session, rest)
    raise InvalidInput(
        either(
            "--as must be anonymous, administrator, estate:ID, estate:SOURCE/SOURCE_ID or dispatcher:REGION.",
            "--as 须为 anonymous、administrator、estate:ID、estate:SOURCE/SOURCE_ID 或 dispatcher:REGION。",
        ),
        field="as",
    )


def _member(session: Session, which: str) -> Viewer:
    from aed.accounts.regions.queries import estates_sharing
    from aed.registry.estates import queries as estate_queries

    source, slash, source_id = which.partition("/")
    if slash:
        estate_id = estate_queries.estate_id_of(session, source=source, source_id=source_id)
    else:
        estate_id = int(which) if which.isascii() and which.isdecimal() and len(which) < 19 else None
    if estate_id is None:
        raise InvalidInput(
            either(
                f"There is no estate '{which}'. `aed estates list` shows the estates.",
                f"没有园区“{which}”。可用 aed estates list 查看。",
            ),
            field="as",
        )
    estate = estate_queries.estate(session, operator(), estate_id)
    return Viewer(
        role=TokenRole.MEMBER,
        name=f"cli:estate:{which}",
        estate_id=estate.id,
        estate_ids=estates_sharing(session, estate.id),
    )
