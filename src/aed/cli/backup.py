"""Commands: `aed backup` and `aed restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aed import clock
from aed.backup import whole
from aed.backup.archive import Manifest
from aed.cli.context import cli_database
from aed.cli.screen import counting, plural, say
from aed.personal_data.key_rotation import check_keys
from aed.settings import load_settings


def backup(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A folder, or a new .zip file; default: AED_BACKUPS")
    ] = None,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Keep only this many backups of this database in the folder")
    ] = None,
) -> None:
    """Back up the database into one file; the API may keep running.

    The walking network is not included.
    """
    settings = load_settings()
    with cli_database(settings) as database, counting("backing up, in megabytes") as progress:
        taken = whole.take(
            database, to=output or settings.backups, keep=keep, at=clock.now(), progress=progress
        )
    size = taken.path.stat().st_size
    removed = f" Removed {plural(len(taken.removed), 'older backup')}." if taken.removed else ""
    say(f"{taken.path}: {size / 1000:,.0f} kB, {_contents(taken.manifest)}.{removed}")


def restore(
    file: Annotated[Path, typer.Argument(help="A backup made by `aed backup`")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the contents of a database that is not empty")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only check the backup and show what it contains")
    ] = False,
) -> None:
    """Restore a backup into an empty database, and upgrade its schema."""
    if check:
        with counting("checking, in megabytes") as progress:
            manifest = whole.check(file, progress=progress)
        say(f"{file} is intact: {manifest.kind}, {_contents(manifest)}.")
        return
    settings = load_settings()
    with cli_database(settings) as database, counting("restoring, in megabytes") as progress:
        restored = whole.restore(settings, database, file, replace=replace, at=clock.now(), progress=progress)
    say(f"Restored: {_contents(restored.manifest)}.")
    if restored.set_aside is not None:
        say(f"The previous contents are in {restored.set_aside}; delete it when you no longer need it.")
    with cli_database(settings) as database:
        check_keys(database)  # report missing encryption keys now, not at the first alert


def _contents(manifest: Manifest) -> str:
    rows, tables = sum(manifest.rows.values()), len(manifest.rows)
    devices = manifest.rows.get("devices", 0)
    return (
        f"{devices} devices, {rows} rows in {tables} tables, schema {manifest.schema_revision}, "
        f"as of {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    )
