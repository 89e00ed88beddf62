"""Routes for offers to help and consents."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import (
    Cursor,
    IfMatch,
    Limit,
    RowId,
    cursor_id,
    next_cursor,
    set_etag,
    version_from_if_match,
)
from aed.responders import queries
from aed.responders.actions import offering
from aed.responders.schemas import ConsentOut, ConsentsPage, OfferAmend, OfferIn, OfferOut, WordingOut

router = APIRouter()


@router.get("/consents")
def list_consent_wordings() -> list[WordingOut]:
    """List the wordings of all consents, including past versions. Public."""
    return WordingOut.all()


@router.get("/people/{person_id}/consents")
def list_consents(
    session: ReadSession, viewer: ViewerDep, person_id: RowId, limit: Limit = 100, cursor: Cursor = None
) -> ConsentsPage:
    """List all consents that a person ever gave. For the person and administrators."""
    offering.require_offer_access(session, viewer, person_id)
    found = queries.consents(session, person_id, limit=limit + 1, after_id=cursor_id(cursor))
    return ConsentsPage(
        consents=[ConsentOut.of(each) for each in found[:limit]], next=next_cursor(found, limit)
    )


@router.get("/people/{person_id}/offer")
def get_offer(session: ReadSession, viewer: ViewerDep, person_id: RowId, response: Response) -> OfferOut:
    """Get a person's offer: places, hours and consents. For the person and administrators."""
    offering.require_offer_access(session, viewer, person_id)
    return _offer_out(person_id, queries.offer_of(session, person_id), response)


@router.post("/people/{person_id}/offer", status_code=201)
def create_offer(
    session: WriteSession, viewer: ViewerDep, person_id: RowId, new: OfferIn, response: Response
) -> OfferOut:
    """Offer to help. The person may be called from now on if they have a valid certificate."""
    made = offering.make_offer(session, viewer, person_id, new, at=clock.now())
    response.headers["Location"] = f"/v1/people/{person_id}/offer"
    return _offer_out(person_id, made, response)


@router.patch("/people/{person_id}/offer")
def amend_offer(
    session: WriteSession,
    viewer: ViewerDep,
    person_id: RowId,
    change: OfferAmend,
    response: Response,
    if_match: IfMatch = None,
) -> OfferOut:
    """Change the hours, places or pause of an offer, or give or withdraw consents."""
    made = offering.amend_offer(
        session, viewer, person_id, change, version=version_from_if_match(if_match), at=clock.now()
    )
    return _offer_out(person_id, made, response)


@router.delete("/people/{person_id}/offer", status_code=204)
def withdraw_offer(session: WriteSession, viewer: ViewerDep, person_id: RowId) -> None:
    """Withdraw the offer and all consents, and delete the person's places. Idempotent."""
    offering.withdraw_offer(session, viewer, person_id, at=clock.now())


def _offer_out(person_id: int, offer: queries.HelpOffer, response: Response) -> OfferOut:
    set_etag(response, offer.version)
    return OfferOut.of(person_id, offer)
