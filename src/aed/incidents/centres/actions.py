"""Connect dispatch centres, and carry out their signed messages once each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import ValidationError
from sqlalchemy import delete
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.regions.queries import region_by_code
from aed.database.idempotency import content_digest, require_same_content
from aed.database.locks import exclusive_lock
from aed.errors import InvalidInput, NotFound
from aed.incidents.calls import actions as lifecycle
from aed.incidents.centres import queries
from aed.incidents.centres.queries import message_by_key
from aed.incidents.centres.rules import SignedMessage, require_valid_signature
from aed.incidents.centres.schemas import (
    CENTRE_MESSAGE,
    AmbulanceMessage,
    CentreMessage,
    CloseMessage,
    ReportMessage,
    SignsMessage,
)
from aed.incidents.models import DispatchCentre, Incident, IncidentMessage
from aed.incidents.queries import report_by_case
from aed.incidents.record.queries import clear_centre_cache
from aed.incidents.schemas import IncidentOut
from aed.notifications.endpoints import (
    EndpointInput,
    change_secret,
    close_endpoint,
    new_secret,
    save_endpoint,
)
from aed.notifications.rules import Channel
from aed.registry.changes import flush_or_conflict
from aed.settings import Settings
from aed.walking.network import WalkingNetwork


def add_centre(
    session: Session,
    who: Viewer,
    name: str,
    *,
    region: str,
    address: str,
    at: datetime,
    is_private_allowed: bool,
) -> tuple[DispatchCentre, str]:
    """Connect a dispatch centre of the region; return it with the signing secret, which is not shown
    again.

    `address` is where it is notified. Raises NotSignedIn, NotAllowed; InvalidInput for an unusable name or
    address; Conflict for a name that is taken; NotFound for the region.
    """
    require_administrator(who)
    found, secret = region_by_code(session, region), new_secret()
    given = EndpointInput(name, Channel.WEBHOOK, address, secret)
    endpoint = save_endpoint(session, who, given, at=at, is_private_allowed=is_private_allowed)
    made = DispatchCentre(endpoint=endpoint, region=found)
    session.add(made)
    session.flush()
    clear_centre_cache(session)
    return made, secret


def rotate_secret(session: Session, who: Viewer, name: str, *, at: datetime, overlap: timedelta) -> str:
    """Create a new secret; the previous one stays valid for `overlap`, in both directions.

    Raises NotSignedIn, NotAllowed, NotFound.
    """
    require_administrator(who)
    return change_secret(session, queries.centre(session, who, name).endpoint, at=at, overlap=overlap)


def withdraw_centre(session: Session, who: Viewer, name: str, *, at: datetime) -> None:
    """Disconnect a dispatch centre and delete its secret. Raises NotSignedIn, NotAllowed, NotFound."""
    require_administrator(who)
    endpoint_id = queries.centre(session, who, name).endpoint_id
    close_endpoint(session, endpoint_id, reason="The dispatch centre was withdrawn.", at=at)
    clear_centre_cache(session)


def process_message(
    session: Session,
    name: str,
    sent: SignedMessage,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> IncidentOut:
    """Check a centre's signature, and carry out its message as a dispatcher of its region would, once.

    Raises WrongSignature, also for an unknown centre; InvalidInput for an unknown body; Conflict for another
    message under the same id; and what the dispatcher's actions raise.
    """
    centre = queries.centre_by_name(session, name)
    endpoint = centre.endpoint if centre is not None else None
    secrets = [endpoint.secret, endpoint.old_secret_at(at)] if endpoint is not None else [new_secret()]
    require_valid_signature(sent, [each for each in secrets if each is not None], at=at)
    assert centre is not None  # nobody signs with a secret that was made up at this moment
    who = queries.viewer_of_centre(session, centre)

    def done() -> Incident:
        return _carry_out(session, who, _message(sent.body), at=at, network=network, settings=settings)

    return process_once(session, who, sent.id, sent.body, done, at=at)


def _message(body: bytes) -> CentreMessage:
    try:
        return CENTRE_MESSAGE.validate_json(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        if wrong["type"].startswith("union_tag"):
            raise InvalidInput("type must be one of report, ambulance, signs, close.", field="type") from None
        where = ".".join(str(each) for each in wrong["loc"][1:]) or "body"
        raise InvalidInput("{where}: {msg}.", field=where, where=where, msg=wrong["msg"]) from None


def _carry_out(
    session: Session,
    who: Viewer,
    message: CentreMessage,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> Incident:
    said_at = message.timestamp or at
    match message:
        case ReportMessage():
            return lifecycle.report_patient(
                session, who, message.data, at=at, said_at=said_at, network=network, settings=settings
            )
        case AmbulanceMessage():
            return lifecycle.update_ambulance(
                session,
                who,
                _incident(session, who, message.data.case_number),
                message.data.seconds,
                at=at,
                said_at=said_at,
                network=network,
                settings=settings,
            )
        case SignsMessage():
            return lifecycle.update_signs(
                session,
                who,
                _incident(session, who, message.data.case_number),
                has_cpr=message.data.has_cpr,
                at=at,
                network=network,
                settings=settings,
            )
        case CloseMessage():
            case = _incident(session, who, message.data.case_number)
            return lifecycle.close_incident(
                session, who, case, message.data.outcome, message.data.note, at=at
            )


def _incident(session: Session, who: Viewer, case_number: str) -> int:
    """visibility: the centre's own case."""
    report = report_by_case(session, who.name, case_number)
    if report is None:
        raise NotFound(
            "You have not reported a case {case_number}: report it first.",
            field="case_number",
            case_number=case_number,
        )
    return report.incident_id


def process_once(
    session: Session, who: Viewer, name: str, body: bytes, done: Callable[[], Incident], *, at: datetime
) -> IncidentOut:
    """Run `done` once for this message; return the incident as it was afterwards, also for repetitions.

    1. Messages of one sender are processed one at a time.
    2. A refused message is not stored: sent again, it is tried again.

    `name` is the sender's own id of the message. Raises Conflict for another message under that id, and what
    `done` raises.
    """
    exclusive_lock(session, f"messages of {who.name}")
    key, digest = message_key(name), content_digest(body)
    known = message_by_key(session, who.name, key)
    if known is not None:
        require_same_content(known.digest, digest, "message", field="id")
        return IncidentOut.model_validate_json(known.answer)
    incident = done()
    answer = IncidentOut.of(incident)
    session.add(
        IncidentMessage(
            incident_id=incident.id,
            reported_by=who.name,
            key=key,
            digest=digest,
            answer=answer.model_dump_json(),
            reported_at=at,
        )
    )
    flush_or_conflict(session, "This message arrived twice at the same time. Send it again.", "id")
    return answer


def delete_old_messages(session: Session, *, before: datetime) -> int:
    """Delete messages that were processed before then; return how many. Sent again, they are processed
    again.
    """
    old = delete(IncidentMessage).where(IncidentMessage.reported_at <= before)
    return session.connection().execute(old).rowcount


def message_key(name: str) -> str:
    return content_digest(name)
