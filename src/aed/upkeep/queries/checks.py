"""Reading checks, quarantines and reports. All of them are the device's own people's, and its dispatchers'."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.rules import Viewer
from aed.errors import NotAllowed, NotSignedIn
from aed.registry import queries as registry
from aed.registry.models import Device
from aed.sharing.rules import is_of_the_house
from aed.upkeep.models import Check, Quarantine, Report
from aed.upkeep.rules.policy import CheckKind


def device_of_the_house(
    session: Session, viewer: Viewer, device_id: int, *, for_update: bool = False
) -> Device:
    """A device whose upkeep is the viewer's business.

    Raises NotFound when the viewer may not see it at all, else NotSignedIn or NotAllowed.
    """
    device = registry.device(session, viewer, device_id, for_update=for_update)
    if not is_of_the_house(viewer, device.estate_id, device.region_id):
        if not viewer.is_signed_in:
            raise NotSignedIn("The upkeep of a device is told to its own people: send a token, or sign in.")
        raise NotAllowed("The upkeep of a device is told to its own estate and to its region's dispatchers.")
    return device


def check_by_key(session: Session, key: str) -> Check | None:
    """visibility: the key is known to whoever made it up, and to nobody else."""
    return session.scalar(select(Check).where(Check.key == key))


def later_check_is_here(session: Session, device_id: int, *, answered_at: datetime) -> bool:
    """Whether a check (no mere glance) of the device was answered after that moment.

    visibility: for a check of a device that the viewer may check.
    """
    found = session.scalar(
        select(Check.id)
        .where(
            Check.device_id == device_id,
            Check.kind.in_([CheckKind.CHECK, CheckKind.SERVICE]),
            Check.answered_at > answered_at,
        )
        .limit(1)
    )
    return found is not None


def last_passed_at(session: Session, device_id: int) -> datetime | None:
    """visibility: for a check of a device that the viewer may check."""
    return session.scalar(
        select(func.max(Check.answered_at)).where(Check.device_id == device_id, Check.is_passed)
    )


def checks(
    session: Session, viewer: Viewer, device_id: int, *, limit: int, before_id: int | None = None
) -> Sequence[Check]:
    """The checks of a device, the last to arrive first.

    visibility: through `device_of_the_house`.
    """
    device = device_of_the_house(session, viewer, device_id)
    statement = select(Check).where(Check.device_id == device.id)
    if before_id is not None:
        statement = statement.where(Check.id < before_id)
    return session.scalars(statement.order_by(Check.id.desc()).limit(limit)).all()


def standing_quarantines(session: Session, device_id: int) -> Sequence[Quarantine]:
    """Why a device is not offered now, the oldest reason first.

    visibility: of a device that the viewer may see; that it must not be used is for everyone to know.
    """
    return session.scalars(
        select(Quarantine)
        .where(Quarantine.device_id == device_id, Quarantine.lifted_at.is_(None))
        .order_by(Quarantine.since, Quarantine.id)
    ).all()


def quarantines(session: Session, viewer: Viewer, device_id: int, *, limit: int) -> Sequence[Quarantine]:
    """All quarantines of a device, the latest first.

    visibility: through `device_of_the_house`.
    """
    device = device_of_the_house(session, viewer, device_id)
    return session.scalars(
        select(Quarantine)
        .where(Quarantine.device_id == device.id)
        .order_by(Quarantine.since.desc(), Quarantine.id.desc())
        .limit(limit)
    ).all()


def reports(session: Session, viewer: Viewer, device_id: int, *, limit: int) -> Sequence[Report]:
    """What passers-by said of a device, the latest first.

    visibility: through `device_of_the_house`.
    """
    device = device_of_the_house(session, viewer, device_id)
    return session.scalars(
        select(Report).where(Report.device_id == device.id).order_by(Report.id.desc()).limit(limit)
    ).all()


def open_reports(session: Session, device_id: int) -> Sequence[Report]:
    """visibility: for a check of a device that the viewer may check."""
    return session.scalars(
        select(Report).where(Report.device_id == device_id, Report.closed_at.is_(None))
    ).all()
