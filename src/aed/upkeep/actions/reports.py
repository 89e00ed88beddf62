"""What people say of a device in passing, or after fetching it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, is_insider
from aed.errors import Conflict, TooBusy
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.upkeep.actions import quarantines
from aed.upkeep.actions.telling import tell_keepers
from aed.upkeep.models import Report
from aed.upkeep.queries import checks as queries
from aed.upkeep.queries.labels import labelled_device
from aed.upkeep.rules.number import device_id_of
from aed.upkeep.rules.policy import CheckKind
from aed.upkeep.rules.quarantine import BY_NAME_ONLY, REPORTS, WHEN_CONFIRMED, follows_from
from aed.upkeep.rules.states import ReportState
from aed.upkeep.rules.who import may_check, may_tell_of_a_fetch
from aed.upkeep.schemas.checks import ReportIn

log = structlog.get_logger("aed")

MOST_FROM_ONE: Final = 5
"""Strangers' reports from one address within an hour."""
MOST_OF_A_DEVICE: Final = 20
"""Strangers' reports of one device within a day, whoever they come from: after so many its keeper knows."""
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def report_device(
    session: Session, who: Viewer, device_id: int, new: ReportIn, *, from_key: str | None, at: datetime
) -> Report:
    """The report is kept, and whoever keeps the device is told of the first of its kind.

    A stranger's quarantines nothing: strangers alone could otherwise take a network down. Somebody of the
    house confirms it, or checks the device. That it was used, or could not be had twice, is taken from those
    who have a role there and from its dispatchers, and takes the device out at once.

    Raises TooBusy for more than a stranger would send, NotFound for a device that the viewer may not see.
    """
    device = device_queries.device(session, who, device_id, for_update=True)
    if new.kind in BY_NAME_ONLY:
        may_tell_of_a_fetch(who, device.estate_id, device.region_id)
    if device.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="device_id")
    is_stranger = not is_insider(who, device.estate_id, device.region_id)
    if is_stranger:
        _not_too_many_from(session, from_key, at=at)
        if _has_enough(session, device, at=at):
            raise TooBusy("Thank you. Whoever keeps this device has been told of it many times today.")
    return keep_report(session, who, device, new, from_key=from_key if is_stranger else None, at=at)


def report_by_number(
    session: Session, who: Viewer, number: str, new: ReportIn, *, from_key: str | None, at: datetime
) -> None:
    """The same by the number on the label, of whatever device bears it, also of one that is its estate's
    alone: whoever reads the label stands before it.

    Whether there is such a device the answer does not tell. Raises InvalidInput for a mistyped number.
    """
    device_id = device_id_of(number)
    if new.kind in BY_NAME_ONLY:
        report_device(session, who, device_id, new, from_key=from_key, at=at)
        return
    device = labelled_device(session, device_id)
    is_stranger = device is None or not is_insider(who, device.estate_id, device.region_id)
    if is_stranger:
        _not_too_many_from(session, from_key, at=at)
    if device is None or device.state is DeviceState.WITHDRAWN:
        log.info("report of no device", number=number)
    elif not (is_stranger and _has_enough(session, device, at=at)):
        keep_report(session, who, device, new, from_key=from_key if is_stranger else None, at=at)


def _not_too_many_from(session: Session, from_key: str | None, *, at: datetime) -> None:
    if queries.reports_lately(session, since=at - _HOUR, from_key=from_key) >= MOST_FROM_ONE:
        raise TooBusy("Thank you. You have reported several devices: wait an hour before the next.")


def _has_enough(session: Session, device: Device, *, at: datetime) -> bool:
    return queries.reports_lately(session, since=at - _DAY, device_id=device.id) >= MOST_OF_A_DEVICE


def keep_report(
    session: Session, who: Viewer, device: Device, new: ReportIn, *, from_key: str | None, at: datetime
) -> Report:
    """The report is kept, with all that follows; whether it may be taken the caller has asked. The device was
    read for update, with its estate and region."""
    is_first = all(each.kind is not new.kind for each in queries.open_reports(session, device.id, until=at))
    report = Report(
        device_id=device.id,
        kind=new.kind,
        note=new.note,
        at=at,
        by_id=who.person_id,
        by_name=who.name if who.is_signed_in else None,
        from_key=from_key,
        state=ReportState.OPEN,
    )
    session.add(report)
    session.flush()
    reason = follows_from(new.kind, failed_fetches=queries.failed_fetches(session, device.id))
    if reason is not None:
        quarantines.begin(session, who, device, [reason], at=at, said=new.note, report=report)
    elif is_first:
        en, zh = REPORTS[new.kind]
        said_en, said_zh = (" (with a note)", "（附有说明）") if new.note else ("", "")  # a stranger's words
        tell_keepers(
            session,
            who,
            [device],
            en=f"reported: {en}{said_en}. Please look, and confirm or dismiss report {report.id}.",
            zh=f"有人反映：{zh}{said_zh}。请查看，并确认或驳回第{report.id}号反映。",
            at=at,
        )
    return report


def close_report(
    session: Session, who: Viewer, report_id: int, *, state: ReportState, at: datetime
) -> Report:
    """It is confirmed, and what follows from it holds; or dismissed. For whoever may check the device.

    Raises Conflict for one that is closed already.
    """
    found = queries.report(session, who, report_id)
    device = device_queries.device(session, who, found.device_id, for_update=True)
    may_check(who, CheckKind.CHECK, device.estate_id, device.region_id)
    session.refresh(found, with_for_update=True)
    if found.state is not ReportState.OPEN:
        raise Conflict(f"The report is {found.state} already.", field="state")
    found.state, found.closed_at, found.closed_by = state, at, who.name
    session.flush()
    reason = WHEN_CONFIRMED.get(found.kind)
    if state is ReportState.CONFIRMED and reason is not None and device.state is not DeviceState.WITHDRAWN:
        quarantines.begin(session, who, device, [reason], at=at, said=found.note, report=found)
    return found


def forget_addresses(session: Session, *, at: datetime) -> None:
    """Addresses are kept for a day, as long as they are counted."""
    session.execute(
        update(Report).where(Report.at <= at - _DAY, Report.from_key.is_not(None)).values(from_key=None)
    )
