"""Reading responders; only dispatchers see any."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Dialect, Select, Subquery, and_, func, or_, select

from aed.accounts.models import Region
from aed.accounts.rules import Viewer
from aed.registry.models import Estate, HolidayCalendar
from aed.responders.models import Certificate, Responder, ResponderPlace
from aed.responders.rules import ResponderState, Trust
from aed.sharing.queries import may_be_called_by
from aed.spatial import Nearest, constant, latitude, longitude, nearest_first


class PlaceNearby(NamedTuple):
    """What the lookup asks of one place of a responder. Dates and moments are text on SQLite."""

    id: int
    responder_id: int
    lat: float
    lon: float
    floor: int
    hours: str | None
    availability: str | None
    paused_until: datetime | str | None
    estate_id: int | None
    region_id: int
    valid_until: date | str | None
    certificate_kind: str
    """Null without a certificate; but then `valid_until` is, and nobody without one is called."""
    time_zone: str
    """The estate's, else the region's: where a day of a certificate ends."""
    holiday_calendar: str | None
    calendar_version: int | None


def counts_for_calling() -> ColumnElement[bool]:
    """Certificates that are not revoked, and believed as far as their responder's region needs it.

    `Region` must be part of the statement. Whether they have run out is asked apart.

    visibility: it is a predicate itself.
    """
    verified, documented, declared = (
        constant(each) for each in (Trust.VERIFIED, Trust.DOCUMENTED, Trust.SELF_DECLARED)
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
def nearest_places(dialect: Dialect, viewer: Viewer) -> Nearest[PlaceNearby]:
    """The compiled statement for the default places of active responders, nearest first.

    No name and no phone is asked for: nothing that a dispatcher may not see yet leaves the database.
    """
    inner = (
        select(
            ResponderPlace.id,
            ResponderPlace.responder_id,
            latitude(ResponderPlace.position).label("lat"),
            longitude(ResponderPlace.position).label("lon"),
            ResponderPlace.floor,
            ResponderPlace.hours,
            Responder.availability,
            Responder.paused_until,
            Responder.estate_id,
            Responder.region_id,
        )
        .join(Responder, Responder.id == ResponderPlace.responder_id)
        .where(
            may_be_called_by(viewer, region_id=Responder.region_id),
            Responder.state == constant(ResponderState.ACTIVE),
        )
    )

    def joined(near: Subquery) -> Select[*tuple[Any, ...]]:
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

    return nearest_first(dialect, inner, ResponderPlace.position, joined=joined, row=PlaceNearby)
