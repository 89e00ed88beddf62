"""Queries for issuers of proofs of service, and for the proofs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Viewer
from aed.accounts.trust import CertificateTrust
from aed.errors import NotFound
from aed.responders.models import Certificate, Responder
from aed.sharing.rules import start_of
from aed.volunteering.models import ProofRequest, ServiceCertificate, ServiceIssuer, ServiceRecord
from aed.volunteering.rules import ServiceState
from aed.volunteering.volunteers.queries import in_managed_estates


def certificates_visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select the viewer's own proofs of service, and those of estates that they manage.

    visibility: it is a predicate itself.
    """
    of = ServiceCertificate
    managed = in_managed_estates(viewer, estate_id=of.estate_id, region_id=of.region_id)
    return managed if viewer.person_id is None else or_(managed, of.person_id == viewer.person_id)


def certificate(session: Session, viewer: Viewer, number: str) -> ServiceCertificate:
    """Return a proof of service by its number. Raises NotFound if the viewer may not see it."""
    found = session.scalar(
        select(ServiceCertificate).where(ServiceCertificate.number == number, certificates_visible_to(viewer))
    )
    if found is None:
        raise NotFound(
            "There is no proof of service {number}, or you may not see it.", field="number", number=number
        )
    return found


def certificates(
    session: Session, viewer: Viewer, *, person_id: int | None, limit: int, after_id: int = 0
) -> Sequence[ServiceCertificate]:
    """Return a page of proofs of service, in order of id."""
    statement = select(ServiceCertificate).where(
        ServiceCertificate.id > after_id, certificates_visible_to(viewer)
    )
    if person_id is not None:
        statement = statement.where(ServiceCertificate.person_id == person_id)
    return session.scalars(statement.order_by(ServiceCertificate.id).limit(limit)).all()


def by_number(session: Session, number: str) -> ServiceCertificate | None:
    """Return a proof of service.

    visibility: for anyone who holds its signed code; its name is shown masked.
    """
    return session.scalar(select(ServiceCertificate).where(ServiceCertificate.number == number))


def by_key(session: Session, key: str) -> ServiceCertificate | None:
    """Return the proof that was issued under a key. visibility: for the person who issues it again."""
    return session.scalar(select(ServiceCertificate).where(ServiceCertificate.key == key))


def issuer_of(session: Session, estate_id: int) -> ServiceIssuer | None:
    """Return who issues proofs for an estate.

    visibility: it is printed on every proof.
    """
    return session.get(ServiceIssuer, estate_id)


def provable_records(
    session: Session, person_id: int, *, estate_id: int, time_zone: str, first: date, last: date, today: date
) -> Sequence[ServiceRecord]:
    """Return the confirmed records of a period whose notice is over and whose points are not held.

    visibility: of a volunteer of an estate that the viewer manages.
    """
    return session.scalars(
        select(ServiceRecord)
        .where(
            ServiceRecord.person_id == person_id,
            ServiceRecord.estate_id == estate_id,
            ServiceRecord.state == ServiceState.CONFIRMED,
            ServiceRecord.is_held.is_(False),
            ServiceRecord.minutes > 0,
            ServiceRecord.notice_until < today,
            ServiceRecord.started_at >= start_of(first, time_zone),
            ServiceRecord.started_at < start_of(last + timedelta(days=1), time_zone),
        )
        .order_by(ServiceRecord.started_at, ServiceRecord.id)
    ).all()


def verified_training(session: Session, person_id: int, *, first: date, last: date) -> Sequence[Certificate]:
    """Return the volunteer's verified first-aid certificates that were valid in the period, oldest first.

    visibility: of a volunteer of an estate that the viewer manages.
    """
    return session.scalars(
        select(Certificate)
        .join(Responder, Responder.id == Certificate.responder_id)
        .where(
            Responder.person_id == person_id,
            Certificate.trust == CertificateTrust.VERIFIED,
            Certificate.revoked_at.is_(None),
            Certificate.valid_until >= first,
            or_(Certificate.issued_on.is_(None), Certificate.issued_on <= last),
        )
        .order_by(Certificate.valid_until, Certificate.id)
    ).all()


# --- requests of volunteers -----------------------------------------------------------------------------


def requests_visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select the viewer's own requests for proofs, and those of volunteers of estates that they manage.

    visibility: it is a predicate itself.
    """
    of = ProofRequest
    managed = in_managed_estates(viewer, estate_id=of.estate_id, region_id=of.region_id)
    return managed if viewer.person_id is None else or_(managed, of.person_id == viewer.person_id)


def proof_request(session: Session, viewer: Viewer, request_id: int) -> ProofRequest:
    """Return a request with its volunteer. Raises NotFound if the viewer may not see it."""
    found = session.scalar(
        select(ProofRequest)
        .where(ProofRequest.id == request_id, requests_visible_to(viewer))
        .options(joinedload(ProofRequest.person), joinedload(ProofRequest.certificate))
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound(
            "There is no request {id} for a proof, or you may not see it.", field="request_id", id=request_id
        )
    return found


def proof_requests(
    session: Session, viewer: Viewer, *, person_id: int | None = None, is_open: bool, limit: int
) -> Sequence[ProofRequest]:
    """Return requests with volunteer and proof, newest first; only those that wait if `is_open`."""
    statement = select(ProofRequest).where(requests_visible_to(viewer))
    if person_id is not None:
        statement = statement.where(ProofRequest.person_id == person_id)
    if is_open:
        statement = statement.where(
            ProofRequest.certificate_id.is_(None),
            ProofRequest.declined_at.is_(None),
            ProofRequest.withdrawn_at.is_(None),
        )
    return session.scalars(
        statement.options(joinedload(ProofRequest.person), joinedload(ProofRequest.certificate))
        .order_by(ProofRequest.id.desc())
        .limit(limit)
    ).all()


def request_by_key(session: Session, person_id: int, key: str) -> ProofRequest | None:
    """Return the request that a person sent under a key. visibility: the person's own."""
    return session.scalar(
        select(ProofRequest).where(ProofRequest.person_id == person_id, ProofRequest.key == key)
    )


def notes_of_request(request: ProofRequest) -> str:
    """Return purpose and recipient as they are printed on the proof.

    visibility: of a request that the caller may see.
    """
    return f"用途：{request.purpose}；出具给：{request.recipient}"
