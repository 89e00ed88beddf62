"""`python -m tests.year`: simulate a year of 1,200 estates with 12,000 devices and verify the results.

AED_YEAR_ESTATES sets another number of estates; AED_YEAR_ON=postgis uses PostgreSQL instead of SQLite.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from aed import migrations
from aed.database.session import open_database, read_session, transaction
from aed.registry.holidays.actions import seed_china
from aed.settings import Settings
from tests import make
from tests.throwaway_postgres import throwaway_postgres
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


def main() -> int:
    estates = int(os.environ.get("AED_YEAR_ESTATES", "1200"))
    size = Size(estates=estates, first_day=date(2027, 1, 1), days=int(os.environ.get("AED_YEAR_DAYS", "365")))
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="aed-year-") as name, somewhere(Path(name)) as url:
        settings = Settings(
            database_url=url, walking_network=Path(name) / "none", lock_timeout_ms=60_000, log_level="error"
        )
        database = open_database(settings)
        try:
            migrations.upgrade(database)
            with transaction(database) as session:
                seed_china(session, make.ADMINISTRATOR, at=moment(size.first_day, 0))
            year = run(database, settings, size, say=say)
            with read_session(database) as session:
                wrong, rows = contradictions(session, year), table(session, year)
        finally:
            database.close()
    width = max(len(what) for what, _ in rows)
    for what, how_many in rows:
        say(f"| {what:<{width}} | {how_many} |")
    say(f"{time.monotonic() - started:.0f} s on {url.partition(':')[0]}")
    for each in wrong:
        say(f"CONTRADICTION: {each}")
    say("Every device's story is consistent." if not wrong else f"{len(wrong)} contradictions.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
