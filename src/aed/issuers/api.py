"""Routes of issuers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import region_by_code
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import (
    Cursor,
    IfMatch,
    Limit,
    OfRegion,
    cursor_id,
    next_cursor,
    set_etag,
    version_from_if_match,
)
from aed.issuers import actions, queries
from aed.issuers.models import Issuer
from aed.issuers.schemas import IssuerAmend, IssuerIn, IssuerOut, IssuersPage
from aed.registry.changes import RegistryChangeOut, changes_of

router = APIRouter(tags=["issuers"])

IssuerId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/issuers")
def list_issuers(
    session: ReadSession,
    viewer: ViewerDep,
    region: OfRegion = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> IssuersPage:
    """List issuers of certificates, with their courses.

    The list is the same for everyone.
    """
    region_id = region_by_code(session, region).id if region is not None else None
    found = queries.issuers(session, limit=limit + 1, after_id=cursor_id(cursor), region_id=region_id)
    return IssuersPage(issuers=_out(session, viewer, *found[:limit]), next=next_cursor(found, limit))


@router.post("/issuers", status_code=201)
def create_issuer(session: WriteSession, viewer: ViewerDep, new: IssuerIn, response: Response) -> IssuerOut:
    """Add an issuer.

    For the training officers and administrators of its region. Only a network administrator may set the
    address to query, and the trust in lists that name the issuer.
    """
    created = actions.create_issuer(session, viewer, new, at=clock.now())
    response.headers["Location"] = f"/v1/issuers/{created.id}"
    return _issuer_response(session, viewer, created, response)


@router.get("/issuers/{issuer_id}")
def get_issuer(session: ReadSession, viewer: ViewerDep, issuer_id: IssuerId, response: Response) -> IssuerOut:
    """Get an issuer."""
    return _issuer_response(session, viewer, queries.issuer(session, issuer_id), response)


@router.patch("/issuers/{issuer_id}")
def amend_issuer(
    session: WriteSession,
    viewer: ViewerDep,
    issuer_id: IssuerId,
    change: IssuerAmend,
    response: Response,
    if_match: IfMatch = None,
) -> IssuerOut:
    """Amend the given fields of an issuer.

    Returns 412 if the issuer was amended after it was read.
    """
    issuer = actions.amend_issuer(
        session, viewer, issuer_id, change, version=version_from_if_match(if_match), at=clock.now()
    )
    return _issuer_response(session, viewer, issuer, response)


@router.delete("/issuers/{issuer_id}", status_code=204)
def withdraw_issuer(
    session: WriteSession, viewer: ViewerDep, issuer_id: IssuerId, if_match: IfMatch = None
) -> None:
    """Withdraw an issuer.

    Nothing new is linked to it; its certificates stay as they are.
    """
    actions.withdraw_issuer(
        session, viewer, issuer_id, version=version_from_if_match(if_match), at=clock.now()
    )


@router.get("/issuers/{issuer_id}/history")
def list_issuer_history(
    session: ReadSession, viewer: ViewerDep, issuer_id: IssuerId
) -> list[RegistryChangeOut]:
    """List the changes of an issuer, newest first.

    For those who may amend it.
    """
    issuer = queries.issuer(session, issuer_id)
    queries.require_manages_issuer(viewer, issuer.region_id)
    return [
        RegistryChangeOut.of(change)
        for change in changes_of(session, subject="issuers", subject_id=str(issuer.id))
    ]


def _out(session: Session, viewer: Viewer, *found: Issuer) -> list[IssuerOut]:
    names = queries.further_names_of(session, found)
    courses = queries.courses_of(session, [each.id for each in found])
    return [
        IssuerOut.of(
            each,
            names.get(each.id, []),
            courses.get(each.id, []),
            is_url_shown=queries.manages_issuer(viewer, each.region_id),
        )
        for each in found
    ]


def _issuer_response(session: Session, viewer: Viewer, issuer: Issuer, response: Response) -> IssuerOut:
    set_etag(response, issuer.version)
    return _out(session, viewer, issuer)[0]
