"""Routes of the Common Alerting Protocol (CAP 1.2)."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import RowId
from aed.incidents.cap.actions import process_cap
from aed.incidents.cap.queries import cap_message_of
from aed.incidents.cap.writing import MEDIA_TYPE, cap_of_incident
from aed.incidents.schemas import IncidentOut

router = APIRouter(tags=["incidents"])

EXAMPLE: Final = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
  <identifier>2026-112-0047</identifier>
  <sender>120.example.org</sender>
  <sent>2026-11-27T08:00:00+08:00</sent>
  <status>Exercise</status>
  <msgType>Alert</msgType>
  <scope>Restricted</scope>
  <restriction>First responders only</restriction>
  <info>
    <category>Health</category>
    <event>Suspected cardiac arrest</event>
    <urgency>Immediate</urgency>
    <severity>Extreme</severity>
    <certainty>Likely</certainty>
    <parameter><valueName>floor</valueName><value>4</value></parameter>
    <parameter><valueName>storey</valueName><value>5F</value></parameter>
    <parameter><valueName>ambulance_seconds</valueName><value>540</value></parameter>
    <area><areaDesc>West Lake Court</areaDesc><circle>30.2901,120.1003 0.02</circle></area>
  </info>
</alert>
"""
_XML: Final[dict[str, Any]] = {"schema": {"type": "string"}, "example": EXAMPLE}
_BODY: Final[dict[str, Any]] = {"requestBody": {"required": True, "content": {MEDIA_TYPE: _XML}}}


async def _content(request: Request) -> bytes:
    return await request.body()


@router.post("/cap", openapi_extra=_BODY)
def receive_cap_message(
    request: Request,
    session: WriteSession,
    viewer: ViewerDep,
    content: Annotated[bytes, Depends(_content)],
) -> IncidentOut:
    """Receive a CAP 1.2 message.

    An Alert of the category Health reports a patient in its area. An Update sets the ambulance's arrival, CPR
    or a corrected area; a Cancel closes the incident; both find it by `references`. `status` is the kind of
    incident: Actual (real), Exercise or Test. Parameters of `info` carry what CAP has no element for: floor
    (0: ground floor), storey (as written on site: 3F, B1), address, has_cpr (true, false), ambulance_seconds
    (from `sent`; 0: it has arrived), region, and in a Cancel outcome (handed_over, false_alarm, called_off).
    The same sender and identifier again is the same message.
    """
    state = request.app.state
    return process_cap(
        session, viewer, content, at=clock.now(), network=state.network, settings=state.settings
    )


@router.get(
    "/incidents/{incident_id}/cap",
    response_class=Response,
    responses={200: {"content": {MEDIA_TYPE: _XML}, "description": "The CAP 1.2 message"}},
)
def get_incident_as_cap(
    request: Request, session: ReadSession, viewer: ViewerDep, incident_id: RowId
) -> Response:
    """Get an incident as a CAP 1.2 message in Chinese and English, restricted to dispatch centres.

    An Alert, an Update after changes, a Cancel once it is closed. For dispatchers of its region.
    """
    message, found = cap_message_of(session, viewer, incident_id, request.app.state.settings)
    return Response(
        cap_of_incident(message, found), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"}
    )
