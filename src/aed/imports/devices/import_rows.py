"""Import the rows of lists: new devices, changed records, and rows that may be a registered device."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.database.bulk import insert_many
from aed.imports.batches import EstateIds, ImportStopped
from aed.imports.devices import queries, reviews
from aed.imports.devices.matching import Match, likeness_to, match_entries
from aed.imports.devices.merging import (
    MergeResult,
    apply_claims,
    claims_from_sources,
    likeness_as_json,
    open_review,
    resolved_claims,
)
from aed.imports.devices.models import SourceRecord
from aed.imports.devices.queries import Identity, RecordState
from aed.imports.devices.rules import Decision, Ranks, ReviewKind, Thresholds, digest_of
from aed.imports.schemas import DeviceRow
from aed.registry.changes import PutOutcome
from aed.registry.devices.lists import save_devices


@dataclass(frozen=True, slots=True)
class ListEntry:
    """A row of a list: its source, its fields, and where it is in the file."""

    source: str
    source_id: str
    where: str
    fields: Mapping[str, Any]
    digest: str

    @property
    def identity(self) -> Identity:
        return self.source, self.source_id


def list_entry(row: DeviceRow, where: str) -> ListEntry:
    fields = row.model_dump(mode="json", exclude_unset=True, exclude={"source", "source_id"})
    return ListEntry(row.source, row.source_id, where, fields, digest_of(fields))


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """The outcome of a row."""

    outcome: PutOutcome
    entry: ListEntry
    device_id: int | None = None
    """None while the row waits for a decision."""
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Changes of the device: {attribute: (before, now)}."""
    conflicts: tuple[str, ...] = ()
    """The attributes that a person must decide about."""
    match: Match | None = None
    """The device of another list that the row was linked to, or may describe."""


@dataclass(frozen=True, slots=True)
class RegisterBefore:
    """The state of the register when the import began.

    Rows of one file are never matched with each other, even from different sources, so that an exported
    register can be imported again."""

    sources: frozenset[str]
    last_device_id: int

    @classmethod
    def now(cls, session: Session) -> RegisterBefore:
        sources = frozenset(queries.sources_of_devices(session))
        return cls(sources, queries.last_device_id(session))


class RowAnswers(Protocol):
    """A person's answers about rows and registered devices."""

    def same_device(self, identity: Identity) -> int | None:
        """Return the registered device that a row is, by an answer."""

    def different(self, identities: Collection[Identity]) -> set[tuple[str, str, int]]:
        """Return the pairs that are different by an answer, as (source, source_id, device id)."""


@dataclass(frozen=True)
class RowImporter:
    """Imports the rows of a file in batches."""

    session: Session
    who: Viewer
    at: datetime
    estates: EstateIds
    ranks: Ranks
    thresholds: Thresholds
    region: str | None
    before: RegisterBefore
    names_region: Callable[[], bool] = lambda: True
    """Whether any row of the file so far names a region or an estate."""
    answers: RowAnswers | None = None
    """What a person has answered about rows that may be a registered device."""

    def put(self, entries: Sequence[ListEntry]) -> list[ImportedRow]:
        """Import entries. Raise what `save_devices` raises; the caller must then roll back.

        1. Skip entries that are unchanged.
        2. Match entries that are not registered with nearby devices of other lists.
        3. Register a new device for each entry without a match.
        4. Store the other entries, and merge them with the claims of other sources about their device.
        """
        known = queries.record_states(self.session, [entry.identity for entry in entries])
        _read_estates(self.estates, entries, known)
        done: dict[Identity, ImportedRow] = {}
        claims: dict[Identity, dict[str, Any]] = {}
        for entry in entries:
            kept = known.get(entry.identity)
            if kept is not None and kept.digest == entry.digest and kept.gone_since is None:
                done[entry.identity] = ImportedRow(PutOutcome.UNCHANGED, entry, kept.device_id)
            else:
                claims[entry.identity] = resolved_claims(entry.fields, entry.source, self.estates)
        self._mark_present([known[identity] for identity in done])
        rest = [entry for entry in entries if entry.identity not in done]
        if rest:
            done |= self._put_unmatched(rest, claims, known)
        return [done[entry.identity] for entry in entries]

    def settle(self, entries: Sequence[ListEntry]) -> None:
        """Import known entries again, even if they have not changed."""
        claims = {each.identity: resolved_claims(each.fields, each.source, self.estates) for each in entries}
        known = queries.record_states(self.session, list(claims))
        self._put_unmatched(entries, claims, known)

    def _mark_present(self, records: Sequence[RecordState]) -> None:
        missing = [record.id for record in records if record.missing_since is not None]
        if missing:
            self.session.execute(
                update(SourceRecord).where(SourceRecord.id.in_(missing)).values(missing_since=None)
            )

    def _put_unmatched(
        self,
        entries: Sequence[ListEntry],
        claims: Mapping[Identity, dict[str, Any]],
        known: Mapping[Identity, RecordState],
    ) -> dict[Identity, ImportedRow]:
        devices = {
            identity: record.device_id for identity, record in known.items() if record.device_id is not None
        }
        unknown = [entry.identity for entry in entries if entry.identity not in devices]
        devices |= queries.device_ids(self.session, unknown)
        unregistered = {each: claims[each] for each in unknown if each not in devices}
        found = _matches(
            self.session,
            unregistered,
            before=self.before,
            thresholds=self.thresholds,
            different=self.answers.different(unregistered) if self.answers is not None else (),
        )
        found |= self._answered_matches(unregistered)
        devices |= {identity: match.device_id for identity, match in found.items() if match.is_sure}
        new = [entry for entry in entries if entry.identity not in devices and entry.identity not in found]
        if new and self.region is None and not self.names_region():
            raise ImportStopped(
                "Give the region of the new devices, such as CN-33: no row of this list names a region or "
                "an estate. Nothing was imported.",
                field="region",
            )
        made = save_devices(
            self.session,
            self.who,
            [
                claims_from_sources(claims[entry.identity], source=entry.source, source_id=entry.source_id)
                for entry in new
            ],
            region=self.region,
            at=self.at,
        )
        new_ids = {entry.identity: device_id for entry, (device_id, _) in zip(new, made, strict=True)}
        keep(self.session, entries, known, {**devices, **new_ids}, at=self.at)
        held = apply_claims(
            self.session,
            self.who,
            {devices[entry.identity] for entry in entries if entry.identity in devices},
            ranks=self.ranks,
            estates=self.estates,
            at=self.at,
        )
        self._ask_about(found, entries, known)
        return {
            entry.identity: self._taken(entry, new_ids, devices, held, found.get(entry.identity))
            for entry in entries
        }

    def _answered_matches(self, claims: Mapping[Identity, dict[str, Any]]) -> dict[Identity, Match]:
        """Return the devices that these rows are by a person's answer."""
        if self.answers is None:
            return {}
        same = {
            identity: device_id
            for identity in claims
            if (device_id := self.answers.same_device(identity)) is not None
        }
        devices = queries.registered_devices(self.session, set(same.values()))
        return {
            identity: Match(
                device_id, likeness_to(claims[identity], devices[device_id]), is_sure=True, by=self.who.name
            )
            for identity, device_id in same.items()
        }

    def _ask_about(
        self,
        found: Mapping[Identity, Match],
        entries: Sequence[ListEntry],
        known: Mapping[Identity, RecordState],
    ) -> None:
        """Open reviews for rows that may match a registered device, and close those that no longer do.

        A match that was decided by its score is stored as a decision too, which a person may change."""
        fields = {entry.identity: entry.fields for entry in entries}
        waited = {each for each, record in known.items() if record.device_id is None and each in fields}
        among = reviews.reviews_of_records(self.session, found.keys() | waited, ReviewKind.DUPLICATE)
        for (source, source_id), match in found.items():
            asked = open_review(
                self.session,
                ReviewKind.DUPLICATE,
                source=source,
                source_id=source_id,
                device_id=match.device_id,
                evidence=likeness_as_json(match.likeness, fields[source, source_id]),
                among=among,
                at=self.at,
            )
            if match.is_sure:
                asked.decision, asked.decided_at = Decision.SAME, self.at
                asked.decided_by = match.by or f"score {match.likeness.score:.3f}"
        for review in among:
            now = found.get((review.source, review.source_id))
            if review.decision is None and (now is None or now.device_id != review.device_id):
                self.session.delete(review)
        self.session.flush()

    def _taken(
        self,
        entry: ListEntry,
        new_ids: Mapping[Identity, int],
        devices: Mapping[Identity, int],
        held: Mapping[int, MergeResult],
        match: Match | None,
    ) -> ImportedRow:
        if entry.identity in new_ids:
            return ImportedRow(PutOutcome.NEW, entry, new_ids[entry.identity])
        if entry.identity not in devices:
            return ImportedRow(PutOutcome.UNCHANGED, entry, None, match=match)
        device_id = devices[entry.identity]
        became = held[device_id]
        mine = tuple(
            each.attribute
            for each in became.conflicts
            if (each.offered.source, each.offered.source_id) == entry.identity
        )
        return ImportedRow(became.outcome, entry, device_id, became.changes, mine, match)


def keep(
    session: Session,
    entries: Sequence[ListEntry],
    known: Mapping[Identity, RecordState],
    devices: Mapping[Identity, int],
    *,
    at: datetime,
) -> None:
    """Store each record with its device."""
    insert_many(
        session,
        SourceRecord,
        [
            {
                "source": entry.source,
                "source_id": entry.source_id,
                "device_id": devices.get(entry.identity),
                "fields": entry.fields,
                "digest": entry.digest,
                "first_seen_at": at,
                "changed_at": at,
            }
            for entry in entries
            if entry.identity not in known
        ],
    )
    changed = [
        {
            "id": known[entry.identity].id,
            "device_id": devices.get(entry.identity),
            "fields": dict(entry.fields),
            "digest": entry.digest,
            "changed_at": at,
            "missing_since": None,
            "gone_since": None,
        }
        for entry in entries
        if entry.identity in known
    ]
    if changed:
        session.execute(update(SourceRecord), changed)


def foresee(
    session: Session,
    entries: Sequence[ListEntry],
    *,
    estates: EstateIds,
    thresholds: Thresholds,
    before: RegisterBefore,
    different: Collection[tuple[str, str, int]] = (),
) -> list[PutOutcome | Match]:
    """Return what importing each entry would do; the match, if it may be a registered device.

    Nothing is written. `different`: pairs that a person has called different.
    """
    known = queries.record_states(session, [entry.identity for entry in entries])
    _read_estates(estates, entries, known)
    unregistered = [
        entry for entry in entries if entry.identity not in known or known[entry.identity].device_id is None
    ]
    linked = queries.device_ids(session, [entry.identity for entry in unregistered])
    claims = {
        entry.identity: resolved_claims(entry.fields, entry.source, estates)
        for entry in unregistered
        if entry.identity not in linked
    }
    found = _matches(session, claims, before=before, thresholds=thresholds, different=different)
    outcomes: list[PutOutcome | Match] = []
    for entry in entries:
        kept = known.get(entry.identity)
        if entry.identity in found:
            outcomes.append(found[entry.identity])
        elif entry.identity in claims:
            outcomes.append(PutOutcome.NEW)
        elif kept is not None and kept.digest == entry.digest and kept.gone_since is None:
            outcomes.append(PutOutcome.UNCHANGED)
        else:
            outcomes.append(PutOutcome.CHANGED)
    return outcomes


def _read_estates(
    estates: EstateIds, entries: Sequence[ListEntry], known: Mapping[Identity, RecordState]
) -> None:
    estates.load(
        (entry.fields.get("estate_source") or entry.source, entry.fields["estate"])
        for entry in entries
        if "estate" in entry.fields
        and (entry.identity not in known or known[entry.identity].digest != entry.digest)
    )


def _matches(
    session: Session,
    claims: Mapping[Identity, dict[str, Any]],
    *,
    before: RegisterBefore,
    thresholds: Thresholds,
    different: Collection[tuple[str, str, int]] = (),
) -> dict[Identity, Match]:
    """Match entries with devices that other lists have registered."""
    others = {each: claim for each, claim in claims.items() if before.sources - {each[0]}}
    if not others:
        return {}
    return match_entries(
        session, others, thresholds=thresholds, up_to_id=before.last_device_id, different=different
    )
