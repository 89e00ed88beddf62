"""Mark the devices that a list no longer holds; they are never deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import Any, Final

from sqlalchemy import Column, MetaData, String, Table, literal, select, text, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.database.bulk import in_array, insert_many
from aed.imports.batches import EstateIds, Progress, offset_progress
from aed.imports.devices import queries, reviews
from aed.imports.devices.merging import NO_LONGER_LISTED, apply_claims, open_review
from aed.imports.devices.models import Review, SourceRecord
from aed.imports.devices.queries import Identity
from aed.imports.devices.rules import Decision, Ranks, ReviewKind, Thresholds
from aed.registry.devices.lists import ImportedDevice, save_devices
from aed.registry.devices.origins import BY_HAND
from aed.registry.devices.rules import DeviceState
from aed.registry.devices.schemas import DeviceIn
from aed.registry.fields import PositionIn

AT_ONCE: Final = 500
EXAMPLES: Final = 20

# --- Listed devices -------------------------------------------------------------------------------------

_LISTED = Table(
    "listed_now",
    MetaData(),
    Column("source", String(64), primary_key=True),
    Column("source_id", String(128), primary_key=True),
    Column("place", String(64), nullable=False),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)


class ListedDevices:
    """The devices that a file lists, and where. Kept in a temporary table, since files may be huge."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.sources: set[str] = set()
        session.flush()
        self.close()
        _LISTED.create(session.connection(), checkfirst=False)

    def close(self) -> None:
        self._session.connection().execute(text("DROP TABLE IF EXISTS listed_now"))

    def add(self, found: Sequence[tuple[Identity, str]]) -> dict[int, str]:
        """Add devices. Return {index in `found`: where} of those that were listed before."""
        known = self._known([identity for identity, _ in found])
        before: dict[int, str] = {}
        new: dict[Identity, str] = {}
        for number, (identity, where) in enumerate(found):
            first = known.get(identity) or new.get(identity)
            if first is not None:
                before[number] = first
            else:
                new[identity] = where
        self.sources |= {source for source, _ in new}
        rows = [
            {"source": source, "source_id": source_id, "place": where}
            for (source, source_id), where in new.items()
        ]
        insert_many(self._session, _LISTED, rows)
        return before

    def _known(self, identities: Iterable[Identity]) -> dict[Identity, str]:
        by_source: dict[str, list[str]] = {}
        for source, source_id in identities:
            if source in self.sources:
                by_source.setdefault(source, []).append(source_id)
        found: dict[Identity, str] = {}
        for source, source_ids in by_source.items():
            statement = select(_LISTED.c.source_id, _LISTED.c.place).where(
                _LISTED.c.source == source, in_array(self._session, _LISTED.c.source_id, source_ids)
            )
            for source_id, where in self._session.execute(statement):
                found[source, source_id] = where
        return found

    def missing(self, source: str) -> list[tuple[int, str, int | None]]:
        """Yield (id, source_id, device_id) of live records that the file does not list.

        visibility: for an administrator's import.
        """
        is_listed = select(literal(1)).where(
            _LISTED.c.source == SourceRecord.source, _LISTED.c.source_id == SourceRecord.source_id
        )
        statement = (
            select(SourceRecord.id, SourceRecord.source_id, SourceRecord.device_id)
            .where(SourceRecord.source == source, SourceRecord.gone_since.is_(None), ~is_listed.exists())
            .order_by(SourceRecord.id)
        )
        return [(found.id, found.source_id, found.device_id) for found in self._session.execute(statement)]


# --- Missing devices ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MissingDevices:
    """Records that a list no longer holds."""

    source: str
    source_ids: Sequence[str]
    is_held_back: bool = False
    """True if there are so many that a person must confirm first."""


def mark_missing(
    session: Session,
    who: Viewer,
    listed: ListedDevices,
    *,
    thresholds: Thresholds,
    is_shrink_accepted: bool,
    ranks: Ranks,
    estates: EstateIds,
    at: datetime,
    progress: Progress | None = None,
) -> list[MissingDevices]:
    """Mark records that these complete lists no longer hold as gone, or hold them back for a person."""
    found: list[MissingDevices] = []
    done = 0
    for source in sorted(listed.sources):
        missing = listed.missing(source)
        known = reviews.shrink_review(session, source)
        if not missing:
            if known is not None and known.decision is None:
                session.delete(known)
            continue
        source_ids = [source_id for _, source_id, _ in missing]
        live = queries.count_live(session, source)
        is_held_back = not is_shrink_accepted and thresholds.holds_back(len(missing), live)
        if is_held_back:
            _hold_back(session, source, missing, live, known, at=at)
        else:
            ids = [record_id for record_id, _, _ in missing]
            more = offset_progress(progress, after=done)
            mark_gone(session, who, source, ids, ranks=ranks, estates=estates, at=at, progress=more)
            done += len(ids)
            if known is not None and known.decision is None:
                session.delete(known)
        found.append(MissingDevices(source, source_ids, is_held_back))
    session.flush()
    return found


def _hold_back(
    session: Session,
    source: str,
    missing: Sequence[tuple[int, str, int | None]],
    live: int,
    known: Review | None,
    *,
    at: datetime,
) -> None:
    for some in batched([record_id for record_id, _, _ in missing], AT_ONCE):
        session.execute(
            update(SourceRecord)
            .where(SourceRecord.id.in_(some), SourceRecord.missing_since.is_(None))
            .values(missing_since=at)
        )
    evidence: dict[str, Any] = {
        "listed_before": live,
        "missing": len(missing),
        "examples": [source_id for _, source_id, _ in missing[:EXAMPLES]],
    }
    if known is not None and known.decision is Decision.REFUSE and known.evidence == evidence:
        return  # a person has already decided that these are not gone
    open_review(
        session,
        ReviewKind.SHRINK,
        source=source,
        evidence=evidence,
        among=[known] if known is not None else [],
        at=at,
    )


def mark_gone(
    session: Session,
    who: Viewer,
    source: str,
    record_ids: Collection[int],
    *,
    ranks: Ranks,
    estates: EstateIds,
    at: datetime,
    progress: Progress | None = None,
) -> None:
    """Mark records as gone. A device that no source lists any more goes out of service, with the reason; one
    that others list is merged from those.

    visibility: for an administrator, see put_devices.
    """
    count = offset_progress(progress, after=0)
    for number, some in enumerate(batched(sorted(record_ids), AT_ONCE)):
        session.execute(
            update(SourceRecord).where(SourceRecord.id.in_(some)).values(gone_since=at, missing_since=None)
        )
        left, kept = queries.devices_left(session, some)
        _take_out(session, who, source, left, at=at)
        apply_claims(session, who, kept, ranks=ranks, estates=estates, at=at)
        for review in reviews.open_reviews_raised_by(session, some):
            session.delete(review)
        session.flush()
        count(number * AT_ONCE + len(some))


def _take_out(
    session: Session, who: Viewer, source: str, device_ids: Collection[int], *, at: datetime
) -> None:
    reason = f"{NO_LONGER_LISTED}{source} since {at:%Y-%m-%d}"
    given = []
    for device in queries.registered_devices(session, device_ids).values():
        if device.state is DeviceState.IN_SERVICE and device.source != BY_HAND:
            where = PositionIn(lat=device.origin_lat, lon=device.origin_lon, datum=device.origin_datum)
            given.append(
                ImportedDevice(
                    device=DeviceIn(
                        source=device.source,
                        source_id=device.source_id,
                        position=where,
                        state=DeviceState.OUT_OF_SERVICE,
                        out_of_service_reason=reason,
                    ),
                    expiry={},
                    device_id=device.id,
                )
            )
    save_devices(session, who, given, at=at)
