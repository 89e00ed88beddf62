"""Upload a list, correct its mapping, preview it, import it."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import ChangedMeanwhile, InvalidInput, NotAllowed, NotFound
from aed.geo import Datum
from aed.imports.devices.actions import import_devices
from aed.imports.devices.answers import answers_as_json, answers_from, require_may_answer, with_answer
from aed.imports.devices.permissions import OWN_LIST, require_importer
from aed.imports.devices.preview import Preview, preview_devices
from aed.imports.devices.report import DeviceReport
from aed.imports.devices.rules import Thresholds
from aed.imports.findings import FindingKind
from aed.imports.formats.guess import CHOICES, describe_table, guess_mapping, mapping_text
from aed.imports.formats.mapping import Mapping as ListMapping
from aed.imports.formats.mapping import mapping_from
from aed.imports.formats.marked import write_set_aside
from aed.imports.formats.recognise import read_devices
from aed.imports.lint.fixes import MENDABLE, Fix, by_row, fixes_in
from aed.imports.lint.linting import lint_list
from aed.imports.models import ImportDraft, SavedMapping
from aed.imports.saved_mappings.actions import mapping_for, places_of, save_mapping, saved_mapping
from aed.imports.saved_mappings.actions import mapping_of as saved_mapping_of

MAX_BYTES: Final = 20_000_000
KEPT_FOR: Final = timedelta(days=7)
MAX_DRAFTS: Final = 20
"""Maximum number of drafts of a person; older ones are deleted."""


@dataclass(frozen=True, slots=True)
class DraftPreview:
    """What importing a draft would do, and what could be mended in it."""

    found: Preview
    mends: Mapping[FindingKind, list[Fix]]


def drafts(session: Session, who: Viewer) -> list[ImportDraft]:
    """Return the viewer's drafts, the newest first.

    visibility: the viewer's own.
    """
    statement = (
        select(ImportDraft).where(ImportDraft.person_id == who.person_id).order_by(ImportDraft.id.desc())
    )
    return list(session.scalars(statement.limit(MAX_DRAFTS)))


def draft(session: Session, who: Viewer, draft_id: int) -> ImportDraft:
    """Return a draft of the viewer. Raises NotSignedIn, NotAllowed, NotFound.

    visibility: the viewer's own.
    """
    require_importer(who)
    found = session.get(ImportDraft, draft_id)
    if found is None or found.person_id != who.person_id:
        raise NotFound("There is no list {draft_id}.", draft_id=draft_id)
    return found


def create_draft(session: Session, who: Viewer, path: Path, *, at: datetime) -> ImportDraft:
    """Keep an uploaded list, with the saved mapping whose columns it has, or else with a guessed one.

    Raises InvalidInput if it is no list, or if nothing can be guessed.
    """
    require_importer(who)
    if who.person_id is None:
        raise NotAllowed("Only a person keeps lists here. Send the list with its mapping to the import.")
    if path.stat().st_size > MAX_BYTES:
        raise InvalidInput(
            "{name} is larger than {megabytes} MB.",
            field="file",
            name=path.name,
            megabytes=MAX_BYTES // 1_000_000,
        )
    saved = mapping_for(session, who, path)
    made = ImportDraft(
        person_id=who.person_id,
        file_name=path.name,
        content=path.read_bytes(),
        mapping=mapping_text(_first_mapping(session, who, path, saved)),
        fixes=[],
        answers={},
        created_at=at,
    )
    session.add(made)
    session.flush()
    for each in drafts(session, who)[MAX_DRAFTS - 1 :]:
        if each.id != made.id:
            session.delete(each)
    return made


def _first_mapping(session: Session, who: Viewer, path: Path, saved: SavedMapping | None) -> ListMapping:
    """Return the mapping of a new draft: the saved one, or a guessed one.

    Its source names the estate, unless the saved mapping is that of an estate or region.
    """
    mapping = saved_mapping_of(saved) if saved is not None else None
    if mapping is not None and saved is not None and (saved.estate_id or saved.region_id):
        return mapping
    found = preview_devices(session, who, path, mapping=mapping)
    estate = next(iter(found.estates), None)
    place = estate.id if estate is not None else f"p{who.person_id}"
    source = f"{OWN_LIST}{found.mapping.source.removeprefix(OWN_LIST)}-{place}"
    return found.mapping.model_copy(update={"source": source})


def use_mapping(
    session: Session, who: Viewer, draft_id: int, *, version: int, mapping_id: int | None
) -> None:
    """Read a draft with a saved mapping, or guess its mapping again (None).

    Raises InvalidInput if the list lacks a column of the position, NotFound, and ChangedMeanwhile.
    """
    found = _open_draft(session, who, draft_id, version)
    saved = saved_mapping(session, who, mapping_id) if mapping_id is not None else None
    with _as_file(found) as path:
        mapping = _first_mapping(session, who, path, saved)
        for _ in read_devices(path, mapping=mapping):
            break  # the header is checked
    found.mapping = mapping_text(mapping)
    found.version += 1
    session.flush()


def save_draft_mapping(
    session: Session, who: Viewer, draft_id: int, *, name: str, place: str, at: datetime
) -> SavedMapping:
    """Save how a draft is read, for the next list. Raises NotFound, NotAllowed, InvalidInput, Conflict."""
    found = draft(session, who, draft_id)
    places = {each.key: each for each in places_of(session, who)}
    if place not in places:
        raise InvalidInput("Choose for whom the mapping is saved.", field="place")
    return save_mapping(session, who, mapping_of(found), name=name, place=places[place], at=at)


def amend_draft(
    session: Session,
    who: Viewer,
    draft_id: int,
    *,
    version: int,
    chosen: Mapping[str, str],
    datum: Datum,
    fixes: Collection[FindingKind],
    answers: Collection[tuple[str, str, str]] = (),
) -> bool:
    """Correct what columns hold, the datum, what is mended and answers; return whether anything changed.

    `answers`: tuples of a row, `device:17` or `row:4`, and same, different, or empty for none. Raises
    InvalidInput if no column holds the position or an answer is malformed, NotAllowed, and ChangedMeanwhile.
    """
    found = _open_draft(session, who, draft_id, version)
    before = mapping_of(found)
    with _as_file(found) as path:
        shown = {each.heading: each.field for each in describe_table(path, before).columns}
        if {heading: held for heading, held in shown.items() if held in CHOICES} == dict(chosen):
            by = before
        else:
            by = guess_mapping(path, source=before.source, chosen=chosen).mapping
    mapping = mapping_text(by.model_copy(update={"datum": datum}))
    kinds = sorted(each.value for each in fixes)
    given = answers_from(found.answers)
    for row, other, answer in answers:
        given = with_answer(given, row, other, answer)
    kept = answers_as_json(given)
    if (mapping, kinds, kept) == (found.mapping, found.fixes, found.answers):
        return False
    require_may_answer(session, who, given)
    found.mapping, found.fixes, found.answers = mapping, kinds, kept
    found.version += 1
    session.flush()
    return True


def preview_draft(
    session: Session,
    who: Viewer,
    found: ImportDraft,
    *,
    on: date,
    thresholds: Thresholds | None = None,
) -> DraftPreview:
    """Return what importing the draft would do. Nothing is written."""
    mapping = mapping_of(found)
    with _as_file(found) as path:
        mends = _mends(path, mapping, on=on)
        chosen = [each for kind in found.fixes for each in mends.get(FindingKind(kind), [])]
        preview = preview_devices(
            session,
            who,
            path,
            mapping=mapping,
            fixes=by_row(chosen),
            answers=answers_from(found.answers),
            thresholds=thresholds,
        )
    return DraftPreview(preview, mends)


def import_draft(
    session: Session,
    who: Viewer,
    draft_id: int,
    *,
    version: int,
    is_whole_list: bool,
    thresholds: Thresholds,
    at: datetime,
) -> DeviceReport | None:
    """Import a draft as it was previewed, and keep the result; None if it is imported already.

    `is_whole_list`: devices that the list held before and that it lacks now go out of service. Raises
    ChangedMeanwhile if the draft was amended since the preview.
    """
    if draft(session, who, draft_id).imported_at is not None:
        return None
    found = _open_draft(session, who, draft_id, version)
    mapping = mapping_of(found)
    with _as_file(found) as path:
        fixes: list[Fix] = []
        if found.fixes:
            mends = _mends(path, mapping, on=at.date())
            fixes = [each for kind in found.fixes for each in mends.get(FindingKind(kind), [])]
        report = import_devices(
            session,
            who,
            path,
            at=at,
            mapping=mapping,
            is_partial=not is_whole_list,
            thresholds=thresholds,
            fixes=by_row(fixes),
            answers=answers_from(found.answers),
        )
    found.imported_at = at
    found.result = {
        "new": report.new,
        "changed": report.changed - report.merged_changed,
        "unchanged": report.unchanged - report.waiting - (report.merged - report.merged_changed),
        "waiting": report.waiting,
        "joined": report.merged,
        "gone": report.gone_count,
        "held_back": sum(len(each.source_ids) for each in report.held_back),
        "refused": {str(row.number): row.reason for row in report.bad},
    }
    session.flush()
    return report


def write_refused_rows(found: ImportDraft, out: Path) -> None:
    """Write the refused rows of an imported draft: the columns of the list, and the reason."""
    mapping = mapping_of(found)
    reasons = {int(number): str(reason) for number, reason in (found.result or {}).get("refused", {}).items()}
    with _as_file(found) as path:
        first = next(each for each in read_devices(path, mapping=mapping) if each.raw)
        write_set_aside(path, out, reasons, first=first, encodings=mapping.encodings, fill_merged=True)


def delete_draft(session: Session, who: Viewer, draft_id: int) -> None:
    """Delete a draft of the viewer. Raises NotFound."""
    session.delete(draft(session, who, draft_id))
    session.flush()


def delete_old_drafts(session: Session, *, at: datetime) -> None:
    """Delete the drafts of which a week has passed."""
    session.execute(delete(ImportDraft).where(ImportDraft.created_at <= at - KEPT_FOR))


def mapping_of(found: ImportDraft) -> ListMapping:
    return mapping_from(found.mapping, "mapping")


def _open_draft(session: Session, who: Viewer, draft_id: int, version: int) -> ImportDraft:
    found = draft(session, who, draft_id)
    if found.version != version or found.imported_at is not None:
        raise ChangedMeanwhile(
            "This list was changed or imported in another window. Look at it again before you go on."
        )
    return found


@contextmanager
def _as_file(found: ImportDraft) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aed-list-") as folder:
        path = Path(folder) / found.file_name
        path.write_bytes(found.content)
        yield path


def _mends(path: Path, mapping: ListMapping, *, on: date) -> dict[FindingKind, list[Fix]]:
    found: dict[FindingKind, list[Fix]] = {}
    with lint_list(path, on=on, mapping=mapping, compares_rows=False) as linted:
        for each in fixes_in(linted, MENDABLE):
            found.setdefault(each.kind, []).append(each)
    return found
