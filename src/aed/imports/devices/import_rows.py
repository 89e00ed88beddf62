"""Import the rows of lists: new devices, changed records, and rows that may be a registered device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.database.bulk import insert_many
from aed.imports.batches import Estates
from aed.imports.devices import queries
from aed.imports.devices.matching import Match, matches
from aed.imports.devices.merging import Held, ask, given_anew, hold, likeness_as_json, resolved_claims
from aed.imports.devices.models import SourceRecord
from aed.imports.devices.queries import Identity, Kept
from aed.imports.devices.rules import Decision, Ranks, ReviewKind, Thresholds, digest_of
from aed.imports.schemas import DeviceRow
from aed.registry.changes import PutOutcome
from aed.registry.devices.lists import put_devices


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a list: who says it, what, and where in the file."""

    source: str
    source_id: str
    where: str
    fields: Mapping[str, Any]
    digest: str

    @property
    def identity(self) -> Identity:
        return self.source, self.source_id


def entry_of(row: DeviceRow, where: str) -> Entry:
    fields = row.model_dump(mode="json", exclude_unset=True, exclude={"source", "source_id"})
    return Entry(row.source, row.source_id, where, fields, digest_of(fields))


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a row."""

    outcome: PutOutcome
    entry: Entry
    device_id: int | None = None
    """None: it waits for a person."""
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """{attribute: (before, now)} of the device."""
    conflicts: tuple[str, ...] = ()
    """The attributes about which a person is asked."""
    match: Match | None = None
    """Of a row that was taken for a device which another list has registered, or may be one."""


@dataclass(frozen=True, slots=True)
class Before:
    """What was registered when the import began. Entries of one file are never taken for one device, of
    whatever sources they are: a whole register comes back as it went."""

    sources: frozenset[str]
    last_device_id: int

    @classmethod
    def now(cls, session: Session) -> Before:
        sources = frozenset(queries.sources_of_devices(session))
        return cls(sources, queries.last_device_id(session))


@dataclass(frozen=True)
class Merging:
    """An import that is going on."""

    session: Session
    who: Viewer
    at: datetime
    estates: Estates
    ranks: Ranks
    thresholds: Thresholds
    region: str | None
    before: Before

    def put(self, entries: Sequence[Entry]) -> list[Taken]:
        """The register knows what the lists say. Raises what `put_devices` raises; then nothing of it may be
        kept.

        1. Who says the same as before is done: nothing is written, nothing is asked.
        2. What is not registered is looked for among the devices of other lists nearby.
        3. What is like none of them is a new device.
        4. The others are kept, and decided about together with what else is said of their device.
        """
        known = queries.kept_records(self.session, [entry.identity for entry in entries])
        self._read_estates(entries, known)
        done: dict[Identity, Taken] = {}
        claims: dict[Identity, dict[str, Any]] = {}
        for entry in entries:
            kept = known.get(entry.identity)
            if kept is not None and kept.digest == entry.digest and kept.gone_since is None:
                done[entry.identity] = Taken(PutOutcome.UNCHANGED, entry, kept.device_id)
            else:
                claims[entry.identity] = resolved_claims(entry.fields, entry.source, self.estates)
        self._found_again([known[identity] for identity in done])
        rest = [entry for entry in entries if entry.identity not in done]
        if rest:
            done |= self._put_rest(rest, claims, known)
        return [done[entry.identity] for entry in entries]

    def settle(self, entries: Sequence[Entry]) -> None:
        """The same for entries that are known, whatever they said before."""
        claims = {each.identity: resolved_claims(each.fields, each.source, self.estates) for each in entries}
        known = queries.kept_records(self.session, list(claims))
        self._put_rest(entries, claims, known)

    def _read_estates(self, entries: Sequence[Entry], known: Mapping[Identity, Kept]) -> None:
        self.estates.load(
            (entry.fields.get("estate_source") or entry.source, entry.fields["estate"])
            for entry in entries
            if "estate" in entry.fields
            and (entry.identity not in known or known[entry.identity].digest != entry.digest)
        )

    def _found_again(self, records: Sequence[Kept]) -> None:
        missing = [record.id for record in records if record.missing_since is not None]
        if missing:
            self.session.execute(
                update(SourceRecord).where(SourceRecord.id.in_(missing)).values(missing_since=None)
            )

    def _put_rest(
        self,
        entries: Sequence[Entry],
        claims: Mapping[Identity, dict[str, Any]],
        known: Mapping[Identity, Kept],
    ) -> dict[Identity, Taken]:
        devices = {
            identity: record.device_id for identity, record in known.items() if record.device_id is not None
        }
        unknown = [entry.identity for entry in entries if entry.identity not in devices]
        devices |= queries.device_ids(self.session, unknown)
        found = self._matches({each: claims[each] for each in unknown if each not in devices})
        devices |= {identity: match.device_id for identity, match in found.items() if match.is_sure}
        new = [entry for entry in entries if entry.identity not in devices and entry.identity not in found]
        made = put_devices(
            self.session,
            self.who,
            [
                given_anew(claims[entry.identity], source=entry.source, source_id=entry.source_id)
                for entry in new
            ],
            region=self.region,
            at=self.at,
        )
        new_ids = {entry.identity: device_id for entry, (device_id, _) in zip(new, made, strict=True)}
        keep(self.session, entries, known, {**devices, **new_ids}, at=self.at)
        held = hold(
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

    def _matches(self, claims: Mapping[Identity, dict[str, Any]]) -> dict[Identity, Match]:
        """Those that other lists have registered, or may have."""
        others = {each: said for each, said in claims.items() if self.before.sources - {each[0]}}
        if not others:
            return {}
        last = self.before.last_device_id
        return matches(self.session, others, thresholds=self.thresholds, up_to_id=last)

    def _ask_about(
        self, found: Mapping[Identity, Match], entries: Sequence[Entry], known: Mapping[Identity, Kept]
    ) -> None:
        """A row that may be a registered device waits; one that no longer may be does not. What was decided
        by the score is kept as a decision too, which a person may change."""
        fields = {entry.identity: entry.fields for entry in entries}
        waited = {each for each, record in known.items() if record.device_id is None and each in fields}
        among = queries.reviews_of_records(self.session, found.keys() | waited, ReviewKind.DUPLICATE)
        for (source, source_id), match in found.items():
            asked = ask(
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
                asked.decided_by = f"score {match.likeness.score:.3f}"
        for review in among:
            now = found.get((review.source, review.source_id))
            if review.decision is None and (now is None or now.device_id != review.device_id):
                self.session.delete(review)
        self.session.flush()

    def _taken(
        self,
        entry: Entry,
        new_ids: Mapping[Identity, int],
        devices: Mapping[Identity, int],
        held: Mapping[int, Held],
        match: Match | None,
    ) -> Taken:
        if entry.identity in new_ids:
            return Taken(PutOutcome.NEW, entry, new_ids[entry.identity])
        if entry.identity not in devices:
            return Taken(PutOutcome.UNCHANGED, entry, None, match=match)
        device_id = devices[entry.identity]
        became = held[device_id]
        mine = tuple(
            each.attribute
            for each in became.conflicts
            if (each.offered.source, each.offered.source_id) == entry.identity
        )
        return Taken(became.outcome, entry, device_id, became.changes, mine, match)


def keep(
    session: Session,
    entries: Sequence[Entry],
    known: Mapping[Identity, Kept],
    devices: Mapping[Identity, int],
    *,
    at: datetime,
) -> None:
    """What each says is kept, with the device that it says it of."""
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
