"""Read drills, visible to people of the estate and dispatchers of its region."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, is_insider
from aed.accounts.visibility import managed_by, visible_to
from aed.errors import NotAllowed, NotFound, NotSignedIn
from aed.incidents.models import Drill
from aed.lookup.arrival import Basis
from aed.lookup.pace import Timed
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate, EstatePace


def drill_by_key(session: Session, key: str) -> Drill | None:
    """visibility: only the reporter knows the key."""
    return session.scalar(select(Drill).where(Drill.key == key))


def drill(session: Session, viewer: Viewer, drill_id: int) -> tuple[Drill, Device]:
    """Return a drill with its device. Raises NotFound if the viewer may not see it."""
    found = session.execute(
        select(Drill, Device)
        .join(Device, Device.id == Drill.device_id)
        .where(Drill.id == drill_id, visible_to(viewer, Device), managed_by(viewer, Device))
    ).first()
    if found is None:
        raise NotFound(
            "Drill {drill_id} does not exist, or you may not see it.", field="drill_id", drill_id=drill_id
        )
    return found[0], found[1]


def drills(
    session: Session,
    viewer: Viewer,
    device_id: int,
    *,
    limit: int,
    before_id: int | None = None,
) -> Sequence[Drill]:
    """List the drills of a device that count, latest first.

    visibility: of a device that the viewer may see, to people of its estate. Raises NotFound, NotSignedIn,
    NotAllowed.
    """
    device = device_queries.device(session, viewer, device_id)
    if not is_insider(viewer, device.estate_id, device.region_id):
        if not viewer.is_signed_in:
            raise NotSignedIn(
                "Drills are visible to people of the device's estate: sign in, or send a token."
            )
        raise NotAllowed("Drills are visible only to the device's estate and its region's dispatchers.")
    statement = select(Drill).where(Drill.device_id == device.id, Drill.withdrawn_at.is_(None))
    if before_id is not None:
        statement = statement.where(Drill.id < before_id)
    return session.scalars(statement.order_by(Drill.id.desc()).limit(limit)).all()


def timed_fetches(session: Session, estate_id: int, *, newest: int) -> list[Timed]:
    """List the newest drills of an estate as timed fetches.

    Walks measured on the walking network are not mixed with estimated ones, which count only if there are no
    others.

    visibility: of an estate that the caller has found for the viewer.
    """
    found: list[Timed] = []
    for basis in (Basis.WALKING_NETWORK, Basis.STRAIGHT_LINE):
        found = [
            Timed(*row)
            for row in session.execute(
                select(Drill.walk_metres, Drill.floor_seconds, Drill.seconds)
                .where(Drill.estate_id == estate_id, Drill.basis == basis, Drill.withdrawn_at.is_(None))
                .order_by(Drill.ran_at.desc(), Drill.id.desc())
                .limit(newest)
            )
        ]
        if found:
            break
    return found


def drill_times(
    session: Session,
    viewer: Viewer,
    region_ids: Collection[int],
    *,
    estate_id: int | None = None,
    since: datetime,
    until: datetime,
) -> list[tuple[datetime, float]]:
    """Return when the drills of these regions (or of one estate in them) took place, and their seconds.

    Covers the devices that the viewer keeps, manages or dispatches; oldest first.
    """
    statement = (
        select(Drill.ran_at, Drill.seconds)
        .join(Device, Device.id == Drill.device_id)
        .where(
            visible_to(viewer, Device),
            managed_by(viewer, Device),
            Device.region_id.in_(region_ids),
            Drill.withdrawn_at.is_(None),
            Drill.ran_at >= since,
            Drill.ran_at < until,
        )
        .order_by(Drill.ran_at, Drill.id)
    )
    if estate_id is not None:
        statement = statement.where(Drill.estate_id == estate_id)
    return [(ran_at, seconds) for ran_at, seconds in session.execute(statement)]


def estates_with_drills(session: Session) -> list[int]:
    """Return the ids of estates that have drills or a stored pace. visibility: for a job."""
    return sorted(session.scalars(union(select(Drill.estate_id), select(EstatePace.estate_id))))


def estate_of_insider(session: Session, viewer: Viewer, estate_id: int) -> Estate:
    """Return an estate if the viewer may see its drills. Raises NotFound, NotSignedIn, NotAllowed."""
    estate = estate_queries.estate(session, viewer, estate_id)
    if not is_insider(viewer, estate.id, estate.region_id):
        raise NotAllowed("The pace of an estate is visible only to its people and its region's dispatchers.")
    return estate
