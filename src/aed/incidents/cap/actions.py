"""Process messages of the Common Alerting Protocol."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import Conflict, InvalidInput, NotFound, NotSignedIn
from aed.geo import Position, distance_metres
from aed.incidents.calls import actions
from aed.incidents.calls.corrections import correct_location
from aed.incidents.calls.schemas import LocationCorrection
from aed.incidents.calls.steering import PlanningContext
from aed.incidents.cap.reading import read_cap
from aed.incidents.cap.rules import CapMessage, CapMessageType, case_number_of, incident_kind_of, message_name
from aed.incidents.centres.actions import message_key, process_once
from aed.incidents.models import Incident
from aed.incidents.queries import incident, last_report_by, messages_by_key
from aed.incidents.rules import MAX_AMBULANCE_SECONDS, IncidentOutcome
from aed.incidents.schemas import IncidentOut, PatientReportIn
from aed.settings import Settings
from aed.walking.network import WalkingNetwork

MAX_NOTE_LENGTH: Final = 500
_REPEATED_METRES: Final = 5.0
"""Areas whose centres are this close are the same, written with other decimals."""
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


def process_cap(
    session: Session,
    who: Viewer,
    content: bytes,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> IncidentOut:
    """Process a CAP 1.2 message, once per sender and identifier.

    1. An Alert reports a patient; its sender and identifier are the case number.
    2. An Update sets the ambulance's arrival, CPR or a corrected place; a Cancel closes. Both find the
       incident by their references.
    3. The status is the kind of incident, which never changes.

    Raises NotSignedIn, NotAllowed, NotFound; InvalidInput, which names the element; Conflict for an Update or
    Cancel of another kind; and what the routes of incidents raise.
    """
    if not who.is_signed_in:
        raise NotSignedIn("CAP messages need a signed-in sender: send a token, or sign in.")
    message = read_cap(content)

    def done() -> Incident:
        _require_current(message, at)
        match message.message:
            case CapMessageType.ALERT:
                return actions.report_patient(
                    session,
                    who,
                    _report(message, who),
                    at=at,
                    said_at=message.sent,
                    network=network,
                    settings=settings,
                )
            case CapMessageType.UPDATE:
                return _update(session, who, message, at=at, network=network, settings=settings)
            case CapMessageType.CANCEL:
                found = _referenced_incident(session, who, message)
                outcome = message.outcome or IncidentOutcome.CALLED_OFF
                return actions.close_incident(
                    session, who, found.id, outcome, _truncated(message.words), at=at
                )
            case CapMessageType.ACK | CapMessageType.ERROR:
                raise InvalidInput(
                    "msgType {message} is not supported here: send Alert, Update or Cancel.",
                    field="msgType",
                    message=message.message,
                )

    return process_once(session, who, message.name, repr(message).encode(), done, at=at)


def _require_current(message: CapMessage, at: datetime) -> None:
    incident_kind_of(message.status)
    if message.sent > at + _CLOCKS_DIFFER:
        raise InvalidInput("sent is in the future: correct the sender's clock.", field="sent")
    if message.message is not CapMessageType.ALERT:
        return
    for field, moment in (("sent", message.sent), ("info.onset", message.onset)):
        if moment is not None and not at - actions.MAX_REPORT_AGE <= moment <= at + _CLOCKS_DIFFER:
            raise InvalidInput(
                "{name} of an Alert must be within the last six hours.", field=field, name=field
            )
    if message.expires is not None and message.expires <= at:
        raise InvalidInput(
            "This Alert has expired: send one whose `expires` is in the future.", field="info.expires"
        )


def _report(message: CapMessage, who: Viewer) -> PatientReportIn:
    assert message.position is not None  # an Alert has one
    try:
        return PatientReportIn.model_validate(
            {
                "key": uuid.uuid5(uuid.NAMESPACE_URL, f"{who.name} {message.name}"),
                "kind": incident_kind_of(message.status),
                "position": {"lat": message.position.lat, "lon": message.position.lon},
                "floor": message.floor,
                "storey": message.storey,
                "region": message.region,
                "address": message.address,
                "case_number": case_number_of(message),
                "has_cpr": message.has_cpr or False,
                "collapsed_at": message.onset or message.sent,
                "ambulance_seconds": message.ambulance_seconds,
                "note": _truncated(message.words),
            }
        )
    except ValidationError as error:
        raise _invalid_input(error) from None


def _invalid_input(error: ValidationError) -> InvalidInput:
    """Turn a validation error of a parameter into InvalidInput that names it."""
    wrong = error.errors(include_url=False, include_input=False)[0]
    field = str(wrong["loc"][0])
    return InvalidInput("{name}: {msg}.", field=field, name=field, msg=wrong["msg"])


def _truncated(words: str | None) -> str | None:
    return " ".join(words.split())[:MAX_NOTE_LENGTH] if words else None


def _update(
    session: Session,
    who: Viewer,
    message: CapMessage,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> Incident:
    found = _referenced_incident(session, who, message)
    report = last_report_by(session, found.id, who.name)
    moved = _location_change(message, Position(report.lat, report.lon) if report is not None else None)
    seconds, has_cpr = message.ambulance_seconds, message.has_cpr
    if seconds is not None and seconds > MAX_AMBULANCE_SECONDS:
        raise InvalidInput(
            "ambulance_seconds must be at most {max_ambulance_seconds}.",
            field="ambulance_seconds",
            max_ambulance_seconds=MAX_AMBULANCE_SECONDS,
        )
    if seconds is None and has_cpr is None and moved is None:
        raise InvalidInput(
            "This Update changes nothing: give the parameter ambulance_seconds or has_cpr, or an area "
            "at another place.",
            field="info.parameter",
        )
    if moved is not None and report is not None:
        now = PlanningContext(at, network, settings)
        found = correct_location(session, who, found.id, moved, now=now)
        assert message.position is not None
        report.lat, report.lon = message.position.lat, message.position.lon
    if has_cpr is not None:
        found = actions.update_signs(
            session, who, found.id, has_cpr=has_cpr, at=at, network=network, settings=settings
        )
    if seconds is not None:
        found = actions.update_ambulance(
            session, who, found.id, seconds, at=at, said_at=message.sent, network=network, settings=settings
        )
    return found


def _location_change(message: CapMessage, before: Position | None) -> LocationCorrection | None:
    """Return the correction that an Update makes to the place that its sender reported; None: there is
    none.

    Updates repeat the area: only an area that differs from the sender's previous one is a correction. A
    dispatcher's own correction stays.
    """
    if message.position is None or before is None:
        return None
    if distance_metres(message.position, before) <= _REPEATED_METRES:
        return None
    place: dict[str, object] = {"position": {"lat": message.position.lat, "lon": message.position.lon}}
    details = {"floor": message.floor, "storey": message.storey, "address": message.address}
    for name, value in details.items():
        if value is not None:
            place[name] = value
    try:
        return LocationCorrection.model_validate(place)
    except ValidationError as error:
        raise _invalid_input(error) from None


def _referenced_incident(session: Session, who: Viewer, message: CapMessage) -> Incident:
    """Return the incident that the message refers to.

    Messages of the viewer come first, then those of others that the viewer may see: a program may have a new
    token. Raises NotFound; Conflict if the incident is of another kind.
    """
    for each in message.references:
        known = messages_by_key(session, who, message_key(message_name(each.sender, each.identifier)))
        if not known:
            continue
        own = [one for one in known if one.reported_by == who.name]
        found = incident(session, who, [*own, *known][0].incident_id)
        if found.kind is not incident_kind_of(message.status):
            raise Conflict(
                "The referenced incident is of kind {kind}, which cannot change: send the "
                "status that belongs to it.",
                field="status",
                kind=found.kind,
            )
        return found
    raise NotFound(
        "None of the referenced messages was received here: send the Alert first.", field="references"
    )
