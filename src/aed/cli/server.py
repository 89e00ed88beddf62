"""Commands: `aed serve` and `aed db`."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import structlog
import typer
import uvicorn
from sqlalchemy import text

from aed import clock, migrations, schedule
from aed.accounts.first_run.actions import make_first_run_code
from aed.cli.context import cli_database, operator
from aed.cli.process import share_heaps, spare_the_collector
from aed.cli.screen import heading, paragraph, say, table
from aed.cli.server_processes import ready_app, serve_in_processes, uvicorn_options
from aed.database.session import Database, open_database, transaction, translate_database_errors
from aed.errors import DatabaseUnavailable
from aed.http.connections import check_forwarding, check_open_files, protocol_for
from aed.logs import set_up_logs
from aed.personal_data.key_rotation import check_keys
from aed.registry.holidays.actions import seed_china
from aed.settings import Settings, load_settings

log = structlog.get_logger("aed")
db = typer.Typer(no_args_is_help=True)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (AED_HOST)")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (AED_PORT)")] = None,
    processes: Annotated[
        int | None, typer.Option(help="Number of processes that answer (AED_PROCESSES)", min=1, max=64)
    ] = None,
) -> None:
    """Start the API and, with AED_RUN_JOBS, the scheduled jobs."""
    settings = load_settings()
    set_up_logs(settings)
    share_heaps()
    check_open_files(settings)
    check_forwarding(host or settings.host)
    count = settings.processes if processes is None else processes
    host, port = host or settings.host, settings.port if port is None else port
    if count > 1:
        with closing(open_database(settings)) as database:
            prepare_database(database, settings, port=port)
        with schedule.running(settings):
            serve_in_processes(count, settings, host=host, port=port)
        return
    app = ready_app(settings)
    prepare_database(app.state.database, settings, port=port)
    spare_the_collector()
    with schedule.running(settings):
        uvicorn.run(app, http=protocol_for(settings), host=host, port=port, **uvicorn_options(settings))


def prepare_database(database: Database, settings: Settings, *, port: int) -> None:
    """Create the schema of a new SQLite database, check the keys, and print the code of the first run."""
    make_embedded_schema(database)
    try:
        check_keys(database)
    except DatabaseUnavailable as error:
        log.warning("keys not checked", reason=error.detail)
    print_first_run_code(database, settings, port=port)


@db.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="The revision to upgrade to")] = "head",
    plan: Annotated[
        bool, typer.Option("--plan", help="Print what the upgrade would lock, and change nothing")
    ] = False,
) -> None:
    """Create or upgrade the database schema; safe to run again."""
    with cli_database() as database, translate_database_errors():
        if plan:
            show_plan(database, revision)
            return
        bring_up_to_date(database, revision)
        say(f"The database is at schema {revision if revision != 'head' else migrations.head()}.")


def show_plan(database: Database, revision: str) -> None:
    """Print the pending migrations, and on PostgreSQL what each locks, for how long roughly."""
    from aed.migrations.plan import Work, plan, row_counts

    with database.engine.connect() as connection:
        pending = plan(connection, revision)
        is_sqlite = connection.dialect.name == "sqlite"
        rows = {} if is_sqlite else row_counts(connection)
    if not pending:
        say("No migration is pending.")
        return
    if is_sqlite:
        for each in pending:
            say(f"{each.revision}  {each.title}")
        paragraph("On SQLite an upgrade is one transaction: other writers wait until it ends.")
        return
    for each in pending:
        seconds = sum(lock.seconds(rows.get(lock.table, 0)) for lock in each.locks)
        heading(f"{each.revision}  {each.title} (about {seconds:.1f} s)")
        if each.locks:
            shown = [
                (
                    lock.table,
                    lock.lock,
                    lock.lock.blocks,
                    lock.work,
                    f"{rows.get(lock.table, 0):,}" if lock.work is not Work.NONE else "",
                )
                for lock in each.locks
            ]
            table(None, ("table", "lock", "blocks", "work", "rows"), shown, right=("rows",))
        else:
            say("Locks no table that is there before.")
        if not each.is_complete:
            paragraph("It reads data first, so there may be more statements than are listed.")
    paragraph(
        "A lock is held until its migration ends, except while an index is built concurrently. The upgrade "
        "waits AED_LOCK_TIMEOUT_MS for each, then tries again for a minute."
    )


@db.command()
def downgrade(
    revision: Annotated[
        str, typer.Argument(help="The revision to downgrade to; 'base' empties the database")
    ],
) -> None:
    """Downgrade the database schema. Data that it cannot hold is lost."""
    with cli_database() as database, translate_database_errors():
        migrations.downgrade(database, revision)
        say(f"The database is at schema {revision}.")


def make_embedded_schema(database: Database) -> None:
    """Create the schema of an empty SQLite database; an older schema is left unchanged."""
    if database.engine.dialect.name != "sqlite":
        return
    with translate_database_errors():
        with database.engine.connect() as connection:
            is_new = not migrations.has_schema(connection)
        if is_new:
            log.info("creating the schema of a new database", database=database.engine.url.database)
            bring_up_to_date(database)


def print_first_run_code(database: Database, settings: Settings, *, port: int) -> None:
    """Print the address and the one-time code of the page `/first-run`, if nobody administers the network.

    It goes to standard output once, and never to the log. A database that does not answer, or has another
    schema, is left alone.
    """
    try:
        with translate_database_errors():
            with database.engine.connect() as connection:
                is_current = migrations.has_schema(connection) and (
                    connection.scalar(text("SELECT version_num FROM alembic_version")) == migrations.head()
                )
            if not is_current:
                return
            with transaction(database) as session:
                code = make_first_run_code(session, at=clock.now())
    except DatabaseUnavailable:
        return
    if code is not None:
        here = str(settings.public_url or f"http://127.0.0.1:{port}").rstrip("/")
        say(f"Nobody administers this network yet. Open {here}/first-run")
        say(f"and enter this code, which works once: {code}")


def bring_up_to_date(database: Database, revision: str = "head") -> None:
    """Upgrade the schema, and load the holiday calendar that ships with the program."""
    migrations.upgrade(database, revision)
    if revision == "head":
        with transaction(database) as session:
            seed_china(session, operator(), at=clock.now())
