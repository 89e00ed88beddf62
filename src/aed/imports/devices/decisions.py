"""Decisions of a person: decide a review, rank a source, merge two devices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import batched
from typing import Any, Final

from sqlalchemy import update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, Viewer, require_administrator, require_estate_manager
from aed.database.locks import exclusive_lock
from aed.errors import Conflict, InvalidInput
from aed.imports.batches import ROWS_AT_ONCE, EstateIds, Progress, offset_progress
from aed.imports.devices import queries, reviews
from aed.imports.devices.import_rows import ListEntry, RegisterBefore, RowImporter
from aed.imports.devices.matching import likeness_to
from aed.imports.devices.merging import apply_claims, likeness_as_json, open_review
from aed.imports.devices.missing import mark_gone
from aed.imports.devices.models import ListSource, Review, SourceRecord
from aed.imports.devices.queries import Identity, StoredRecord
from aed.imports.devices.rules import (
    DECISIONS,
    DEFAULT_RANK,
    HAND_RANK,
    Decision,
    Ranks,
    ReviewKind,
    Thresholds,
    claims_of,
)
from aed.registry.devices import queries as device_queries
from aed.registry.devices.lists import mark_distinct, withdraw_duplicate
from aed.registry.devices.origins import BY_HAND
from aed.registry.devices.rules import DeviceState


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
    """Decide a review and apply the decision; a later decision may change it. Progress counts gone devices.

    Raise NotFound, InvalidInput for a decision that this kind of review does not have, and what
    `save_devices` raises.
    """
    if not who.is_administrator and not _is_manager(who):
        require_administrator(who)  # first, so that others do not learn which reviews exist
    exclusive_lock(session, "import")
    review = reviews.review(session, review_id)
    require_decider(session, who, review)
    if decision not in DECISIONS[review.kind]:
        answers = " or ".join(DECISIONS[review.kind])
        raise InvalidInput(
            "The decision of a {kind} review must be {answers}.",
            field="decision",
            kind=review.kind,
            answers=answers,
        )
    if review.decision is decision:
        return review
    if review.kind is ReviewKind.SHRINK and review.decision is Decision.ACCEPT:
        raise Conflict("These devices are already marked as gone. Devices that are listed again come back.")
    if review.kind is ReviewKind.SIGHTING and review.decision is Decision.ACCEPT:
        raise Conflict("This device has been registered already. Withdraw it instead.")
    review.decision, review.decided_at, review.decided_by = decision, at, who.name
    session.flush()
    ranks, estates = queries.ranks(session), EstateIds(session)
    match review.kind, decision:
        case ReviewKind.DUPLICATE, Decision.SAME:
            _join(session, who, review, ranks, estates, at)
        case ReviewKind.DUPLICATE, _:
            _unlink(session, who, review, ranks, estates, thresholds, at)
        case ReviewKind.CONFLICT, _:
            apply_claims(session, who, _device(review), ranks=ranks, estates=estates, at=at)
        case ReviewKind.SIGHTING, Decision.ACCEPT:
            record = queries.record(session, (review.source, review.source_id))
            _link_or_register(session, who, record, None, ranks, estates, thresholds, at)
        case ReviewKind.SHRINK, Decision.ACCEPT:
            missing = queries.missing_records(session, review.source)
            mark_gone(
                session, who, review.source, missing, ranks=ranks, estates=estates, at=at, progress=progress
            )
    return review


def keep_answers(
    session: Session,
    who: Viewer,
    answers: Sequence[tuple[Identity, int, Decision]],
    *,
    thresholds: Thresholds,
    at: datetime,
) -> None:
    """Keep answers given with a list as decided reviews, and apply those that the import has not applied.

    `answers`: pairs of an imported row and a device. Raises what `decide` raises.
    """
    identities = [identity for identity, _, _ in answers]
    known = reviews.reviews_of_records(session, identities, ReviewKind.DUPLICATE)
    decided = {(each.source, each.source_id, each.device_id): each.decision for each in known}
    states = queries.record_states(session, identities)
    for identity, device_id, decision in answers:
        state = states.get(identity)
        if state is None or decided.get((*identity, device_id)) is decision:
            continue
        record = queries.record(session, identity)
        device = queries.registered_devices(session, [device_id])[device_id]
        found = likeness_to(claims_of(record.fields), device)
        asked = open_review(
            session,
            ReviewKind.DUPLICATE,
            source=record.source,
            source_id=record.source_id,
            device_id=device_id,
            evidence=likeness_as_json(found, record.fields),
            among=known,
            at=at,
        )
        session.flush()
        is_applied = state.device_id is not None and (state.device_id == device_id) is (
            decision is Decision.SAME
        )
        if is_applied:
            require_decider(session, who, asked)
            asked.decision, asked.decided_at, asked.decided_by = decision, at, who.name
        else:
            decide(session, who, asked.id, decision, thresholds=thresholds, at=at)
    session.flush()


def _is_manager(who: Viewer) -> bool:
    return any(each.role in (Role.ESTATE_MANAGER, Role.ADMINISTRATOR) for each in who.role_assignments)


def require_decider(session: Session, who: Viewer, review: Review) -> None:
    """Require an administrator; for a review about one estate alone, its manager may decide, too.

    Raises NotSignedIn, NotAllowed.
    """
    estate = None if who.is_administrator else reviews.estate_of_review(session, review)
    if estate is None:
        require_administrator(who)
    else:
        require_estate_manager(who, estate.id, region_id=estate.region_id)


def _device(review: Review) -> set[int]:
    return {review.device_id} if review.device_id is not None else set()


def _join(
    session: Session, who: Viewer, review: Review, ranks: dict[str, int], estates: EstateIds, at: datetime
) -> None:
    """Link the record to the device; withdraw a device that was registered from it meanwhile."""
    record = queries.record(session, (review.source, review.source_id))
    own, device_id = record.device_id, review.device_id
    if device_id is None or own == device_id:
        return
    if own is not None:
        merge_device_into(session, who, own, device_id, ranks=ranks, estates=estates, at=at)
        return
    session.execute(
        update(SourceRecord)
        .where(SourceRecord.id == record.id)
        .values(device_id=device_id)
        .execution_options(synchronize_session=False)
    )
    apply_claims(session, who, {device_id}, ranks=ranks, estates=estates, at=at)


def _unlink(
    session: Session,
    who: Viewer,
    review: Review,
    ranks: dict[str, int],
    estates: EstateIds,
    thresholds: Thresholds,
    at: datetime,
) -> None:
    """Unlink the record from the device; link it to its own device, the next best match, or a new one."""
    record = queries.record(session, (review.source, review.source_id))
    if record.device_id not in (None, review.device_id):
        return
    (device,) = queries.registered_devices(session, _device(review)).values()
    if (device.source, device.source_id) == (record.source, record.source_id):
        raise Conflict(
            "The device was registered from this entry, so it cannot be separated. Withdraw "
            "the device instead."
        )
    session.execute(
        update(SourceRecord)
        .where(SourceRecord.id == record.id)
        .values(device_id=None)
        .execution_options(synchronize_session=False)
    )
    apply_claims(session, who, {device.id}, ranks=ranks, estates=estates, at=at)
    for own in queries.device_ids(session, [(record.source, record.source_id)]).values():
        mark_distinct(session, who, own, at=at)
    if record.gone_since is None:
        _link_or_register(session, who, record, device.region, ranks, estates, thresholds, at)


def _link_or_register(
    session: Session,
    who: Viewer,
    record: StoredRecord,
    region: str | None,
    ranks: dict[str, int],
    estates: EstateIds,
    thresholds: Thresholds,
    at: datetime,
) -> None:
    """Link a record to its own device, the next best match, or a new device in the region."""
    merging = RowImporter(
        session=session,
        who=who,
        at=at,
        estates=estates,
        ranks=ranks,
        thresholds=thresholds,
        region=region,
        before=RegisterBefore.now(session),
    )
    merging.settle([_entry(record)])


def _entry(record: StoredRecord) -> ListEntry:
    return ListEntry(record.source, record.source_id, "", record.fields, record.digest)


_NAME: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def check_name(name: str, *, field: str) -> None:
    """Raise InvalidInput for an invalid name of a list."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "A source's name must have 1 to 64 characters: letters, digits and . _ : -.", field=field
        )
    if name == BY_HAND:
        raise InvalidInput(
            "'{by_hand}' stands for changes by people, which always have the highest rank.",
            field=field,
            by_hand=BY_HAND,
        )


def update_source(
    session: Session,
    who: Viewer,
    name: str,
    *,
    rank: int | None = None,
    title: str | None = None,
    country: str | None = None,
    at: datetime,
    progress: Progress | None = None,
) -> ListSource:
    """Set the rank, title or country of a source, and merge again the devices it shares with others.

    Progress counts these devices."""
    require_administrator(who)
    exclusive_lock(session, "import")
    check_name(name, field="name")
    if rank is not None and not 0 <= rank <= HAND_RANK:
        raise InvalidInput("rank must be from 0 to {hand_rank}.", field="rank", hand_rank=HAND_RANK)
    if country is not None and not re.fullmatch(r"[A-Z]{2}", country):
        raise InvalidInput("country must be two capital letters, such as CN.", field="country")
    source = session.get(ListSource, name) or ListSource(name=name, rank=DEFAULT_RANK)
    if rank is not None:
        source.rank = rank
    if title is not None:
        source.title = title[:200]
    if country is not None:
        source.country = country
    session.add(source)
    session.flush()
    if rank is not None:
        ranks, estates = queries.ranks(session), EstateIds(session)
        count = offset_progress(progress, after=0)
        for number, some in enumerate(batched(queries.shared_devices(session, name), ROWS_AT_ONCE)):
            apply_claims(session, who, some, ranks=ranks, estates=estates, at=at)
            count(number * ROWS_AT_ONCE + len(some))
    return source


UNASKED: Final = [{"what": "person", "weight": 0.0, "said": "a person merged them"}]


def merge_two_devices(session: Session, who: Viewer, kept_id: int, other_id: int, *, at: datetime) -> None:
    """Merge two devices: withdraw `other_id`, and link its records to `kept_id`.

    The merge is stored as a decided review for each record of the other. Raise NotFound, InvalidInput if both
    are the same device, Conflict if one is withdrawn.
    """
    require_administrator(who)
    exclusive_lock(session, "import")
    if kept_id == other_id:
        raise InvalidInput(
            "Device {kept_id} was given twice. Give two different devices.", field="other_id", kept_id=kept_id
        )
    for device_id in (kept_id, other_id):
        device = device_queries.device(session, who, device_id, for_update=True)
        if device.state is DeviceState.WITHDRAWN:
            raise Conflict(
                "Device {device_id} is withdrawn. Only active devices can be merged.", device_id=device_id
            )
    records = queries.records_of(session, [other_id])
    identities = [(record.source, record.source_id) for record in records]
    known = reviews.reviews_of_records(session, identities, ReviewKind.DUPLICATE)
    for record in records:
        evidence: dict[str, Any] = {"score": 1.0, "signs": UNASKED, "record": record.fields}
        asked = open_review(
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
    ranks, estates = queries.ranks(session), EstateIds(session)
    merge_device_into(session, who, other_id, kept_id, ranks=ranks, estates=estates, at=at)


def merge_device_into(
    session: Session,
    who: Viewer,
    other_id: int,
    kept_id: int,
    *,
    ranks: Ranks,
    estates: EstateIds,
    at: datetime,
) -> None:
    """Link the records of the other device to the kept one; withdraw the other, with the reason."""
    session.execute(
        update(SourceRecord)
        .where(SourceRecord.device_id == other_id)
        .values(device_id=kept_id)
        .execution_options(synchronize_session=False)
    )
    withdraw_duplicate(session, who, other_id, same_as=kept_id, at=at)
    for review in reviews.reviews_of_devices(session, [other_id], ReviewKind.CONFLICT):
        if review.decision is None:
            session.delete(review)
    _move_reviews_to_kept_device(session, other_id, kept_id)
    apply_claims(session, who, {kept_id}, ranks=ranks, estates=estates, at=at)


def _move_reviews_to_kept_device(session: Session, other_id: int, kept_id: int) -> None:
    """Move open reviews about the other device to the kept one, without duplicates."""
    of_kept = {
        (review.source, review.source_id): review
        for review in reviews.reviews_of_devices(session, [kept_id], ReviewKind.DUPLICATE)
    }
    for review in reviews.reviews_of_devices(session, [other_id], ReviewKind.DUPLICATE):
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
