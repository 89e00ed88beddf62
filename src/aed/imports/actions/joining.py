"""Two devices that are one: what is told of the one is told of the other from now on."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import update
from sqlalchemy.orm import Session

from aed.accounts.rules import Viewer, may_administer
from aed.database.session import exclusive_lock
from aed.errors import Conflict, InvalidInput
from aed.imports import queries
from aed.imports.actions.holding import hold
from aed.imports.actions.reviews import ask
from aed.imports.actions.taking import Estates
from aed.imports.models import SourceRecord
from aed.imports.rules.merge import Ranks
from aed.imports.rules.review import Decision, ReviewKind
from aed.registry import queries as registry
from aed.registry.actions.lists import withdraw_as_same
from aed.registry.rules.device import DeviceState

UNASKED: Final = [{"what": "person", "weight": 0.0, "said": "a person said so without being asked"}]


def join_devices(session: Session, who: Viewer, kept_id: int, other_id: int, *, at: datetime) -> None:
    """The two are one device: `other_id` is withdrawn, and whoever lists it tells of `kept_id` from now on.

    It is remembered as if it had been asked, for each entry of a list that told of the other. Raises
    NotFound, InvalidInput for one and the same device, Conflict for one that is withdrawn.
    """
    may_administer(who)
    exclusive_lock(session, "import")
    if kept_id == other_id:
        raise InvalidInput(f"Device {kept_id} is itself already: name two.", field="other_id")
    for device_id in (kept_id, other_id):
        device = registry.device(session, who, device_id, for_update=True)
        if device.state is DeviceState.WITHDRAWN:
            raise Conflict(f"Device {device_id} is withdrawn: only devices that stand are joined.")
    records = queries.records_of(session, [other_id])
    identities = [(record.source, record.source_id) for record in records]
    known = queries.reviews_of_records(session, identities, ReviewKind.DUPLICATE)
    for record in records:
        evidence: dict[str, Any] = {"score": 1.0, "signs": UNASKED, "record": record.fields}
        asked = ask(
            session,
            ReviewKind.DUPLICATE,
            source=record.source,
            source_id=record.source_id,
            device_id=kept_id,
            evidence=evidence,
            among=known,
            at=at,
        )
        asked.decision, asked.decided_at, asked.decided_by = Decision.SAME, at, who.name
    session.flush()
    ranks, estates = queries.ranks(session), Estates(session)
    merge_into(session, who, other_id, kept_id, ranks=ranks, estates=estates, at=at)


def merge_into(
    session: Session,
    who: Viewer,
    other_id: int,
    kept_id: int,
    *,
    ranks: Ranks,
    estates: Estates,
    at: datetime,
) -> None:
    """What was said of the other device is said of the kept one; the other is withdrawn, and says why."""
    session.execute(
        update(SourceRecord)
        .where(SourceRecord.device_id == other_id)
        .values(device_id=kept_id)
        .execution_options(synchronize_session=False)
    )
    withdraw_as_same(session, who, other_id, same_as=kept_id, at=at)
    for review in queries.reviews_of_devices(session, [other_id], ReviewKind.CONFLICT):
        if review.decision is None:
            session.delete(review)
    _ask_about_the_kept_one(session, other_id, kept_id)
    hold(session, who, {kept_id}, ranks=ranks, estates=estates, at=at)


def _ask_about_the_kept_one(session: Session, other_id: int, kept_id: int) -> None:
    """What may be the other device may be the kept one. Asked about both, it is asked once."""
    of_kept = {
        (review.source, review.source_id): review
        for review in queries.reviews_of_devices(session, [kept_id], ReviewKind.DUPLICATE)
    }
    for review in queries.reviews_of_devices(session, [other_id], ReviewKind.DUPLICATE):
        if review.decision is not None:
            continue
        asked = of_kept.get((review.source, review.source_id))
        if asked is None:
            review.device_id = kept_id
            continue
        session.delete(review)
        if asked.decision is Decision.DIFFERENT:
            asked.decision, asked.decided_at, asked.decided_by = None, None, None
    session.flush()
