"""Telling whoever keeps devices of what happened to them, through the outbox."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import batched

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.free_text import MAX_PLACE_CHARACTERS, quote
from aed.accounts.people.models import Person
from aed.accounts.people.rules import Language
from aed.accounts.permissions import Role, Viewer
from aed.accounts.roles.models import RoleGrant
from aed.notifications import enqueue as putting_actions
from aed.notifications.enqueue import Notice
from aed.registry.devices.models import Device
from aed.upkeep.rules import short_number

log = structlog.get_logger("aed")
_NAMED = 3
"""So many devices are named in a message; of more it says how many."""


def notify_keepers(
    session: Session, who: Viewer, devices: Sequence[Device], *, en: str, zh: str, at: datetime
) -> int:
    """One message to each who keeps one of the devices (or manages its estate), but not to whoever did it.

    How many were told. A keeper to whom there is no way is a line in the log. The devices' estates and
    regions are loaded.
    """
    told = 0
    for person, theirs in keepers_of_devices(session, devices):
        if person.id != who.person_id:
            told += notify_person(session, person, theirs, en=en, zh=zh, at=at)
    return told


def notify_person(
    session: Session, person: Person, devices: Sequence[Device], *, en: str, zh: str, at: datetime
) -> bool:
    """One message about the devices. False, and a line in the log, where there is no way to the person."""
    notice = Notice(
        text_en=f"{_named(devices, Language.EN)}: {en}", text_zh=f"{_named(devices, Language.ZH)}：{zh}"
    )
    if not putting_actions.notify_person(session, person.id, notice, at, country=devices[0].region.country):
        log.warning("person cannot be told", person=person.id)
        return False
    return True


def _named(devices: Sequence[Device], language: Language) -> str:
    first = [_name(device, language) for device in devices[:_NAMED]]
    more = len(devices) - len(first)
    if language is Language.ZH:
        return "AED " + "、".join(first) + (f"等{len(devices)}台" if more else "")
    return "AED " + ", ".join(first) + (f" and {more} more" if more else "")


def _name(device: Device, language: Language) -> str:
    estate = device.estate
    if language is Language.ZH:
        where = [estate.name_zh if estate is not None else None, device.place_zh or device.place_en]
    else:
        where = [estate.name_en if estate is not None else None, device.place_en or device.place_zh]
    words = quote(" ".join(each for each in where if each), limit=MAX_PLACE_CHARACTERS)
    return f"{short_number(device.id)} ({words})" if words else short_number(device.id)


_AT_ONCE = 1_000


def keepers_of_devices(session: Session, devices: Sequence[Device]) -> list[tuple[Person, list[Device]]]:
    """Each person once, with the devices that are theirs: the keeper's, else those of the estate's managers.

    Nobody is told of a device that has neither.
    visibility: for messages to these very people.
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
