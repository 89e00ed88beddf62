"""Routes: declare a certificate, and confirm those of others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.people import queries as people_queries
from aed.accounts.permissions import Viewer
from aed.certificates.declarations import queries as declarations
from aed.certificates.declarations.actions import decide_declaration
from aed.certificates.declarations.actions import declare_certificate as declare
from aed.certificates.declarations.schemas import DeclarationIn
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import InvalidInput
from aed.http.parameters import PublicAddress, RowId
from aed.http.query import ANY_PARAMETER
from aed.responders import queries as responder_queries
from aed.web.my_page import queries
from aed.web.my_page.queries import MAX_SHOWN, person_of
from aed.web.my_page.rules import CERTIFICATE_KINDS
from aed.web.photo_form import PhotoForm, receive_photo_form
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

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
DECLARED: Final = ("kind", "issuer", "number", "issued_on", "valid_until", "estate_id")


async def _certificate_form(request: Request, viewer: FormViewerDep) -> AsyncIterator[PhotoForm]:
    """Yield the form, its photo without metadata. Raises NotSignedIn before the photo is received."""
    async with receive_photo_form(request, f"person {person_of(viewer)}") as sent:
        yield sent


@router.get("/me/certificate")
def show_certificate_form(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show the form with which a person declares a certificate."""
    if viewer.person_id is None:
        return to_sign_in("/me/certificate")
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
        return to_sign_in("/certificates")
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
