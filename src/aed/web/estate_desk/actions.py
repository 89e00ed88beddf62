"""Change the ticked devices of the desk one by one, each by the action of a single device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.errors import AedError, InvalidInput, NotFound, NotSignedIn
from aed.registry.devices import actions as device_actions
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.registry.devices.schemas import DeviceAmend
from aed.registry.estates.models import Estate
from aed.translation import detail_of
from aed.upkeep.checks.requests import request_check
from aed.upkeep.rules import short_number
from aed.web.estate_desk import queries
from aed.web.form_fields import NOT_STORABLE
from aed.web.words import noop, translator

MAX_TICKED: Final = 500
NOTHING_TICKED: Final = noop("Tick at least one AED of the list, at most 500.")
NO_REASON: Final = noop("Say why the AEDs are out of service, in at most 500 characters.")
NO_KEEPER: Final = noop("Choose a keeper of the list.")
BAD_CHANGE: Final = noop("Choose what to do with the ticked AEDs.")
CHANGED: Final = noop("Done.")
UNCHANGED: Final = noop("It was so already.")
ASKED_BEFORE: Final = noop("It was asked for within the last day.")


def require_person(viewer: Viewer) -> None:
    """Raise NotSignedIn for a form whose session has ended; the error page keeps what was typed."""
    if viewer.person_id is None:
        raise NotSignedIn(
            "You are no longer signed in. Sign in on another page, go back to the form, and send it again."
        )


class BulkChange(StrEnum):
    """What can be done with the ticked devices."""

    KEEPER = "keeper"
    OUT = "out"
    BACK = "back"
    CHECK = "check"
    LABELS = "labels"


@dataclass(frozen=True, slots=True)
class Ticked:
    """A ticked device, and the version that the page showed."""

    device_id: int
    version: int


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What came of a ticked device, in the reader's language. `place` is {"en", "zh"}."""

    device_id: int
    code: str
    place: dict[str, str | None]
    is_done: bool
    sentence: str


def ticked_in(values: Sequence[str]) -> list[Ticked]:
    """Return the ticked devices of a form, each once. Raises InvalidInput for none, or too many."""
    found: dict[int, Ticked] = {}
    for value in values:
        device_id, _, version = value.partition("-")
        if all(each.isascii() and each.isdecimal() and len(each) < 19 for each in (device_id, version)):
            found[int(device_id)] = Ticked(int(device_id), int(version))
    if not 0 < len(found) <= MAX_TICKED:
        raise InvalidInput(NOTHING_TICKED, field="device")
    return list(found.values())


def amendment_in(session: Session, viewer: Viewer, estate: Estate, do: BulkChange, value: str) -> DeviceAmend:
    """Return the amendment of each ticked device. Raises InvalidInput for what the form does not offer."""
    if do is BulkChange.BACK:
        return DeviceAmend(state=DeviceState.IN_SERVICE, out_of_service_reason=None)
    if do is BulkChange.OUT:
        try:
            if value.strip():
                return DeviceAmend(state=DeviceState.OUT_OF_SERVICE, out_of_service_reason=value.strip())
        except ValidationError:
            raise InvalidInput(NOT_STORABLE, field="reason") from None
        raise InvalidInput(NO_REASON, field="reason")
    keepers = {str(each.id): each for each in queries.keepers_of(session, viewer, estate)}
    if value not in keepers:
        raise InvalidInput(NO_KEEPER, field="keeper")
    keeper = keepers[value]
    return DeviceAmend.model_validate({"keeper": {"name": keeper.name, "phone": keeper.phone}})


def change_ticked(
    session: Session,
    who: Viewer,
    estate: Estate,
    do: BulkChange,
    value: str,
    ticked: Sequence[Ticked],
    *,
    language: str,
    at: datetime,
) -> list[BulkResult]:
    """Change each ticked device, wholly or not at all, whatever comes of the others.

    A device that is so already stays as it is, whatever its version: a form that is sent twice changes
    nothing more.

    visibility: the keeper is one of those whom the page offers.
    """
    amendment = None if do is BulkChange.CHECK else amendment_in(session, who, estate, do, value)
    keeper = session.get(Person, int(value)) if do is BulkChange.KEEPER else None
    results, _ = [], translator(language)
    for each in ticked:
        place: dict[str, str | None] = {}
        try:
            with session.begin_nested():
                device = device_queries.device(session, who, each.device_id)
                if device.estate_id != estate.id:
                    raise NotFound("The estate has no such device.", field="device_id")
                place = {"en": device.place_en, "zh": device.place_zh}
                if amendment is None:
                    is_new = request_check(session, who, device.id, at=at)
                    sentence = _(CHANGED if is_new else ASKED_BEFORE)
                elif _is_so(device, amendment, keeper):
                    sentence = _(UNCHANGED)
                else:
                    device_actions.amend_device(
                        session, who, device.id, amendment, version=each.version, at=at
                    )
                    sentence = _(CHANGED)
            is_done = True
        except AedError as error:
            session.expire_all()
            is_done, sentence = False, detail_of(error, language)
        results.append(BulkResult(each.device_id, short_number(each.device_id), place, is_done, sentence))
    return results


def _is_so(device: Device, amendment: DeviceAmend, keeper: Person | None) -> bool:
    if keeper is not None:
        return device.keeper_id == keeper.id
    return (device.state, device.out_of_service_reason) == (amendment.state, amendment.out_of_service_reason)
