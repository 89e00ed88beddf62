"""Queries for confirmations, confirmation requests and the people to ask."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Audience, Role, Viewer
from aed.accounts.role_grants import RoleGrant
from aed.accounts.tokens import hash_key
from aed.database.boxes import ids_near_each
from aed.database.geometry import latitude, longitude, position_of
from aed.errors import NotFound, NotSignedIn
from aed.geo import Position, distance_metres
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState, confidence
from aed.registry.estates.models import Estate
from aed.responders.models import Responder, ResponderPlace
from aed.responders.rules import ResponderState
from aed.settings.upkeep import TrustSettings
from aed.upkeep.models import Confirmation, ConfirmationRequest, Retrieval
from aed.upkeep.rules import ASKED, Fact, half_life_days


def confirmation_request(
    session: Session, viewer: Viewer, which: str, *, for_update: bool = False
) -> ConfirmationRequest:
    """Return a confirmation request by its key, or by its id if the viewer is the person who was asked.

    Raises NotFound otherwise.

    visibility: the key is known only to the person it was sent to.
    """
    statement = select(ConfirmationRequest).where(ConfirmationRequest.key_hash == hash_key(which))
    if which.isascii() and which.isdecimal() and len(which) < 19:
        if viewer.person_id is None:
            raise NotFound("This confirmation request does not exist.", field="confirmation_request")
        statement = select(ConfirmationRequest).where(
            ConfirmationRequest.id == int(which), ConfirmationRequest.person_id == viewer.person_id
        )
    if for_update:
        statement = statement.with_for_update()
    found = session.scalar(statement)
    if found is None:
        raise NotFound("This confirmation request does not exist.", field="confirmation_request")
    return found


def requests_of(
    session: Session, viewer: Viewer, *, at: datetime, limit: int
) -> Sequence[ConfirmationRequest]:
    """Return the signed-in person's open confirmation requests, newest first. Raises NotSignedIn.

    visibility: a person's own.
    """
    if viewer.person_id is None:
        raise NotSignedIn("Sign in as a person to see your confirmation requests.")
    return session.scalars(
        select(ConfirmationRequest)
        .where(
            ConfirmationRequest.person_id == viewer.person_id,
            ConfirmationRequest.closed_at.is_(None),
            ConfirmationRequest.lapses_at > at,
        )
        .order_by(ConfirmationRequest.id.desc())
        .limit(limit)
    ).all()


def lapse(session: Session, *, at: datetime) -> None:
    """Close confirmation requests that have lapsed, so that other people can be asked.

    visibility: for the scheduler.
    """
    session.execute(
        update(ConfirmationRequest)
        .where(ConfirmationRequest.closed_at.is_(None), ConfirmationRequest.lapses_at <= at)
        .values(closed_at=at)
    )


def retrieval_of(session: Session, confirmation_request: ConfirmationRequest) -> Retrieval | None:
    """Return the retrieval that a confirmation request asks about, or None if it asks about a fact.

    visibility: of a request that the caller may read.
    """
    return (
        session.get(Retrieval, confirmation_request.retrieval_id)
        if confirmation_request.retrieval_id is not None
        else None
    )


_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Trusted:
    """When a fact about a device was last confirmed, by whom, and the confidence left in it."""

    fact: Fact
    at: datetime | None
    """None if it was never confirmed."""
    by: str | None
    """The name as in the history of changes; None if never confirmed, or taken from an imported list."""
    confidence: float


def trust_of(session: Session, device: Device, *, at: datetime, numbers: TrustSettings) -> list[Trusted]:
    """Return position, hours and readiness of a device, each with its confidence at a moment.

    A newer `last_checked_on` from an imported list counts as a confirmation of readiness without a name.

    visibility: of a device that the caller may see.
    """
    confirmed = {each.fact: each for each in confirmations_of(session, device.id)}
    found = []
    for fact in Fact:
        row = confirmed.get(fact)
        when, by = (row.at, row.by_name) if row is not None else (None, None)
        if fact is Fact.READINESS and device.last_checked_on is not None:
            listed = datetime.combine(device.last_checked_on, time(), UTC)
            if when is None or listed - when > _DAY:
                when, by = listed, None
        days = (at - when) / _DAY if when is not None else None
        trusted = confidence(days, half_life_days=half_life_days(fact, numbers))
        found.append(Trusted(fact, when, by, trusted))
    return found


def confirmations_of(session: Session, device_id: int) -> Sequence[Confirmation]:
    """Return the stored confirmations of a device.

    visibility: of a device that the caller may see.
    """
    return session.scalars(select(Confirmation).where(Confirmation.device_id == device_id)).all()


LOOKS: Collection[Role] = (Role.LEAD, Role.KEEPER, Role.RESPONDER)
"""Roles on the device's estate that are asked after the responders who live nearby."""


def highest_device_id(session: Session) -> int:
    """Return the highest device id, or 0.

    visibility: reveals only the size of the register.
    """
    return session.scalar(select(func.max(Device.id))) or 0


@dataclass(frozen=True, slots=True)
class Fading:
    """A fact about a device whose confidence has fallen below the threshold for asking."""

    device: Device
    fact: Fact


def fading(
    session: Session, *, after_id: int, limit: int, at: datetime, numbers: TrustSettings
) -> list[Fading]:
    """Return at most one fading fact per device, for ids in (`after_id`, `after_id + limit`].

    Skips devices with an open request about a fact, and devices that are not in service.

    visibility: for the scheduler, which asks people about devices that they may see.
    """
    confirmed: dict[int, dict[Fact, datetime]] = {}
    devices = session.scalars(
        select(Device)
        .where(Device.id > after_id, Device.id <= after_id + limit, Device.state == DeviceState.IN_SERVICE)
        .options(joinedload(Device.estate), joinedload(Device.region))
        .order_by(Device.id)
    ).all()
    span = (Confirmation.device_id > after_id, Confirmation.device_id <= after_id + limit)
    for row in session.scalars(select(Confirmation).where(*span)):
        confirmed.setdefault(row.device_id, {})[row.fact] = row.at
    asked = set(
        session.scalars(
            select(ConfirmationRequest.device_id).where(
                ConfirmationRequest.device_id > after_id,
                ConfirmationRequest.device_id <= after_id + limit,
                ConfirmationRequest.closed_at.is_(None),
                ConfirmationRequest.fact.is_not(None),
            )
        )
    )
    before = {fact: at - _fades_in(fact, numbers) for fact in ASKED}
    found = []
    for device in devices:
        if device.id in asked:
            continue
        known = confirmed.get(device.id, {})
        for fact in ASKED:
            if fact is Fact.HOURS and device.opening_hours is None:
                continue  # no hours to confirm
            if fact not in known or known[fact] < before[fact]:
                found.append(Fading(device, fact))
                break
    return found


def _fades_in(fact: Fact, numbers: TrustSettings) -> timedelta:
    """Return the time after which confidence in a fact falls to `ask_below`."""
    if numbers.ask_below <= 0:
        return timedelta(days=36_500)
    return timedelta(days=half_life_days(fact, numbers) * -math.log2(numbers.ask_below))


def people_near(
    session: Session, devices: Sequence[Device], *, at: datetime, numbers: TrustSettings
) -> dict[int, list[int]]:
    """Return, by device id, the ids of people who may be asked about it, the nearest first.

    Responders within `ask_within_metres` come first, then people with a role on the device's estate. Paused
    responders are left out. For a device that is not public, only people of its estate are returned.

    visibility: for the scheduler, which discloses these people to nobody.
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
    """Return the position, person and estate of each responder place, by its id.

    visibility: see `people_near`.
    """
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
    """Return the ids of people with one of the roles LOOKS, by estate id.

    visibility: see `people_near`.
    """
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


def recently_asked(session: Session, person_ids: Collection[int], *, since: datetime) -> set[int]:
    """Return those of these people who were asked to confirm a fact after `since`.

    visibility: for the scheduler.
    """
    return set(
        session.scalars(
            select(ConfirmationRequest.person_id).where(
                ConfirmationRequest.person_id.in_(person_ids),
                ConfirmationRequest.asked_at > since,
                ConfirmationRequest.fact.is_not(None),
            )
        )
    )


def places_of(session: Session, device_ids: Collection[int]) -> dict[int, tuple[str | None, str | None]]:
    """Return the estate and place of each device in words, by device id: English, Chinese.

    visibility: of devices about which the caller was asked.
    """
    rows = session.execute(
        select(Device.id, Estate.name_en, Device.place_en, Estate.name_zh, Device.place_zh)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .where(Device.id.in_(device_ids))
    )
    return {row[0]: (_words(row[1], row[2] or row[4]), _words(row[3], row[4] or row[2])) for row in rows}


def _words(*parts: str | None) -> str | None:
    return " ".join(each for each in parts if each) or None
