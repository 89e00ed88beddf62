"""Prepare batches for volunteer platforms, take their answers, and import hours that they recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import region_of_estate
from aed.database.bulk import insert_many
from aed.database.idempotency import require_same_content
from aed.database.locks import exclusive_lock
from aed.errors import Conflict, InvalidInput
from aed.volunteering.certificates.queries import issuer_of
from aed.volunteering.models import PlatformBatch, PlatformRow, ServiceRecord
from aed.volunteering.permissions import own_person_id, require_manager, require_signed_in
from aed.volunteering.platforms import queries
from aed.volunteering.platforms.adapters import Submission
from aed.volunteering.platforms.mapping import SubmittedRow, imported_rows
from aed.volunteering.platforms.schemas import BatchIn, HoursIn, HoursOut, RejectedRow, RowAnswer
from aed.volunteering.records import queries as record_queries
from aed.volunteering.records.actions import add_record, lock_service_of
from aed.volunteering.records.flags import add_event
from aed.volunteering.rules import (
    RULES,
    BatchState,
    Period,
    RowState,
    ServiceEventKind,
    ServiceSource,
    whole_minutes,
)

MAX_IMPORT_DAYS = 366


def prepare_batch(session: Session, who: Viewer, new: BatchIn, *, at: datetime) -> PlatformBatch:
    """Put the estate's records of a period that the platform does not have into a batch.

    The same reference sent again is the same batch. A record is on a platform once, unless it was rejected.
    Raises NotSignedIn, NotAllowed, NotFound, Conflict.
    """
    region_id = region_of_estate(session, new.estate_id)
    require_manager(who, estate_id=new.estate_id, region_id=region_id)
    exclusive_lock(session, f"batches of {new.platform}")
    known = queries.batch_by_reference(session, new.platform, new.reference)
    if known is not None:
        require_same_content(
            [known.estate_id, known.from_on, known.until_on],
            [new.estate_id, new.from_on, new.until_on],
            "batch",
            field="reference",
        )
        return known
    if issuer_of(session, new.estate_id) is None:
        raise Conflict("The region has not named an issuer of proofs for this estate.", field="estate_id")
    ids = queries.records_to_give(
        session,
        new.platform,
        estate_id=new.estate_id,
        time_zone=record_queries.time_zone_of(session, new.estate_id),
        first=new.from_on,
        last=new.until_on,
    )
    if not ids:
        raise Conflict("The platform has all confirmed service of this period.")
    made = PlatformBatch(
        **new.model_dump(), region_id=region_id, state=BatchState.PREPARED, made_at=at, made_by=who.name
    )
    session.add(made)
    session.flush()
    insert_many(
        session,
        PlatformRow,
        [
            {
                "batch_id": made.id,
                "record_id": each,
                "platform": new.platform,
                "state": RowState.WAITING,
                "reason": None,
            }
            for each in ids
        ],
    )
    return made


def prepare_again(session: Session, who: Viewer, batch_id: int, *, at: datetime) -> PlatformBatch:
    """Put what a platform rejected of a batch into the next batch of the same estate and period.

    With all else that the platform does not have. Asked for twice, it is the same batch. Raises NotSignedIn,
    NotAllowed, NotFound, Conflict.
    """
    require_signed_in(who)
    found = queries.batch(session, who, batch_id)
    new = BatchIn(
        platform=found.platform,
        reference=f"again-{found.id}",
        estate_id=found.estate_id,
        from_on=found.from_on,
        until_on=found.until_on,
        endpoint=found.endpoint,
    )
    return prepare_batch(session, who, new, at=at)


def submission_of(session: Session, batch: PlatformBatch) -> Submission:
    """Return a batch as the platform gets it.

    visibility: of a batch that the caller has found, for the platform.
    """
    issuer = issuer_of(session, batch.estate_id)
    zone = ZoneInfo(record_queries.time_zone_of(session, batch.estate_id))
    rows = [
        SubmittedRow(
            number=record.number,
            volunteer_number=(volunteer.number if volunteer is not None else None) or "",
            name=record.person.name,
            activity=record.activity,
            day=record.started_at.astimezone(zone).date().isoformat(),
            hours=f"{record.minutes / 60:.2f}",
            organisation=issuer.name if issuer is not None else "",
            reference=batch.reference,
        )
        for row, record, volunteer in queries.rows_of(session, batch.id)
        if row.state is not RowState.REJECTED
    ]
    return Submission(batch.platform, batch.reference, rows)


def take_answer(
    session: Session, batch: PlatformBatch, answers: Sequence[RowAnswer], *, at: datetime
) -> None:
    """Store what the platform made of a batch's records; taken twice, it is the same.

    A record that was accepted stays accepted. Raises InvalidInput for a record that is not in the batch.
    visibility: of a batch that the caller has found.
    """
    exclusive_lock(session, f"batches of {batch.platform}")
    rows = {record.number: (row, record) for row, record, _ in queries.rows_of(session, batch.id)}
    for answer in answers:
        if answer.number not in rows:
            raise InvalidInput("Record {number} is not in this batch.", field="number", number=answer.number)
        row, record = rows[answer.number]
        if row.state is not RowState.WAITING:
            continue
        row.state = RowState.ACCEPTED if answer.accepted else RowState.REJECTED
        row.reason = None if answer.accepted else (answer.reason or "")[:500]
        if answer.accepted:
            exported = f"{batch.platform} {batch.reference}"
            add_event(session, record, ServiceEventKind.EXPORTED, at=at, by=batch.made_by, reason=exported)
    if all(row.state is not RowState.WAITING for row, _ in rows.values()):
        batch.state, batch.answered_at, batch.failure = BatchState.ANSWERED, at, None
    session.flush()


def answer_batch(
    session: Session, who: Viewer, batch_id: int, answers: Sequence[RowAnswer], *, at: datetime
) -> PlatformBatch:
    """Take a platform's answer that a person brings.

    Raises NotSignedIn, NotAllowed, NotFound, InvalidInput.
    """
    found = queries.batch(session, who, batch_id)
    require_manager(who, estate_id=found.estate_id, region_id=found.region_id)
    take_answer(session, found, answers, at=at)
    return queries.batch(session, who, batch_id)


def import_hours(session: Session, who: Viewer, new: HoursIn, *, at: datetime) -> HoursOut:
    """Record hours that a platform recorded for the estate's volunteers, each once; another person confirms.

    Rows that cannot be recorded are returned with the reason. Raises NotSignedIn, NotAllowed, InvalidInput.
    """
    by_id = own_person_id(who)
    region_id = region_of_estate(session, new.estate_id)
    require_manager(who, estate_id=new.estate_id, region_id=region_id)
    zone = ZoneInfo(record_queries.time_zone_of(session, new.estate_id))
    recorded = known = 0
    rejected = []
    for row in imported_rows(new.content):
        result = _import_row(session, new, row, zone=zone, at=at, by=who.name, by_id=by_id)
        if result is None:
            recorded += 1
        elif result == "":
            known += 1
        else:
            rejected.append(RejectedRow(**row, reason=result))
    return HoursOut(recorded=recorded, known=known, rejected=rejected)


def _import_row(
    session: Session,
    new: HoursIn,
    row: dict[str, str],
    *,
    zone: ZoneInfo,
    at: datetime,
    by: str,
    by_id: int,
) -> str | None:
    """Record a row; return None, or why it was rejected ("": it is recorded already)."""
    volunteer = queries.volunteer_by_number(session, row["volunteer_number"])
    if volunteer is None or volunteer.estate_id != new.estate_id or volunteer.ended_at is not None:
        return "志愿者编号不存在"
    if not row["number"] or len(row["number"]) > 40 or not row["activity"] or len(row["activity"]) > 300:
        return "记录编号或活动名称有误"
    try:
        start, end = (
            moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
            for moment in (datetime.fromisoformat(row[name]) for name in ("started_at", "ended_at"))
        )
    except ValueError:
        return "时间格式有误"
    minutes = whole_minutes(start, end)
    if not 1 <= minutes <= RULES.max_hand_minutes or end > at or start < at - timedelta(days=MAX_IMPORT_DAYS):
        return "时间不合理"
    lock_service_of(session, volunteer.person_id)
    source_id = f"{new.platform}:{row['number']}"
    if (
        record_queries.record_by_source(session, ServiceSource.OTHER, source_id, volunteer.person_id)
        is not None
    ):
        return ""
    period = Period(start, end)
    for each in record_queries.counted_around(session, volunteer.person_id, period):
        if each.minutes > 0 and Period(each.started_at, each.ended_at).overlaps(period):
            return f"与服务记录{each.number}时间重叠"
    add_record(
        session,
        ServiceRecord(
            source=ServiceSource.OTHER,
            source_id=source_id,
            person_id=volunteer.person_id,
            estate_id=new.estate_id,
            region_id=volunteer.region_id,
            building_id=volunteer.building_id,
            activity=row["activity"],
            started_at=start,
            ended_at=end,
            minutes=minutes,
            proof={"platform": str(new.platform), "number": row["number"]},
            recorded_by=by,
            recorded_by_id=by_id,
        ),
        at=at,
    )
    return None
