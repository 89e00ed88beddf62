"""Routes of my page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts import sessions as accounts_sessions
from aed.accounts.authentication import FormViewerDep, ViewerDep, require_same_origin, session_key_in_cookie
from aed.accounts.masking import mask_phone
from aed.accounts.people import actions as people_actions
from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Person
from aed.accounts.people.rules import Language
from aed.accounts.people.schemas import PersonAmend
from aed.accounts.permissions import Viewer
from aed.accounts.sessions import SESSION_COOKIE, end_sessions
from aed.certificates.declarations import queries as declarations
from aed.certificates.declarations.actions import decide_declaration
from aed.certificates.declarations.actions import declare_certificate as declare
from aed.certificates.declarations.schemas import DeclarationIn
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import InvalidInput, NotSignedIn
from aed.geo import coordinates_in
from aed.http.parameters import PublicAddress, RowId, SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.incidents.alerts import queries as alert_queries
from aed.notifications.channels.web_push import public_key
from aed.notifications.short_links import opens
from aed.personal_data import actions as personal_data
from aed.personal_data.schemas import OwnDataOut
from aed.registry.estates import residence
from aed.registry.estates.models import Estate
from aed.registry.fields import PositionIn
from aed.responders import queries as responder_queries
from aed.responders.actions import offering
from aed.responders.rules import ConsentKind, PlaceKind, current_wording
from aed.responders.schemas import OfferAmend, OfferIn, OfferPlaceIn
from aed.settings import Settings
from aed.training.enrolments import queries as enrolment_queries
from aed.web.my_page import queries
from aed.web.my_page.page import (
    OTHER_TABLE,
    TABLES,
    call_line,
    certificate_line,
    declaration_line,
    enrolment_line,
    offer_view,
)
from aed.web.my_page.rules import CERTIFICATE_KINDS, HOURS, PAUSES, pause_end
from aed.web.photo_form import PhotoForm, receive_photo_form
from aed.web.render import render
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

MAX_SHOWN: Final = 20
NO_STORE: Final = {"Cache-Control": "no-store"}
BAD_NAME: Final = noop("Enter your name. Leave out unusual characters.")

BAD_PLACE: Final = noop("Choose your estate, or enter coordinates such as 30.2901, 120.1003.")
NO_PHOTO: Final = noop("Add a photo of the card, so that it can be compared.")
BAD_PHOTO: Final = noop("This photo cannot be read. Choose another: JPEG, PNG or WebP.")
EXPIRED: Final = noop("This certificate has expired. Book a course to renew it.")
NO_ESTATE: Final = noop("Choose the estate whose manager can confirm it.")
BAD_FIELDS: Final = {
    "kind": noop("Choose what the card is for."),
    "issuer": noop("Enter who issued the card, in at most 100 characters."),
    "number": noop("Enter the number in at most 100 characters."),
    "issued_on": noop("Enter a date before the card runs out, such as 2026-03-01."),
    "valid_until": noop("Enter the last day on which the card is valid, such as 2029-03-01."),
}
NO_CONSENT: Final = noop("Without this consent nobody may call you.")

Text = Annotated[str, Form(max_length=300)]
PersonId = Annotated[int, Path(ge=1, le=2**63 - 1)]
EstateId = Annotated[int, Path(ge=1, le=2**63 - 1)]
LinkKey = Annotated[str, Path(max_length=200)]


def person_of(viewer: Viewer) -> int:
    """Return the id of the signed-in person. Raises NotSignedIn."""
    if viewer.person_id is None:
        raise NotSignedIn("Sign in first.")
    return viewer.person_id


@router.get("/me")
def show_my_page(
    request: Request, session: ReadSession, viewer: ViewerDep, settings: SettingsDep
) -> Response:
    """Show the person's own page, or lead to the sign-in."""
    if viewer.person_id is None:
        return RedirectResponse("/sign-in?next=/me", 303)
    return _page(request, session, viewer, settings)


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    settings: Settings,
    *,
    status: int = 200,
    name_error: str = "",
) -> Response:
    person_id, at = person_of(viewer), clock.now()
    private_key = settings.web_push.private_key
    person, account = people_queries.person(session, viewer, person_id)
    offer = responder_queries.offer_of(session, person_id)
    return render(
        request,
        "my_page/my_page.html.jinja",
        status=status,
        headers=NO_STORE,
        person=person,
        account=account,
        name_error=name_error,
        push_key=public_key(private_key.get_secret_value()) if private_key is not None else "",
        offer=offer_view(offer, at=at),
        pauses=PAUSES,
        estates=queries.own_estates(session, viewer),
        asked=request.query_params.get("asked") == "1",
        certificates=[certificate_line(each, today=at.date()) for each in offer.certificates]
        + [declaration_line(each) for each in declarations.own_declarations(session, person_id, limit=5)],
        to_confirm=declarations.count_pending(session, viewer),
        sessions=[
            enrolment_line(each)
            for each in enrolment_queries.enrolments_of_person(session, person_id, limit=MAX_SHOWN)
        ],
        calls=[
            call_line(each) for each in alert_queries.alerts_of_person(session, person_id, limit=MAX_SHOWN)
        ],
    )


@router.post("/me/name")
def change_name(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    settings: SettingsDep,
    name: Text = "",
    language: Annotated[Language, Form()] = Language.ZH,
) -> Response:
    """Change the person's name and the language of messages."""
    person, _account = people_queries.person(session, viewer, person_of(viewer))
    try:
        change = PersonAmend(name=name, language=language)
    except ValidationError:
        return _page(request, session, viewer, settings, status=422, name_error=BAD_NAME)
    people_actions.amend_person(
        session,
        viewer,
        person.id,
        change,
        version=person.version,
        country=settings.phone_country,
        at=clock.now(),
    )
    return RedirectResponse("/me", 303)


@router.post("/me/sign-out", dependencies=[Depends(require_same_origin)])
def sign_out(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    everywhere: Annotated[bool, Form()] = False,
) -> Response:
    """Sign this browser out, or all of the person's browsers."""
    key = session_key_in_cookie(request)
    if key is not None:
        accounts_sessions.sign_out(session, key, at=clock.now())
        if everywhere and viewer.person_id is not None:
            end_sessions(session, viewer.person_id, at=clock.now())
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response


# --- where I live ---------------------------------------------------------------------------------------


@router.post("/me/estate")
def ask_to_join_estate(
    session: WriteSession, viewer: FormViewerDep, address: PublicAddress, name: Text = ""
) -> Response:
    """Ask the managers of an estate to confirm that the person lives there."""
    person, _account = people_queries.person(session, viewer, person_of(viewer))
    residence.request_residence(session, person, name, public_url=address, at=clock.now())
    return RedirectResponse("/me?asked=1#estate", 303)


@router.get("/residence/{person_id}/{estate_id}/{manager_id}/{link_key}")
def show_residence(
    request: Request,
    session: ReadSession,
    person_id: PersonId,
    estate_id: EstateId,
    manager_id: PersonId,
    link_key: LinkKey,
) -> Response:
    """Show the manager who wants to join the estate, with two buttons."""
    if not _is_residence_link(session, person_id, estate_id, manager_id, link_key):
        return render(request, "templates/no_link.html.jinja", status=410, is_expired=True)
    return _residence(request, session, person_id, estate_id, step="ask")


@router.post("/residence/{person_id}/{estate_id}/{manager_id}/{link_key}")
def answer_residence(
    request: Request,
    session: WriteSession,
    _form: FormViewerDep,
    person_id: PersonId,
    estate_id: EstateId,
    manager_id: PersonId,
    link_key: LinkKey,
    answer: Annotated[Literal["yes", "no"], Form()],
) -> Response:
    """Record the manager's answer.

    visibility: the link names the person and the estate, and was sent to the estate's manager.
    """
    if not _is_residence_link(session, person_id, estate_id, manager_id, link_key):
        return render(request, "templates/no_link.html.jinja", status=410, is_expired=True)
    person, estate = session.get_one(Person, person_id), session.get_one(Estate, estate_id)
    is_resident, at = answer == "yes", clock.now()
    residence.answer_residence(session, person, estate, manager_id, is_resident=is_resident, at=at)
    return _residence(request, session, person_id, estate_id, step=answer)


def _is_residence_link(
    session: Session, person_id: int, estate_id: int, manager_id: int, link_key: str
) -> bool:
    """Return True for the link that was sent about this person, unless their data has been erased since.

    visibility: returns nothing else.
    """
    path = residence.residence_path(person_id, estate_id, manager_id, link_key)
    if not opens(session, link_key, path, at=clock.now()):
        return False
    return session.get_one(Person, person_id).erased_at is None


def _residence(request: Request, session: Session, person_id: int, estate_id: int, *, step: str) -> Response:
    """Show the question or its answer to the manager.

    visibility: only for the link that was sent to the estate's manager; the phone number is masked.
    """
    person, estate = session.get_one(Person, person_id), session.get_one(Estate, estate_id)
    return render(
        request,
        "my_page/residence.html.jinja",
        headers=NO_STORE,
        step="yes" if residence.is_confirmed(session, person_id, estate_id) else step,
        name=person.name,
        phone=mask_phone(person.phone or ""),
        estate={"en": estate.name_en, "zh": estate.name_zh},
    )


# --- declare a certificate ------------------------------------------------------------------------------

DECLARED: Final = ("kind", "issuer", "number", "issued_on", "valid_until", "estate_id")


async def _certificate_form(request: Request, viewer: FormViewerDep) -> AsyncIterator[PhotoForm]:
    """Yield the form, its photo without metadata. Raises NotSignedIn before the photo is received."""
    async with receive_photo_form(request, f"person {person_of(viewer)}") as sent:
        yield sent


@router.get("/me/certificate")
def show_certificate_form(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show the form with which a person declares a certificate."""
    if viewer.person_id is None:
        return RedirectResponse("/sign-in?next=/me/certificate", 303)
    return _certificate_page(request, session, viewer, {})


def _certificate_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    typed: Mapping[str, str],
    *,
    status: int = 200,
    errors: Mapping[str, str] | None = None,
) -> Response:
    entry = responder_queries.offer_of(session, person_of(viewer)).entry
    default = entry.estate_id if entry is not None else next(iter(viewer.own_estate_ids), None)
    return render(
        request,
        "my_page/certificate.html.jinja",
        status=status,
        headers=NO_STORE,
        typed={**dict.fromkeys(DECLARED, ""), "estate_id": str(default or ""), **typed},
        errors=errors or {},
        kinds=CERTIFICATE_KINDS,
        estates=queries.estates_to_choose(session, viewer),
        max_bytes=request.app.state.settings.photo_limit_bytes,
    )


@router.post("/me/certificate")
def declare_certificate(
    request: Request,
    sent: Annotated[PhotoForm, Depends(_certificate_form, scope="function")],
    session: WriteSession,
    viewer: FormViewerDep,
    address: PublicAddress,
) -> Response:
    """Declare a certificate, which waits until the manager or a trainer has compared it with the photo."""
    person, _account = people_queries.person(session, viewer, person_of(viewer))
    typed = {name: sent.fields.get(name, "").strip() for name in DECLARED}
    again = partial(_certificate_page, request, session, viewer, typed, status=422)
    if sent.is_unreadable or sent.picture is None:
        return again(errors={"photo": BAD_PHOTO if sent.is_unreadable else NO_PHOTO})
    may_choose = {str(each.id) for each in queries.estates_to_choose(session, viewer)}
    if typed["estate_id"] not in may_choose:
        typed["estate_id"] = ""
    try:
        new = DeclarationIn.model_validate({name: value for name, value in typed.items() if value})
        declare(session, person, new, jpeg=sent.picture.jpeg, public_url=address, at=clock.now())
    except ValidationError as error:
        wrong = {str(each["loc"][0]) if each["loc"] else "issued_on" for each in error.errors()}
        return again(errors={name: BAD_FIELDS[name] for name in wrong if name in BAD_FIELDS})
    except InvalidInput as error:
        field = error.field or "estate_id"
        return again(errors={field: EXPIRED if field == "valid_until" else NO_ESTATE})
    return RedirectResponse("/me#certificates", 303)


@router.get("/me/certificate/{declaration_id}/photo")
def show_certificate_photo(session: ReadSession, viewer: ViewerDep, declaration_id: RowId) -> Response:
    """Return the photo of a declared certificate to its holder and to those who decide."""
    jpeg = declarations.photo_of(session, viewer, declaration_id)
    return Response(jpeg, media_type="image/jpeg", headers=NO_STORE)


@router.get("/certificates")
def show_certificates_to_confirm(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show the declared certificates that wait for the viewer's decision."""
    if viewer.person_id is None:
        return RedirectResponse("/sign-in?next=/certificates", 303)
    return render(
        request,
        "my_page/certificates.html.jinja",
        headers=NO_STORE,
        declared=declarations.pending(session, viewer, limit=MAX_SHOWN),
        kinds=CERTIFICATE_KINDS,
    )


@router.post("/certificates/{declaration_id}")
def decide_certificate(
    session: WriteSession,
    viewer: FormViewerDep,
    declaration_id: RowId,
    answer: Annotated[Literal["yes", "no"], Form()],
) -> Response:
    """Confirm or refuse a declared certificate."""
    decide_declaration(session, viewer, declaration_id, is_confirmed=answer == "yes", at=clock.now())
    return RedirectResponse("/certificates", 303)


# --- offer to help --------------------------------------------------------------------------------------


@router.get("/me/offer")
def show_offer(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show the form with which the person offers to help."""
    if viewer.person_id is None:
        return RedirectResponse("/sign-in?next=/me/offer", 303)
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


# --- my data --------------------------------------------------------------------------------------------


@router.get("/me/data")
def show_data(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show all that is stored about the person."""
    if viewer.person_id is None:
        return RedirectResponse("/sign-in?next=/me/data", 303)
    person = people_queries.require_self_or_administrator(session, viewer, viewer.person_id)
    data = OwnDataOut.of(session, person, at=clock.now())
    held = [(TABLES.get(each.table, OTHER_TABLE), each) for each in data.held if each.rows]
    return render(request, "my_page/data.html.jinja", headers=NO_STORE, held=held, data=data)


@router.get("/me/data.json")
def download_data(session: ReadSession, viewer: ViewerDep) -> Response:
    """Download all that is stored about the person."""
    person = people_queries.require_self_or_administrator(session, viewer, person_of(viewer))
    data = OwnDataOut.of(session, person, at=clock.now())
    name = {"Content-Disposition": f'attachment; filename="person-{person.id}.json"'}
    return Response(data.model_dump_json(indent=1), media_type="application/json", headers=NO_STORE | name)


@router.get("/me/erasure")
def show_erasure(request: Request, viewer: ViewerDep) -> Response:
    """Ask once more before the person's data is erased."""
    if viewer.person_id is None:
        return RedirectResponse("/sign-in?next=/me/erasure", 303)
    return render(request, "my_page/erasure.html.jinja", headers=NO_STORE, is_done=False, is_unsure=False)


@router.post("/me/erasure")
def erase(request: Request, session: WriteSession, viewer: FormViewerDep, is_sure: Text = "") -> Response:
    """Erase the person's data, if they have ticked that they are sure."""
    person_id = person_of(viewer)
    template = "my_page/erasure.html.jinja"
    if is_sure != "yes":
        return render(request, template, status=422, headers=NO_STORE, is_done=False, is_unsure=True)
    personal_data.erase(session, viewer, person_id, at=clock.now())
    response = render(request, template, headers=NO_STORE, is_done=True, is_unsure=False)
    response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response
