"""Checks of an agreement: its parties, its periods, its devices with their hours, and its preview."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Audience
from aed.errors import InvalidInput
from aed.hours.evaluation import hours_on, parse_hours
from aed.hours.timetable import Opening
from aed.sharing.agreements import queries
from aed.sharing.agreements.schemas import AgreementIn, ShareIn
from aed.sharing.models import Agreement, DeviceShare
from aed.sharing.rules import AgreementKind, SharingRules, rung

HOURS_CHECKED_DAYS: Final = 28
"""Days for which the hours of a share are compared with those of its device."""


def require_consistent(session: Session, found: Agreement, new: AgreementIn, by: SharingRules) -> None:
    """Require that the text of an agreement fits the rules of its region, its estate and its devices.

    Raises InvalidInput.
    """
    if new.kind is AgreementKind.REGISTER:
        raise InvalidInput("Agreements by the register follow from the register.", field="kind")
    if new.ends_on is not None and new.ends_on < new.starts_on:
        raise InvalidInput("The agreement ends before it starts.", field="ends_on")
    if new.kind is AgreementKind.TRIAL:
        last = new.starts_on + timedelta(days=by.max_trial_days - 1)
        if new.ends_on is None or new.ends_on > last:
            raise InvalidInput(
                "A trial ends after at most {days} days: by {last}.",
                field="ends_on",
                days=by.max_trial_days,
                last=last,
            )
    if (new.notice_from is None) != (new.notice_until is None) or (
        new.notice_from is not None and new.notice_until is not None and new.notice_until < new.notice_from
    ):
        raise InvalidInput("The public notice needs a first and a last day.", field="notice_until")
    roles = sorted(each.role for each in new.parties)
    if roles != sorted(by.parties):
        raise InvalidInput(
            "Name each of these parties once: {roles}.", field="parties", roles=", ".join(by.parties)
        )
    ids = [each.device_id for each in new.shares]
    if len(set(ids)) != len(ids):
        raise InvalidInput("A device is named twice.", field="shares")
    known = require_usable_devices(session, found.estate_id, ids)
    for share in new.shares:
        first, until = share.from_on or new.starts_on, share.until_on or new.ends_on
        is_inside = first >= new.starts_on and (new.ends_on is None or (until or first) <= new.ends_on)
        if not is_inside or (until is not None and until < first):
            raise InvalidInput(
                "The days of device {device_id} are not within the agreement's.",
                field="shares",
                device_id=share.device_id,
            )
        _require_within_own_hours(share, known[share.device_id].opening_hours, first)
    require_preview(session, found.estate_id, new.preview_id, new.preview_hash, new.shares)
    if new.supersedes_id is not None:
        earlier = session.execute(
            select(Agreement.estate_id, Agreement.state).where(Agreement.id == new.supersedes_id)
        ).first()  # visibility: only whether it is one of the same estate
        if earlier is None or earlier.estate_id != found.estate_id or new.supersedes_id == found.id:
            raise InvalidInput(
                "Agreement {supersedes_id} is not one of this estate.",
                field="supersedes_id",
                supersedes_id=new.supersedes_id,
            )


def require_usable_devices(session: Session, estate_id: int, device_ids: Sequence[int]) -> dict[int, Any]:
    """Return the rows of the devices. Raises InvalidInput for one that is withdrawn or of another estate."""
    known = queries.device_rows(session, device_ids)
    for device_id in device_ids:
        row = known.get(device_id)
        if row is None or row.estate_id != estate_id or row.state == "withdrawn":
            raise InvalidInput(
                "Device {device_id} is not a device of this estate.", field="shares", device_id=device_id
            )
    return known


def require_preview(
    session: Session,
    estate_id: int,
    preview_id: int | None,
    preview_hash: str | None,
    shares: Sequence[ShareIn] | Sequence[DeviceShare],
) -> None:
    """Require that the preview that an agreement names shows its step: parties decide on what they saw.

    The highest step of the shares, its hours and its devices are those of the preview. Raises InvalidInput.
    """
    if (preview_id is None) != (preview_hash is None):
        raise InvalidInput("Give preview_id and preview_hash together.", field="preview_hash")
    if preview_id is None:
        return
    row = queries.preview_row(session, preview_id)
    if row is None or row.estate_id != estate_id:
        raise InvalidInput(
            "Preview {preview_id} is not one of this estate.", field="preview_id", preview_id=preview_id
        )
    if row.inputs_hash != preview_hash:
        raise InvalidInput(
            "Preview {preview_id} has another hash. Look at it again, and give its hash.",
            field="preview_hash",
            preview_id=preview_id,
        )
    previewed = row.inputs["step"]
    step = max((each.step for each in shares), key=rung)
    opened = {(each.device_id, each.hours) for each in shares if each.step is step}
    hours = parse_hours(previewed["hours"]) if previewed["hours"] is not None else None
    proposed = {(each["id"], hours) for each in row.result["devices"] if each["is_proposed"]}
    if Audience(previewed["audience"]) is not step or opened != proposed:
        raise InvalidInput(
            "Preview {preview_id} is of another step: its audience, hours or devices are not those of the "
            "agreement. Make a new preview.",
            field="preview_id",
            preview_id=preview_id,
        )


def _require_within_own_hours(share: ShareIn, own: str | None, first: date) -> None:
    """Raise InvalidInput if the share is open at an hour at which the device is closed."""
    if share.hours is None or own is None:
        return
    for day in (first + timedelta(days=n) for n in range(HOURS_CHECKED_DAYS)):
        mine, its = hours_on(share.hours, day), hours_on(own, day)
        for minute in {span.minute for span in (*mine, *its)}:
            shared = next(span for span in reversed(mine) if span.minute <= minute)
            device = next(span for span in reversed(its) if span.minute <= minute)
            if shared.state is Opening.OPEN and device.state is Opening.CLOSED:
                raise InvalidInput(
                    "The hours of device {device_id} in the agreement go beyond its opening hours, for "
                    "example on {day}.",
                    field="shares",
                    device_id=share.device_id,
                    day=day,
                )
