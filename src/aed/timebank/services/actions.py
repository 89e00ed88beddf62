"""Services of members: offered, asked for, agreed on a time, done, and confirmed by both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.database.idempotency import require_same_content
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound
from aed.timebank.ledger.actions import move_over_cap
from aed.timebank.ledger.posting import (
    Posting,
    PostingContext,
    find_person_account,
    lock_ledger,
    own_points_account,
    post,
    regional_account,
    require_balance,
)
from aed.timebank.mandates.actions import acting_person, payer
from aed.timebank.permissions import require_account_manager, require_person
from aed.timebank.regional_rules.queries import rules_at
from aed.timebank.rules import (
    AccountKind,
    Currency,
    ExchangeState,
    LedgerKind,
    OfferKind,
    PaidFrom,
    service_units,
)
from aed.timebank.services.models import ServiceExchange, ServiceOffer


def offer_service(
    session: Session,
    viewer: Viewer,
    *,
    kind: OfferKind,
    title: str,
    price: int,
    times: str | None = None,
    place: str | None = None,
    at: datetime,
) -> ServiceOffer:
    """Offer to do something for members of one's region, for `price` units an hour."""
    person_id = require_person(viewer)
    own = own_points_account(session, person_id)
    offer = ServiceOffer(
        person_id=person_id,
        region_id=own.region_id,
        kind=kind,
        title=title,
        times=times,
        place=place,
        price=price,
        offered_at=at,
    )
    session.add(offer)
    session.flush()
    return offer


def close_offer(session: Session, viewer: Viewer, offer_id: int, *, at: datetime) -> None:
    """Close one's offer; what was asked for before goes on. Raises NotSignedIn, NotFound.

    visibility: one's own offer.
    """
    person_id = require_person(viewer)
    offer = session.scalar(
        select(ServiceOffer).where(ServiceOffer.id == offer_id, ServiceOffer.person_id == person_id)
    )
    if offer is None:
        raise NotFound("There is no offer {id} of yours.", field="offer_id", id=offer_id)
    offer.closed_at = offer.closed_at or at
    session.flush()


def offers(
    session: Session,
    viewer: Viewer,
    *,
    limit: int,
    after_id: int,
    acting_for: int | None = None,
    at: datetime,
) -> Sequence[ServiceOffer]:
    """Return the open offers of the region of the viewer, or of the person they act for, in order.

    visibility: offers are made to all members of the region.
    """
    own = own_points_account(session, acting_person(session, viewer, acting_for, at))
    return session.scalars(
        select(ServiceOffer)
        .where(
            ServiceOffer.region_id == own.region_id,
            ServiceOffer.closed_at.is_(None),
            ServiceOffer.id > after_id,
        )
        .order_by(ServiceOffer.id)
        .limit(limit)
    ).all()


def ask_for_service(
    session: Session,
    viewer: Viewer,
    offer_id: int,
    *,
    starts_at: datetime,
    minutes: int,
    key: str,
    address: str | None = None,
    acting_for: int | None = None,
    paid_from: PaidFrom = PaidFrom.OWN,
    at: datetime,
) -> ServiceExchange:
    """Ask for a service at a time, once for each `key`. Nothing is held until the provider agrees.

    Raises NotSignedIn, NotAllowed, NotFound, InvalidInput, Conflict.

    visibility: the person's own request.
    """
    require_person(viewer)
    lock_ledger(session)
    paying = payer(session, viewer, acting_for=acting_for, paid_from=paid_from, at=at)
    known = session.scalar(
        select(ServiceExchange)
        .where(ServiceExchange.payer_account_id == paying.account_id, ServiceExchange.key == key)
        .execution_options(populate_existing=True)
    )
    if known is not None:
        require_same_content((known.offer_id, known.minutes), (offer_id, minutes), "request")
        return known
    offer = session.get(ServiceOffer, offer_id, populate_existing=True)
    if offer is None or offer.closed_at is not None or offer.region_id != paying.region_id:
        raise NotFound("There is no offer {id}.", field="offer_id", id=offer_id)
    if offer.person_id in (paying.person_id, viewer.person_id):
        raise InvalidInput("Ask another person than yourself.", field="offer_id")
    if starts_at < at:
        raise InvalidInput("Choose a time in the future.", field="starts_at")
    exchange = ServiceExchange(
        offer_id=offer.id,
        person_id=paying.person_id,
        payer_account_id=paying.account_id,
        key=key,
        starts_at=starts_at,
        minutes=minutes,
        address=address,
        amount=service_units(offer.price, minutes),
        state=ExchangeState.ASKED,
        asked_at=at,
        asked_by=viewer.name,
    )
    session.add(exchange)
    session.flush()
    return exchange


def propose_time(
    session: Session, viewer: Viewer, exchange_id: int, *, starts_at: datetime, at: datetime
) -> ServiceExchange:
    """Propose another time, as either side; the other one then agrees to it.

    Raises NotSignedIn, NotAllowed, NotFound, InvalidInput; Conflict once a time was agreed on.
    """
    exchange, offer = _exchange(session, viewer, exchange_id, at=at)
    if exchange.state is not ExchangeState.ASKED:
        raise Conflict("A time was agreed on already, or the request has ended.")
    if starts_at < at:
        raise InvalidInput("Choose a time in the future.", field="starts_at")
    exchange.starts_at = starts_at
    exchange.is_proposed_by_provider = viewer.person_id == offer.person_id
    session.flush()
    return exchange


def agree_on_service(
    session: Session, viewer: Viewer, exchange_id: int, *, starts_at: datetime | None = None, at: datetime
) -> ServiceExchange:
    """Agree to the time that the other side proposed; the points are held.

    `starts_at` is the time that was read: if another one was proposed meanwhile, nothing is agreed on. Raises
    NotSignedIn, NotAllowed, NotFound; Conflict if the points are not there any more.
    """
    exchange, offer = _exchange(session, viewer, exchange_id, at=at)
    if (viewer.person_id == offer.person_id) == exchange.is_proposed_by_provider:
        raise NotAllowed("The side that did not propose the time agrees to it.")
    if starts_at is not None and starts_at != exchange.starts_at:
        raise Conflict("Another time was proposed meanwhile. Look at it first.")
    if exchange.state is ExchangeState.AGREED:
        return exchange
    if exchange.state is not ExchangeState.ASKED:
        raise Conflict("This request has ended.")
    require_balance(session, exchange.payer_account_id, exchange.amount)
    suspense = _suspense(session, offer, at=at)
    _post(
        session,
        exchange,
        offer,
        LedgerKind.HOLD,
        exchange.payer_account_id,
        suspense,
        by=viewer.name,
        at=at,
    )
    exchange.state, exchange.agreed_at = ExchangeState.AGREED, at
    session.flush()
    return exchange


def confirm_service(session: Session, viewer: Viewer, exchange_id: int, *, at: datetime) -> ServiceExchange:
    """Confirm that it was done. Once both sides have, the provider has the points.

    For the provider, and for the person it was done for or another with their mandate. Raises NotSignedIn,
    NotAllowed, NotFound; Conflict before the agreement, or after a cancellation.
    """
    exchange, offer = _exchange(session, viewer, exchange_id, at=at)
    if exchange.state is ExchangeState.SETTLED:
        return exchange
    if exchange.state is not ExchangeState.AGREED:
        raise Conflict("Both must have agreed on the time first.")
    if at < exchange.starts_at:
        raise Conflict("It can be confirmed once its time has come.")
    if viewer.person_id == offer.person_id:
        exchange.given_at = exchange.given_at or at
    else:
        exchange.received_at = exchange.received_at or at
    if exchange.given_at is not None and exchange.received_at is not None:
        theirs = _provider_account(session, offer)
        suspense = _suspense(session, offer, at=at)
        _post(session, exchange, offer, LedgerKind.SPEND, suspense, theirs, by=viewer.name, at=at)
        rules = rules_at(session, offer.region_id, at)
        context = PostingContext(at, viewer.name, rules.version)
        move_over_cap(session, context, rules, theirs, _record(exchange))
        exchange.state, exchange.ended_at, exchange.ended_by = ExchangeState.SETTLED, at, viewer.name
    session.flush()
    return exchange


def rate_service(
    session: Session, viewer: Viewer, exchange_id: int, *, rating: int, at: datetime
) -> ServiceExchange:
    """Rate a service from 1 to 5, once, as the side that received it, after both have confirmed it.

    Raises NotSignedIn, NotAllowed, NotFound, Conflict.
    """
    exchange, offer = _exchange(session, viewer, exchange_id, at=at)
    if viewer.person_id == offer.person_id:
        raise NotAllowed("The side that received the service rates it.")
    if exchange.state is not ExchangeState.SETTLED:
        raise Conflict("It can be rated once both have confirmed it.")
    if exchange.rating not in (None, rating):
        raise Conflict("It was rated already.")
    exchange.rating = rating
    session.flush()
    return exchange


def cancel_service(session: Session, viewer: Viewer, exchange_id: int, *, at: datetime) -> ServiceExchange:
    """Cancel a service; held points come back. Once one side has confirmed it, only a manager cancels it.

    Cancelling again changes nothing. Raises NotSignedIn, NotAllowed, NotFound; Conflict once it is settled.
    """
    exchange, offer = _exchange(session, viewer, exchange_id, at=at, is_managing=True)
    if exchange.state is ExchangeState.SETTLED:
        raise Conflict("Both have confirmed this service already.")
    if exchange.state is ExchangeState.CANCELLED:
        return exchange
    if exchange.given_at is not None or exchange.received_at is not None:
        require_account_manager(viewer, estate_id=None, region_id=offer.region_id)
    if exchange.state is ExchangeState.AGREED:
        suspense = _suspense(session, offer, at=at)
        _post(
            session,
            exchange,
            offer,
            LedgerKind.RELEASE,
            suspense,
            exchange.payer_account_id,
            by=viewer.name,
            at=at,
        )
    exchange.state, exchange.ended_at, exchange.ended_by = ExchangeState.CANCELLED, at, viewer.name
    session.flush()
    return exchange


def exchanges(session: Session, viewer: Viewer, *, limit: int, after_id: int) -> Sequence[ServiceExchange]:
    """Return what one asked for, or is asked to do, in order.

    visibility: one's own exchanges.
    """
    return session.scalars(
        select(ServiceExchange)
        .join(ServiceOffer, ServiceOffer.id == ServiceExchange.offer_id)
        .where(ServiceExchange.id > after_id, _is_of(viewer))
        .order_by(ServiceExchange.id)
        .limit(limit)
    ).all()


def latest_exchanges(
    session: Session, viewer: Viewer, *, limit: int
) -> list[tuple[ServiceExchange, ServiceOffer]]:
    """Return what one asked for or is asked to do with its offer, newest first, open ones before the others.

    visibility: one's own exchanges.
    """
    is_open = ServiceExchange.state.in_((ExchangeState.ASKED, ExchangeState.AGREED))
    rows = session.execute(
        select(ServiceExchange, ServiceOffer)
        .join(ServiceOffer, ServiceOffer.id == ServiceExchange.offer_id)
        .where(_is_of(viewer))
        .order_by(is_open.desc(), ServiceExchange.id.desc())
        .limit(limit)
    )
    return [(exchange, offer) for exchange, offer in rows]


def _is_of(viewer: Viewer) -> ColumnElement[bool]:
    """Select the exchanges of a person. visibility: it is a predicate itself."""
    person_id = require_person(viewer)
    return or_(
        ServiceExchange.person_id == person_id,
        ServiceExchange.asked_by == viewer.name,
        ServiceOffer.person_id == person_id,
    )


def _exchange(
    session: Session, viewer: Viewer, exchange_id: int, *, at: datetime, is_managing: bool = False
) -> tuple[ServiceExchange, ServiceOffer]:
    """Return an exchange of the viewer and its offer, under the ledger's lock.

    Raises NotSignedIn, NotAllowed, NotFound. visibility: only for the two sides, and managers.
    """
    require_person(viewer)
    lock_ledger(session)
    exchange = session.get(ServiceExchange, exchange_id, populate_existing=True)
    if exchange is None:
        raise NotFound("There is no request {id}.", field="exchange_id", id=exchange_id)
    offer = session.get_one(ServiceOffer, exchange.offer_id)
    if viewer.person_id in (offer.person_id, exchange.person_id):
        return exchange, offer
    try:
        acting_person(session, viewer, exchange.person_id, at)
    except NotAllowed:
        if not is_managing:
            raise
        require_account_manager(viewer, estate_id=None, region_id=offer.region_id)
    return exchange, offer


def _provider_account(session: Session, offer: ServiceOffer) -> int:
    """Return the account of the provider, which may be closed: then it goes on to the heirs."""
    found = find_person_account(session, offer.person_id, Currency.POINTS)
    assert found is not None
    return found.id


def _suspense(session: Session, offer: ServiceOffer, *, at: datetime) -> int:
    return regional_account(session, AccountKind.SUSPENSE, Currency.POINTS, region_id=offer.region_id, at=at)


def _record(exchange: ServiceExchange) -> str:
    return f"exchange:{exchange.id}"


def _post(
    session: Session,
    exchange: ServiceExchange,
    offer: ServiceOffer,
    kind: LedgerKind,
    from_id: int,
    to_id: int,
    *,
    by: str,
    at: datetime,
) -> None:
    context = PostingContext(at, by, rules_at(session, offer.region_id, at).version)
    post(
        session,
        context,
        [Posting(kind, Currency.POINTS, from_id, to_id, exchange.amount, _record(exchange))],
    )
