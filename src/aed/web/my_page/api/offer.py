"""Routes: offer to help, pause, withdraw."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import InvalidInput
from aed.geo import coordinates_in
from aed.http.query import ANY_PARAMETER
from aed.registry.fields import PositionIn
from aed.responders import queries as responder_queries
from aed.responders.actions import offering
from aed.responders.rules import ConsentKind, PlaceKind, current_wording
from aed.responders.schemas import OfferAmend, OfferIn, OfferPlaceIn
from aed.web.form_fields import Text
from aed.web.my_page import queries
from aed.web.my_page.page import (
    offer_view,
)
from aed.web.my_page.queries import person_of
from aed.web.my_page.rules import HOURS, pause_end
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

BAD_PLACE: Final = noop("Choose your estate, or enter coordinates such as 30.2901, 120.1003.")
NO_CONSENT: Final = noop("Without this consent nobody may call you.")


@router.get("/me/offer")
def show_offer(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show the form with which the person offers to help."""
    if viewer.person_id is None:
        return to_sign_in("/me/offer")
    return _offer_page(request, session, viewer)


def _offer_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    *,
    status: int = 200,
    typed: Mapping[str, str] | None = None,
    place_error: str = "",
    consent_error: str = "",
) -> Response:
    offer = responder_queries.offer_of(session, person_of(viewer))
    view = offer_view(offer, at=clock.now())
    entry = offer.entry
    now = {
        "estate": str(view.estate_id or ""),
        "position": view.home,
        "floor": str(view.floor),
        "hours": (entry.availability or "24/7") if entry is not None else "24/7",
        "of_age": "yes" if view.of_age else "",
        "consent": "yes" if view.is_own else "",
    }
    wording = current_wording(ConsentKind.BEING_CALLED)
    return render(
        request,
        "my_page/offer.html.jinja",
        status=status,
        headers=NO_STORE,
        offer=view,
        typed={**now, **(typed or {})},
        estates=queries.estates_to_choose(session, viewer),
        hours=HOURS,
        wording={"en": wording.en, "zh": wording.zh},
        place_error=place_error,
        consent_error=consent_error,
    )


@router.post("/me/offer")
def save_offer(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    estate: Text = "",
    position: Text = "",
    floor: Annotated[int, Form(ge=-20, le=200)] = 0,
    hours: Text = "24/7",
    of_age: Text = "",
    consent: Text = "",
) -> Response:
    """Offer to help, or change the offer."""
    person_id, at = person_of(viewer), clock.now()
    typed = {"estate": estate, "position": position, "floor": str(floor), "hours": hours}
    typed |= {"of_age": of_age, "consent": consent}
    again = partial(_offer_page, request, session, viewer, status=422, typed=typed)
    if not consent:
        return again(consent_error=NO_CONSENT)
    chosen = {str(each.id): each.id for each in queries.estates_to_choose(session, viewer)}.get(estate)
    try:
        pair = coordinates_in(position)
        if pair is None and (chosen is None or position.strip()):
            return again(place_error=BAD_PLACE)
        if pair is None:
            assert chosen is not None
            inside = queries.place_of_estate(session, chosen)
            pair = inside.lat, inside.lon
        home = OfferPlaceIn(kind=PlaceKind.HOME, position=PositionIn(lat=pair[0], lon=pair[1]), floor=floor)
    except (InvalidInput, ValidationError):
        return again(place_error=BAD_PLACE)
    known = responder_queries.offer_of(session, person_id)
    if hours not in HOURS:  # what an app has set stays; anything else was not offered
        hours = (known.entry.availability if known.entry is not None else None) or "24/7"
    region = None if chosen is not None else queries.region_at(session, home.position.position())
    if chosen is None and region is None and known.entry is None:
        return again(place_error=BAD_PLACE)
    others = [
        OfferPlaceIn(
            kind=place.kind,
            position=PositionIn(lat=here.lat, lon=here.lon),
            floor=place.floor,
            hours=place.hours,
        )
        for place, here in known.places
        if place.kind is not PlaceKind.HOME
    ]
    version = current_wording(ConsentKind.BEING_CALLED).version
    consents: dict[ConsentKind, str | None] = {ConsentKind.BEING_CALLED: version}
    if offer_view(known, at=at).is_own:
        change = OfferAmend(
            consents=consents, availability=hours, of_age=of_age == "yes", places=[home, *others]
        )
        offering.amend_offer(session, viewer, person_id, change, at=at)
    else:
        new = OfferIn(
            consents={ConsentKind.BEING_CALLED: version},
            estate_id=chosen,
            region=region,
            availability=hours,
            of_age=of_age == "yes",
            places=[home],
        )
        offering.make_offer(session, viewer, person_id, new, at=at)
    return RedirectResponse("/me#offer", 303)


@router.post("/me/offer/pause")
def pause_offer(
    session: WriteSession, viewer: FormViewerDep, days: Annotated[int, Form(ge=0, le=30)]
) -> Response:
    """Pause calls for some days; 0 ends the pause."""
    at = clock.now()
    change = OfferAmend(paused_until=pause_end(days, at=at))
    offering.amend_offer(session, viewer, person_of(viewer), change, at=at)
    return RedirectResponse("/me#offer", 303)


@router.post("/me/offer/withdrawal")
def withdraw_offer(session: WriteSession, viewer: FormViewerDep) -> Response:
    """Withdraw the offer with all consents, and delete the places."""
    offering.withdraw_offer(session, viewer, person_of(viewer), at=clock.now())
    return RedirectResponse("/me#offer", 303)
