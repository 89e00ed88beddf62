"""Run the feeds that are due."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from aed.accounts.permissions import Scope, TokenRole, Viewer
from aed.database.session import Database, read_session, transaction
from aed.errors import AedError, Conflict
from aed.imports.batches import Progress, refuse_bad_rows
from aed.imports.devices.actions import DeviceReport, import_devices
from aed.imports.devices.rules import Thresholds
from aed.imports.feeds import actions as feed_actions
from aed.imports.feeds.actions import Claim, Ended, claim_feed, end_feed
from aed.imports.feeds.fetching import FetchFailed, Fetching, Validators, fetch
from aed.imports.feeds.models import FeedResult
from aed.imports.formats.mapping import mapping_from
from aed.imports.rules import printable

ENDINGS: Final = (".csv", ".json", ".geojson", ".xlsx", ".pbf", ".txt")
"""A file that is called so keeps its ending, by which some formats are told from an error page."""


@dataclass(frozen=True, slots=True)
class FeedRun:
    """One try of one feed."""

    name: str
    result: FeedResult
    said: str


type Now = Callable[[], datetime]
"""The time is asked again for each feed: one may take minutes."""


def run_feeds(
    database: Database, now: Now, *, by: Fetching, thresholds: Thresholds | None = None
) -> list[FeedRun]:
    """Every feed that is due has been tried, the longest due first; each stands for itself."""
    with read_session(database) as session:
        due = feed_actions.feeds_due(session, at=now())
    runs = [run_feed(database, name, now, by=by, thresholds=thresholds, is_asked_for=False) for name in due]
    return [run for run in runs if run is not None]


def run_feed(
    database: Database,
    name: str,
    now: Now,
    *,
    by: Fetching,
    thresholds: Thresholds | None = None,
    is_asked_for: bool = True,
    is_anew: bool = False,
    progress: Progress | None = None,
) -> FeedRun | None:
    """One try of a feed; None where it is not due, or another's to run.

    1. The claim, in a transaction of its own: from now on it is nobody else's.
    2. The fetching, outside of any transaction.
    3. The import and the record of it, in one transaction: whole, or not at all.
    4. What went wrong is recorded in a transaction of its own; the register is as it was.

    `is_asked_for`: by a person, whether it is due or not; `is_anew`: what is known of the last version does
    not count. Raises NotFound, Conflict for a feed that is being run, DatabaseUnavailable.
    """
    with transaction(database) as session:
        claim = claim_feed(session, name, at=now(), is_asked_for=is_asked_for)
    if claim is None:
        return None
    try:
        ended = _tried(database, claim, now, by=by, thresholds=thresholds, is_anew=is_anew, progress=progress)
    except AedError as error:
        wait = error.asked_to_wait if isinstance(error, FetchFailed) else None
        ended = _failed(database, claim, now, Ended(FeedResult.FAILED, printable(error.detail, 500), wait))
    except DBAPIError as error:
        why = printable(str(error.orig), 200)
        ended = _failed(database, claim, now, Ended(FeedResult.FAILED, f"The database refused: {why}"))
    return FeedRun(name, ended.result, ended.said)


def _failed(database: Database, claim: Claim, now: Now, ended: Ended) -> Ended:
    # Removed or amended meanwhile: nobody waits for the record.
    with contextlib.suppress(Conflict), transaction(database) as session:
        end_feed(session, claim, ended, fetched=None, at=now())
    return ended


def _tried(
    database: Database,
    claim: Claim,
    now: Now,
    *,
    by: Fetching,
    thresholds: Thresholds | None,
    is_anew: bool,
    progress: Progress | None,
) -> Ended:
    known = Validators() if is_anew else claim.known
    with TemporaryDirectory(prefix="aed-feed-") as folder:
        path = Path(folder) / _file_name(claim)
        fetched = fetch(claim.url, path, known=known, by=by)
        with transaction(database) as session:
            if fetched is None or (fetched.digest == claim.digest and not is_anew):
                ended = Ended(FeedResult.UNCHANGED, "The file is the one that was taken last.")
            else:
                ended = _imported(session, claim, path, thresholds=thresholds, at=now(), progress=progress)
            end_feed(session, claim, ended, fetched=fetched, at=now())
    return ended


def _file_name(claim: Claim) -> str:
    """What the file is called in what is said about it."""
    ending = PurePosixPath(urlsplit(claim.url).path).suffix.lower()
    return claim.name + (ending if ending in ENDINGS and not claim.name.endswith(ending) else "")


def _imported(
    session: Session,
    claim: Claim,
    path: Path,
    *,
    thresholds: Thresholds | None,
    at: datetime,
    progress: Progress | None,
) -> Ended:
    """By the ordinary import; a file of which nothing can be taken is a failure."""
    who = Viewer(role=TokenRole.ADMINISTRATOR, name=f"feed:{claim.name}", scopes=frozenset(Scope))
    mapping = mapping_from(claim.mapping, "The mapping") if claim.mapping is not None else None
    report = import_devices(
        session,
        who,
        path,
        at=at,
        form=claim.form,
        mapping=mapping,
        region=claim.region,
        source=claim.source,
        thresholds=thresholds,
        progress=progress,
    )
    refuse_bad_rows(report, path.name)
    return _said(report)


def _said(report: DeviceReport) -> Ended:
    counted = [
        f"{report.new} new",
        f"{report.changed} changed",
        f"{report.unchanged} unchanged",
        f"{len(report.bad)} set aside",
    ]
    if report.gone_count:
        counted.append(f"{report.gone_count} gone")
    if report.waiting + report.conflicting:
        counted.append(f"{report.waiting + report.conflicting} wait for a person")
    said = f"{', '.join(counted)}."
    if report.unnamed:
        said += " Nothing counts as gone: not every row says which device it is."
    if not report.held_back:
        return Ended(FeedResult.TAKEN, said)
    missing = " and ".join(f"{len(each.source_ids)} of {each.source}" for each in report.held_back)
    return Ended(
        FeedResult.HELD_BACK,
        f"{said} No longer listed are {missing}, too many to be believed: they stay until a person says "
        "that they are gone (aed reviews list).",
    )
