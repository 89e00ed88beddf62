"""Preview the import of a list: how it would be read, what would be imported, what would be set aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import batched, islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.geo import Datum
from aed.imports.batches import ROWS_AT_ONCE, BadRow, EstateIds
from aed.imports.coordinates import number_of
from aed.imports.devices.answers import OF_DEVICE, Answers
from aed.imports.devices.boundaries import EstateBoundaries, NamedEstate, datum_counts
from aed.imports.devices.import_rows import ListEntry, RegisterBefore, foresee
from aed.imports.devices.matching import Match
from aed.imports.devices.permissions import require_importer
from aed.imports.devices.queries import Identity
from aed.imports.devices.questions import DuplicateQuestion, ReadRow, questions
from aed.imports.devices.reading import ListReader, SeenRows
from aed.imports.devices.report import DeviceReport
from aed.imports.devices.rules import Decision, Thresholds
from aed.imports.findings import Finding, ListNote
from aed.imports.formats.guess import Guess, GuessedColumn, describe_table, guess_mapping
from aed.imports.formats.mapping import Mapping as ListMapping
from aed.imports.formats.recognise import read_devices
from aed.imports.formats.records import Record
from aed.registry.changes import PutOutcome
from aed.translation import noop

MAX_PREVIEWED: Final = 20_000
"""Maximum number of rows looked at."""
MAX_SAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class SampleRow:
    """A row as it would be imported."""

    where: str
    fields: Mapping[str, Any]
    estate: NamedEstate | None


@dataclass(slots=True)
class Preview:
    """How a list would be read and imported."""

    mapping: ListMapping
    columns: tuple[GuessedColumn, ...]
    notes: list[ListNote]
    rows: int = 0
    good: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    samples: list[SampleRow] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    waiting: int = 0
    """Number of rows that may be a device of another list, so that a person decides."""
    joined: int = 0
    """Number of rows that are a known device, or that of an earlier row, by likeness or an answer."""
    questions: list[DuplicateQuestion] = field(default_factory=list)
    estates: dict[NamedEstate, int] = field(default_factory=dict)
    """Number of devices, by estate."""
    outside: int = 0
    """Number of devices outside all estates, which need a region."""


def preview_devices(
    session: Session,
    who: Viewer,
    path: Path,
    *,
    mapping: ListMapping | None = None,
    source: str | None = None,
    region: str | None = None,
    fixes: Mapping[int, Mapping[str, str]] | None = None,
    answers: Answers | None = None,
    thresholds: Thresholds | None = None,
) -> Preview:
    """Read a list with a mapping, or with a guessed one, and report what an import would do.

    Nothing is written. The datum of a guessed mapping is the one in which most points lie in estates. Raises
    InvalidInput if the file is no list, or if nothing can be guessed.
    """
    require_importer(who)
    guess: Guess | None = None
    is_guessed = mapping is None
    if mapping is None:
        guess = guess_mapping(path, source=source)
        mapping = guess.mapping
    elif mapping.kept_by_hand:
        guess = describe_table(path, mapping)
    reading = read_devices(path, mapping=mapping)
    records = list(islice(reading, MAX_PREVIEWED))
    boundaries = EstateBoundaries(session)
    if guess is not None:
        pairs = [pair for each in records if (pair := _pair(each)) is not None]
        boundaries.read_around(pairs)
        notes, mapping = _notes_of_guess(boundaries, guess, pairs, is_guessed=is_guessed)
        if is_guessed and mapping.datum is not Datum.WGS84:
            records = [replace(each, fields={**each.fields, "datum": mapping.datum}) for each in records]
        columns = guess.columns
    else:
        notes, columns = [], ()
    if len(records) == MAX_PREVIEWED:
        template = noop("Only the first {count} rows were looked at.")
        notes.append(ListNote(template, {"count": MAX_PREVIEWED}))
    found = Preview(mapping, columns, notes)
    report, seen, estates = DeviceReport(), SeenRows(), EstateIds(session)
    reader = ListReader(session, who, report, _ListedRows(), estates, boundaries, seen, region)
    entries = list(
        reader.entries(
            records, mapping=mapping, is_of_others=True, country=mapping.country, fixes=fixes or {}
        )
    )
    matched, new, before = _count_outcomes(
        session, found, entries, estates, answers or {}, thresholds or Thresholds()
    )
    found.rows, found.good, found.bad = len(records), len(entries), report.bad
    found.findings = [finding for record in records for finding in record.findings]
    found.estates = dict(sorted(report.estates.items(), key=lambda each: -each[1]))
    found.outside = report.outside
    named = {(each.source, each.source_id): each for each in report.estates}
    found.samples = [
        SampleRow(
            rows[0].where,
            entry.fields,
            named.get((str(entry.fields.get("estate_source")), str(entry.fields.get("estate")))),
        )
        for rows, entry in entries[:MAX_SAMPLES]
    ]
    found.questions = questions(
        session, who, entries, matched=matched, new=new, before=before, answers=answers or {}
    )
    return found


class _ListedRows:
    """The devices of a list, and where each is in the file."""

    def __init__(self) -> None:
        self._places: dict[Identity, str] = {}

    def add(self, found: Sequence[tuple[Identity, str]]) -> dict[int, str]:
        """Add devices. Return {index in `found`: where} of those that were listed before."""
        before: dict[int, str] = {}
        for number, (identity, where) in enumerate(found):
            if identity in self._places:
                before[number] = self._places[identity]
            else:
                self._places[identity] = where
        return before


def _count_outcomes(
    session: Session,
    found: Preview,
    entries: Iterable[ReadRow],
    estates: EstateIds,
    answers: Answers,
    thresholds: Thresholds,
) -> tuple[list[tuple[Sequence[Record], ListEntry, Match]], list[ReadRow], RegisterBefore]:
    """Count what importing would do. Return the rows that match a device, and the new ones."""
    before = RegisterBefore.now(session)
    matched: list[tuple[Sequence[Record], ListEntry, Match]] = []
    new: list[ReadRow] = []
    for batch in batched(entries, ROWS_AT_ONCE):
        some = [entry for _, entry in batch]
        outcomes = foresee(session, some, estates=estates, thresholds=thresholds, before=before)
        refused = {
            entry.identity: outcome
            for (rows, entry), outcome in zip(batch, outcomes, strict=True)
            if isinstance(outcome, Match)
            and answers.get(rows[0].number, {}).get(f"{OF_DEVICE}{outcome.device_id}") is Decision.DIFFERENT
        }
        others = _without(session, some, refused, estates=estates, thresholds=thresholds, before=before)
        for (rows, entry), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Match):
                matched.append((rows, entry, outcome))
            now = others.get(entry.identity, outcome)
            if isinstance(now, Match) and now is not outcome:
                matched.append((rows, entry, now))
            if now is PutOutcome.NEW:
                new.append((rows, entry))
            if Decision.SAME in answers.get(rows[0].number, {}).values():
                found.joined += 1
            elif isinstance(now, Match):
                found.joined += now.is_sure
                found.waiting += not now.is_sure
            else:
                found.new += now is PutOutcome.NEW
                found.changed += now is PutOutcome.CHANGED
                found.unchanged += now is PutOutcome.UNCHANGED
    return matched, new, before


def _without(
    session: Session,
    entries: Sequence[ListEntry],
    refused: Mapping[Identity, Match],
    *,
    estates: EstateIds,
    thresholds: Thresholds,
    before: RegisterBefore,
) -> dict[Identity, PutOutcome | Match]:
    """Return what importing would do with rows once the matches that a person refused are left out."""
    again = [entry for entry in entries if entry.identity in refused]
    if not again:
        return {}
    outcomes = foresee(
        session,
        again,
        estates=estates,
        thresholds=thresholds,
        before=before,
        different={(*identity, match.device_id) for identity, match in refused.items()},
    )
    return {entry.identity: outcome for entry, outcome in zip(again, outcomes, strict=True)}


def _pair(record: Record) -> tuple[float, float] | None:
    """Return latitude and longitude as a row has them; None if one is missing or impossible."""
    lat, lon = number_of(record.fields.get("lat")), number_of(record.fields.get("lon"))
    if lat is None or lon is None or not (-90 <= lat <= 90 and -180 <= lon <= 180):
        return None
    return lat, lon


def _notes_of_guess(
    boundaries: EstateBoundaries, guess: Guess, pairs: Sequence[tuple[float, float]], *, is_guessed: bool
) -> tuple[list[ListNote], ListMapping]:
    """Return what a person should know of the guess, and the mapping with the datum."""
    template = noop("The headings are in line {row}.")
    if guess.sheet:
        template = noop("The headings are in row {row} of the sheet {sheet}.")
    datum, evidence = _datum(boundaries, guess, pairs, is_guessed=is_guessed)
    where = ListNote(template, {"row": guess.header_row, "sheet": guess.sheet})
    headings = [where] if guess.header_row > 0 else []
    return [*headings, *guess.notes, evidence], guess.mapping.model_copy(update={"datum": datum})


def _datum(
    boundaries: EstateBoundaries, guess: Guess, pairs: Sequence[tuple[float, float]], *, is_guessed: bool
) -> tuple[Datum, ListNote]:
    """Return the datum of a mapping, which is found if it is guessed, and a sentence about its evidence."""
    if guess.datum_is_named:
        template = noop("The datum is {datum}, which the file names.")
        return guess.mapping.datum, ListNote(template, {"datum": guess.mapping.datum})
    counts = datum_counts(boundaries, pairs)
    values: dict[str, object] = {"points": counts.compared}
    values |= {datum.value: counts.inside[datum] for datum in Datum}
    if not is_guessed and counts.best is not guess.mapping.datum:
        template = noop(
            "The datum is {datum}, as chosen: of {points} points, {wgs84} as wgs84, {gcj02} as gcj02 and "
            "{bd09} as bd09 lie in an estate."
        )
        return guess.mapping.datum, ListNote(template, values | {"datum": guess.mapping.datum})
    if counts.best is None:
        template = noop(
            "The datum is not known (of {points} points, {wgs84} as wgs84, {gcj02} as gcj02 and {bd09} as "
            "bd09 lie in an estate), so wgs84 is assumed. If the coordinates come from a Chinese map, "
            "choose gcj02 (AMap, Tencent) or bd09 (Baidu)."
        )
        return guess.mapping.datum, ListNote(template, values)
    template = noop(
        "The datum is {datum}, by the boundaries of the estates: of {points} points, {wgs84} as wgs84, "
        "{gcj02} as gcj02 and {bd09} as bd09 lie in an estate."
    )
    return counts.best, ListNote(template, values | {"datum": counts.best})
