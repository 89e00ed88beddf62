"""Sources of signals: vendors that forward the messages of many devices, each in a format of its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

import orjson
from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditSubject, add_audit_entry
from aed.accounts.permissions import Viewer, require_estate_manager
from aed.accounts.regions.queries import region_by_code, regions_below
from aed.errors import InvalidInput, NotFound, NotSignedIn
from aed.registry.changes import flush_or_conflict
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.registry.estates import queries as estate_queries
from aed.upkeep.signals.actions import DeviceReport, NewSignal, receive_signals
from aed.upkeep.signals.mapping import SourceMapping, VendorMessage, is_signed, messages_in
from aed.upkeep.signals.models import SignalSource

SECRET_PREFIX: Final = "sig_"
SourceName = Annotated[str, Field(max_length=64, pattern="^[a-z0-9][a-z0-9_.-]*$", examples=["guardbox"])]
"""The name of a source, in the address of its endpoint."""
_NAME: Final = TypeAdapter(SourceName)


def add_source(
    session: Session,
    who: Viewer,
    name: str,
    mapping: SourceMapping,
    *,
    estate_id: int | None,
    region: str | None,
    at: datetime,
) -> str:
    """Accept the messages of a vendor about devices of an estate or of a region; return its secret.

    For the estate's manager or the region's administrator. Raises NotFound, NotSignedIn, NotAllowed; Conflict
    for a name that is taken, InvalidInput for one that no address can have.
    """
    require_source_name(name)
    if estate_id is not None:
        region_id = estate_queries.estate(session, who, estate_id).region_id
    else:
        region_id = region_by_code(session, region or "").id
    require_estate_manager(who, estate_id, region_id=region_id)
    secret = SECRET_PREFIX + secrets.token_urlsafe(32)
    source = SignalSource(
        name=name,
        region_id=region_id,
        estate_id=estate_id,
        secret=secret,
        mapping=mapping.model_dump(mode="json"),
        created_at=at,
        created_by=who.name,
    )
    session.add(source)
    flush_or_conflict(session, "A source of signals with this name exists already.", "name")
    place = {"region": region_id} if estate_id is None else {"estate": estate_id}
    add_audit_entry(session, who.name, AuditSubject.SIGNAL_SOURCE, source.id, "added", at=at, **place)
    return secret


def require_source_name(name: str) -> None:
    """Require that an address can have the name. Raises InvalidInput."""
    try:
        _NAME.validate_python(name)
    except ValidationError:
        raise InvalidInput(
            "The name of a source must have 1 to 64 characters out of a-z, 0-9, '-', '_' and '.', and begin "
            "with a letter or a digit, such as guardbox.",
            field="name",
        ) from None


def revoke_source(session: Session, who: Viewer, name: str, *, at: datetime) -> None:
    """Accept no more messages of a vendor. Raises NotFound, NotSignedIn or NotAllowed.

    visibility: for the manager of the source's estate, or the administrator of its region.
    """
    source = session.scalar(select(SignalSource).where(SignalSource.name == name))
    if source is None:
        raise NotFound("There is no source of signals named '{name}'.", field="name", name=name)
    require_estate_manager(who, source.estate_id, region_id=source.region_id)
    if source.revoked_at is not None:
        return
    source.revoked_at = at
    add_audit_entry(session, who.name, AuditSubject.SIGNAL_SOURCE, source.id, "revoked", at=at)


def all_sources(session: Session) -> Sequence[SignalSource]:
    """Return all sources, also revoked ones.

    visibility: for the operator.
    """
    return session.scalars(select(SignalSource).order_by(SignalSource.id)).all()


def active_source(session: Session, name: str) -> SignalSource | None:
    """Return the source with that name, or None if there is none or it was revoked.

    visibility: for the vendor, who proves to be it, and for the operator.
    """
    return session.scalar(
        select(SignalSource).where(SignalSource.name == name, SignalSource.revoked_at.is_(None))
    )


@dataclass(frozen=True, slots=True)
class Received:
    """What became of the messages of one request."""

    is_new: int
    known: int
    """Received before."""
    unknown_serials: tuple[str, ...]
    """Serial numbers of no device, or of several, that the source may report."""


def receive_request(
    session: Session, name: str, body: bytes, header: Callable[[str], str | None], *, at: datetime
) -> Received:
    """Receive the messages in a request of a vendor. `header` returns the value of a header of the request.

    Raises NotSignedIn, alike for an unknown source, and InvalidInput if the mapping does not fit the body.
    """
    source = active_source(session, name)
    mapping = SourceMapping.model_validate(source.mapping) if source is not None else None
    if (
        source is None
        or mapping is None
        or mapping.signature is None
        or not is_signed(mapping.signature, source.secret, header(mapping.signature.header), body)
    ):
        raise NotSignedIn("The source is unknown, or the request is not signed with its secret.")
    return receive_messages(session, [SourceMessages(source, messages_in(mapping, json_in(body)))], at=at)[0]


def json_in(body: bytes) -> object:
    """Return the JSON of a message. Raises InvalidInput for one that is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidInput("The body is not JSON.", field="body") from None


@dataclass(frozen=True, slots=True)
class SourceMessages:
    """Messages that came together from a vendor who is known, translated."""

    source: SignalSource
    messages: Sequence[VendorMessage]


def receive_messages(session: Session, bodies: Sequence[SourceMessages], *, at: datetime) -> list[Received]:
    """Receive the messages of vendors in the caller's transaction; return what became of each body.

    visibility: for the vendors, each about its own devices.
    """
    counts = [[0, 0] for _ in bodies]
    unknown: list[dict[str, None]] = [{} for _ in bodies]
    reports: list[DeviceReport] = []
    places: list[int] = []
    devices: dict[int, dict[str, int | None]] = {}
    for source in {body.source.id: body.source for body in bodies}.values():
        theirs = [each for body in bodies if body.source.id == source.id for each in body.messages]
        devices[source.id] = _devices_by_serial(session, source, theirs)
    for place, body in enumerate(bodies):
        who = Viewer(name=f"source:{body.source.name}")
        for message in body.messages:
            device_id = devices[body.source.id].get(message.serial)
            if device_id is None:
                unknown[place][message.serial] = None
                continue
            signal = NewSignal(message.key, message.at, message.readings)
            reports.append(DeviceReport(device_id, who, signal))
            places.append(place)
    for place, receipt in zip(places, receive_signals(session, reports, at=at), strict=True):
        counts[place][not receipt.is_new] += 1
    return [
        Received(is_new, known, tuple(none)) for (is_new, known), none in zip(counts, unknown, strict=True)
    ]


def mqtt_sources(session: Session) -> list[tuple[SignalSource, SourceMapping]]:
    """Return the active sources that send over MQTT, with their mappings.

    visibility: for the operator's bridge.
    """
    active = session.scalars(
        select(SignalSource).where(SignalSource.revoked_at.is_(None)).order_by(SignalSource.id)
    )
    found = [(each, SourceMapping.model_validate(each.mapping)) for each in active]
    return [(source, mapping) for source, mapping in found if mapping.topics]


def _devices_by_serial(
    session: Session, source: SignalSource, messages: Sequence[VendorMessage]
) -> dict[str, int | None]:
    """Return the devices with these serial numbers that the source may report; None for an ambiguous one.

    visibility: for the vendor of the source, who learns which of its own serial numbers are registered.
    """
    place = (
        Device.estate_id == source.estate_id
        if source.estate_id is not None
        else Device.region_id.in_(regions_below(session, source.region_id))
    )
    rows = session.execute(
        select(Device.serial, Device.id).where(
            Device.serial.in_({each.serial for each in messages}),
            Device.state != DeviceState.WITHDRAWN,
            place,
        )
    )
    found: dict[str, int | None] = {}
    for serial, device_id in rows:
        if serial is not None:
            found[serial] = None if serial in found else device_id
    return found


def require_source(session: Session, name: str) -> tuple[SignalSource, SourceMapping]:
    """Return an active source and its mapping. Raises NotFound.

    visibility: for the operator.
    """
    source = active_source(session, name)
    if source is None:
        raise NotFound("There is no source of signals named '{name}'.", field="name", name=name)
    return source, SourceMapping.model_validate(source.mapping)
