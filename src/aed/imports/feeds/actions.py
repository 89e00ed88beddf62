"""Feeds: add, remove, claim one to run, and record how a run ended."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.regions.queries import region_by_code
from aed.errors import Conflict, InvalidInput
from aed.http.outbound_urls import target_of
from aed.imports.devices.decisions import check_name
from aed.imports.feeds.fetching import FetchedFile, FetchLimits, Validators
from aed.imports.feeds.models import MAX_HOURS, Feed, FeedResult, next_due
from aed.imports.feeds.queries import feed
from aed.imports.formats.mapping import mapping_from
from aed.imports.formats.recognise import DeviceFormat

LEASE: Final = timedelta(minutes=30)
"""Duration of a claim; fetching must end sooner. The feed of a killed process is blocked this long."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class FeedIn:
    """The settings of a feed."""

    name: str
    url: str
    every_hours: int = 24
    form: DeviceFormat | None = None
    mapping: str | None = None
    """The text of a mapping file."""
    region: str | None = None
    source: str | None = None
    """The publisher of the list; two lists of one format without it would mark each other's devices as
    gone."""


def save_feed(session: Session, who: Viewer, given: FeedIn, *, by: FetchLimits, at: datetime) -> bool:
    """Add a feed or replace its settings, due now. Return True if it is new.

    A feed with another URL or another way to read it is fetched again in full.
    """
    require_administrator(who)
    _check(session, given, by)
    found = session.get(Feed, given.name, with_for_update=True)
    is_new = found is None
    feed = found or Feed(name=given.name, failures=0)
    what = (given.url, given.form, given.mapping, given.region, given.source)
    if is_new or (feed.url, feed.form, feed.mapping, feed.region, feed.source) != what:
        feed.url, feed.form, feed.mapping, feed.region, feed.source = what
        feed.etag = feed.last_modified = feed.digest = None
        # A concurrent fetch of the former feed finds its claim lost and imports nothing.
        feed.claim = feed.claimed_until = None
    feed.every_hours, feed.next_due_at = given.every_hours, at
    session.add(feed)
    session.flush()
    return is_new


def remove_feed(session: Session, who: Viewer, name: str) -> None:
    """Remove a feed. Its devices stay."""
    require_administrator(who)
    session.delete(feed(session, name))
    session.flush()


def _check(session: Session, given: FeedIn, by: FetchLimits) -> None:
    if not _NAME.fullmatch(given.name):
        raise InvalidInput(
            "The name of a feed must have 1 to 64 characters out of a-z, 0-9, '-', '_' and "
            "'.', such as the name of its source.",
            field="name",
        )
    target = target_of(given.url)
    reason = by.refusal_reason(target.address) if target.address is not None else None
    if reason is not None:
        raise InvalidInput(
            "{host} is {reason}. Nothing is fetched from there.", field="url", host=target.host, reason=reason
        )
    if not 1 <= given.every_hours <= MAX_HOURS:
        raise InvalidInput("every_hours must be from 1 to {max_hours}.", field="every", max_hours=MAX_HOURS)
    if given.mapping is not None:
        if given.form is not None:
            raise InvalidInput(
                "Give either form or mapping: a mapping is a format of its own.", field="format"
            )
        mapping_from(given.mapping, "The mapping")
    if given.region is not None:
        region_by_code(session, given.region)
    if given.source is not None:
        check_name(given.source, field="source")


# --- Claims ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FeedClaim:
    """A lease on a feed, and what to fetch."""

    name: str
    claim: str
    url: str
    form: DeviceFormat | None
    mapping: str | None
    region: str | None
    source: str | None
    every_hours: int
    failures: int
    known: Validators
    digest: str | None


def claim_feed(session: Session, name: str, *, at: datetime, is_asked_for: bool) -> FeedClaim | None:
    """Claim a feed for a lease's time. Return None if it is not due or claimed by another.

    A single conditional UPDATE is the claim, so two workers cannot both win. Commit before fetching.
    `is_asked_for`: run it even if not due; then raise NotFound, or Conflict if another has claimed it.
    """
    claim = secrets.token_hex(16)
    conditions = [Feed.name == name, or_(Feed.claimed_until.is_(None), Feed.claimed_until < at)]
    if not is_asked_for:
        conditions.append(Feed.next_due_at <= at)
    taken = session.execute(
        update(Feed)
        .where(*conditions)
        .values(claim=claim, claimed_until=at + LEASE)
        .returning(Feed.name)
        .execution_options(synchronize_session=False)
    ).first()
    if taken is None:
        if is_asked_for:
            until = feed(session, name).claimed_until or at
            raise Conflict(
                "The feed '{name}' is being imported. If that was interrupted, it can be run "
                "again after {until:%H:%M} UTC.",
                name=name,
                until=until,
            )
        return None
    claimed = feed(session, name)
    return FeedClaim(
        name=claimed.name,
        claim=claim,
        url=claimed.url,
        form=DeviceFormat(claimed.form) if claimed.form is not None else None,
        mapping=claimed.mapping,
        region=claimed.region,
        source=claimed.source,
        every_hours=claimed.every_hours,
        failures=claimed.failures,
        known=Validators(claimed.etag, claimed.last_modified),
        digest=claimed.digest,
    )


@dataclass(frozen=True, slots=True)
class FeedOutcome:
    """The outcome of a run."""

    result: FeedResult
    message: str
    asked_to_wait: timedelta | None = None


def end_feed(
    session: Session, claim: FeedClaim, ended: FeedOutcome, *, fetched: FetchedFile | None, at: datetime
) -> None:
    """Record a run, release the claim, and set when the feed is due again.

    A version that was imported in full is remembered and not imported again; one that was held back is, since
    a person may have decided by then. Raise Conflict if the claim was lost: the caller must roll back.
    """
    has_failed = ended.result is FeedResult.FAILED
    failures = claim.failures + 1 if has_failed else 0
    values: dict[str, object] = {
        "claim": None,
        "claimed_until": None,
        "failures": failures,
        "last_tried_at": at,
        "last_result": ended.result,
        "last_message": ended.message,
        "next_due_at": next_due(
            at, every_hours=claim.every_hours, failures=failures, asked_to_wait=ended.asked_to_wait
        ),
    }
    if ended.result in (FeedResult.TAKEN, FeedResult.UNCHANGED):
        values["last_imported_at"] = at
        if fetched is not None:
            values |= {
                "etag": fetched.validators.etag,
                "last_modified": fetched.validators.last_modified,
                "digest": fetched.digest,
            }
    elif ended.result is FeedResult.HELD_BACK:
        values |= {"etag": None, "last_modified": None, "digest": None}
    recorded = session.execute(
        update(Feed)
        .where(Feed.name == claim.name, Feed.claim == claim.claim)
        .values(values)
        .returning(Feed.name)
        .execution_options(synchronize_session=False)
    ).first()
    if recorded is None:
        raise Conflict(
            "The feed '{name}' was removed, changed or taken over during the import. The "
            "import was rolled back.",
            name=claim.name,
        )
