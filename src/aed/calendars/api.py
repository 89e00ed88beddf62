"""Routes of private calendars: training sessions and due upkeep."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import RedirectResponse
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Code, Id
from aed.calendars import actions, queries
from aed.calendars.models import CalendarAddress, CalendarKind
from aed.calendars.training_events import changed_last, events, title, training_calendar
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, PublicAddress, cursor_id
from aed.training.permissions import require_write
from aed.upkeep.due.ics import due_calendar


class CalendarIn(BaseModel):
    """A calendar to subscribe to."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"kind": "estate", "estate_id": 1}]}
    )

    kind: CalendarKind
    estate_id: Id | None = Field(
        None, description="The estate, for an estate's calendar; for due upkeep, only devices of this estate"
    )
    region: Code | None = Field(None, description="For due upkeep: only devices in this region")
    mine: bool = Field(False, description="For due upkeep: only devices that you keep yourself")
    person_id: Id | None = Field(None, description="Default: yourself; only administrators may name others")


class CalendarOut(BaseModel):
    """A calendar address, without its key."""

    id: Id
    kind: CalendarKind
    person_id: Id | None
    estate_id: Id | None
    region_id: Id | None
    mine: bool = Field(validation_alias=AliasChoices("is_mine", "mine"))
    created_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, address: CalendarAddress) -> CalendarOut:
        return cls.model_validate(address, from_attributes=True)


class NewCalendarOut(CalendarOut):
    """A new calendar address, with its key. Returned only once."""

    address: str = Field(description="Shown only once; anyone who has this URL can read the calendar")


class CalendarPage(BaseModel):
    """A page of calendar addresses."""

    calendars: list[CalendarOut]
    next: str | None = Field(description="The cursor of the next page")


router = APIRouter(tags=["training"])


READ: Final = "/v1/calendar.ics?key="
"""The key is in the query string, which neither this program nor the web servers before it log."""
CalendarId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
_MEDIA_TYPE: Final = "text/calendar; charset=utf-8"
_ICS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "iCalendar", "content": {"text/calendar": {"schema": {"type": "string"}}}},
    304: {"description": "Not modified"},
}


@router.get("/calendars")
def list_calendars(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> CalendarPage:
    """List your calendars and those of estates whose training you run, without their addresses.

    `cursor` is the `next` of the previous page.
    """
    require_write(viewer)
    found = queries.addresses(session, viewer, limit=limit + 1, after_id=cursor_id(cursor))
    return CalendarPage(
        calendars=[CalendarOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.get("/calendars/{calendar_id}")
def get_calendar(session: ReadSession, viewer: ViewerDep, calendar_id: CalendarId) -> CalendarOut:
    """Get a calendar, without its address."""
    require_write(viewer)
    return CalendarOut.of(queries.address(session, viewer, calendar_id))


@router.post("/calendars", status_code=201)
def create_calendar(
    session: WriteSession, viewer: ViewerDep, address: PublicAddress, new: CalendarIn, response: Response
) -> NewCalendarOut:
    """Create a private calendar address.

    A calendar program can subscribe to it for your sessions, the sessions that you teach, those of an estate,
    or the due upkeep of devices that you keep, manage or dispatch at the time it is read. The address is
    returned only once.
    """
    made, key = actions.create_address(
        session,
        viewer,
        new.kind,
        person_id=new.person_id,
        estate_id=new.estate_id,
        region=new.region,
        is_mine=new.mine,
        at=clock.now(),
    )
    return _new_calendar(made, key, address, response)


@router.post("/calendars/{calendar_id}/renewal", status_code=201)
def renew_calendar(
    session: WriteSession,
    viewer: ViewerDep,
    address: PublicAddress,
    calendar_id: CalendarId,
    response: Response,
) -> NewCalendarOut:
    """Replace a calendar address with a new one. The old address stops working."""
    made, key = actions.renew_address(session, viewer, calendar_id, at=clock.now())
    return _new_calendar(made, key, address, response)


@router.delete("/calendars/{calendar_id}", status_code=204)
def revoke_calendar(session: WriteSession, viewer: ViewerDep, calendar_id: CalendarId) -> None:
    """Revoke a calendar address, which then stops working."""
    actions.revoke_address(session, viewer, calendar_id, at=clock.now())


@router.get("/calendar.ics", response_class=Response, responses=_ICS)
def read_calendar(
    session: ReadSession,
    address: PublicAddress,
    key: Annotated[str, Query(max_length=100, description="The key in the private URL", examples=["cal_…"])],
    if_none_match: Annotated[str | None, Header()] = None,
    if_modified_since: Annotated[str | None, Header()] = None,
) -> Response:
    """Download a calendar as iCalendar, by its private address.

    For calendar programs. Send the ETag in If-None-Match to download only changes.
    """
    now = clock.now()
    found = queries.address_by_key(session, key)
    if found.kind is CalendarKind.DUE:
        written = due_calendar(queries.due_upkeep(session, found, at=now), at=now)
        return Response(written, media_type=_MEDIA_TYPE, headers={"Cache-Control": "private, no-store"})
    shown = events(session, found, now=now)
    written = training_calendar(
        shown,
        calendar_id=found.id,
        title=title(session, found),
        public_address=address,
        today=now.date(),
    )
    etag = f'"{hashlib.sha256(written).hexdigest()[:32]}"'
    changed = changed_last(shown, found.created_at)
    headers = {
        "ETag": etag,
        "Last-Modified": format_datetime(changed.astimezone(UTC), usegmt=True),
        "Cache-Control": "private, no-cache",
    }
    if _is_known(etag, changed, if_none_match, if_modified_since):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = 'inline; filename="training.ics"'
    return Response(written, media_type=_MEDIA_TYPE, headers=headers)


@router.get("/due/calendars/{key}.ics", include_in_schema=False)
def redirect_due_calendar(key: Annotated[str, Path(max_length=64)]) -> RedirectResponse:
    """Redirect the address of a calendar of due upkeep that was created by 0.1.0."""
    return RedirectResponse(READ + quote(key, safe=""), status_code=301)


def _is_known(etag: str, changed: datetime, if_none_match: str | None, if_modified_since: str | None) -> bool:
    """Return True if the client's copy is current (RFC 9110). The ETag takes precedence; ignore invalid
    dates.
    """
    if if_none_match is not None:
        known = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
        return etag in known or "*" in known
    if if_modified_since is None:
        return False
    try:
        since = parsedate_to_datetime(if_modified_since)
    except ValueError:
        return False
    return since.tzinfo is not None and changed <= since


def _new_calendar(made: CalendarAddress, key: str, address: str, response: Response) -> NewCalendarOut:
    """Return the new calendar with its address, which is shown only this once."""
    response.headers["Location"] = f"/v1/calendars/{made.id}"
    response.headers["Cache-Control"] = "no-store"
    known = CalendarOut.of(made).model_dump()
    return NewCalendarOut(**known, address=f"{address}{READ}{key}")
