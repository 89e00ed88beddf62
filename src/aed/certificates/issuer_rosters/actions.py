"""What an issuer's roster says, taken in batches: its entries are kept, and certificates follow them.

The statements are set-based: of 100,000 rows none is read or written by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.certificates.issuer_rosters import queries
from aed.certificates.issuer_rosters.queries import Known
from aed.certificates.models import CertificateCheck, IssuerEntry
from aed.certificates.rules import CheckState, Facts, Finding, Holder, IssuerStatement, compare
from aed.database.bulk import insert_many
from aed.issuers.models import Issuer
from aed.issuers.rules import CertificateKind
from aed.registry.changes import RegistryChange
from aed.responders.models import Certificate
from aed.responders.rules import Trust

_SHOWN: Final = 1_000
REVOKED_WHY: Final = "Revoked by its issuer."


@dataclass(frozen=True, slots=True)
class Line:
    """A certificate as a roster tells of it."""

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

    def said(self) -> IssuerStatement:
        return IssuerStatement(
            Holder(self.name, self.phone, self.holder_id),
            Facts(self.kind, self.issued_on, self.valid_until),
            self.is_revoked,
        )


@dataclass(frozen=True, slots=True)
class CheckNotice:
    """What a roster did to one certificate."""

    number: str
    certificate_id: int
    state: CheckState
    said: str
    changes: Mapping[str, Sequence[object]] = field(default_factory=dict)
    """{field: [before, now]}"""


@dataclass(slots=True)
class Effects:
    """What a roster did to the certificates that are held here."""

    counts: Counter[CheckState] = field(default_factory=Counter)
    not_held: int = 0
    """Entries of which nobody here holds the certificate; kept, for whoever comes with one."""
    told: list[CheckNotice] = field(default_factory=list)
    """Those that were not simply confirmed, the first thousand."""

    def add(self, told: CheckNotice) -> None:
        self.counts[told.state] += 1
        if told.state is not CheckState.CONFIRMED and len(self.told) < _SHOWN:
            self.told.append(told)


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
    session: Session, who: Viewer, issuer: Issuer, lines: Sequence[Line], effects: Effects, *, at: datetime
) -> list[bool | None]:
    """The lines are kept as the issuer's entries, and the certificates with their numbers follow them.

    For each: True where it is new, False where it says otherwise than the roster before, None where the same.
    Each number stands once among the lines; the issuer's certificates are linked to it (`link_to_issuer`).

    visibility: for whoever looks after the issuer; the caller has asked.
    """
    outcomes = _keep_entries(session, issuer, lines, at=at)
    by_number = {line.number: line for line in lines}
    known = queries.held(session, issuer.id, by_number)
    follow(session, who, issuer, [(each, by_number[each.number].said()) for each in known], effects, at=at)
    effects.not_held += len(by_number.keys() - {each.number for each in known})
    return outcomes


def follow(
    session: Session,
    who: Viewer,
    issuer: Issuer,
    pairs: Sequence[tuple[Known, IssuerStatement]],
    effects: Effects,
    *,
    at: datetime,
) -> None:
    """Each certificate is as its issuer says, with what changed kept. Of a disputed one nothing is believed.

    visibility: as for `take_lines`.
    """
    amended: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    checks: list[Checked] = []
    for known, said in pairs:
        finding = compare(known.holder, known.facts, said)
        now = _as_said(known, said, finding, at)
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
    put_checks(session, checks, at=at)


def _ends_of_ids(fields: Mapping[str, Sequence[object]]) -> dict[str, list[str | None]]:
    """Of identity numbers the history keeps no more than the end; what is known of them lies sealed."""
    return {
        name: [f"…{str(each)[-2:]}" if each is not None else None for each in fields[name]]
        for name in fields.keys() & {"holder_id"}
    }


def _as_said(known: Known, said: IssuerStatement, finding: Finding, at: datetime) -> dict[str, Any]:
    """The columns of a certificate as they are from now on."""
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
            columns |= {"trust": Trust.VERIFIED, "holder_id": said.holder.holder_id or known.holder_id}
            columns |= {name: getattr(said.facts, name) for name in finding.corrections}
            if known.revoked_why == REVOKED_WHY:  # which its issuer has taken back
                columns |= {"revoked_at": None, "revoked_why": None}
        case CheckState.REVOKED if known.revoked_at is None:
            columns |= {"revoked_at": at, "revoked_why": REVOKED_WHY}
        case CheckState.DISPUTED:
            columns |= {"trust": Trust.SELF_DECLARED}
    return columns


def _keep_entries(
    session: Session, issuer: Issuer, lines: Sequence[Line], *, at: datetime
) -> list[bool | None]:
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
    return value.isoformat() if isinstance(value, date) else value if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Checked:
    """How a certificate stands from now on, and why, in a sentence."""

    certificate_id: int
    issuer_id: int
    state: CheckState
    said: str
    tries: int = 0
    next_try_at: datetime | None = None


def put_checks(session: Session, checks: Sequence[Checked], *, at: datetime) -> None:
    """Each stands as is said; what was said before is gone (the certificate's own history stays).

    visibility: written, not read.
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
