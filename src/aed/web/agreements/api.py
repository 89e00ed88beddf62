"""Routes of the pages of agreements: reading, each step from a draft to its end, and a party's own page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.fields import has_control_characters
from aed.accounts.permissions import Audience, Viewer, require_administrator, require_estate_manager
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import InvalidInput, NotAllowed, NotSignedIn
from aed.http.parameters import PublicAddress, RowId
from aed.http.query import ANY_PARAMETER
from aed.planning.coverage.maps import band_with_most, coverage_map
from aed.registry.estates import queries as estate_queries
from aed.sharing.agreements import actions
from aed.sharing.agreements import queries as agreement_queries
from aed.sharing.decisions import actions as decision_actions
from aed.sharing.decisions import queries as decision_queries
from aed.sharing.decisions.schemas import LinkIn, PartyDecisionIn
from aed.sharing.models import Agreement, AgreementParty
from aed.sharing.permissions import require_can_withdraw
from aed.sharing.rules import AgreementKind, AgreementState, DecisionKind, DecisionMethod, PartyRole
from aed.sharing.shares.queries import time_zone_of
from aed.training.parameters import pdf_response
from aed.web.agreements import actions as page_actions
from aed.web.agreements import drafts, page, queries
from aed.web.agreements.actions import SentLink
from aed.web.agreements.sketch import SketchedDevice, sketch
from aed.web.language import language_of
from aed.web.render import render
from aed.web.words import translator

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])
router.include_router(drafts.router)
AgreementId = RowId
TextHash = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
Key = Annotated[str, Path(min_length=8, max_length=100)]
Typed = Annotated[str, Form(max_length=10_000)]
MAX_LISTED: Final = 200
MAX_REASON: Final = 2_000


@router.get("/agreements")
def show_agreements(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """List the agreements of the viewer's estates and regions, those that wait for a decision first."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Sign in to see the agreements of your estate.")
    now = clock.now()
    found = agreement_queries.agreements(session, viewer, estate_id=None, limit=MAX_LISTED)
    decisions = agreement_queries.decisions_of(session, [each.id for each in found])
    today_at = {
        estate_id: now.astimezone(ZoneInfo(time_zone_of(session, estate_id))).date()
        for estate_id in {each.estate_id for each in found}
    }
    rows = []
    for each in found:
        waits_for = agreement_queries.waits_for(each, decisions[each.id])
        rows.append((each, waits_for, page.state_label(each, waits_for, today_at[each.estate_id])))
    rows.sort(key=lambda row: (not row[1], -row[0].id))
    names = {each.estate_id: agreement_queries.estate_row(session, each.estate_id) for each, _, _ in rows}
    managed = [
        each
        for each in estate_queries.estates(session, viewer, limit=MAX_LISTED)
        if _may(require_estate_manager, viewer, each.id, region_id=each.region_id)
    ]
    return render(
        request,
        "agreements/agreements.html.jinja",
        rows=rows,
        estates=names,
        managed=managed,
        today=now.date(),
        **page.LABELS,
    )


@router.get("/agreements/{agreement_id}")
def show_agreement(
    request: Request, session: ReadSession, viewer: ViewerDep, agreement_id: AgreementId
) -> Response:
    """Show an agreement: its states, what waits for whom, its text, and how to withdraw it."""
    found = agreement_queries.agreement(session, viewer, agreement_id)
    return _agreement_page(request, session, viewer, found)


@router.get("/agreements/{agreement_id}/pdf")
def show_pdf(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    address: PublicAddress,
    agreement_id: AgreementId,
) -> Response:
    """Download an agreement as PDF, in Chinese and English, with a code that anyone can check."""
    return _pdf(session, agreement_queries.agreement(session, viewer, agreement_id), address=address)


@router.get("/agreements/party/{party_key}/pdf")
def show_party_pdf(
    request: Request, session: ReadSession, address: PublicAddress, party_key: Key
) -> Response:
    """Download the agreement as PDF, by a party's secret link."""
    party, _ = decision_queries.party_by_key(session, party_key, at=clock.now())
    response = _pdf(session, agreement_queries.agreement_of_party(session, party), address=address)
    response.headers["Cache-Control"] = "no-store"
    return response


def _pdf(session: Session, found: Agreement, *, address: str) -> Response:
    shown = _shown(session, found, at=clock.now())
    content = page.agreement_pdf(
        found,
        estate={"en": shown["estate"].name_en, "zh": shown["estate"].name_zh},
        places=shown["places"],
        latest=shown["latest"],
        state=shown["state"],
        address=f"{address}/agreements/check/{found.text_hash}",
    )
    return pdf_response(content, f"agreement-{found.id}.pdf")


@router.get("/agreements/check/{text_hash}")
def check_text(request: Request, session: ReadSession, text_hash: TextHash) -> Response:
    """Show anyone who has an agreement on paper whether it is known here, and whether it is in force."""
    rows = []
    for found in agreement_queries.agreements_with_text(session, text_hash):
        waits_for = agreement_queries.waits_for(
            found, agreement_queries.decisions_of(session, [found.id])[found.id]
        )
        today = clock.now().astimezone(ZoneInfo(time_zone_of(session, found.estate_id))).date()
        estate = agreement_queries.estate_row(session, found.estate_id)
        rows.append((found, estate, page.state_label(found, waits_for, today)))
    return render(request, "agreements/check.html.jinja", rows=rows, text_hash=text_hash, **page.LABELS)


@router.post("/agreements/{agreement_id}/proposal")
def propose(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    address: PublicAddress,
    agreement_id: AgreementId,
) -> Response:
    """Put a draft before its parties, send each its link, and show the links once."""
    links = page_actions.propose(session, viewer, agreement_id, public_url=address, at=clock.now())
    return _links_page(request, agreement_id, links)


@router.post("/agreements/{agreement_id}/parties/{party_role}/links")
def send_link(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    address: PublicAddress,
    agreement_id: AgreementId,
    party_role: PartyRole,
) -> Response:
    """Send a party a new link, which replaces its earlier ones, and show it once."""
    found = agreement_queries.agreement(session, viewer, agreement_id)
    require_estate_manager(viewer, found.estate_id, region_id=found.region_id)
    party = decision_queries.party(session, agreement_id, party_role)
    link = page_actions.send_link(session, viewer, found, party, public_url=address, at=clock.now())
    return _links_page(request, agreement_id, [link])


@router.post("/agreements/{agreement_id}/parties/{party_role}/page")
def open_own_page(
    session: WriteSession, viewer: FormViewerDep, agreement_id: AgreementId, party_role: PartyRole
) -> Response:
    """Open the page on which a signed-in representative decides; it replaces the party's earlier links."""
    agreement_queries.agreement(session, viewer, agreement_id)
    party = decision_queries.party(session, agreement_id, party_role)
    decision_queries.require_representative(viewer, party)
    _, key = decision_actions.create_link(session, party, LinkIn(), by=viewer.name, at=clock.now())
    return RedirectResponse(f"/agreements/party/{key}", 303)


@router.post("/agreements/{agreement_id}/confirmation")
def confirm(
    session: WriteSession, viewer: FormViewerDep, agreement_id: AgreementId, text_hash: Typed = ""
) -> Response:
    """Bring an agreement into force. For the region's administrator."""
    actions.confirm_agreement(session, viewer, agreement_id, text_hash=text_hash, at=clock.now())
    return RedirectResponse(f"/agreements/{agreement_id}", 303)


@router.post("/agreements/{agreement_id}/suspension")
def suspend(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    agreement_id: AgreementId,
    reason: Typed = "",
) -> Response:
    """Suspend an agreement at once."""
    found = _for_change(session, viewer, agreement_id)
    if found.suspended_at is None and not _is_reason(reason):
        return _agreement_page(request, session, viewer, found, problem="suspension", status=422)
    actions.suspend_agreement(session, found, by=viewer.name, reason=reason.strip(), at=clock.now())
    return RedirectResponse(f"/agreements/{agreement_id}", 303)


@router.post("/agreements/{agreement_id}/resumption")
def resume(session: WriteSession, viewer: FormViewerDep, agreement_id: AgreementId) -> Response:
    """End a suspension. For the person who suspended the agreement, and for the region."""
    found = _for_change(session, viewer, agreement_id)
    is_region = _may(require_administrator, viewer, region_id=found.region_id)
    actions.resume_agreement(session, found, by=viewer.name, is_region=is_region, at=clock.now())
    return RedirectResponse(f"/agreements/{agreement_id}", 303)


@router.post("/agreements/{agreement_id}/withdrawal")
def withdraw(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    agreement_id: AgreementId,
    reason: Typed = "",
) -> Response:
    """Withdraw an agreement at once."""
    found = _for_change(session, viewer, agreement_id)
    if not _is_over(found) and not _is_reason(reason):
        return _agreement_page(request, session, viewer, found, problem="reason", status=422)
    actions.withdraw_agreement(session, found, by=viewer.name, reason=reason.strip(), at=clock.now())
    return RedirectResponse(f"/agreements/{agreement_id}", 303)


def _for_change(session: Session, viewer: Viewer, agreement_id: int) -> Agreement:
    """Return an agreement that the viewer may withdraw. Raises NotFound, NotSignedIn, NotAllowed."""
    found = agreement_queries.agreement(session, viewer, agreement_id, for_update=True)
    require_can_withdraw(viewer, found)
    return found


def _is_over(found: Agreement) -> bool:
    """Return whether the agreement was withdrawn already, or cannot be: no page asks for a reason."""
    return found.state is AgreementState.WITHDRAWN or found.kind is AgreementKind.REGISTER


def _is_reason(reason: str) -> bool:
    """Return whether the text may be kept as a reason; browsers end its lines with CR and LF."""
    is_text = not has_control_characters(reason.replace("\r\n", "\n"))
    return is_text and 0 < len(reason.strip()) <= MAX_REASON


def _may(require: Callable[..., None], *args: Any, **values: Any) -> bool:
    """Return True if a function that checks permissions does not refuse."""
    try:
        require(*args, **values)
    except (NotSignedIn, NotAllowed):
        return False
    return True


def _links_page(request: Request, agreement_id: int, links: list[SentLink]) -> Response:
    return render(
        request,
        "agreements/links.html.jinja",
        headers={"Cache-Control": "no-store"},
        agreement_id=agreement_id,
        links=links,
        **page.LABELS,
    )


def _agreement_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    found: Agreement,
    *,
    problem: str = "",
    status: int = 200,
) -> Response:
    manages = _may(require_estate_manager, viewer, found.estate_id, region_id=found.region_id)
    is_region = _may(require_administrator, viewer, region_id=found.region_id)
    may_change = _may(require_can_withdraw, viewer, found)
    is_confirmed = found.state is AgreementState.CONFIRMED and found.kind is not AgreementKind.REGISTER
    shown = _shown(session, found, at=clock.now())
    return render(
        request,
        "agreements/agreement.html.jinja",
        status=status,
        manages=manages,
        own_parties=[each for each in found.parties if each.representative_id == viewer.person_id]
        if viewer.person_id is not None
        else [],
        may_edit=manages and found.state in drafts.EDITABLE,
        may_propose=manages and found.state is AgreementState.DRAFT,
        may_confirm=is_region and shown["waits_for"] == ["region"],
        may_suspend=may_change and is_confirmed and found.suspended_at is None,
        may_resume=may_change
        and found.suspended_at is not None
        and (is_region or found.suspended_by == viewer.name),
        may_renew=manages and is_confirmed,
        may_withdraw=may_change and page.may_be_withdrawn(found),
        problem=problem,
        **shown,
        **_maps(request, session, found, shown["today"]),
    )


def _shown(session: Session, found: Agreement, *, at: datetime) -> dict[str, Any]:
    """Return the values that each page with an agreement's text shows."""
    decisions = agreement_queries.decisions_of(session, [found.id])[found.id]
    waits_for = agreement_queries.waits_for(found, decisions)
    zone = ZoneInfo(time_zone_of(session, found.estate_id))
    today = at.astimezone(zone).date()
    latest = agreement_queries.latest_decisions(found, decisions)
    return {
        "agreement": found,
        "estate": agreement_queries.estate_row(session, found.estate_id),
        "places": agreement_queries.places_of(session, [each.device_id for each in found.shares]),
        "latest": latest,
        "decided_on": {key: each.decided_at.astimezone(zone).date() for key, each in latest.items()},
        "waits_for": waits_for,
        "today": today,
        "stages": page.stages(found, waits_for, today),
        "state": page.state_label(found, waits_for, today),
        **page.LABELS,
    }


def _maps(request: Request, session: Session, found: Agreement, today: date) -> dict[str, Any]:
    """Return the drawings of who may use which device, and the maps of the preview."""
    preview = queries.preview_of(session, found)
    maps: list[Markup] = []
    if preview is not None:
        band = band_with_most(preview)
        maps = [Markup(coverage_map(preview, band, after=after)) for after in (False, True)]
    return {"sketches": _sketches(request, session, found, today), "preview_maps": maps}


def _sketches(request: Request, session: Session, found: Agreement, today: date) -> list[tuple[str, Markup]]:
    """Return drawings of the estate, each with its caption: who may use each device, before and after.

    An agreement in force has one drawing; one that is over has none.
    """
    if page.end_label(found, today) is not None or found.kind is AgreementKind.REGISTER:
        return []
    placed = queries.placed_devices(session, found)
    devices = [
        SketchedDevice(at.lon, at.lat, before=at.audience, after=share.lowered_to or share.step)
        for share in found.shares
        if (at := placed.get(share.device_id)) is not None
    ]
    outline = queries.outline_of(session, found.estate_id)
    _ = translator(language_of(request))
    labels = {step: _(page.SHORT_STEPS[step]) for step in Audience}
    is_in_force = found.state is AgreementState.CONFIRMED and found.starts_on <= today
    return [
        (caption, sketch(outline, devices, after=after, labels=labels))
        for caption, after in ((page.NOW, False), (page.UNDER_AGREEMENT, True))
        if after or not is_in_force
    ]


# --- By a party's link ----------------------------------------------------------------------------------


@router.get("/agreements/party/{party_key}")
def show_party(request: Request, session: ReadSession, party_key: Key) -> Response:
    """Show a party the agreement, with the form to decide, by its secret link."""
    party, _ = decision_queries.party_by_key(session, party_key, at=clock.now())
    return _party_page(request, session, party, party_key)


@router.post("/agreements/party/{party_key}")
def decide(
    request: Request,
    session: WriteSession,
    _viewer: FormViewerDep,
    party_key: Key,
    text_hash: Typed = "",
    kind: Typed = "",
    reason: Typed = "",
    entitled: Typed = "",
    in_favour: Typed = "",
    against: Typed = "",
    abstained: Typed = "",
    conflicts: Typed = "",
) -> Response:
    """Record a party's decision on the text that it read, or withdraw an agreement in force."""
    now = clock.now()
    party, link = decision_queries.party_by_key(session, party_key, at=now, for_update=True)
    by = decision_actions.link_actor(party)
    votes = None
    if entitled.strip() or in_favour.strip():
        votes = {
            "entitled": entitled.strip(),
            "in_favour": in_favour.strip(),
            "against": against.strip() or "0",
            "abstained": abstained.strip() or "0",
            "conflicts_declared": conflicts.strip() or None,
        }
    typed = {"reason": reason, "entitled": entitled, "in_favour": in_favour, "against": against}
    typed |= {"abstained": abstained, "conflicts": conflicts, "kind": kind}
    try:
        given = PartyDecisionIn.model_validate(
            {"kind": kind, "text_hash": text_hash, "reason": reason.strip() or None, "votes": votes}
        )
        decision_actions.decide(session, party, given, by=by, mandate=link.mandate, at=now)
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        return _party_page(request, session, party, party_key, problem=field, typed=typed, status=422)
    except InvalidInput as error:
        return _party_page(
            request, session, party, party_key, problem=error.field or "kind", typed=typed, status=422
        )
    return RedirectResponse(f"/agreements/party/{party_key}", 303)


@router.post("/agreements/party/{party_key}/withdrawal")
def withdraw_by_link(
    request: Request, session: WriteSession, _viewer: FormViewerDep, party_key: Key, reason: Typed = ""
) -> Response:
    """Withdraw an agreement at once, by a party's secret link."""
    now = clock.now()
    party, _ = decision_queries.party_by_key(session, party_key, at=now, for_update=True)
    found = agreement_queries.agreement_of_party(session, party, for_update=True)
    if not _is_over(found) and not _is_reason(reason):
        return _party_page(request, session, party, party_key, problem="withdrawal", status=422)
    actions.withdraw_agreement(
        session, found, by=decision_actions.link_actor(party), reason=reason.strip(), at=now
    )
    return RedirectResponse(f"/agreements/party/{party_key}", 303)


def _party_page(
    request: Request,
    session: Session,
    party: AgreementParty,
    party_key: str,
    *,
    problem: str = "",
    typed: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    found = agreement_queries.agreement_of_party(session, party)
    shown = _shown(session, found, at=clock.now())
    mine = shown["latest"].get(party.id)
    needs_votes = party.role is PartyRole.OWNERS_COMMITTEE and found.method is not DecisionMethod.THREE_SIGN
    return render(
        request,
        "agreements/party.html.jinja",
        status=status,
        headers={"Cache-Control": "no-store", "Referrer-Policy": "same-origin"},
        party=party,
        request_key=party_key,
        mine=mine,
        may_consent=found.state is AgreementState.PROPOSED
        and (mine is None or mine.kind is not DecisionKind.CONSENT),
        may_refuse=found.state is AgreementState.PROPOSED
        and (mine is None or mine.kind is not DecisionKind.REFUSAL),
        may_withdraw=found.state is AgreementState.CONFIRMED,
        needs_votes=needs_votes,
        problem=problem,
        typed=typed or {},
        **shown,
        **_maps(request, session, found, shown["today"]),
    )
