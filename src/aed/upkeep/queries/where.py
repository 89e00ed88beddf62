"""Where devices are, in words."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate


def places_of(session: Session, device_ids: Collection[int]) -> dict[int, tuple[str | None, str | None]]:
    """Estate and place of each, in English and Chinese.

    visibility: of devices about which the caller was asked a question.
    """
    rows = session.execute(
        select(Device.id, Estate.name_en, Device.place_en, Estate.name_zh, Device.place_zh)
        .outerjoin(Estate, Estate.id == Device.estate_id)
        .where(Device.id.in_(device_ids))
    )
    return {row[0]: (_words(row[1], row[2] or row[4]), _words(row[3], row[4] or row[2])) for row in rows}


def _words(*parts: str | None) -> str | None:
    return " ".join(each for each in parts if each) or None
