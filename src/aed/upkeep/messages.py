"""Notifications to the people who keep devices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import batched

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.free_text import MAX_PLACE_CHARACTERS, fit_name, quote
from aed.accounts.people.models import Person
from aed.accounts.people.rules import Language
from aed.accounts.permissions import Role, Viewer
from aed.accounts.role_grants import RoleGrant
from aed.database.session import SETTINGS
from aed.notifications import outbox
from aed.notifications.outbox import Notice
from aed.notifications.rules import MessageTopic
from aed.registry.devices.models import Device
from aed.upkeep.rules import short_number

log = structlog.get_logger("aed")
_NAMED = 3
"""Maximum number of devices named in a message; the rest are counted."""


def notify_keepers(
    session: Session, who: Viewer, devices: Sequence[Device], *, en: str, zh: str, at: datetime
) -> int:
    """Enqueue one message for each keeper of the devices, except `who`; return the number of people.

    A message about one device ends with the link to its check page, if the public URL is configured.
    Managers of the estate stand in for a device without a keeper. People who cannot be reached are logged.
    The devices were read with their estates and regions.
    """
    public_url: str | None = session.info[SETTINGS].public_url
    notified = 0
    for person, theirs in keepers_of_devices(session, devices):
        if person.id == who.person_id:
            continue
        said_en, said_zh = en, zh
        if public_url is not None and len(theirs) == 1:
            link = f"{public_url}/d/{short_number(theirs[0].id)}/check"
            said_en, said_zh = f"{en} {link}", f"{zh}{link}"
        notified += notify_person(session, person, theirs, en=said_en, zh=said_zh, at=at)
    return notified


def notify_person(
    session: Session,
    person: Person,
    devices: Sequence[Device],
    *,
    en: str,
    zh: str,
    at: datetime,
    is_one_sms: bool = False,
) -> bool:
    """Enqueue a message about the devices; return False, and log it, if the person cannot be reached.

    `is_one_sms`: a message about one device, whose place is cut so that the message is one SMS.
    """
    notice = (
        _in_one_sms(devices[0], en=en, zh=zh)
        if is_one_sms
        else Notice(
            text_en=f"{_device_names(devices, Language.EN)}: {en}",
            text_zh=f"{_device_names(devices, Language.ZH)}：{zh}",
            topic=MessageTopic.DEVICE,
        )
    )
    if not outbox.notify_person(session, person.id, notice, at, country=devices[0].region.country):
        log.warning("person cannot be notified", person=person.id)
        return False
    return True


def _in_one_sms(device: Device, *, en: str, zh: str) -> Notice:
    number = short_number(device.id)
    return Notice(
        text_en=fit_name(f"AED {number} ", _place_text(device, Language.EN), f": {en}"),
        text_zh=fit_name(f"AED {number} ", _place_text(device, Language.ZH), f"：{zh}"),
        topic=MessageTopic.DEVICE,
    )


def _device_names(devices: Sequence[Device], language: Language) -> str:
    """Return the devices in words, for the start of a message."""
    first = [_name(device, language) for device in devices[:_NAMED]]
    more = len(devices) - len(first)
    if language is Language.ZH:
        return "AED " + "、".join(first) + (f"等{len(devices)}台" if more else "")
    return "AED " + ", ".join(first) + (f" and {more} more" if more else "")


def _name(device: Device, language: Language) -> str:
    """Return the short number of a device with its estate and place."""
    words = quote(_place_text(device, language), limit=MAX_PLACE_CHARACTERS)
    return f"{short_number(device.id)} ({words})" if words else short_number(device.id)


def _place_text(device: Device, language: Language) -> str:
    estate = device.estate
    if language is Language.ZH:
        where = [estate.name_zh if estate is not None else None, device.place_zh or device.place_en]
    else:
        where = [estate.name_en if estate is not None else None, device.place_en or device.place_zh]
    return " ".join(each for each in where if each)


_AT_ONCE = 1_000


def keepers_of_devices(session: Session, devices: Sequence[Device]) -> list[tuple[Person, list[Device]]]:
    """Return each person to notify once, with their devices: the keeper's, else the estate's managers'.

    Devices with neither are omitted.

    visibility: for messages to the recipients themselves.
    """
    theirs: dict[int, list[Device]] = defaultdict(list)
    by_estate: dict[int, list[Device]] = defaultdict(list)
    for device in devices:
        if device.keeper_id is not None:
            theirs[device.keeper_id].append(device)
        elif device.estate_id is not None:
            by_estate[device.estate_id].append(device)
    for estates in batched(by_estate, _AT_ONCE):
        managers = session.execute(
            select(RoleGrant.estate_id, RoleGrant.person_id)
            .where(
                RoleGrant.estate_id.in_(estates),
                RoleGrant.role == Role.ESTATE_MANAGER,
                RoleGrant.revoked_at.is_(None),
            )
            .order_by(RoleGrant.id)
        )
        for estate_id, person_id in managers:
            if estate_id is not None:
                theirs[person_id] += by_estate[estate_id]
    found: list[tuple[Person, list[Device]]] = []
    for people in batched(theirs, _AT_ONCE):
        rows = session.scalars(select(Person).where(Person.id.in_(people)).order_by(Person.id))
        found += [(person, theirs[person.id]) for person in rows]
    return found
