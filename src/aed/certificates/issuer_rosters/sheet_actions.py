"""Import an issuer's roster: confirm, correct and revoke the certificates registered here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.masking import is_whole, mask_holder_id
from aed.accounts.permissions import Viewer
from aed.certificates import rules as certificate_rules
from aed.certificates.issuer_rosters import queries
from aed.certificates.issuer_rosters.actions import Effects, RosterLine, link_to_issuer, take_lines
from aed.certificates.issuer_rosters.sheet import read_issuer_roster, roster_date
from aed.database.locks import exclusive_lock
from aed.errors import InvalidInput
from aed.imports.batches import (
    ImportReport,
    Progress,
    finish_import,
    import_in_batches,
    without_duplicates,
)
from aed.imports.formats.records import Record
from aed.imports.formats.values import EARLIEST, LATEST, clean
from aed.imports.rules import printable
from aed.issuers import queries as issuer_queries
from aed.issuers.models import IssuerCourse
from aed.issuers.rules import CertificateKind, plain_name
from aed.registry.changes import PutOutcome
from aed.training.rules import last_valid_day

MAX_LENGTHS: Final = {"name": 200, "number": 100, "holder_id_hash": 128, "phone": 32, "course": 64}
REVOKED: Final = frozenset(
    {
        *("revoked", "withdrawn", "cancelled", "invalid"),
        *("已撤销", "撤销", "已吊销", "吊销", "作废", "已作废", "注销", "已注销"),
    }
)
VALID: Final = frozenset({"", "valid", "active", "有效", "正常", "在有效期内"})


@dataclass(slots=True)
class IssuerRosterReport(ImportReport):
    """The result of importing an issuer's roster: its rows, and the effects on registered certificates."""

    effects: Effects = field(default_factory=Effects)
    linked: int = 0
    """Number of certificates newly linked to this issuer."""
    missing: int = 0
    """Number of verified certificates that are missing from this roster; they stay verified."""


def import_issuer_roster(
    session: Session,
    who: Viewer,
    issuer_id: int,
    path: Path,
    *,
    at: datetime,
    progress: Progress | None = None,
) -> IssuerRosterReport:
    """Replace the issuer's entries by those in the file, and update the certificates accordingly.

    Rows that cannot be imported are set aside with a correction; the others are imported. Importing the same
    file again changes nothing.

    Imports all good rows, or raises and the caller rolls back. Raises NotFound, NotSignedIn, NotAllowed, or
    InvalidInput for a file that is not a roster.
    """
    issuer = issuer_queries.issuer(session, issuer_id)
    issuer_queries.require_manages_issuer(who, issuer.region_id)
    exclusive_lock(session, "import")
    report = IssuerRosterReport()
    report.linked = link_to_issuer(session, issuer)
    courses = _courses(issuer_queries.courses_of(session, [issuer.id]).get(issuer.id, []))
    rows = _lines(read_issuer_roster(path), courses, report, progress)
    once = without_duplicates(rows, lambda line: (line.number,), report)

    def put(batch: Sequence[RosterLine]) -> list[PutOutcome]:
        return [
            PutOutcome.of(each) for each in take_lines(session, who, issuer, batch, report.effects, at=at)
        ]

    import_in_batches(session, (([record], line) for record, line in once), put, report, report.count)
    report.missing = queries.not_in_the_last_roster(session, issuer.id, read_at=at)
    return finish_import(report)


type Courses = Mapping[str, tuple[CertificateKind, int | None]]
"""Kind and months of validity by normalised course name."""


def _courses(known: Sequence[IssuerCourse]) -> Courses:
    found: dict[str, tuple[CertificateKind, int | None]] = {
        plain_name(kind.value): (kind, None) for kind in CertificateKind
    }
    for course in known:
        for name in (course.name_en, course.name_zh, course.code):
            found[plain_name(name)] = (course.kind, course.validity_months)
    return found


def _lines(
    records: Iterable[Record], courses: Courses, report: ImportReport, progress: Progress | None
) -> Iterator[tuple[Record, RosterLine]]:
    for done, record in enumerate(records, start=1):
        if progress is not None:
            progress(done)
        try:
            if record.wrong is not None:
                raise InvalidInput(record.wrong)
            line = _line(record.fields, courses)
        except InvalidInput as error:
            report.set_aside(_without_identity(record), error.detail)
        else:
            yield _without_identity(record), line


def _without_identity(record: Record) -> Record:
    """Mask the holder's identity number, which is never stored in full, not even for rows set aside."""
    written = certificate_rules.written(str(record.fields.get("holder_id", "")))
    if not written:
        return record
    fields = {**record.fields, "holder_id": mask_holder_id(written)}
    return Record(record.unit, record.number, fields, record.wrong)


def _line(fields: Mapping[str, str], courses: Courses) -> RosterLine:
    """Parse a row. Raises InvalidInput with a correction."""
    cells = {name: clean(cell) for name, cell in fields.items()}
    for name in ("name", "number", "course"):
        if not cells.get(name):
            raise InvalidInput(
                "{name}: is empty. If cells are merged, split them and fill in every row", name=name
            )
    for name, longest in MAX_LENGTHS.items():
        if len(cells.get(name, "")) > longest:
            raise InvalidInput("{name}: is longer than {longest} characters", name=name, longest=longest)
    course = courses.get(plain_name(cells["course"]))
    if course is None:
        raise InvalidInput(
            "course: this issuer has no course '{printable}'. Add it to the issuer's "
            "courses, or correct the cell",
            printable=printable(cells["course"], 60),
        )
    kind, months = course
    issued_on, valid_until = _day(cells, "issued_on"), _day(cells, "valid_until")
    if valid_until is None:
        if issued_on is None:
            raise InvalidInput("valid_until: must not be empty if issued_on is empty too")
        if months is None:
            raise InvalidInput(
                "valid_until: must not be empty, because the validity of this course is unknown"
            )
        valid_until = last_valid_day(issued_on, months)
    if issued_on is not None and issued_on > valid_until:
        raise InvalidInput(
            "valid_until: {valid_until} is before issued_on {issued_on}",
            valid_until=valid_until,
            issued_on=issued_on,
        )
    return RosterLine(
        number=cells["number"],
        name=cells["name"],
        holder_id=_holder_id(cells.get("holder_id", "")),
        holder_id_hash=cells.get("holder_id_hash") or None,
        phone=cells.get("phone") or None,
        course=cells["course"],
        kind=kind,
        issued_on=issued_on,
        valid_until=valid_until,
        is_revoked=_parse_revoked(cells.get("state", "")),
    )


def _day(cells: Mapping[str, str], name: str) -> date | None:
    cell = cells.get(name, "")
    if not cell:
        return None
    found = roster_date(cell)
    if found is None:
        raise InvalidInput(
            "{name}: '{printable}' is not a date, or is ambiguous. Write it as 2027-05-31",
            name=name,
            printable=printable(cell, 40),
        )
    if not EARLIEST <= found <= LATEST:
        raise InvalidInput(
            "{name}: {found} must be between {earliest} and {latest}",
            name=name,
            found=found,
            earliest=EARLIEST,
            latest=LATEST,
        )
    return found


def _holder_id(cell: str) -> str | None:
    number = certificate_rules.written(cell)
    if not number:
        return None
    if is_whole(number):
        if not certificate_rules.has_right_check_digit(number):
            raise InvalidInput(
                "holder_id: the check digit does not match, so a digit is wrong. Compare it with the card"
            )
        return mask_holder_id(number)
    if certificate_rules.SHOWN.fullmatch(number) is None:
        raise InvalidInput(
            "holder_id: must be an identity number of 18 digits, or masked such as 330106********1234"
        )
    return mask_holder_id(number)


def _parse_revoked(cell: str) -> bool:
    word = "".join(cell.casefold().split())
    if word in VALID:
        return False
    if word in REVOKED:
        return True
    raise InvalidInput(
        "state: '{printable}' must be valid (有效) or revoked (已撤销)", printable=printable(cell, 30)
    )
