"""Import an issuer's roster in batches: store its entries and update the certificates that match.

All statements are set-based, so that a roster of 100,000 rows needs no statement per row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.certificates.issuer_rosters import queries
from aed.certificates.issuer_rosters.queries import Known, KnownPerson
from aed.certificates.models import CertificateCheck, IssuerEntry
from aed.certificates.rules import (
    CheckFinding,
    CheckState,
    Facts,
    Holder,
    IssuerStatement,
    bare_phone,
    compare,
)
from aed.database.bulk import insert_many
from aed.issuers.models import Issuer, IssuerName
from aed.issuers.rules import CertificateKind, IssuerState, plain_name
from aed.registry.changes import RegistryChange, record_creation
from aed.responders.actions import CertificateGiven, confirm_certificate
from aed.responders.models import Certificate
from aed.responders.rules import CertificateTrust

_SHOWN: Final = 1_000
REVOKED_WHY: Final = "Revoked by its issuer."


@dataclass(frozen=True, slots=True)
class RosterLine:
    """One certificate in a roster file."""

    number: str
    name: str
    holder_id: str | None
    holder_id_hash: str | None
    phone: str | None
    course: str
    kind: CertificateKind
    issued_on: date | None
    valid_until: date
    is_revoked: bool

    def statement(self) -> IssuerStatement:
        """Return the line as the issuer's statement."""
        return IssuerStatement(
            Holder(self.name, self.phone, self.holder_id),
            Facts(self.kind, self.issued_on, self.valid_until),
            self.is_revoked,
        )


@dataclass(frozen=True, slots=True)
class CheckNotice:
    """What a roster changed about one certificate."""

    number: str
    certificate_id: int
    state: CheckState
    said: str
    changes: Mapping[str, Sequence[object]] = field(default_factory=dict)
    """{field: [before, now]}"""


@dataclass(slots=True)
class Effects:
    """What a roster changed about the certificates held here."""

    counts: Counter[CheckState] = field(default_factory=Counter)
    added: int = 0
    """Number of certificates that were added to people known here without one."""
    not_held: int = 0
    """Number of entries whose certificate nobody here holds. They are kept for later."""
    unconfirmed: list[CheckNotice] = field(default_factory=list)
    """The certificates that were not simply confirmed, limited to the first thousand."""

    def add(self, notice: CheckNotice) -> None:
        """Count the notice, and keep it unless the certificate was simply confirmed."""
        self.counts[notice.state] += 1
        if notice.state is not CheckState.CONFIRMED and len(self.unconfirmed) < _SHOWN:
            self.unconfirmed.append(notice)


_COMPARED: Final = (
    "name",
    "holder_id",
    "holder_id_hash",
    "phone",
    "course",
    "kind",
    "issued_on",
    "valid_until",
    "is_revoked",
)


def take_lines(
    session: Session,
    who: Viewer,
    issuer: Issuer,
    lines: Sequence[RosterLine],
    effects: Effects,
    *,
    at: datetime,
) -> list[bool | None]:
    """Store the lines as the issuer's entries, and update the certificates with their numbers.

    Return for each line: True if it is new, False if it differs from the previous roster, None if it is
    unchanged. Each number occurs once among the lines, and the certificates are linked to the issuer (see
    `link_to_issuer`).

    visibility: for those who manage the issuer; the caller checks.
    """
    outcomes = _keep_entries(session, issuer, lines, at=at)
    by_number = {line.number: line for line in lines}
    known = queries.held(session, issuer.id, by_number)
    unheld = [by_number[number] for number in sorted(by_number.keys() - {each.number for each in known})]
    if added := _add_to_people(session, issuer, unheld, today=at.date()):
        effects.added += len(added)
        known = queries.held(session, issuer.id, by_number)
        for each in known:
            if each.number in added:
                record_creation(session, who, session.get_one(Certificate, each.id), at=at)
    follow(
        session, who, issuer, [(each, by_number[each.number].statement()) for each in known], effects, at=at
    )
    effects.not_held += len(by_number.keys() - {each.number for each in known})
    return outcomes


def _add_to_people(session: Session, issuer: Issuer, lines: Sequence[RosterLine], *, today: date) -> set[str]:
    """Add certificates that nobody holds to people known here; return their numbers.

    A row is of a person if the name and the phone number are theirs and nobody else's, and they hold no
    certificate of that kind. Expired and revoked rows are left out. The person is only called after they
    offer to help.

    visibility: as for `take_lines`.
    """
    current = [line for line in lines if line.phone and not line.is_revoked and line.valid_until >= today]
    if not current:
        return set()
    people: dict[tuple[str, str], list[KnownPerson]] = {}
    for person in queries.people_with_phone(session, {line.name for line in current}):
        people.setdefault((person.name, bare_phone(person.phone)), []).append(person)
    ids = [each.person_id for found in people.values() for each in found]
    taken = queries.kinds_held(session, ids) if ids else set()
    added = set()
    for line in current:
        found = people.get((line.name, bare_phone(line.phone or "")), [])
        if len(found) != 1 or (found[0].person_id, line.kind) in taken:
            continue
        taken.add((found[0].person_id, line.kind))
        given = CertificateGiven(
            line.kind,
            issuer.name_zh,
            line.number,
            line.issued_on,
            line.valid_until,
            CertificateTrust.VERIFIED,
        )
        confirm_certificate(
            session, found[0].person_id, given, region_id=found[0].region_id, estate_id=found[0].estate_id
        )
        added.add(line.number)
    return added


def follow(
    session: Session,
    who: Viewer,
    issuer: Issuer,
    pairs: Sequence[tuple[Known, IssuerStatement]],
    effects: Effects,
    *,
    at: datetime,
) -> None:
    """Update each certificate to the issuer's statement, and record the changes and checks.

    Disputed certificates take over no data.

    visibility: as for `take_lines`.
    """
    amended: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    checks: list[Checked] = []
    for known, statement in pairs:
        finding = compare(known.holder, known.facts, statement)
        now = _updated(known, statement, finding, at)
        fields = {
            name: [_plain(before), _plain(value)]
            for name, value in now.items()
            if (before := getattr(known, name)) != value
        }
        if fields:
            amended.append({"id": known.id, **now})
            changes.append(
                {
                    "subject": Certificate.__tablename__,
                    "subject_id": str(known.id),
                    "at": at,
                    "who": f"{who.name} (issuer {issuer.code})"[:200],
                    "fields": fields | _ends_of_ids(fields),
                }
            )
        checks.append(Checked(known.id, issuer.id, finding.state, finding.said))
        effects.add(CheckNotice(known.number, known.id, finding.state, finding.said, fields))
    if amended:
        session.execute(update(Certificate), amended)
    insert_many(session, RegistryChange, changes)
    save_checks(session, checks, at=at)


def _ends_of_ids(fields: Mapping[str, Sequence[object]]) -> dict[str, list[str | None]]:
    """Return the identity-number changes with only the last two characters, for the change history."""
    return {
        name: [f"…{str(each)[-2:]}" if each is not None else None for each in fields[name]]
        for name in fields.keys() & {"holder_id"}
    }


def _updated(known: Known, statement: IssuerStatement, finding: CheckFinding, at: datetime) -> dict[str, Any]:
    """Return the new column values of a certificate."""
    columns: dict[str, Any] = {
        "trust": known.trust,
        "kind": known.kind,
        "issued_on": known.issued_on,
        "valid_until": known.valid_until,
        "holder_id": known.holder_id,
        "revoked_at": known.revoked_at,
        "revoked_why": known.revoked_why,
    }
    match finding.state:
        case CheckState.CONFIRMED | CheckState.CORRECTED:
            columns |= {
                "trust": CertificateTrust.VERIFIED,
                "holder_id": statement.holder.holder_id or known.holder_id,
            }
            columns |= {name: getattr(statement.facts, name) for name in finding.corrections}
            if known.revoked_why == REVOKED_WHY:  # the issuer withdrew the revocation
                columns |= {"revoked_at": None, "revoked_why": None}
        case CheckState.REVOKED if known.revoked_at is None:
            columns |= {"revoked_at": at, "revoked_why": REVOKED_WHY}
        case CheckState.DISPUTED:
            columns |= {"trust": CertificateTrust.SELF_DECLARED}
    return columns


def _keep_entries(
    session: Session, issuer: Issuer, lines: Sequence[RosterLine], *, at: datetime
) -> list[bool | None]:
    """Insert or update the entries. Return the outcome of each line as in `take_lines`."""
    before = queries.entries(session, issuer.id, [line.number for line in lines])
    outcomes: list[bool | None] = []
    new: list[dict[str, Any]] = []
    amended: list[dict[str, Any]] = []
    same: list[int] = []
    for line in lines:
        values = {name: getattr(line, name) for name in _COMPARED}
        known = before.get(line.number)
        if known is None:
            moments = {"first_read_at": at, "read_at": at, "changed_at": at}
            new.append({"issuer_id": issuer.id, "number": line.number, **values, **moments, "before": None})
            outcomes.append(True)
            continue
        fields = {
            name: [_plain(getattr(known, name)), _plain(value)]
            for name, value in values.items()
            if getattr(known, name) != value
        }
        if not fields:
            same.append(known.id)
            outcomes.append(None)
            continue
        kept = [*(known.before or []), {**fields, "at": at.isoformat()}]
        amended.append({"id": known.id, **values, "read_at": at, "changed_at": at, "before": kept})
        outcomes.append(False)
    insert_many(session, IssuerEntry, new)
    if amended:
        session.execute(update(IssuerEntry), amended)
    if same:
        session.execute(
            update(IssuerEntry)
            .where(IssuerEntry.id.in_(same))
            .values(read_at=at)
            .execution_options(synchronize_session=False)
        )
    return outcomes


def _plain(value: object) -> object:
    """Return the value in a form that JSON can store."""
    return value.isoformat() if isinstance(value, date) else value if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Checked:
    """The new verification state of a certificate, with the reason as a sentence."""

    certificate_id: int
    issuer_id: int
    state: CheckState
    said: str
    tries: int = 0
    next_try_at: datetime | None = None


def save_checks(session: Session, checks: Sequence[Checked], *, at: datetime) -> None:
    """Replace the checks of these certificates. Their change history is not affected.

    visibility: only writes.
    """
    if not checks:
        return
    session.execute(
        delete(CertificateCheck)
        .where(CertificateCheck.certificate_id.in_([each.certificate_id for each in checks]))
        .execution_options(synchronize_session=False)
    )
    insert_many(
        session,
        CertificateCheck,
        [
            {
                "certificate_id": each.certificate_id,
                "issuer_id": each.issuer_id,
                "state": each.state,
                "said": each.said,
                "tries": each.tries,
                "next_try_at": each.next_try_at,
                "changed_at": at,
            }
            for each in checks
        ],
    )


def link_to_issuer(session: Session, issuer: Issuer) -> int:
    """Link certificates that name the issuer in free text, and return the number linked.

    An issuer may have been added, or given another name, after the certificates were entered.

    visibility: for those who manage the issuer (the caller checks), and for the scheduler.
    """
    if issuer.state is not IssuerState.ACTIVE:
        return 0
    names = set(session.scalars(select(IssuerName.plain).where(IssuerName.issuer_id == issuer.id)))
    unlinked = select(Certificate.issuer).where(Certificate.issuer_id.is_(None)).distinct()
    written = [text for text in session.scalars(unlinked) if plain_name(text) in names]
    if not written:
        return 0
    linked = session.scalars(
        update(Certificate)
        .where(Certificate.issuer_id.is_(None), Certificate.issuer.in_(written))
        .values(issuer_id=issuer.id)
        .returning(Certificate.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(linked)
