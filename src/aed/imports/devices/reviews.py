"""Queries: reviews, which are decisions that an import leaves to a person."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from aed.errors import NotFound
from aed.imports.devices.models import Review, SourceRecord
from aed.imports.devices.queries import Identity, by_source
from aed.imports.devices.rules import ReviewKind
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate


def reviews(session: Session, *, is_open: bool, limit: int, after_id: int = 0) -> Sequence[Review]:
    """List a page of reviews, the oldest first.

    visibility: for an administrator; the caller has checked.
    """
    statement = select(Review).where(Review.id > after_id).order_by(Review.id).limit(limit)
    if is_open:
        statement = statement.where(Review.decision.is_(None))
    return session.scalars(statement).all()


def review(session: Session, review_id: int) -> Review:
    """Return a review. Raises NotFound.

    visibility: for an administrator; the caller has checked.
    """
    found = session.get(Review, review_id)
    if found is None:
        raise NotFound(
            "There is no review {review_id}. `aed reviews list` shows the reviews.",
            field="review_id",
            review_id=review_id,
        )
    return found


def estate_of_review(session: Session, review: Review) -> Estate | None:
    """Return the estate that alone is concerned by a review, or None: an administrator decides it.

    1. A conflict of sources concerns the device's estate.
    2. A sighting concerns the estate that its record names, since it lies within its boundary.
    3. A duplicate concerns an estate if the record names it and the device belongs to it.

    visibility: to decide who may decide.
    """
    if review.kind is ReviewKind.SHRINK:
        return None
    device = session.get(Device, review.device_id) if review.device_id is not None else None
    of_device = device.estate_id if device is not None else None
    if review.kind is ReviewKind.CONFLICT:
        return session.get(Estate, of_device) if of_device is not None else None
    record = review.evidence.get("record", {})
    if not record.get("estate"):
        return None
    named = session.scalars(
        select(Estate).where(
            Estate.source == (record.get("estate_source") or review.source),
            Estate.source_id == record["estate"],
        )
    ).first()
    if named is None or (review.kind is ReviewKind.DUPLICATE and named.id != of_device):
        return None
    return named


def open_reviews_of_estate(session: Session, estate: Estate, *, limit: int) -> list[Review]:
    """List the open reviews about an estate and its devices, the oldest first.

    visibility: for managers of the estate; the caller has checked.
    """
    of_estate = select(Device.id).where(Device.estate_id == estate.id)
    found = session.scalars(
        select(Review)
        .where(
            Review.decision.is_(None),
            or_(Review.device_id.in_(of_estate), Review.kind == ReviewKind.SIGHTING),
        )
        .order_by(Review.id)
        .limit(limit)
    )
    return [each for each in found if each.device_id is not None or estate_of_review(session, each) is estate]


def reviews_decided_by(
    session: Session, who: str, estate: Estate, *, since: datetime, limit: int
) -> Sequence[Review]:
    """List the recently decided reviews of the estate's devices, the last first.

    visibility: what the viewer decided themselves.
    """
    of_estate = select(Device.id).where(Device.estate_id == estate.id)
    return session.scalars(
        select(Review)
        .where(Review.device_id.in_(of_estate), Review.decided_by == who, Review.decided_at > since)
        .order_by(Review.decided_at.desc(), Review.id)
        .limit(limit)
    ).all()


def reviews_of_devices(session: Session, device_ids: Collection[int], kind: ReviewKind) -> Sequence[Review]:
    """List the reviews of one kind about these devices.

    visibility: for an administrator's import.
    """
    if not device_ids:
        return []
    return session.scalars(select(Review).where(Review.device_id.in_(device_ids), Review.kind == kind)).all()


def reviews_of_records(
    session: Session, identities: Iterable[Identity], kind: ReviewKind
) -> Sequence[Review]:
    """List the reviews of one kind about these records.

    visibility: for an administrator's import.
    """
    found: list[Review] = []
    for source, source_ids in by_source(identities).items():
        found += session.scalars(
            select(Review).where(
                Review.kind == kind, Review.source == source, Review.source_id.in_(source_ids)
            )
        )
    return found


def shrink_review(session: Session, source: str) -> Review | None:
    """Return the review about missing devices of a source, or None.

    visibility: for an administrator's import.
    """
    return session.scalars(
        select(Review).where(Review.kind == ReviewKind.SHRINK, Review.source == source)
    ).first()


def open_reviews_raised_by(session: Session, record_ids: Collection[int]) -> Sequence[Review]:
    """List the open reviews that these records raised.

    visibility: for an administrator's import.
    """
    record = (Review.source == SourceRecord.source) & (Review.source_id == SourceRecord.source_id)
    return session.scalars(
        select(Review)
        .join(SourceRecord, record)
        .where(SourceRecord.id.in_(record_ids), Review.decision.is_(None))
    ).all()
