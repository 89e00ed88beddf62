"""Schema history, and moving a database along it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from aed.database.schema import prepare_database
from aed.database.session import Database
from aed.errors import Conflict


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without an .ini file."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    found.attributes["connection"] = connection
    return found


def upgrade(database: Database, revision: str = "head") -> None:
    """The database's schema is at `revision`. A database that is there already stays as it is."""
    with database.engine.connect() as connection:
        with connection.begin():
            prepare_database(connection)
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.commit()
        upgrade_on(connection, revision)
        connection.commit()


def upgrade_on(connection: Connection, revision: str = "head") -> None:
    """The same on a connection; within its transaction, if it is in one."""
    try:
        command.upgrade(config(connection), revision)
    except CommandError as error:
        raise Conflict(f"The database cannot be upgraded: {error}") from error


def downgrade(database: Database, revision: str) -> None:
    """Downgrade the schema to `revision`; `base` empties it."""
    with database.engine.connect() as connection:
        try:
            command.downgrade(config(connection), revision)
        except CommandError as error:
            raise Conflict(f"The database cannot be downgraded: {error}") from error
        connection.commit()


def has_schema(connection: Connection) -> bool:
    """True if the database has a schema, of whatever revision."""
    return connection.dialect.has_table(connection, "alembic_version")


@cache
def head() -> str:
    """The newest revision that this program knows. It is read from all of them, once: that takes 7 ms."""
    found = ScriptDirectory.from_config(config()).get_current_head()
    assert found is not None
    return found


def is_known(revision: str) -> bool:
    """Whether that revision is one of this program's; if not, a newer program made it."""
    return revision in {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
