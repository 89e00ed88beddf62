"""Queries of responders: places and live locations for the lookup, offers and consents of a person."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Dialect,
    Select,
    Subquery,
    and_,
    func,
    or_,
    select,
)
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.visibility import responder_visible_to
from aed.database.compiled import Compiled, compiled, inline_text, key_in_param, late_param
from aed.database.geometry import latitude, longitude, position_of
from aed.database.nearest import NearestQuery, nearest_first
from aed.geo import Position
from aed.registry.estates.models import Estate
from aed.registry.holidays.models import HolidayCalendar
from aed.responders.models import Certificate, Consent, LiveLocationRow, Responder, ResponderPlace
from aed.responders.rules import MERGED, CertificateTrust, ConsentKind, ResponderState


class PlaceNearby(NamedTuple):
    """A row of the lookup: one place of a responder. Dates and datetimes are text on SQLite."""

    id: int
    responder_id: int
    person_id: int
    lat: float
    lon: float
    floor: int
    hours: str | None
    availability: str | None
    paused_until: datetime | str | None
    of_age: bool | int | None
    estate_id: int | None
    region_id: int
    on_duty_id: int | None
    """The responder's id if a valid live location in the database replaces this place, else None."""
    valid_until: date | str | None
    certificate_kind: str
    """Null without a certificate; `valid_until` is then null too, and the person is not called."""
    time_zone: str
    """Time zone of the estate, else of the region, in which the certificate's last day ends."""
    holiday_calendar: str | None
    calendar_version: int | None


def counts_for_calling() -> ColumnElement[bool]:
    """Select certificates that are not revoked and have the trust that the responder's region requires.

    `Region` must be part of the statement. Expiry is checked separately.

    visibility: a predicate, which returns no rows by itself.
    """
    verified, documented, declared = (
        inline_text(each)
        for each in (CertificateTrust.VERIFIED, CertificateTrust.DOCUMENTED, CertificateTrust.SELF_DECLARED)
    )
    return and_(
        Certificate.revoked_at.is_(None),
        or_(
            Certificate.trust == verified,
            and_(Region.trust_in_force == documented, Certificate.trust == documented),
            Region.trust_in_force == declared,
        ),
    )


@lru_cache(maxsize=256)
def nearest_places(dialect: Dialect, viewer: Viewer) -> NearestQuery[PlaceNearby]:
    """Return the compiled statement for default places of active responders, nearest first.

    People on duty at `live_at` are marked, not excluded: if everybody were on duty, a search for others would
    scan the whole country. Names and telephone numbers are not selected, since a dispatcher may not see them
    yet.
    """
    on_duty = (
        select(LiveLocationRow.responder_id)
        .where(LiveLocationRow.responder_id == ResponderPlace.responder_id, _holds_at_that_moment())
        .scalar_subquery()
    )
    inner = (
        select(
            ResponderPlace.id,
            ResponderPlace.responder_id,
            Responder.person_id,
            latitude(ResponderPlace.position).label("lat"),
            longitude(ResponderPlace.position).label("lon"),
            ResponderPlace.floor,
            ResponderPlace.hours,
            Responder.availability,
            Responder.paused_until,
            Responder.of_age,
            Responder.estate_id,
            Responder.region_id,
            on_duty.label("on_duty_id"),
        )
        .join(Responder, Responder.id == ResponderPlace.responder_id)
        .where(
            responder_visible_to(viewer, region_id=Responder.region_id),
            Responder.state == inline_text(ResponderState.ACTIVE),
        )
    )
    return nearest_first(
        dialect, inner, ResponderPlace.position, joined=_with_what_counts_for_calling, row=PlaceNearby
    )


def _with_what_counts_for_calling(near: Subquery) -> Select[*tuple[Any, ...]]:
    """Add the remaining columns for the few responders that were chosen.

    visibility: the caller has filtered the rows by the viewer's predicate.
    """
    best = (
        select(func.max(Certificate.valid_until))
        .where(Certificate.responder_id == near.c.responder_id, counts_for_calling())
        .correlate(near, Region)
        .scalar_subquery()
    )
    kind = (
        select(Certificate.kind)
        .where(Certificate.responder_id == near.c.responder_id, counts_for_calling())
        .correlate(near, Region)
        .order_by(Certificate.valid_until.desc(), Certificate.id)
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(
            *near.c,
            best.label("valid_until"),
            kind.label("certificate_kind"),
            func.coalesce(Estate.time_zone, Region.time_zone).label("time_zone"),
            Region.holiday_calendar,
            HolidayCalendar.version.label("calendar_version"),
        )
        .select_from(near)
        .join(Region, Region.id == near.c.region_id)
        .outerjoin(Estate, Estate.id == near.c.estate_id)
        .outerjoin(HolidayCalendar, HolidayCalendar.name == Region.holiday_calendar)
    )


# --- live locations -------------------------------------------------------------------------------------


class OnDuty(NamedTuple):
    """A row of the lookup: a responder with a live location. Dates and datetimes are text on SQLite."""

    responder_id: int
    person_id: int
    availability: str | None
    paused_until: datetime | str | None
    of_age: bool | int | None
    estate_id: int | None
    region_id: int
    valid_until: date | str | None
    certificate_kind: str
    time_zone: str
    holiday_calendar: str | None
    calendar_version: int | None

    def at_place(self, here: Position) -> PlaceNearby:
        """Return the responder as a place at the phone's location, on the ground floor."""
        return PlaceNearby(
            id=self.responder_id,
            responder_id=self.responder_id,
            person_id=self.person_id,
            lat=here.lat,
            lon=here.lon,
            floor=0,
            hours="24/7",
            availability=self.availability,
            paused_until=self.paused_until,
            of_age=self.of_age,
            estate_id=self.estate_id,
            region_id=self.region_id,
            on_duty_id=None,
            valid_until=self.valid_until,
            certificate_kind=self.certificate_kind,
            time_zone=self.time_zone,
            holiday_calendar=self.holiday_calendar,
            calendar_version=self.calendar_version,
        )


def _holds_at_that_moment() -> ColumnElement[bool]:
    """Select live locations that are valid at `live_at`.

    visibility: a predicate, which returns no rows by itself.
    """
    at = late_param("live_at", DateTime(timezone=True))
    return and_(LiveLocationRow.at <= at, LiveLocationRow.expires_at > at)


class LivePlaceFound(NamedTuple):
    """A row of live locations. Datetimes are text on SQLite."""

    responder_id: int
    cell: int
    at: datetime | str


@lru_cache(maxsize=2)
def live_places_in_cells(dialect: Dialect) -> Compiled[LivePlaceFound]:
    """Return the compiled statement for live locations in `live_cells` that are valid at `live_at`.

    visibility: the caller checks which of these responders the viewer may call.
    """
    there = select(LiveLocationRow.responder_id, LiveLocationRow.cell, LiveLocationRow.at).where(
        key_in_param(dialect, LiveLocationRow.cell, "live_cells"), _holds_at_that_moment()
    )
    return compiled(dialect, there, row=LivePlaceFound)


@lru_cache(maxsize=256)
def on_duty(dialect: Dialect, viewer: Viewer) -> Compiled[OnDuty]:
    """Return the compiled statement for the active responders in `live_keys`, who have a live location.

    A store outside the database cannot check consents, so this excludes people who withdrew theirs.
    """
    consent = (
        select(Consent.id)
        .where(
            Consent.person_id == Responder.person_id,
            Consent.kind == inline_text(ConsentKind.LIVE_PLACE),
            Consent.withdrawn_at.is_(None),
        )
        .scalar_subquery()  # not EXISTS, which PostgreSQL plans as a join that starts with all consents
    )
    near = select(
        Responder.id.label("responder_id"),
        Responder.person_id,
        Responder.availability,
        Responder.paused_until,
        Responder.of_age,
        Responder.estate_id,
        Responder.region_id,
    ).where(
        key_in_param(dialect, Responder.id, "live_keys"),
        responder_visible_to(viewer, region_id=Responder.region_id),
        Responder.state == inline_text(ResponderState.ACTIVE),
        consent.is_not(None),
    )
    return compiled(dialect, _with_what_counts_for_calling(near.subquery("near")), row=OnDuty)


class LocationSharing(NamedTuple):
    """Whether a live location of a person may be stored, and for which entry."""

    responder_id: int
    paused_until: datetime | None
    has_consented: bool


def sharing(session: Session, person_ids: Collection[int]) -> dict[int, LocationSharing]:
    """Return the entries and consents of these people that are needed to store a live location.

    visibility: each row is used only for a report from the person's own phone.
    """
    found = session.execute(
        select(Responder.person_id, Responder.id, Responder.paused_until, Consent.id)
        .outerjoin(
            Consent,
            and_(
                Consent.person_id == Responder.person_id,
                Consent.kind == ConsentKind.LIVE_PLACE,
                Consent.withdrawn_at.is_(None),
            ),
        )
        .where(Responder.person_id.in_(person_ids), Responder.state == ResponderState.ACTIVE)
        .order_by(Responder.id.desc())
    )
    return {
        person: LocationSharing(key, paused, consent is not None) for person, key, paused, consent in found
    }


def responder_ids_of(session: Session, person_id: int) -> list[int]:
    """Return the ids of all entries of the person, including inactive ones.

    visibility: the caller has verified that the viewer is the person or the office.
    """
    return list(session.scalars(select(Responder.id).where(Responder.person_id == person_id)))


# --- offers and consents --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HelpOffer:
    """A person's offer to help, with their places and consents."""

    entry: Responder | None
    """The person's entry; None if neither the person nor a list ever made an offer."""
    region: Region | None
    """The region of the entry."""
    places: Sequence[tuple[ResponderPlace, Position]]
    consents: Sequence[Consent]
    """Consents in force."""
    certificates: Sequence[Certificate]

    @property
    def version(self) -> int:
        """A 48-bit hash that changes whenever an amendable value changes."""
        parts: list[object] = [*sorted(each.id for each in self.consents)]
        if self.entry is not None:
            until = self.entry.paused_until
            parts += [self.entry.id, str(self.entry.state), self.entry.availability]
            parts += [until.timestamp() if until is not None else None]
        for each, here in self.places:
            parts += [str(each.kind), round(here.lat, 7), round(here.lon, 7), each.floor, each.hours]
        return int(sha256(repr(parts).encode()).hexdigest()[:12], 16)


def consents_in_force(session: Session, person_id: int) -> dict[ConsentKind, Consent]:
    """Return the person's consents in force, by kind.

    visibility: the caller has verified that the viewer is the person or the office.
    """
    found = session.scalars(
        select(Consent).where(Consent.person_id == person_id, Consent.withdrawn_at.is_(None))
    )
    return {each.kind: each for each in found}


def speaks_for_themselves(session: Session, person_id: int) -> bool:
    """Return whether the person ever gave or withdrew a consent, which overrides consents stated by lists.

    visibility: only for an administrator who imports a list.
    """
    was_withdrawn = Consent.withdrawn_by != MERGED  # null: it is in force
    own = or_(Consent.stated_by.is_(None), was_withdrawn)
    return session.scalar(select(Consent.id).where(Consent.person_id == person_id, own).limit(1)) is not None


def consents(session: Session, person_id: int, *, limit: int, after_id: int = 0) -> Sequence[Consent]:
    """Return a page of all consents that the person ever gave, by id.

    visibility: the caller has verified that the viewer is the person or the office.
    """
    return session.scalars(
        select(Consent)
        .where(Consent.person_id == person_id, Consent.id > after_id)
        .order_by(Consent.id)
        .limit(limit)
    ).all()


def entry_to_offer(session: Session, person_id: int) -> Responder | None:
    """Return the person's entry with the certificate that is valid longest, preferring an active entry.

    visibility: the caller has verified that the viewer is the person or the office.
    """
    longest = (
        select(func.max(Certificate.valid_until))
        .where(Certificate.responder_id == Responder.id, Certificate.revoked_at.is_(None))
        .scalar_subquery()
    )
    return session.scalar(
        select(Responder)
        .where(Responder.person_id == person_id, Responder.joined_into_id.is_(None))
        .order_by(longest.is_(None), longest.desc(), Responder.state != ResponderState.ACTIVE, Responder.id)
        .limit(1)
    )


def offer_of(session: Session, person_id: int) -> HelpOffer:
    """Return the person's offer, with the active entry or else the entry that would become active.

    visibility: the caller has verified that the viewer is the person or the office.
    """
    entry = session.scalar(
        select(Responder)
        .where(Responder.person_id == person_id, Responder.state == ResponderState.ACTIVE)
        .order_by(Responder.id)
        .limit(1)
    ) or entry_to_offer(session, person_id)
    theirs = select(Responder.id).where(Responder.person_id == person_id)
    places = session.scalars(
        select(ResponderPlace).where(ResponderPlace.responder_id.in_(theirs)).order_by(ResponderPlace.id)
    ).all()
    certificates = session.scalars(
        select(Certificate).where(Certificate.responder_id.in_(theirs)).order_by(Certificate.id)
    ).all()
    return HelpOffer(
        entry=entry,
        region=session.get_one(Region, entry.region_id) if entry is not None else None,
        places=[(place, position_of(place.position)) for place in places],
        consents=list(consents_in_force(session, person_id).values()),
        certificates=certificates,
    )
