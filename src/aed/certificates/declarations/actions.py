"""Declare a certificate of one's own, and confirm or refuse it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import region_of_estate
from aed.accounts.role_grants import managers_of
from aed.accounts.sign_in.rules import DAY, AttemptLimit
from aed.accounts.sign_in.throttling import count_request
from aed.certificates.declarations import queries
from aed.certificates.declarations.schemas import DeclarationIn
from aed.certificates.models import CertificateDeclaration
from aed.certificates.rules import DeclarationState
from aed.errors import Conflict, InvalidInput
from aed.notifications.outbox import Notice, notify_person
from aed.responders.actions import CertificateGiven, confirm_certificate
from aed.responders.queries import entry_to_offer
from aed.responders.rules import CertificateTrust

LIMIT: Final = AttemptLimit(5, DAY)
"""Declarations of one person, each of which sends messages to managers."""
MAX_PENDING: Final = 5


def declare_certificate(
    session: Session,
    person: Person,
    new: DeclarationIn,
    *,
    jpeg: bytes | None,
    public_url: str,
    at: datetime,
) -> CertificateDeclaration:
    """Keep a declaration until a training officer of the estate or region decides it.

    Nobody is called because of it before that. The estate's managers get a message. Raises InvalidInput if
    the certificate has expired or no estate is known, Conflict for too many that wait, and TooBusy.
    """
    if new.valid_until < at.date():
        raise InvalidInput("This certificate has expired.", field="valid_until")
    entry = entry_to_offer(session, person.id)
    estate_id: int | None
    if new.estate_id is not None:
        estate_id, region_id = new.estate_id, region_of_estate(session, new.estate_id)
    elif entry is not None:
        estate_id, region_id = entry.estate_id, entry.region_id
    else:
        raise InvalidInput("Name the estate whose manager can confirm it.", field="estate_id")
    waiting = queries.own_declarations(session, person.id, limit=100)
    if sum(each.state is DeclarationState.PENDING for each in waiting) >= MAX_PENDING:
        raise Conflict("Several of your certificates still wait to be confirmed.", field="person_id")
    count_request(session, "certificate", str(person.id), LIMIT, at)
    declared = CertificateDeclaration(
        person_id=person.id,
        estate_id=estate_id,
        region_id=region_id,
        kind=new.kind,
        issuer=new.issuer,
        number=new.number,
        issued_on=new.issued_on,
        valid_until=new.valid_until,
        jpeg=jpeg,
        declared_at=at,
    )
    session.add(declared)
    session.flush()
    for manager_id in managers_of(session, estate_id) if estate_id is not None else ():
        if manager_id != person.id:
            link = f"{public_url}/certificates"
            notice = Notice(
                text_en=f"{person.name} has declared a first-aid certificate. Please confirm it: {link}",
                text_zh=f"{person.name}申报了救护员证，请确认：{link}",
                subject_en="A certificate to confirm",
                subject_zh="救护员证待确认",
            )
            notify_person(session, manager_id, notice, at)
    return declared


def decide_declaration(
    session: Session, who: Viewer, declaration_id: int, *, is_confirmed: bool, at: datetime
) -> CertificateDeclaration:
    """Confirm or refuse a declaration, delete its photo, and tell the person.

    The same decision again changes nothing. Raises NotFound, and Conflict if it was decided otherwise.
    """
    found = queries.declaration_to_decide(session, who, declaration_id, for_update=True)
    state = DeclarationState.CONFIRMED if is_confirmed else DeclarationState.REFUSED
    if found.state is not DeclarationState.PENDING:
        if found.state is not state:
            raise Conflict("This declaration has been decided already.", field="declaration_id")
        return found
    found.state, found.decided_at, found.decided_by, found.jpeg = state, at, who.name, None
    if is_confirmed:
        given = CertificateGiven(
            kind=found.kind,
            issuer=found.issuer,
            number=found.number,
            issued_on=found.issued_on,
            valid_until=found.valid_until,
            trust=CertificateTrust.DOCUMENTED,
        )
        confirm_certificate(
            session, found.person_id, given, region_id=found.region_id, estate_id=found.estate_id
        )
        notice = Notice(
            text_en=f"Your certificate of {found.issuer} has been confirmed.",
            text_zh=f"您申报的{found.issuer}证书已确认。",
        )
    else:
        notice = Notice(
            text_en=f"Your certificate of {found.issuer} could not be confirmed. Please ask the office.",
            text_zh=f"您申报的{found.issuer}证书未能确认，请咨询物业服务中心。",
        )
    session.flush()
    notify_person(session, found.person_id, notice, at)
    return found
