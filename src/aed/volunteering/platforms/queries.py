"""Queries for batches of service records for volunteer platforms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Row, exists, select
from sqlalchemy.orm import Session, aliased, joinedload

from aed.accounts.permissions import Viewer
from aed.errors import NotFound
from aed.sharing.rules import start_of
from aed.volunteering.models import PlatformBatch, PlatformRow, ServiceRecord, Volunteer
from aed.volunteering.platforms.mapping import MAX_ROWS
from aed.volunteering.rules import BatchState, RowState, ServiceState, VolunteerPlatform
from aed.volunteering.volunteers.queries import in_managed_estates


def batches_visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select the batches of estates that the viewer manages.

    visibility: it is a predicate itself.
    """
    return in_managed_estates(viewer, estate_id=PlatformBatch.estate_id, region_id=PlatformBatch.region_id)


def batch(session: Session, viewer: Viewer, batch_id: int) -> PlatformBatch:
    """Return a batch. Raises NotFound if the viewer may not see it."""
    found = session.scalar(
        select(PlatformBatch)
        .where(PlatformBatch.id == batch_id, batches_visible_to(viewer))
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound(
            "There is no batch {batch_id}, or you may not see it.", field="batch_id", batch_id=batch_id
        )
    return found


def batches(session: Session, viewer: Viewer, *, limit: int, after_id: int = 0) -> Sequence[PlatformBatch]:
    """Return a page of batches, in order of id."""
    return session.scalars(
        select(PlatformBatch)
        .where(PlatformBatch.id > after_id, batches_visible_to(viewer))
        .order_by(PlatformBatch.id)
        .limit(limit)
    ).all()


def batch_by_reference(session: Session, platform: VolunteerPlatform, reference: str) -> PlatformBatch | None:
    """Return the batch under a reference. visibility: to recognise a repeated request."""
    return session.scalar(
        select(PlatformBatch).where(PlatformBatch.platform == platform, PlatformBatch.reference == reference)
    )


def rows_of(session: Session, batch_id: int) -> Sequence[Row[PlatformRow, ServiceRecord, Volunteer]]:
    """Return the rows of a batch with their records and volunteers.

    visibility: of a batch that the caller has found.
    """
    return session.execute(
        select(PlatformRow, ServiceRecord, Volunteer)
        .join(ServiceRecord, ServiceRecord.id == PlatformRow.record_id)
        .outerjoin(Volunteer, Volunteer.person_id == ServiceRecord.person_id)
        .where(PlatformRow.batch_id == batch_id)
        .options(joinedload(ServiceRecord.person))
        .order_by(PlatformRow.record_id)
    ).all()


def records_to_give(
    session: Session, platform: VolunteerPlatform, *, estate_id: int, time_zone: str, first: date, last: date
) -> Sequence[int]:
    """Return the confirmed records of a period that the platform does not have, by id.

    Their volunteers have a volunteer number. A record that the platform rejected is given again.
    visibility: of an estate that the viewer manages.
    """
    known = exists().where(
        PlatformRow.record_id == ServiceRecord.id,
        PlatformRow.platform == platform,
        PlatformRow.state != RowState.REJECTED,
    )
    return session.scalars(
        select(ServiceRecord.id)
        .join(Volunteer, Volunteer.person_id == ServiceRecord.person_id)
        .where(
            ServiceRecord.estate_id == estate_id,
            ServiceRecord.state == ServiceState.CONFIRMED,
            ServiceRecord.is_held.is_(False),
            ServiceRecord.minutes > 0,
            ServiceRecord.started_at >= start_of(first, time_zone),
            ServiceRecord.started_at < start_of(last + timedelta(days=1), time_zone),
            Volunteer.number.is_not(None),
            ~known,
        )
        .order_by(ServiceRecord.id)
        .limit(MAX_ROWS)
    ).all()


def rejected_rows(
    session: Session, viewer: Viewer, *, limit: int
) -> Sequence[Row[PlatformRow, PlatformBatch, ServiceRecord, Volunteer]]:
    """Return rows that a platform rejected and no later batch has, with what they belong to."""
    later = aliased(PlatformRow)
    is_given_again = exists().where(
        later.platform == PlatformRow.platform,
        later.record_id == PlatformRow.record_id,
        later.batch_id > PlatformRow.batch_id,
    )
    return session.execute(
        select(PlatformRow, PlatformBatch, ServiceRecord, Volunteer)
        .join(PlatformBatch, PlatformBatch.id == PlatformRow.batch_id)
        .join(ServiceRecord, ServiceRecord.id == PlatformRow.record_id)
        .outerjoin(Volunteer, Volunteer.person_id == ServiceRecord.person_id)
        .where(
            PlatformRow.state == RowState.REJECTED,
            ServiceRecord.state == ServiceState.CONFIRMED,
            batches_visible_to(viewer),
            ~is_given_again,
        )
        .options(joinedload(ServiceRecord.person))
        .order_by(PlatformRow.batch_id, PlatformRow.record_id)
        .limit(limit)
    ).all()


def prepared_batches(session: Session, *, has_endpoint: bool, max_attempts: int) -> list[int]:
    """Return the batches that wait to be given to their platforms: by a webhook, or as files.

    visibility: for the scheduler, and for commands.
    """
    return list(
        session.scalars(
            select(PlatformBatch.id)
            .where(
                PlatformBatch.state == BatchState.PREPARED,
                PlatformBatch.endpoint.is_not(None) if has_endpoint else PlatformBatch.endpoint.is_(None),
                PlatformBatch.attempts < max_attempts,
            )
            .order_by(PlatformBatch.id)
        )
    )


def volunteer_by_number(session: Session, number: str) -> Volunteer | None:
    """Return the volunteer with a volunteer number.

    visibility: for a manager, whose estate the caller compares.
    """
    return session.scalar(select(Volunteer).where(Volunteer.number == number))
