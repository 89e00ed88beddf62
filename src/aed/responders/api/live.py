"""Where a phone on duty is: sent, looked at and taken back by its owner."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError

from aed import clock
from aed.accounts.authentication import ViewerDep, key_of_own_change
from aed.accounts.permissions import Viewer
from aed.accounts.tokens import key_hash
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotAllowed, NotSignedIn
from aed.geo import position_from
from aed.http.query import refuse_unknown_parameters
from aed.responders.actions.live import LocationReport, delete_live_location
from aed.responders.api.intake import Intake
from aed.responders.live import live_places_of
from aed.responders.queries import responder_ids_of
from aed.responders.rules import location_moment
from aed.responders.schemas.live import LiveLocationIn, LiveLocationOut

OWN: Final = "Sign in as the person whose phone it is."


class _Direct(APIRoute):
    """Without FastAPI's resolving of dependencies, as the lookup's route: it is asked 1,000 times a second.

    Who it is, is asked for many at once, where the place is kept.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def handle(request: Request) -> Response:
            await refuse_unknown_parameters(request)
            key = await key_of_own_change(request, OWN)
            try:
                given = LiveLocationIn.model_validate_json(await request.body())
            except ValidationError as error:
                wrong = error.errors(include_url=False)
                raise RequestValidationError(
                    [{**each, "loc": ("body", *each["loc"])} for each in wrong]
                ) from None
            here = position_from(given.lat, given.lon, given.datum)
            said = LocationReport(key_hash(key), here, location_moment(given.at, now=clock.now()))
            intake: Intake = request.app.state.intake
            await intake.put(said)
            return Response(status_code=204)

        return handle


router = APIRouter()
direct = APIRouter(route_class=_Direct)


@direct.put("/location", status_code=204)
def share_live_location(given: LiveLocationIn) -> None:
    """Where the own phone is, while on duty: every five minutes, and soon after a move.

    Kept as a cell of about a tenth of a square kilometre, for 15 minutes, with the consent `live_place`: the
    person is called from there, and not from the places of the offer. 409 says what is missing.
    """


@router.get("/location")
def get_live_place(session: ReadSession, viewer: ViewerDep) -> LiveLocationOut:
    """What is kept of where the own phone is, and until when."""
    ids = responder_ids_of(session, _oneself(viewer))
    held = live_places_of(session).held(session.connection(), ids, at=clock.now())
    return LiveLocationOut.of(max(held.values(), key=lambda place: place.at, default=None))


@router.delete("/location", status_code=204)
def go_off_duty(session: WriteSession, viewer: ViewerDep) -> None:
    """Off duty: what is kept of where the own phone is, is deleted. Twice changes nothing."""
    delete_live_location(session, _oneself(viewer))


def _oneself(viewer: Viewer) -> int:
    if not viewer.is_signed_in:
        raise NotSignedIn(OWN)
    if viewer.person_id is None:
        raise NotAllowed(OWN)
    return viewer.person_id
