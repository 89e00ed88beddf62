"""Describe an incident as a message of the Common Alerting Protocol."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import orjson
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.geo import Position
from aed.incidents.cap.rules import STATUS_OF, CapMessage, CapMessageType, CapReference
from aed.incidents.models import Incident, IncidentEvent
from aed.incidents.queries import events, incident
from aed.incidents.record.queries import case_numbers
from aed.incidents.rules import MAX_AMBULANCE_SECONDS, AlertReply, IncidentState
from aed.registry.storeys import storey_sign
from aed.settings import Settings

_CHANGES: Final = frozenset({"opened", "joined", "ambulance", "signs", "place", "closed"})
_STATE_CHANGES: Final = frozenset(
    {AlertReply.THERE, AlertReply.DEVICE_ATTACHED, AlertReply.SHOCK_GIVEN, AlertReply.HANDED_OVER}
)


def cap_message_of(
    session: Session, viewer: Viewer, incident_id: int, settings: Settings
) -> tuple[CapMessage, Incident]:
    """Return the current CAP message of an incident: an Alert, then Updates, then a Cancel once it is
    closed.

    Each record entry that changes the content is a message of its own; requested again without one, the
    message is the same. Raises NotFound. visibility: as the incident.
    """
    found = incident(session, viewer, incident_id)
    entries = [each for each in events(session, found.id) if _changes(each)]
    sender, last = sender_of(settings), entries[-1]
    sent = _to_the_second(last.at)
    return (
        CapMessage(
            identifier=_identifier(last),
            sender=sender,
            sent=sent,
            status=STATUS_OF[found.kind],
            message=_message(found, entries),
            references=tuple(
                CapReference(sender, _identifier(each), _to_the_second(each.at)) for each in entries[:-1]
            ),
            cases=tuple(case_numbers(session, found.id)),
            position=Position(found.lat, found.lon),
            floor=found.floor,
            storey=storey_sign(found.floor, counts_ground_as_one=found.region.counts_ground_as_one),
            address=found.address,
            has_cpr=found.has_cpr,
            ambulance_seconds=_ambulance_seconds(found, sent),
            outcome=found.outcome,
            onset=_to_the_second(found.collapsed_at),
        ),
        found,
    )


def sender_of(settings: Settings) -> str:
    """Return the sender of our messages: the host of the public URL, if it is set."""
    return urlsplit(settings.public_url).netloc if settings.public_url is not None else "aed.invalid"


def _changes(entry: IncidentEvent) -> bool:
    if entry.kind == "said":
        return orjson.loads(entry.payload)["said"] in _STATE_CHANGES
    return entry.kind in _CHANGES


def _message(found: Incident, entries: Sequence[IncidentEvent]) -> CapMessageType:
    if found.state is IncidentState.CLOSED:
        return CapMessageType.CANCEL
    return CapMessageType.ALERT if len(entries) == 1 else CapMessageType.UPDATE


def _identifier(entry: IncidentEvent) -> str:
    return f"incident-{entry.incident_id}-{entry.number}"


def _to_the_second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _ambulance_seconds(found: Incident, sent: datetime) -> float:
    """Return whole seconds until the ambulance arrives; 0 only once it has."""
    if found.ambulance_there_at is not None:
        return 0.0
    left = round((found.ambulance_at - sent).total_seconds())
    return float(min(max(left, 1), MAX_AMBULANCE_SECONDS))
