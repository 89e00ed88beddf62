"""Issue and revoke proofs of service (志愿服务记录证明) under order 67 of 2020 (民政部令第67号).

An issuer is the residents' committee of an estate or a registered team: a property company may not issue one.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from datetime import datetime

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.regions.queries import region_of_estate
from aed.database.idempotency import require_same_content
from aed.database.session import exclusive_lock
from aed.errors import Conflict, InvalidInput
from aed.volunteering.certificates import queries
from aed.volunteering.certificates.schemas import ServiceCertificateIn, ServiceIssuerIn
from aed.volunteering.models import ServiceCertificate, ServiceIssuer
from aed.volunteering.permissions import require_manager
from aed.volunteering.records.queries import local_date, time_zone_of
from aed.volunteering.rules import ServiceIssuerKind, is_property_company
from aed.volunteering.volunteers.queries import volunteer


def set_issuer(
    session: Session, who: Viewer, estate_id: int, new: ServiceIssuerIn, *, at: datetime
) -> ServiceIssuer:
    """Set who issues proofs for an estate. For the region's administrator.

    Raises NotSignedIn, NotAllowed, NotFound; InvalidInput for a property company.
    """
    require_administrator(who, region_id=region_of_estate(session, estate_id))
    if new.kind is ServiceIssuerKind.PROPERTY_COMPANY or is_property_company(new.name):
        raise InvalidInput(
            "A property company cannot issue proofs of service. Name the residents' committee or a "
            "registered volunteer team.",
            field="name",
        )
    if new.kind is ServiceIssuerKind.REGISTERED_TEAM and new.registration is None:
        raise InvalidInput("Give the number under which the team is registered.", field="registration")
    found = queries.issuer_of(session, estate_id)
    if found is None:
        found = ServiceIssuer(estate_id=estate_id)
        session.add(found)
    for name, value in new.model_dump().items():
        setattr(found, name, value)
    found.set_at, found.set_by = at, who.name
    session.flush()
    return found


def issue_certificate(
    session: Session, who: Viewer, new: ServiceCertificateIn, *, at: datetime
) -> ServiceCertificate:
    """Issue a proof of the service of a volunteer. Sent again under its key, it is the same one.

    It counts confirmed records that were posted within the team for seven days, whose points are not held.
    Raises NotSignedIn, NotAllowed, NotFound; Conflict without an issuer or without such service.
    """
    region_id = region_of_estate(session, new.estate_id)
    require_manager(who, estate_id=new.estate_id, region_id=region_id)
    exclusive_lock(session, f"proof of service {new.key}")
    known = queries.by_key(session, str(new.key))
    if known is not None:
        require_same_content(
            [known.person_id, known.estate_id, known.from_on, known.until_on],
            [new.person_id, new.estate_id, new.from_on, new.until_on],
            "proof",
        )
        return known
    person = volunteer(session, who, new.person_id)
    issuer = queries.issuer_of(session, new.estate_id)
    if issuer is None:
        raise Conflict("The region has not named an issuer of proofs for this estate.", field="estate_id")
    today = local_date(session, new.estate_id, at)
    records = queries.provable_records(
        session,
        new.person_id,
        estate_id=new.estate_id,
        time_zone=time_zone_of(session, new.estate_id),
        first=new.from_on,
        last=new.until_on,
        today=today,
    )
    if not records:
        raise Conflict("No confirmed service of this period has been posted for seven days yet.")
    totals: dict[str, list[int]] = defaultdict(list)
    for record in records:
        totals[record.source.value].append(record.minutes)
    made = ServiceCertificate(
        number=f"SC-{today.year}-{secrets.token_hex(5).upper()}",
        key=str(new.key),
        person_id=new.person_id,
        estate_id=new.estate_id,
        region_id=region_id,
        from_on=new.from_on,
        until_on=new.until_on,
        minutes=sum(each.minutes for each in records),
        content=[
            {"source": source, "times": len(minutes), "minutes": sum(minutes)}
            for source, minutes in sorted(totals.items(), key=lambda each: -sum(each[1]))
        ],
        name=person.person.name,
        id_type=person.id_type if new.includes_identity else None,
        id_number=person.id_number if new.includes_identity else None,
        volunteer_number=person.number,
        issuer_kind=issuer.kind,
        issuer=issuer.name,
        registration=issuer.registration,
        responsible=issuer.responsible,
        handler=new.handler,
        contact=issuer.contact,
        notes=new.notes,
        issued_on=today,
        issued_at=at,
        issued_by=who.name,
    )
    session.add(made)
    session.flush()
    return made


def revoke_certificate(
    session: Session, who: Viewer, number: str, *, reason: str, at: datetime
) -> ServiceCertificate:
    """Revoke a proof of service; a second time changes nothing. For managers of its estate."""
    found = queries.certificate(session, who, number)
    require_manager(who, estate_id=found.estate_id, region_id=found.region_id)
    if found.revoked_at is None:
        found.revoked_at, found.revoked_by, found.revocation_reason = at, who.name, reason
        session.flush()
    return found
