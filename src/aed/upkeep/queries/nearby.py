"""Of which devices something should be confirmed anew, and who is nearby."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Audience, Role
from aed.accounts.roles.models import RoleGrant
from aed.database.boxes import ids_near_each
from aed.database.geometry import latitude, longitude, position_of
from aed.geo import Position, distance_metres
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.responders.models import Responder, ResponderPlace
from aed.responders.rules import ResponderState
from aed.settings import Trust
from aed.upkeep.models import Confirmed, Errand
from aed.upkeep.rules.facts import ASKED, Fact, half_life_days

LOOKS: Collection[Role] = (Role.LEAD, Role.KEEPER, Role.RESPONDER)
"""Who of an estate is asked where no responder lives nearby."""


def highest_device_id(session: Session) -> int:
    """visibility: how far the register goes, no more."""
    return session.scalar(select(func.max(Device.id))) or 0


@dataclass(frozen=True, slots=True)
class Fading:
    """A fact of a device in which little confidence is left."""

    device: Device
    fact: Fact


def fading(session: Session, *, after_id: int, limit: int, at: datetime, numbers: Trust) -> list[Fading]:
    """Of the next `limit` devices after `after_id` those facts, one for each device, in which confidence has
    fallen below what is asked for, and of which nobody is asked now.

    visibility: for the timetable, which asks people about devices that they may see.
    """
    told: dict[int, dict[Fact, datetime]] = {}
    devices = session.scalars(
        select(Device)
        .where(Device.id > after_id, Device.id <= after_id + limit, Device.state == DeviceState.IN_SERVICE)
        .options(joinedload(Device.estate), joinedload(Device.region))
        .order_by(Device.id)
    ).all()
    span = (Confirmed.device_id > after_id, Confirmed.device_id <= after_id + limit)
    for row in session.scalars(select(Confirmed).where(*span)):
        told.setdefault(row.device_id, {})[row.fact] = row.at
    asked = set(
        session.scalars(
            select(Errand.device_id).where(
                Errand.device_id > after_id,
                Errand.device_id <= after_id + limit,
                Errand.closed_at.is_(None),
                Errand.fact.is_not(None),
            )
        )
    )
    before = {fact: at - _fades_in(fact, numbers) for fact in ASKED}
    found = []
    for device in devices:
        if device.id in asked:
            continue
        known = told.get(device.id, {})
        for fact in ASKED:
            if fact is Fact.HOURS and device.opening_hours is None:
                continue  # there is nothing to confirm
            if fact not in known or known[fact] < before[fact]:
                found.append(Fading(device, fact))
                break
    return found


def _fades_in(fact: Fact, numbers: Trust) -> timedelta:
    """How long it takes until confidence has fallen to what is asked for."""
    if numbers.ask_below <= 0:
        return timedelta(days=36_500)
    return timedelta(days=half_life_days(fact, numbers) * -math.log2(numbers.ask_below))


def people_near(
    session: Session, devices: Sequence[Device], *, at: datetime, numbers: Trust
) -> dict[int, list[int]]:
    """By device the ids of people who may be asked about it, the nearest first: responders by their places,
    then those who have a role on its estate.

    Responders who are paused are left alone. A device that is not public is shown to people of its estate
    only.
    visibility: for the timetable, which tells nobody who they are.
    """
    places: list[Position] = [position_of(each.position) for each in devices]
    free = and_(
        ResponderPlace.responder_id.in_(
            select(Responder.id).where(
                Responder.state == ResponderState.ACTIVE,
                or_(Responder.paused_until.is_(None), Responder.paused_until <= at),
            )
        )
    )
    near = ids_near_each(
        session, places, ResponderPlace.position, within_metres=numbers.ask_within_metres, where=free
    )
    about = _places(session, {place_id for _, place_id in near})
    ranked: dict[int, list[tuple[float, int]]] = {}
    for number, place_id in near:
        position, person_id, estate_id = about[place_id]
        metres = distance_metres(places[number], position)
        device = devices[number]
        may_know = device.audience is Audience.PUBLIC or estate_id == device.estate_id is not None
        if metres <= numbers.ask_within_metres and may_know:
            ranked.setdefault(device.id, []).append((metres, person_id))
    of_estate = _of_estates(session, {each.estate_id for each in devices if each.estate_id is not None})
    found = {}
    for device in devices:
        nearest = [person_id for _, person_id in sorted(ranked.get(device.id, []))]
        theirs = of_estate.get(device.estate_id, []) if device.estate_id is not None else []
        found[device.id] = list(dict.fromkeys([*nearest, *theirs]))
    return found


def _places(session: Session, ids: Collection[int]) -> Mapping[int, tuple[Position, int, int | None]]:
    """visibility: see `people_near`."""
    rows = session.execute(
        select(
            ResponderPlace.id,
            latitude(ResponderPlace.position),
            longitude(ResponderPlace.position),
            Responder.person_id,
            Responder.estate_id,
        )
        .join(Responder, Responder.id == ResponderPlace.responder_id)
        .where(ResponderPlace.id.in_(ids))
    )
    return {row[0]: (Position(row[1], row[2]), row[3], row[4]) for row in rows}


def _of_estates(session: Session, ids: Collection[int]) -> dict[int, list[int]]:
    """visibility: see `people_near`."""
    rows = session.execute(
        select(RoleGrant.estate_id, RoleGrant.person_id)
        .where(RoleGrant.estate_id.in_(ids), RoleGrant.role.in_(LOOKS), RoleGrant.revoked_at.is_(None))
        .order_by(RoleGrant.id)
    )
    found: dict[int, list[int]] = {}
    for estate_id, person_id in rows:
        if estate_id is not None:
            found.setdefault(estate_id, []).append(person_id)
    return found


def asked_lately(session: Session, person_ids: Collection[int], *, since: datetime) -> set[int]:
    """Who of them was asked to confirm something since then.

    visibility: for the timetable.
    """
    return set(
        session.scalars(
            select(Errand.person_id).where(
                Errand.person_id.in_(person_ids), Errand.asked_at > since, Errand.fact.is_not(None)
            )
        )
    )
