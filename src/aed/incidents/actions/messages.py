"""What a dispatch centre tells by a signed message."""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed.accounts.rules import Viewer
from aed.errors import InvalidInput, NotFound
from aed.incidents.actions import opening
from aed.incidents.actions.once import once
from aed.incidents.models import Incident
from aed.incidents.queries import centres as queries
from aed.incidents.queries.incidents import report_by_case
from aed.incidents.rules.signature import Signed, check_signature
from aed.incidents.schemas.centres import (
    CENTRE_MESSAGE,
    AmbulanceMessage,
    CentreMessage,
    CloseMessage,
    ReportMessage,
    SignsMessage,
)
from aed.incidents.schemas.incidents import IncidentOut
from aed.notifications.actions.endpoints import new_secret
from aed.settings import Settings
from aed.walking.network import WalkingNetwork


def take_message(
    session: Session,
    name: str,
    sent: Signed,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> IncidentOut:
    """What the centre of that name has signed is done, as a dispatcher of its region does it; once.

    Raises WrongSignature, for a centre that is unknown too; InvalidInput for a body that says nothing known
    here; Conflict for another message under the id; and whatever the dispatcher would be told.
    """
    centre = queries.centre_called(session, name)
    endpoint = centre.endpoint if centre is not None else None
    secrets = [endpoint.secret, endpoint.old_secret_at(at)] if endpoint is not None else [new_secret()]
    check_signature(sent, [each for each in secrets if each is not None], at=at)
    assert centre is not None  # nobody signs with a secret that was made up at this moment
    who = queries.viewer_of_centre(session, centre)

    def done() -> Incident:
        return _do(session, who, _message(sent.body), at=at, network=network, settings=settings)

    return once(session, who, sent.id, sent.body, done, at=at)


def _message(body: bytes) -> CentreMessage:
    try:
        return CENTRE_MESSAGE.validate_json(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        if wrong["type"].startswith("union_tag"):
            raise InvalidInput("type is one of report, ambulance, signs, close.", field="type") from None
        where = ".".join(str(each) for each in wrong["loc"][1:]) or "body"
        raise InvalidInput(f"{where}: {wrong['msg']}.", field=where) from None


def _do(
    session: Session,
    who: Viewer,
    told: CentreMessage,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> Incident:
    said_at = told.timestamp or at
    match told:
        case ReportMessage():
            return opening.take_report(
                session, who, told.data, at=at, said_at=said_at, network=network, settings=settings
            )
        case AmbulanceMessage():
            return opening.tell_of_ambulance(
                session,
                who,
                _incident(session, who, told.data.case_number),
                told.data.seconds,
                at=at,
                said_at=said_at,
                network=network,
                settings=settings,
            )
        case SignsMessage():
            return opening.tell_of_signs(
                session,
                who,
                _incident(session, who, told.data.case_number),
                has_cpr=told.data.has_cpr,
                at=at,
                network=network,
                settings=settings,
            )
        case CloseMessage():
            case = _incident(session, who, told.data.case_number)
            return opening.close(session, who, case, told.data.outcome, told.data.note, at=at)


def _incident(session: Session, who: Viewer, case_number: str) -> int:
    """visibility: the centre's own case."""
    report = report_by_case(session, who.name, case_number)
    if report is None:
        raise NotFound(f"No case {case_number} was reported by you: report it first.", field="case_number")
    return report.incident_id
