"""What a person is asked, and has answered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.errors import NotFound
from aed.imports.models import Review, SourceRecord
from aed.imports.queries.records import Identity, by_source
from aed.imports.rules.review import ReviewKind


def reviews(session: Session, *, is_open: bool, limit: int, after_id: int = 0) -> Sequence[Review]:
    """A page of them in the order in which they were first asked.

    visibility: for an administrator, whom the caller has made sure of.
    """
    statement = select(Review).where(Review.id > after_id).order_by(Review.id).limit(limit)
    if is_open:
        statement = statement.where(Review.decision.is_(None))
    return session.scalars(statement).all()


def review(session: Session, review_id: int) -> Review:
    """Raises NotFound.

    visibility: for an administrator, whom the caller has made sure of.
    """
    found = session.get(Review, review_id)
    if found is None:
        raise NotFound(f"There is no review {review_id}: see aed reviews list.", field="review_id")
    return found


def reviews_of_devices(session: Session, device_ids: Collection[int], kind: ReviewKind) -> Sequence[Review]:
    """visibility: for an administrator's import."""
    if not device_ids:
        return []
    return session.scalars(select(Review).where(Review.device_id.in_(device_ids), Review.kind == kind)).all()


def reviews_of_records(
    session: Session, identities: Iterable[Identity], kind: ReviewKind
) -> Sequence[Review]:
    """visibility: for an administrator's import."""
    found: list[Review] = []
    for source, source_ids in by_source(identities).items():
        found += session.scalars(
            select(Review).where(
                Review.kind == kind, Review.source == source, Review.source_id.in_(source_ids)
            )
        )
    return found


def shrink_review(session: Session, source: str) -> Review | None:
    """visibility: for an administrator's import."""
    return session.scalars(
        select(Review).where(Review.kind == ReviewKind.SHRINK, Review.source == source)
    ).first()


def open_reviews_raised_by(session: Session, record_ids: Collection[int]) -> Sequence[Review]:
    """visibility: for an administrator's import."""
    record = (Review.source == SourceRecord.source) & (Review.source_id == SourceRecord.source_id)
    return session.scalars(
        select(Review)
        .join(SourceRecord, record)
        .where(SourceRecord.id.in_(record_ids), Review.decision.is_(None))
    ).all()
