"""Routes of the form by which an estate's manager drafts, amends and renews an agreement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer, require_estate_manager
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import ChangedMeanwhile, InvalidInput
from aed.http.parameters import RowId
from aed.http.query import ANY_PARAMETER
from aed.planning.coverage import actions as coverage_actions
from aed.planning.coverage.models import CoveragePreview
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate
from aed.sharing.agreements import actions
from aed.sharing.agreements import queries as agreement_queries
from aed.sharing.agreements.schemas import AgreementDraft, AgreementIn, Terms
from aed.sharing.models import Agreement
from aed.sharing.regional_rules.queries import rules_of_region, rules_of_version
from aed.sharing.rules import AgreementKind, AgreementState, PartyRole
from aed.translation import detail_of
from aed.web.agreements import page, queries, schemas
from aed.web.agreements.schemas import Problem, Typed
from aed.web.form_fields import text_fields
from aed.web.language import language_of
from aed.web.render import render
from aed.web.words import noop, translator

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])
AgreementId = RowId
MAX_FIELDS: Final = 12_000
MAX_VALUE: Final = 50_000
MAX_PREVIEWS: Final = 20
MAX_EARLIER: Final = 200
CHANGED: Final = noop(
    "Another person has changed this draft in the meantime. Look at it again before you save: "
    "saving replaces their text by yours."
)
EDITABLE: Final = (AgreementState.DRAFT, AgreementState.PROPOSED)


async def _fields(request: Request) -> Typed:
    """Return the text fields of the form."""
    return {name: value[:MAX_VALUE] for name, value in await text_fields(request, max_fields=MAX_FIELDS)}


Fields = Annotated[Typed, Depends(_fields)]


@router.get("/estates/{estate_id}/agreements/new")
def show_new(request: Request, session: ReadSession, viewer: ViewerDep, estate_id: RowId) -> Response:
    """Show the form of a new agreement, filled in from the latest preview and the latest agreement."""
    estate = _managed_estate(session, viewer, estate_id)
    device_ids = [each.id for each in queries.devices_of(session, viewer, estate_id)]
    today = clock.now().astimezone(ZoneInfo(estate.time_zone or estate.region.time_zone)).date()
    previews = coverage_actions.previews(session, viewer, estate_id, limit=1)
    step: Typed = {}
    if previews:
        out = coverage_actions.preview_out(previews[0], estate)
        device_ids = [each.id for each in out.result.devices if each.is_proposed]
        step = {"preview_id": str(out.id), "step": out.step.audience, "hours": out.step.hours or ""}
    typed = schemas.new_form(
        estate_name=estate.name_zh or estate.name_en,
        device_ids=device_ids,
        today=today,
        rules=rules_of_region(session, estate.region_id),
        earlier=_latest(session, viewer, estate_id),
    )
    return _form_page(request, session, viewer, estate, typed | step)


@router.post("/estates/{estate_id}/agreements")
def create(
    request: Request, session: WriteSession, viewer: FormViewerDep, estate_id: RowId, typed: Fields
) -> Response:
    """Create a draft, or show the form again with everything that is wrong."""
    estate = _managed_estate(session, viewer, estate_id)
    given = _given(session, viewer, estate, typed)
    try:
        new = AgreementDraft.model_validate({**given, "estate_id": estate_id})
        made = actions.draft_agreement(session, viewer, new, at=clock.now())
    except (ValidationError, InvalidInput) as error:
        return _refused(request, session, viewer, estate, typed, error)
    return RedirectResponse(f"/agreements/{made.id}", 303)


@router.get("/agreements/{agreement_id}/edit")
def show_edit(
    request: Request, session: ReadSession, viewer: ViewerDep, agreement_id: AgreementId
) -> Response:
    """Show the form of a draft, or of a text on which the parties decide."""
    found = agreement_queries.agreement(session, viewer, agreement_id)
    estate = _managed_estate(session, viewer, found.estate_id)
    if found.state not in EDITABLE or found.kind is AgreementKind.REGISTER:
        return RedirectResponse(f"/agreements/{agreement_id}", 303)
    return _form_page(request, session, viewer, estate, schemas.form_of(found), found=found)


@router.post("/agreements/{agreement_id}/edit")
def amend(
    request: Request, session: WriteSession, viewer: FormViewerDep, agreement_id: AgreementId, typed: Fields
) -> Response:
    """Replace the text, or show the form again with everything that is wrong."""
    found = agreement_queries.agreement(session, viewer, agreement_id)
    estate = _managed_estate(session, viewer, found.estate_id)
    given = _given(session, viewer, estate, typed, found=found)
    version = typed.get("version", "")
    number = int(version) if version.isdecimal() else 0
    try:
        new = AgreementIn.model_validate(given)
        actions.amend_agreement(session, viewer, agreement_id, new, version=number, at=clock.now())
    except (ValidationError, InvalidInput) as error:
        return _refused(request, session, viewer, estate, typed, error, found=found)
    except ChangedMeanwhile:
        return _form_page(request, session, viewer, estate, typed, found=found, warning=CHANGED, status=409)
    return RedirectResponse(f"/agreements/{agreement_id}", 303)


@router.get("/agreements/{agreement_id}/renewal")
def show_renewal(
    request: Request, session: ReadSession, viewer: ViewerDep, agreement_id: AgreementId
) -> Response:
    """Show the form of an agreement that supersedes this one, from the day after its end on."""
    found = agreement_queries.agreement(session, viewer, agreement_id)
    estate = _managed_estate(session, viewer, found.estate_id)
    if found.kind is AgreementKind.REGISTER or found.confirmed_at is None:
        return RedirectResponse(f"/agreements/{agreement_id}", 303)
    today = clock.now().astimezone(ZoneInfo(estate.time_zone or estate.region.time_zone)).date()
    return _form_page(request, session, viewer, estate, schemas.renewal_form(found, today=today))


def _managed_estate(session: Session, viewer: Viewer, estate_id: int) -> Estate:
    """Return an estate that the viewer manages. Raises NotFound, NotSignedIn, NotAllowed."""
    estate = estate_queries.estate(session, viewer, estate_id)
    require_estate_manager(viewer, estate.id, region_id=estate.region_id)
    return estate


def _latest(session: Session, viewer: Viewer, estate_id: int) -> Agreement | None:
    """Return the estate's latest agreement of parties, with its parties."""
    found = agreement_queries.agreements(session, viewer, estate_id=estate_id, limit=MAX_EARLIER)
    return next((each for each in reversed(found) if each.kind is not AgreementKind.REGISTER), None)


def _people(session: Session, viewer: Viewer, estate_id: int) -> dict[int, Any]:
    """Return the people who may be chosen as representatives, by id."""
    earlier = agreement_queries.agreements(session, viewer, estate_id=estate_id, limit=MAX_EARLIER)
    also = {party.representative_id for each in earlier for party in each.parties} - {None}
    return queries.people_to_choose(
        session, viewer, estate_id, also=[each for each in also if each is not None]
    )


def _previews(session: Session, viewer: Viewer, estate_id: int) -> list[CoveragePreview]:
    return coverage_actions.previews(session, viewer, estate_id, limit=MAX_PREVIEWS)


def _roles(session: Session, estate: Estate, found: Agreement | None) -> tuple[PartyRole, ...]:
    """Return the parties by the rules of the agreement, or of the region for a new one."""
    if found is not None:
        return rules_of_version(session, found.rules_version).parties
    return rules_of_region(session, estate.region_id).parties


def _given(
    session: Session, viewer: Viewer, estate: Estate, typed: Typed, *, found: Agreement | None = None
) -> dict[str, Any]:
    return schemas.agreement_fields(
        typed,
        roles=_roles(session, estate, found),
        people=_people(session, viewer, estate.id),
        previews={each.id: each.inputs_hash for each in _previews(session, viewer, estate.id)},
    )


def _refused(
    request: Request,
    session: Session,
    viewer: Viewer,
    estate: Estate,
    typed: Typed,
    error: ValidationError | InvalidInput,
    *,
    found: Agreement | None = None,
) -> Response:
    """Show the form again, with what is wrong beside each field."""
    language = language_of(request)
    if isinstance(error, ValidationError):
        roles = _roles(session, estate, found)
        wrong = schemas.problems_of(error, typed, roles=roles)
        problems = {name: _sentence(problem, language) for name, problem in wrong.items()}
    else:
        problems = {_field_of(error): detail_of(error, language)}
    return _form_page(request, session, viewer, estate, typed, found=found, problems=problems, status=422)


def _sentence(problem: Problem, language: str) -> str:
    return translator(language)(problem.sentence).format_map(problem.values)


def _field_of(error: InvalidInput) -> str:
    if error.field == "shares":
        device_id = error.values.get("device_id")
        return f"d{device_id}" if device_id is not None else "devices"
    return {"preview_hash": "preview_id"}.get(error.field or "", error.field or "devices")


def _form_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    estate: Estate,
    typed: Typed,
    *,
    found: Agreement | None = None,
    problems: Mapping[str, str] | None = None,
    warning: str | None = None,
    status: int = 200,
) -> Response:
    devices = queries.devices_of(session, viewer, estate.id)
    insurances = schemas.insurance_numbers(typed)
    return render(
        request,
        "agreements/draft.html.jinja",
        status=status,
        emergency_number=estate.region.emergency_number,
        estate=estate,
        found=found,
        target=f"/agreements/{found.id}/edit" if found is not None else f"/estates/{estate.id}/agreements",
        devices=devices,
        people=_people(session, viewer, estate.id),
        previews=_previews(session, viewer, estate.id),
        roles=_roles(session, estate, found),
        insurances=[*insurances, max(insurances, default=-1) + 1][: schemas.MAX_INSURANCES],
        fields_of_one=schemas.OF_ONE,
        terms=Terms.model_fields,
        typed=typed,
        problems=problems or {},
        warning=warning,
        yes_no={schemas.YES: page.YES, schemas.NO: page.NO},
        codes=page.CODES,
        **page.LABELS,
    )
