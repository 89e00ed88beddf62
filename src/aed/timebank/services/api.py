"""Routes of services that members offer each other."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, cursor_id, next_cursor
from aed.timebank.schemas import units_of
from aed.timebank.services import actions
from aed.timebank.services.schemas import (
    ExchangeIn,
    ExchangeOut,
    ExchangePage,
    ProposedTimeIn,
    ServiceOfferIn,
    ServiceOfferOut,
    ServiceOfferPage,
    ServiceRatingIn,
)

router = APIRouter(tags=["time bank"])
RowPath = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/time-bank/offers")
def list_service_offers(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> ServiceOfferPage:
    """List what members of your region offer to do."""
    found = actions.offers(session, viewer, limit=limit + 1, after_id=cursor_id(cursor), at=clock.now())
    return ServiceOfferPage(
        offers=[ServiceOfferOut.of(each) for each in found[:limit]], next=next_cursor(found, limit)
    )


@router.post("/time-bank/offers", status_code=201)
def offer_service(session: WriteSession, viewer: ViewerDep, new: ServiceOfferIn) -> ServiceOfferOut:
    """Offer to do something for members of your region."""
    made = actions.offer_service(
        session,
        viewer,
        kind=new.kind,
        title=new.title,
        times=new.times,
        place=new.place,
        price=units_of(new.points_per_hour),
        at=clock.now(),
    )
    return ServiceOfferOut.of(made)


@router.delete("/time-bank/offers/{offer_id}", status_code=204)
def close_service_offer(session: WriteSession, viewer: ViewerDep, offer_id: RowPath) -> Response:
    """Close your offer."""
    actions.close_offer(session, viewer, offer_id, at=clock.now())
    return Response(status_code=204)


@router.post("/time-bank/offers/{offer_id}/exchanges", status_code=201)
def ask_for_service(
    session: WriteSession, viewer: ViewerDep, offer_id: RowPath, new: ExchangeIn
) -> ExchangeOut:
    """Ask for a service, for yourself or with a mandate for another person."""
    made = actions.ask_for_service(
        session,
        viewer,
        offer_id,
        starts_at=new.starts_at,
        minutes=new.minutes,
        address=new.address,
        key=str(new.key),
        acting_for=new.acting_for,
        paid_from=new.paid_from,
        at=clock.now(),
    )
    return ExchangeOut.of(made)


@router.get("/time-bank/exchanges")
def list_service_exchanges(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> ExchangePage:
    """List the services that you asked for, and those that you are asked to give."""
    found = actions.exchanges(session, viewer, limit=limit + 1, after_id=cursor_id(cursor))
    return ExchangePage(
        exchanges=[ExchangeOut.of(each) for each in found[:limit]], next=next_cursor(found, limit)
    )


@router.put("/time-bank/exchanges/{exchange_id}/time")
def propose_service_time(
    session: WriteSession, viewer: ViewerDep, exchange_id: RowPath, new: ProposedTimeIn
) -> ExchangeOut:
    """Propose another time; the other side then agrees to it."""
    made = actions.propose_time(session, viewer, exchange_id, starts_at=new.starts_at, at=clock.now())
    return ExchangeOut.of(made)


@router.put("/time-bank/exchanges/{exchange_id}/rating")
def rate_service(
    session: WriteSession, viewer: ViewerDep, exchange_id: RowPath, new: ServiceRatingIn
) -> ExchangeOut:
    """Rate a service that you received, once, after both sides have confirmed it."""
    made = actions.rate_service(session, viewer, exchange_id, rating=new.rating, at=clock.now())
    return ExchangeOut.of(made)


@router.post("/time-bank/exchanges/{exchange_id}/agreement")
def agree_on_service(session: WriteSession, viewer: ViewerDep, exchange_id: RowPath) -> ExchangeOut:
    """Agree to do it at the time asked for; the points are held."""
    return ExchangeOut.of(actions.agree_on_service(session, viewer, exchange_id, at=clock.now()))


@router.post("/time-bank/exchanges/{exchange_id}/confirmation")
def confirm_service(session: WriteSession, viewer: ViewerDep, exchange_id: RowPath) -> ExchangeOut:
    """Confirm that it was done. Once both sides have, the provider has the points."""
    return ExchangeOut.of(actions.confirm_service(session, viewer, exchange_id, at=clock.now()))


@router.post("/time-bank/exchanges/{exchange_id}/cancellation")
def cancel_service(session: WriteSession, viewer: ViewerDep, exchange_id: RowPath) -> ExchangeOut:
    """Cancel a service; held points come back."""
    return ExchangeOut.of(actions.cancel_service(session, viewer, exchange_id, at=clock.now()))
