"""Routes for the location of the user's phone while on duty."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError

from aed import clock
from aed.accounts.authentication import ViewerDep, require_own_session
from aed.accounts.permissions import Viewer
from aed.accounts.tokens import hash_key
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotAllowed, NotSignedIn
from aed.geo import position_from
from aed.http.query import refuse_unknown_parameters
from aed.responders.actions.live import LocationReport, delete_live_location
from aed.responders.api.intake import Intake
from aed.responders.live import live_places_of
from aed.responders.queries import responder_ids_of
from aed.responders.rules import location_moment
from aed.responders.schemas import LiveLocationIn, LiveLocationOut

OWN: Final = "Sign in as the person whose phone this is."


class _UnresolvedRoute(APIRoute):
    """A route without FastAPI's dependency resolution, as in the lookup, to serve 1,000 requests a second.

    Sessions are checked for a whole batch of requests when the locations are stored.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def handle(request: Request) -> Response:
            await refuse_unknown_parameters(request)
            key = await require_own_session(request, OWN)
            try:
                given = LiveLocationIn.model_validate_json(await request.body())
            except ValidationError as error:
                wrong = error.errors(include_url=False)
                raise RequestValidationError(
                    [{**each, "loc": ("body", *each["loc"])} for each in wrong]
                ) from None
            here = position_from(given.lat, given.lon, given.datum)
            report = LocationReport(hash_key(key), here, location_moment(given.at, now=clock.now()))
            intake: Intake = request.app.state.intake
            await intake.put(report)
            return Response(status_code=204)

        return handle


router = APIRouter()
direct = APIRouter(route_class=_UnresolvedRoute)


@direct.put("/location", status_code=204)
def share_live_location(given: LiveLocationIn) -> None:
    """Share the location of your phone while on duty.

    Send it every five minutes and soon after a move. Requires the consent `live_place`. The location is
    stored for 15 minutes as a cell of about 0.1 km2, and you are called from there instead of from the places
    in your offer. The error 409 says what is missing.
    """


@router.get("/location")
def get_live_place(session: ReadSession, viewer: ViewerDep) -> LiveLocationOut:
    """Get the stored location of your phone and when it expires."""
    ids = responder_ids_of(session, _oneself(viewer))
    held = live_places_of(session).held(session.connection(), ids, at=clock.now())
    return LiveLocationOut.of(max(held.values(), key=lambda place: place.at, default=None))


@router.delete("/location", status_code=204)
def go_off_duty(session: WriteSession, viewer: ViewerDep) -> None:
    """Go off duty and delete the stored location of your phone. Idempotent."""
    delete_live_location(session, _oneself(viewer))


def _oneself(viewer: Viewer) -> int:
    if not viewer.is_signed_in:
        raise NotSignedIn(OWN)
    if viewer.person_id is None:
        raise NotAllowed(OWN)
    return viewer.person_id
