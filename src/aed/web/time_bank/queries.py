"""Queries for the pages of the time bank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.masking import mask_name
from aed.accounts.people.models import Person
from aed.accounts.people.queries import names_of
from aed.accounts.permissions import Viewer
from aed.registry.estates.models import Estate
from aed.timebank.families.queries import relatives_of
from aed.timebank.goods.models import Goods, GoodsOrder
from aed.timebank.mandates.actions import mandates_of
from aed.timebank.models import LedgerAccount
from aed.timebank.rules import ExchangeState, OfferKind, OrderState, Relation, inverse_relation
from aed.timebank.services.actions import latest_exchanges, offers
from aed.timebank.services.models import ServiceExchange, ServiceOffer
from aed.volunteering.models import ServiceRecord, Volunteer
from aed.volunteering.records.queries import service_visible_to, time_zone_of
from aed.volunteering.rules import ServiceState
from aed.web.time_bank_words import ORDERS, points_text


def volunteer_of(session: Session, person_id: int) -> Volunteer | None:
    """Return the person as a volunteer, or None if they are not one now.

    visibility: the viewer's own.
    """
    return session.scalar(
        select(Volunteer).where(Volunteer.person_id == person_id, Volunteer.ended_at.is_(None))
    )


def zone_of(session: Session, volunteer: Volunteer | None) -> ZoneInfo:
    """Return the time zone of the volunteer's estate; UTC for a person who is no volunteer."""
    return ZoneInfo(time_zone_of(session, volunteer.estate_id) if volunteer is not None else "UTC")


def estates_to_join(session: Session, viewer: Viewer) -> Sequence[Estate]:
    """Return the estates that the viewer belongs to. visibility: the viewer's own."""
    return session.scalars(
        select(Estate).where(Estate.id.in_(viewer.own_estate_ids)).order_by(Estate.id)
    ).all()


def latest_service(session: Session, person_id: int, *, limit: int) -> Sequence[ServiceRecord]:
    """Return the latest service records of a person, newest first. visibility: the viewer's own."""
    return session.scalars(
        select(ServiceRecord)
        .where(ServiceRecord.person_id == person_id)
        .options(joinedload(ServiceRecord.person))
        .order_by(ServiceRecord.started_at.desc(), ServiceRecord.id.desc())
        .limit(limit)
    ).all()


@dataclass(frozen=True, slots=True)
class OrderLine:
    """An order of the reader, or one that they placed for another person."""

    order: GoodsOrder
    goods: Goods
    points: str
    state: str
    """To be translated."""
    person: str
    """Name of the person whose order it is; empty if it is the reader's."""
    orderer: str
    """Name of the person who placed it for the reader; empty if they did themself."""
    is_open: bool
    can_review: bool


def order_lines(session: Session, viewer: Viewer, *, limit: int) -> list[OrderLine]:
    """Return the viewer's latest orders, and those they placed for others, newest first.

    visibility: the viewer's own orders, and those they placed.
    """
    rows = session.execute(
        select(GoodsOrder, Goods)
        .join(Goods, Goods.id == GoodsOrder.goods_id)
        .where(or_(GoodsOrder.person_id == viewer.person_id, GoodsOrder.ordered_by == viewer.name))
        .order_by(GoodsOrder.id.desc())
        .limit(limit)
    ).all()
    orderers = {order.id: person_of_actor(order.ordered_by) for order, _ in rows}
    ids = {order.person_id for order, _ in rows} | {each for each in orderers.values() if each is not None}
    names = names_of(session, ids)
    lines = []
    for order, goods in rows:
        is_mine, orderer_id = order.person_id == viewer.person_id, orderers[order.id]
        lines.append(
            OrderLine(
                order,
                goods,
                points_text(order.amount),
                ORDERS[order.state],
                "" if is_mine else names.get(order.person_id, ""),
                names.get(orderer_id or 0, "") if is_mine and orderer_id != viewer.person_id else "",
                is_open=order.state is OrderState.HELD,
                can_review=is_mine and order.state is OrderState.COLLECTED,
            )
        )
    return lines


def person_of_actor(name: str) -> int | None:
    """Return the id in a name such as `person:7`, by which people are on record; None for others."""
    kind, _, number = name.partition(":")
    return int(number) if kind == "person" and number.isdecimal() else None


def service_to_confirm(session: Session, viewer: Viewer, *, limit: int) -> Sequence[ServiceRecord]:
    """Return pending records of others that the viewer may see, oldest first.

    Whether the viewer may confirm one of them is decided when they do.
    """
    return session.scalars(
        select(ServiceRecord)
        .where(
            ServiceRecord.state == ServiceState.PENDING,
            ServiceRecord.person_id != viewer.person_id,
            or_(ServiceRecord.recorded_by_id.is_(None), ServiceRecord.recorded_by_id != viewer.person_id),
            service_visible_to(viewer),
        )
        .options(joinedload(ServiceRecord.person))
        .order_by(ServiceRecord.id)
        .limit(limit)
    ).all()


# --- relatives, family accounts and mandates ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RelativeLine:
    """A relative of the reader."""

    declaration_id: int
    person_id: int
    name: str
    relation: Relation
    """What they are to the reader."""
    is_confirmed: bool
    must_confirm: bool
    """Whether the reader is asked to confirm it."""


@dataclass(frozen=True, slots=True)
class MandateLine:
    """A mandate that the reader gave or has."""

    id: int
    person_id: int
    """The other one."""
    name: str
    is_mine: bool
    """Whether the other person acts for the reader, and not the other way round."""
    until: date


def relatives(session: Session, person_id: int) -> list[RelativeLine]:
    """Return the relatives of a person, each once, those who have confirmed it first.

    visibility: the viewer's own.
    """
    found = sorted(relatives_of(session, person_id), key=lambda each: each.confirmed_at is None)
    others = {each: each.relative_id if each.person_id == person_id else each.person_id for each in found}
    names = names_of(session, others.values())
    lines: dict[int, RelativeLine] = {}
    for each, other_id in others.items():
        is_mine = each.person_id == person_id
        is_confirmed = each.confirmed_at is not None
        line = RelativeLine(
            each.id,
            other_id,
            names.get(other_id, ""),
            each.relation if is_mine else inverse_relation(each.relation),
            is_confirmed,
            must_confirm=not is_confirmed and not is_mine,
        )
        lines.setdefault(other_id, line)
    return list(lines.values())


def mandates(session: Session, person_id: int, at: datetime) -> list[MandateLine]:
    """Return the mandates in force that a person gave or has. visibility: the viewer's own."""
    found = mandates_of(session, person_id, at)
    names = names_of(session, [id_ for each in found for id_ in (each.principal_id, each.agent_id)])
    lines = []
    for each in found:
        is_mine = each.principal_id == person_id
        other_id = each.agent_id if is_mine else each.principal_id
        lines.append(MandateLine(each.id, other_id, names.get(other_id, ""), is_mine, each.ends_at.date()))
    return lines


def family_account(session: Session, account_id: int) -> tuple[str, int]:
    """Return name and units of a family account. visibility: the viewer's own family."""
    row = session.execute(
        select(LedgerAccount.name, LedgerAccount.balance).where(LedgerAccount.id == account_id)
    ).one()
    return row.name or "", row.balance


# --- services of members --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OfferLine:
    """What a member offers."""

    id: int
    kind: OfferKind
    title: str
    times: str | None
    place: str | None
    points: str
    """For an hour."""
    name: str
    """Masked, unless the offer is the reader's."""
    is_mine: bool


@dataclass(frozen=True, slots=True)
class ExchangeLine:
    """A service that was asked for, and what the reader can do about it."""

    id: int
    title: str
    starts_at: datetime
    when: str
    minutes: int
    points: str
    state: ExchangeState
    is_mine: bool
    """Whether the reader receives it, or acts for the person who does."""
    provider: str
    receiver: str
    """Empty if it is the reader. Both names are masked until the time is agreed on."""
    phone: str | None
    """Of the other side, once the time is agreed on and until it is over."""
    address: str | None
    rating: int | None
    can_agree: bool
    can_confirm: bool
    can_rate: bool
    can_cancel: bool


def offer_lines(
    session: Session, viewer: Viewer, *, person_id: int, acting_for: int | None, at: datetime, limit: int
) -> list[OfferLine]:
    """Return the open offers of the region. visibility: as `offers`, with masked names."""
    found = offers(session, viewer, acting_for=acting_for, at=at, limit=limit, after_id=0)
    names = names_of(session, {each.person_id for each in found})
    return [
        OfferLine(
            each.id,
            each.kind,
            each.title,
            each.times,
            each.place,
            points_text(each.price),
            names.get(each.person_id, "")
            if each.person_id == person_id
            else mask_name(names.get(each.person_id, "")),
            each.person_id == person_id,
        )
        for each in found
    ]


def exchange_lines(
    session: Session, viewer: Viewer, *, zone: ZoneInfo, at: datetime, limit: int
) -> list[ExchangeLine]:
    """Return what the viewer asked for or is asked to do, newest first.

    visibility: as `latest_exchanges`; names are masked, and phone number and address left out, until the time
    is agreed on.
    """
    found = latest_exchanges(session, viewer, limit=limit)
    ids = {offer.person_id for _, offer in found} | {each.person_id for each, _ in found}
    rows = session.execute(select(Person.id, Person.name, Person.phone).where(Person.id.in_(ids)))
    people = {row.id: (row.name, row.phone) for row in rows}
    return [_exchange_line(each, offer, people, viewer, zone, at) for each, offer in found]


def _exchange_line(
    each: ServiceExchange,
    offer: ServiceOffer,
    people: Mapping[int, tuple[str, str | None]],
    viewer: Viewer,
    zone: ZoneInfo,
    at: datetime,
) -> ExchangeLine:
    is_mine = viewer.person_id != offer.person_id
    is_agreed = each.state in (ExchangeState.AGREED, ExchangeState.SETTLED)
    _, phone = people[offer.person_id if is_mine else each.person_id]

    def shown(person_id: int) -> str:
        name, _ = people[person_id]
        return name if is_agreed else mask_name(name)

    has_confirmed = each.received_at is not None if is_mine else each.given_at is not None
    is_open = each.state in (ExchangeState.ASKED, ExchangeState.AGREED)
    return ExchangeLine(
        id=each.id,
        title=offer.title,
        starts_at=each.starts_at,
        when=f"{each.starts_at.astimezone(zone):%Y-%m-%d %H:%M}",
        minutes=each.minutes,
        points=points_text(each.amount),
        state=each.state,
        is_mine=is_mine,
        provider=shown(offer.person_id),
        receiver="" if each.person_id == viewer.person_id else shown(each.person_id),
        phone=phone if each.state is ExchangeState.AGREED else None,
        address=each.address if is_mine or each.state is ExchangeState.AGREED else None,
        rating=each.rating,
        can_agree=each.state is ExchangeState.ASKED and each.is_proposed_by_provider == is_mine,
        can_confirm=each.state is ExchangeState.AGREED and at >= each.starts_at and not has_confirmed,
        can_rate=is_mine and each.state is ExchangeState.SETTLED and each.rating is None,
        can_cancel=is_open and each.given_at is None and each.received_at is None,
    )
