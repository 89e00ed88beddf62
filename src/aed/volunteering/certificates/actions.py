"""Ask for, issue and revoke proofs of service (志愿服务记录证明) under order 67 of 2020 (民政部令第67号).

An issuer is the residents' committee of an estate or a registered team: a property company may not issue one.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from statistics import fmean

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.regions.queries import region_of_estate
from aed.database.idempotency import require_same_content
from aed.database.locks import exclusive_lock
from aed.errors import Conflict, InvalidInput, NotAllowed
from aed.volunteering.certificates import queries
from aed.volunteering.certificates.schemas import ProofRequestIn, ServiceCertificateIn, ServiceIssuerIn
from aed.volunteering.models import ProofRequest, ServiceCertificate, ServiceIssuer, ServiceRecord
from aed.volunteering.permissions import own_person_id, require_manager
from aed.volunteering.records.queries import local_date, time_zone_of
from aed.volunteering.rules import RULES, ProofState, ServiceIssuerKind, is_property_company
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
    Beside them it has the volunteer's verified first-aid certificates and the mean of the ratings.
    Raises NotSignedIn, NotAllowed, NotFound; Conflict without an issuer or without such service, and if the
    request that it is for has ended.
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
    request = None
    if new.request_id is not None:
        request = _open_request(session, who, new.request_id)
        if (request.person_id, request.estate_id) != (new.person_id, new.estate_id):
            raise InvalidInput("This request is about another proof.", field="request_id")
    person = volunteer(session, who, new.person_id)
    issuer = queries.issuer_of(session, new.estate_id)
    if issuer is None:
        raise Conflict("The region has not named an issuer of proofs for this estate.", field="estate_id")
    today = local_date(session, new.estate_id, at)
    records = _provable_records(
        session, new.person_id, estate_id=new.estate_id, first=new.from_on, last=new.until_on, today=today
    )
    includes_identity = new.includes_identity or (request is not None and request.includes_identity)
    totals: dict[str, list[int]] = defaultdict(list)
    for record in records:
        totals[record.source.value].append(record.minutes)
    ratings = [each.rating for each in records if each.rating is not None]
    training = queries.verified_training(session, new.person_id, first=new.from_on, last=new.until_on)
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
        id_type=person.id_type if includes_identity else None,
        id_number=person.id_number if includes_identity else None,
        volunteer_number=person.number,
        issuer_kind=issuer.kind,
        issuer=issuer.name,
        registration=issuer.registration,
        responsible=issuer.responsible,
        handler=new.handler,
        contact=issuer.contact,
        training=[
            {
                "kind": each.kind.value,
                "issuer": each.issuer,
                "number": each.number,
                "issued_on": each.issued_on.isoformat() if each.issued_on is not None else None,
                "valid_until": each.valid_until.isoformat(),
            }
            for each in training
        ],
        awards=new.awards,
        mean_rating=fmean(ratings) if ratings else None,
        ratings=len(ratings),
        notes=new.notes or (queries.notes_of_request(request) if request is not None else None),
        issued_on=today,
        issued_at=at,
        issued_by=who.name,
    )
    session.add(made)
    session.flush()
    if request is not None:
        request.certificate_id = made.id
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


# --- requests of volunteers -----------------------------------------------------------------------------


def ask_for_proof(session: Session, who: Viewer, new: ProofRequestIn, *, at: datetime) -> ProofRequest:
    """Ask for a proof of one's own service. Sent again under its key, it is the same request.

    Raises NotSignedIn, NotAllowed; NotFound for a person who is no volunteer; Conflict without service that
    a proof could count, or with too many open requests.
    """
    person = volunteer(session, who, own_person_id(who))
    exclusive_lock(session, f"requests for proofs of {person.person_id}")
    known = queries.request_by_key(session, person.person_id, str(new.key))
    if known is not None:
        return known
    today = local_date(session, person.estate_id, at)
    _provable_records(
        session,
        person.person_id,
        estate_id=person.estate_id,
        first=new.from_on,
        last=new.until_on,
        today=today,
    )
    waiting = queries.proof_requests(session, who, person_id=person.person_id, is_open=True, limit=100)
    if len(waiting) >= RULES.max_open_proof_requests:
        raise Conflict(
            "{count} of your requests wait already. Withdraw one, or wait for its proof.", count=len(waiting)
        )
    made = ProofRequest(
        person_id=person.person_id,
        estate_id=person.estate_id,
        region_id=person.region_id,
        asked_at=at,
        **new.model_dump() | {"key": str(new.key)},
    )
    session.add(made)
    session.flush()
    return made


def withdraw_request(session: Session, who: Viewer, request_id: int, *, at: datetime) -> ProofRequest:
    """Withdraw one's request for a proof; a second time changes nothing.

    Raises NotSignedIn, NotAllowed, NotFound; Conflict once it was decided on.
    """
    found = queries.proof_request(session, who, request_id)
    if found.person_id != own_person_id(who):
        raise NotAllowed("Only the volunteer withdraws a request.")
    if found.state is not ProofState.WITHDRAWN:
        found = _open_request(session, who, request_id)
        found.withdrawn_at = at
        session.flush()
    return found


def decline_request(
    session: Session, who: Viewer, request_id: int, *, reason: str, at: datetime
) -> ProofRequest:
    """Decline a request for a proof, with the reason that the volunteer reads. For the estate's manager.

    Raises NotSignedIn, NotAllowed, NotFound; Conflict once it has ended.
    """
    found = _open_request(session, who, request_id)
    require_manager(who, estate_id=found.estate_id, region_id=found.region_id)
    found.declined_at, found.declined_by, found.decline_reason = at, who.name, reason
    session.flush()
    return found


def _open_request(session: Session, who: Viewer, request_id: int) -> ProofRequest:
    """Return a request that still waits, locked. Raises NotFound, Conflict."""
    exclusive_lock(session, f"request for a proof {request_id}")
    found = queries.proof_request(session, who, request_id)
    if found.state is not ProofState.ASKED:
        raise Conflict("This request has ended: it was answered or withdrawn.")
    return found


def _provable_records(
    session: Session, person_id: int, *, estate_id: int, first: date, last: date, today: date
) -> Sequence[ServiceRecord]:
    """Return the records that a proof counts. Raises Conflict if there are none."""
    records = queries.provable_records(
        session,
        person_id,
        estate_id=estate_id,
        time_zone=time_zone_of(session, estate_id),
        first=first,
        last=last,
        today=today,
    )
    if not records:
        raise Conflict("No confirmed service of this period has been posted for seven days yet.")
    return records
