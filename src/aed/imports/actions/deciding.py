"""A person's decisions: carried out at once, and remembered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from aed.accounts.rules import Viewer, may_administer
from aed.database.session import exclusive_lock
from aed.errors import Conflict, InvalidInput
from aed.imports import queries
from aed.imports.actions.holding import hold
from aed.imports.actions.joining import merge_into
from aed.imports.actions.leaving import mark_gone
from aed.imports.actions.merging import Before, Entry, Merging
from aed.imports.actions.taking import Estates, Progress
from aed.imports.models import Review, SourceRecord
from aed.imports.queries import Record
from aed.imports.rules.review import DECISIONS, Decision, ReviewKind
from aed.imports.rules.thresholds import Thresholds
from aed.registry.actions.lists import stand_apart


def decide(
    session: Session,
    who: Viewer,
    review_id: int,
    decision: Decision,
    *,
    thresholds: Thresholds,
    at: datetime,
    progress: Progress | None = None,
) -> Review:
    """It is decided, and so it is in the register. A decision may be changed by another. Counted is what is
    marked as gone.

    Raises NotFound, InvalidInput for what is no answer to the question, and what `put_devices` raises.
    """
    may_administer(who)
    exclusive_lock(session, "import")
    review = queries.review(session, review_id)
    if decision not in DECISIONS[review.kind]:
        answers = " or ".join(DECISIONS[review.kind])
        raise InvalidInput(f"A review of a {review.kind} is decided by {answers}.", field="decision")
    if review.decision is decision:
        return review
    if review.kind is ReviewKind.SHRINK and review.decision is Decision.ACCEPT:
        raise Conflict("They are marked as gone already; those that are listed again come back.")
    review.decision, review.decided_at, review.decided_by = decision, at, who.name
    session.flush()
    ranks, estates = queries.ranks(session), Estates(session)
    match review.kind, decision:
        case ReviewKind.DUPLICATE, Decision.SAME:
            _join(session, who, review, ranks, estates, at)
        case ReviewKind.DUPLICATE, _:
            _part(session, who, review, ranks, estates, thresholds, at)
        case ReviewKind.CONFLICT, _:
            hold(session, who, _device(review), ranks=ranks, estates=estates, at=at)
        case ReviewKind.SHRINK, Decision.ACCEPT:
            missing = queries.missing_records(session, review.source)
            mark_gone(
                session, who, review.source, missing, ranks=ranks, estates=estates, at=at, progress=progress
            )
    return review


def _device(review: Review) -> set[int]:
    return {review.device_id} if review.device_id is not None else set()


def _join(
    session: Session, who: Viewer, review: Review, ranks: dict[str, int], estates: Estates, at: datetime
) -> None:
    """The record tells of the device; one that was registered from it meanwhile is withdrawn."""
    record = queries.record(session, (review.source, review.source_id))
    own, device_id = record.device_id, review.device_id
    if device_id is None or own == device_id:
        return
    if own is not None:
        merge_into(session, who, own, device_id, ranks=ranks, estates=estates, at=at)
        return
    session.execute(
        update(SourceRecord)
        .where(SourceRecord.id == record.id)
        .values(device_id=device_id)
        .execution_options(synchronize_session=False)
    )
    hold(session, who, {device_id}, ranks=ranks, estates=estates, at=at)


def _part(
    session: Session,
    who: Viewer,
    review: Review,
    ranks: dict[str, int],
    estates: Estates,
    thresholds: Thresholds,
    at: datetime,
) -> None:
    """The record does not tell of the device: it is the one that was registered from it, the next most like
    it, or a new one."""
    record = queries.record(session, (review.source, review.source_id))
    if record.device_id not in (None, review.device_id):
        return
    (device,) = queries.standing_devices(session, _device(review)).values()
    if (device.source, device.source_id) == (record.source, record.source_id):
        raise Conflict("The device was registered from this very entry: withdraw the device instead.")
    session.execute(
        update(SourceRecord)
        .where(SourceRecord.id == record.id)
        .values(device_id=None)
        .execution_options(synchronize_session=False)
    )
    hold(session, who, {device.id}, ranks=ranks, estates=estates, at=at)
    for own in queries.device_ids(session, [(record.source, record.source_id)]).values():
        stand_apart(session, who, own, at=at)
    if record.gone_since is None:
        merging = Merging(
            session=session,
            who=who,
            at=at,
            estates=estates,
            ranks=ranks,
            thresholds=thresholds,
            region=device.region,
            before=Before.now(session),
        )
        merging.settle([_entry(record)])


def _entry(record: Record) -> Entry:
    return Entry(record.source, record.source_id, "", record.fields, record.digest)
