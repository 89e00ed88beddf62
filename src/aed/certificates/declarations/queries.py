"""Queries for certificates that people declare, and those that wait for the viewer's decision."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Viewer
from aed.certificates.models import CertificateDeclaration
from aed.certificates.rules import DeclarationState
from aed.errors import NotFound
from aed.training.queries import run_by


def _decided_by(viewer: Viewer) -> ColumnElement[bool]:
    """Select the declarations that the viewer may decide: never their own."""
    runs = run_by(
        viewer, estate_id=CertificateDeclaration.estate_id, region_id=CertificateDeclaration.region_id
    )
    if viewer.person_id is None:
        return runs
    return and_(runs, CertificateDeclaration.person_id != viewer.person_id)


def pending(
    session: Session, viewer: Viewer, *, limit: int, after_id: int = 0
) -> Sequence[CertificateDeclaration]:
    """Return the declarations that wait for the viewer's decision, the oldest first.

    visibility: by `_decided_by`.
    """
    return session.scalars(
        select(CertificateDeclaration)
        .where(
            _decided_by(viewer),
            CertificateDeclaration.state == DeclarationState.PENDING,
            CertificateDeclaration.id > after_id,
        )
        .options(joinedload(CertificateDeclaration.person))
        .order_by(CertificateDeclaration.id)
        .limit(limit)
    ).all()


def count_pending(session: Session, viewer: Viewer) -> int:
    """Return how many declarations wait for the viewer's decision.

    visibility: by `_decided_by`.
    """
    statement = select(func.count()).select_from(CertificateDeclaration)
    is_pending = CertificateDeclaration.state == DeclarationState.PENDING
    return session.scalar(statement.where(_decided_by(viewer), is_pending)) or 0


def declaration_to_decide(
    session: Session, viewer: Viewer, declaration_id: int, *, for_update: bool = False
) -> CertificateDeclaration:
    """Return a declaration that the viewer may decide. Raises NotFound.

    visibility: by `_decided_by`.
    """
    statement = (
        select(CertificateDeclaration)
        .where(CertificateDeclaration.id == declaration_id, _decided_by(viewer))
        .options(joinedload(CertificateDeclaration.person))
    )
    if for_update:
        statement = statement.with_for_update(of=CertificateDeclaration)
    found = session.scalar(statement)
    if found is None:
        raise NotFound("There is no such declaration, or you may not decide it.", field="declaration_id")
    return found


def own_declarations(session: Session, person_id: int, *, limit: int) -> Sequence[CertificateDeclaration]:
    """Return a person's declarations that are not confirmed, the newest first.

    visibility: the person's own.
    """
    return session.scalars(
        select(CertificateDeclaration)
        .where(
            CertificateDeclaration.person_id == person_id,
            CertificateDeclaration.state != DeclarationState.CONFIRMED,
        )
        .order_by(CertificateDeclaration.id.desc())
        .limit(limit)
    ).all()


def photo_of(session: Session, viewer: Viewer, declaration_id: int) -> bytes:
    """Return the photo of a declaration as JPEG, for the person and those who decide. Raises NotFound.

    visibility: by `_decided_by`.
    """
    theirs = _decided_by(viewer)
    if viewer.person_id is not None:
        theirs = theirs | (CertificateDeclaration.person_id == viewer.person_id)
    jpeg = session.scalar(
        select(CertificateDeclaration.jpeg).where(CertificateDeclaration.id == declaration_id, theirs)
    )
    if jpeg is None:
        raise NotFound("There is no such photo, or you may not see it.", field="declaration_id")
    return jpeg
