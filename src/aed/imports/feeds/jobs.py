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

from aed.accounts.permissions import TokenRole, TokenScope, Viewer
from aed.database.session import Database, read_session, transaction
from aed.errors import AedError, Conflict
from aed.imports.batches import Progress, refuse_bad_rows
from aed.imports.devices.actions import import_devices
from aed.imports.devices.report import DeviceReport
from aed.imports.devices.rules import Thresholds
from aed.imports.feeds.actions import FeedClaim, FeedOutcome, claim_feed, end_feed
from aed.imports.feeds.fetching import FetchFailed, FetchLimits, Validators, fetch
from aed.imports.feeds.models import FeedResult
from aed.imports.feeds.queries import feeds_due
from aed.imports.formats.mapping import mapping_from
from aed.imports.rules import printable

ENDINGS: Final = (".csv", ".json", ".geojson", ".xlsx", ".pbf", ".txt")
"""Suffixes that a file keeps, because some formats use them to distinguish it from an error page."""


@dataclass(frozen=True, slots=True)
class FeedRun:
    """A run of a feed."""

    name: str
    result: FeedResult
    message: str


type Now = Callable[[], datetime]
"""Returns the current time; called for each feed, since one may take minutes."""


def run_feeds(
    database: Database, now: Now, *, by: FetchLimits, thresholds: Thresholds | None = None
) -> list[FeedRun]:
    """Run every feed that is due, the longest due first, each independently of the others."""
    with read_session(database) as session:
        due = feeds_due(session, at=now())
    runs = [run_feed(database, name, now, by=by, thresholds=thresholds, is_asked_for=False) for name in due]
    return [run for run in runs if run is not None]


def run_feed(
    database: Database,
    name: str,
    now: Now,
    *,
    by: FetchLimits,
    thresholds: Thresholds | None = None,
    is_asked_for: bool = True,
    is_anew: bool = False,
    progress: Progress | None = None,
) -> FeedRun | None:
    """Run a feed once. Return None if it is not due or claimed by another.

    1. Claim it, in a transaction of its own.
    2. Fetch the file, outside any transaction.
    3. Import it and record the run, in one transaction.
    4. On failure, record the reason in a transaction of its own; the register is unchanged.

    `is_asked_for`: by a person, even if not due. `is_anew`: ignore what is known of the last version.
    Raise NotFound, Conflict for a feed that is running, DatabaseUnavailable.
    """
    with transaction(database) as session:
        claim = claim_feed(session, name, at=now(), is_asked_for=is_asked_for)
    if claim is None:
        return None
    try:
        ended = _tried(database, claim, now, by=by, thresholds=thresholds, is_anew=is_anew, progress=progress)
    except AedError as error:
        wait = error.asked_to_wait if isinstance(error, FetchFailed) else None
        ended = _failed(
            database, claim, now, FeedOutcome(FeedResult.FAILED, printable(error.detail, 500), wait)
        )
    except DBAPIError as error:
        reason = printable(str(error.orig), 200)
        ended = _failed(
            database,
            claim,
            now,
            FeedOutcome(FeedResult.FAILED, f"The database rejected the operation: {reason}"),
        )
    return FeedRun(name, ended.result, ended.message)


def _failed(database: Database, claim: FeedClaim, now: Now, ended: FeedOutcome) -> FeedOutcome:
    # The feed was removed or changed meanwhile, so there is nothing to record.
    with contextlib.suppress(Conflict), transaction(database) as session:
        end_feed(session, claim, ended, fetched=None, at=now())
    return ended


def _tried(
    database: Database,
    claim: FeedClaim,
    now: Now,
    *,
    by: FetchLimits,
    thresholds: Thresholds | None,
    is_anew: bool,
    progress: Progress | None,
) -> FeedOutcome:
    known = Validators() if is_anew else claim.known
    with TemporaryDirectory(prefix="aed-feed-") as folder:
        path = Path(folder) / _file_name(claim)
        fetched = fetch(claim.url, path, known=known, by=by)
        with transaction(database) as session:
            if fetched is None or (fetched.digest == claim.digest and not is_anew):
                ended = FeedOutcome(FeedResult.UNCHANGED, "The file has not changed since the last import.")
            else:
                ended = _imported(session, claim, path, thresholds=thresholds, at=now(), progress=progress)
            end_feed(session, claim, ended, fetched=fetched, at=now())
    return ended


def _file_name(claim: FeedClaim) -> str:
    """Return the file's name in messages."""
    ending = PurePosixPath(urlsplit(claim.url).path).suffix.lower()
    return claim.name + (ending if ending in ENDINGS and not claim.name.endswith(ending) else "")


def _imported(
    session: Session,
    claim: FeedClaim,
    path: Path,
    *,
    thresholds: Thresholds | None,
    at: datetime,
    progress: Progress | None,
) -> FeedOutcome:
    """Import the file as `aed import devices` does; fail if no row can be imported."""
    who = Viewer(role=TokenRole.ADMINISTRATOR, name=f"feed:{claim.name}", scopes=frozenset(TokenScope))
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
    return _outcome_of(report)


def _outcome_of(report: DeviceReport) -> FeedOutcome:
    counted = [
        f"{report.new} new",
        f"{report.changed} changed",
        f"{report.unchanged} unchanged",
        f"{len(report.bad)} set aside",
    ]
    if report.gone_count:
        counted.append(f"{report.gone_count} gone")
    if report.waiting + report.conflicting:
        counted.append(f"{report.waiting + report.conflicting} waiting for a decision")
    message = f"{', '.join(counted)}."
    if report.unnamed:
        message += " No device is marked as gone, because not every row identifies its device."
    if not report.held_back:
        return FeedOutcome(FeedResult.TAKEN, message)
    missing = " and ".join(f"{len(each.source_ids)} of {each.source}" for each in report.held_back)
    return FeedOutcome(
        FeedResult.HELD_BACK,
        f"{message} No longer listed: {missing}, too many to mark as gone without a person's "
        "decision (aed reviews list).",
    )
