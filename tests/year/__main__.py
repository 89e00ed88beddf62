"""`python -m tests.year`: simulate a year of 1,200 estates with 12,000 devices and verify the results.

Then 60 estates with agreements that start, end, lapse and are taken back.

AED_YEAR_ESTATES and AED_YEAR_SHARING_ESTATES set other numbers of estates; AED_YEAR_ON=postgis uses
PostgreSQL instead of SQLite.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

from aed import migrations
from aed.database.session import Database, open_database, read_session, transaction
from aed.registry.holidays.actions import seed_china
from aed.settings import Settings
from tests import make
from tests.throwaway_postgres import throwaway_postgres
from tests.year import agreements
from tests.year.run import run
from tests.year.story import contradictions, table
from tests.year.world import Size, moment


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def somewhere(folder: Path) -> Iterator[str]:
    if os.environ.get("AED_YEAR_ON") == "postgis":
        with throwaway_postgres() as url:
            yield url
    else:
        yield f"sqlite:///{folder / 'year.sqlite'}"


@contextlib.contextmanager
def migrated(first_day: date) -> Iterator[tuple[Database, Settings]]:
    """Yield an empty database with the schema and holidays, and settings for it."""
    with tempfile.TemporaryDirectory(prefix="aed-year-") as name, somewhere(Path(name)) as url:
        settings = Settings(
            database_url=url, walking_network=Path(name) / "none", lock_timeout_ms=60_000, log_level="error"
        )
        database = open_database(settings)
        try:
            migrations.upgrade(database)
            with transaction(database) as session:
                seed_china(session, make.ADMINISTRATOR, at=moment(first_day, 0))
            yield database, settings
        finally:
            database.close()


def main() -> int:
    estates = int(os.environ.get("AED_YEAR_ESTATES", "1200"))
    size = Size(estates=estates, first_day=date(2027, 1, 1), days=int(os.environ.get("AED_YEAR_DAYS", "365")))
    sharing_size = replace(size, estates=int(os.environ.get("AED_YEAR_SHARING_ESTATES", "60")))
    started = time.monotonic()
    with migrated(size.first_day) as (database, settings):
        sharing = agreements.run(database, settings, sharing_size, say=say)
    with migrated(size.first_day) as (database, settings):
        year = run(database, settings, size, say=say)
        with read_session(database) as session:
            wrong, rows = contradictions(session, year), table(session, year)
    wrong += agreements.contradictions(sharing)
    rows += agreements.table(sharing)
    width = max(len(what) for what, _ in rows)
    for what, how_many in rows:
        say(f"| {what:<{width}} | {how_many} |")
    say(f"{time.monotonic() - started:.0f} s on {database.engine.dialect.name}")
    for each in wrong:
        say(f"CONTRADICTION: {each}")
    say("Every device's story is consistent." if not wrong else f"{len(wrong)} contradictions.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
