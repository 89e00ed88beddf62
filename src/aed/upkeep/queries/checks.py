"""Reading checks, photos and reports. All of them are the device's own people's, and its dispatchers'."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, is_insider
from aed.accounts.visibility import managed_by, visible_to
from aed.errors import NotAllowed, NotFound, NotSignedIn
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.upkeep.models import Check, Photo, Report
from aed.upkeep.queries.whose import Whose, narrowed
from aed.upkeep.rules.policy import CheckKind
from aed.upkeep.rules.quarantine import ReportKind
from aed.upkeep.rules.states import ReportState


def device_of_the_house(session: Session, viewer: Viewer, device_id: int) -> Device:
    """A device whose upkeep is the viewer's business.

    Raises NotFound when the viewer may not see it at all, else NotSignedIn or NotAllowed.
    """
    device = device_queries.device(session, viewer, device_id)
    if not is_insider(viewer, device.estate_id, device.region_id):
        if not viewer.is_signed_in:
            raise NotSignedIn("The upkeep of a device is told to its own people: send a token, or sign in.")
        raise NotAllowed("The upkeep of a device is told to its own estate and to its region's dispatchers.")
    return device


# --- checks ---------------------------------------------------------------------------------------------


def check_by_key(session: Session, key: str) -> Check | None:
    """visibility: the key is known to whoever made it up, and to nobody else."""
    return session.scalar(select(Check).where(Check.key == key))


def check(session: Session, viewer: Viewer, check_id: int) -> Check:
    """Raises NotFound when there is none, or none of a device whose upkeep is the viewer's business."""
    found = session.scalar(
        select(Check)
        .join(Device, Device.id == Check.device_id)
        .where(Check.id == check_id, visible_to(viewer, Device), managed_by(viewer, Device))
    )
    if found is None:
        raise NotFound(f"There is no check {check_id} that you may see.", field="check_id")
    return found


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


def later_checks(session: Session, device_id: int, *, answered_at: datetime) -> Sequence[Check]:
    """The checks (no mere glances) of the device that were answered after that moment.

    visibility: for a check of a device that the viewer may check.
    """
    return session.scalars(
        select(Check).where(
            Check.device_id == device_id,
            Check.kind.in_([CheckKind.CHECK, CheckKind.SERVICE]),
            Check.answered_at > answered_at,
        )
    ).all()


# --- photos ---------------------------------------------------------------------------------------------


def photos_of(session: Session, check_id: int) -> Sequence[Photo]:
    """Without the pictures themselves.

    visibility: of a check that the viewer may see.
    """
    return session.scalars(select(Photo).where(Photo.check_id == check_id).order_by(Photo.id)).all()


def photo(session: Session, viewer: Viewer, photo_id: int) -> tuple[Photo, bytes]:
    """Raises NotFound when there is none, or none of a device whose upkeep is the viewer's business."""
    row = session.execute(
        select(Photo, Photo.jpeg)
        .join(Check, Check.id == Photo.check_id)
        .join(Device, Device.id == Check.device_id)
        .where(Photo.id == photo_id, visible_to(viewer, Device), managed_by(viewer, Device))
    ).first()
    if row is None:
        raise NotFound(f"There is no photo {photo_id} that you may see.", field="photo_id")
    return row[0], row[1]


# --- reports --------------------------------------------------------------------------------------------


def report(session: Session, viewer: Viewer, report_id: int) -> Report:
    """Raises NotFound when there is none, or none of a device whose upkeep is the viewer's business."""
    found = session.scalar(
        select(Report)
        .join(Device, Device.id == Report.device_id)
        .where(Report.id == report_id, visible_to(viewer, Device), managed_by(viewer, Device))
    )
    if found is None:
        raise NotFound(f"There is no report {report_id} that you may see.", field="report_id")
    return found


def reports(
    session: Session,
    viewer: Viewer,
    whose: Whose,
    *,
    limit: int,
    after_id: int = 0,
    also_closed: bool = False,
) -> Sequence[Report]:
    """A page of what was reported, in order of id, of devices whose upkeep is the viewer's business."""
    statement = (
        select(Report)
        .join(Device, Device.id == Report.device_id)
        .where(visible_to(viewer, Device), managed_by(viewer, Device), *narrowed(session, whose))
        .where(Report.id > after_id)
        .order_by(Report.id)
        .limit(limit)
    )
    if not also_closed:
        statement = statement.where(Report.state == ReportState.OPEN)
    return session.scalars(statement).all()


def open_reports(session: Session, device_id: int, *, until: datetime) -> Sequence[Report]:
    """What was reported up to a moment and is not closed.

    visibility: for a check of a device that the viewer may check.
    """
    return session.scalars(
        select(Report).where(
            Report.device_id == device_id, Report.state == ReportState.OPEN, Report.at <= until
        )
    ).all()


def failed_fetches(session: Session, device_id: int) -> int:
    """How many told that they could not have the device, since it was checked last.

    visibility: how many there are, no more.
    """
    return (
        session.scalar(
            select(func.count())
            .select_from(Report)
            .where(
                Report.device_id == device_id,
                Report.kind == ReportKind.NOT_FETCHED,
                Report.state == ReportState.OPEN,
            )
        )
        or 0
    )


def reports_lately(
    session: Session, *, since: datetime, device_id: int | None = None, from_key: str | None = None
) -> int:
    """How many strangers' reports came since a moment, of one device or from one address.

    visibility: how many there are, no more.
    """
    statement = (
        select(func.count()).select_from(Report).where(Report.at > since, Report.from_key.is_not(None))
    )
    if device_id is not None:
        statement = statement.where(Report.device_id == device_id)
    if from_key is not None:
        statement = statement.where(Report.from_key == from_key)
    return session.scalar(statement) or 0
