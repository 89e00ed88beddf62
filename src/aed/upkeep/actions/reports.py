"""What passers-by say of a device."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from aed.accounts.rules import Viewer
from aed.errors import TooBusy
from aed.registry import queries as registry
from aed.upkeep.models import Report
from aed.upkeep.schemas.checks import ReportIn

MOST_FROM_ONE: Final = 5
"""Reports from one address within an hour."""
MOST_OF_A_DEVICE: Final = 20
"""Reports of one device within a day, whoever they come from: after so many its keeper knows."""
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def report_device(
    session: Session, who: Viewer, device_id: int, new: ReportIn, *, from_key: str | None, at: datetime
) -> Report:
    """The report is kept for the device's keeper. It quarantines nothing: strangers alone could otherwise
    take a network down.

    Raises TooBusy for more than a person would send, NotFound for a device that the viewer may not see.
    """
    device = registry.device(session, who, device_id)
    if from_key is not None:
        # visibility: how many there are, no more
        from_one = select(func.count()).where(Report.from_key == from_key, Report.at > at - _HOUR)
        if session.scalar(from_one.select_from(Report)) >= MOST_FROM_ONE:
            raise TooBusy("Thank you. You have reported several devices: wait an hour before the next.")
    # visibility: how many there are, no more
    of_device = select(func.count()).where(Report.device_id == device.id, Report.at > at - _DAY)
    if session.scalar(of_device.select_from(Report)) >= MOST_OF_A_DEVICE:
        raise TooBusy("Thank you. Whoever keeps this device has been told of it many times today.")
    report = Report(
        device_id=device.id,
        kind=new.kind,
        note=new.note,
        at=at,
        by_id=who.person_id,
        from_key=from_key if who.person_id is None else None,
    )
    session.add(report)
    session.flush()
    return report


def forget_addresses(session: Session, *, at: datetime) -> None:
    """Addresses are kept for a day, as long as they are counted."""
    session.execute(
        update(Report).where(Report.at <= at - _DAY, Report.from_key.is_not(None)).values(from_key=None)
    )
