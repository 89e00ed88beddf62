"""Commands: `aed feeds`, device lists fetched on a schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aed import clock
from aed.cli.context import cli_database, cli_read_session, cli_transaction, operator
from aed.cli.screen import counting, say, table
from aed.database.session import read_session
from aed.errors import Conflict
from aed.imports.devices.rules import thresholds_in
from aed.imports.feeds import queries
from aed.imports.feeds.models import MAX_HOURS, FeedResult
from aed.imports.formats.mapping import text_of_mapping
from aed.imports.formats.recognise import DeviceFormat
from aed.settings import load_settings

feeds = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A name, such as that of the source")]


@feeds.command("add")
def add(
    name: Name,
    url: Annotated[str, typer.Argument(help="The URL of the list: https://…")],
    every: Annotated[int, typer.Option(min=1, max=MAX_HOURS, help="Hours between fetches")] = 24,
    form: Annotated[
        DeviceFormat | None,
        typer.Option("--format", help="The format of the list; default: recognised from its contents"),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(help="A mapping file (YAML), stored with the feed, by which the list is read"),
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Region of new devices whose row names neither an estate nor a region")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="The publisher, if several publish lists in the same format")
    ] = None,
) -> None:
    """Add a feed, a list of devices that is fetched on a schedule, or change the one with that name."""
    settings = load_settings()
    from aed.imports.feeds.actions import FeedIn, save_feed  # here: `list` needs no HTTP client and no jobs
    from aed.imports.feeds.fetching import fetch_limits_in
    from aed.schedule import runs_in_this_process

    given = FeedIn(
        name=name,
        url=url,
        every_hours=every,
        form=form,
        mapping=text_of_mapping(mapping) if mapping is not None else None,
        region=region,
        source=source,
    )
    with cli_transaction(settings) as session:
        is_new = save_feed(session, operator(), given, by=fetch_limits_in(settings), at=clock.now())
    say(f"{name} is {'fetched' if is_new else 'changed: it is fetched'} every {every} h.")
    if not runs_in_this_process(settings):
        say("This server does not run scheduled jobs (AED_RUN_JOBS). Run `aed feeds run` on a schedule.")


@feeds.command("list")
def show_all() -> None:
    """List the feeds: how the last run ended, and when the next one is due."""
    with cli_read_session() as session:
        rows = [
            (
                feed.name,
                f"{feed.every_hours} h",
                _moment(feed.last_imported_at),
                _moment(feed.next_due_at),
                f"{feed.last_result or 'not tried yet'}"
                + (f" {feed.failures}x" if feed.failures > 1 else ""),
                (f"{_moment(feed.last_tried_at)}: {feed.last_message}\n" if feed.last_message else "")
                + feed.url,
            )
            for feed in queries.feeds(session)
        ]
    table(None, ["name", "every", "imported (UTC)", "next", "last attempt (UTC)", ""], rows)


@feeds.command("run")
def run(
    name: Annotated[str | None, typer.Argument(help="The feed's name; default: all that are due")] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Import the file even if it did not change")] = False,
) -> None:
    """Fetch and import feeds now."""
    from aed.imports.feeds import jobs
    from aed.imports.feeds.fetching import fetch_limits_in
    from aed.worker.rules import PATIENT_MS

    settings = load_settings()
    patient = {"lock_timeout_ms": PATIENT_MS, "statement_timeout_ms": PATIENT_MS}
    failed = []
    with cli_database(settings.model_copy(update=patient)) as database:
        if name is not None:
            names = [name]
        else:
            with read_session(database) as session:
                names = list(queries.feeds_due(session, at=clock.now()))
        for each in names:
            with counting(each) as progress:
                found = jobs.run_feed(
                    database,
                    each,
                    clock.now,
                    by=fetch_limits_in(settings),
                    thresholds=thresholds_in(settings),
                    is_asked_for=name is not None,
                    is_anew=anew,
                    progress=progress,
                )
            if found is not None and found.result is FeedResult.FAILED:
                failed.append(f"{found.name}: {found.message}")
            elif found is not None:
                say(f"{found.name}: {found.result.replace('_', ' ')}. {found.message}")
    if not names:
        say("No feed is due.")
    if failed:
        raise Conflict(" ".join(failed))


@feeds.command("remove")
def remove(name: Name) -> None:
    """Remove a feed. Its devices stay."""
    from aed.imports.feeds.actions import remove_feed

    with cli_transaction() as session:
        remove_feed(session, operator(), name)
    say(f"{name} is no longer fetched. Its devices stay.")


def _moment(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment is not None else ""
