"""Routes of the pages of agreements."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import InvalidInput, NotAllowed, NotSignedIn
from aed.http.parameters import PublicAddress
from aed.http.query import ANY_PARAMETER
from aed.sharing.agreements import actions
from aed.sharing.agreements import queries as agreement_queries
from aed.sharing.agreements.permissions import require_can_withdraw
from aed.sharing.decisions import actions as decision_actions
from aed.sharing.decisions import queries as decision_queries
from aed.sharing.decisions.schemas import PartyDecisionIn
from aed.sharing.models import Agreement, AgreementParty
from aed.sharing.rules import AgreementState, DecisionKind, DecisionMethod, PartyRole
from aed.sharing.shares.queries import time_zone_of
from aed.training.parameters import pdf_response
from aed.web.agreements import page
from aed.web.render import render

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])
AgreementId = Annotated[int, Path(ge=1, le=2**63 - 1)]
TextHash = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
Key = Annotated[str, Path(min_length=8, max_length=100)]
Typed = Annotated[str, Form(max_length=10_000)]
MAX_LISTED: Final = 200
MAX_REASON: Final = 2_000
_LABELS: Final[dict[str, Any]] = {
    "steps": page.STEPS,
    "parties": page.PARTIES,
    "owners": page.OWNERS,
    "bases": page.BASES,
    "methods": page.METHODS,
    "positions": page.POSITIONS,
    "kinds": page.KINDS,
    "payers": page.PAYERS,
}


@router.get("/agreements")
def show_agreements(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """List the agreements of the viewer's estates and regions, those that wait for a decision first."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Sign in to see the agreements of your estate.")
    found = agreement_queries.agreements(session, viewer, estate_id=None, limit=MAX_LISTED)
    decisions = agreement_queries.decisions_of(session, [each.id for each in found])
    rows = [(each, agreement_queries.waits_for(each, decisions[each.id])) for each in found]
    rows.sort(key=lambda row: (not row[1], -row[0].id))
    names = {each.estate_id: agreement_queries.estate_row(session, each.estate_id) for each, _ in rows}
    return render(request, "agreements/agreements.html.jinja", rows=rows, estates=names, **_LABELS)


@router.get("/agreements/{agreement_id}")
def show_agreement(
    request: Request, session: ReadSession, viewer: ViewerDep, agreement_id: AgreementId
) -> Response:
    """Show an agreement: its states, what waits for whom, its text, and how to withdraw it."""
    found = agreement_queries.agreement(session, viewer, agreement_id)
    return _agreement_page(request, session, viewer, found)


@router.get("/agreements/{agreement_id}/pdf")
def show_pdf(
    session: ReadSession, viewer: ViewerDep, address: PublicAddress, agreement_id: AgreementId
) -> Response:
    """Download an agreement as PDF, in Chinese and English, with a code that anyone can check."""
    found = agreement_queries.agreement(session, viewer, agreement_id)
    shown = _shown(session, found, at=clock.now())
    content = page.agreement_pdf(
        found,
        estate={"en": shown["estate"].name_en, "zh": shown["estate"].name_zh},
        places=shown["places"],
        latest=shown["latest"],
        state=shown["state"],
        address=f"{address}/agreements/check/{found.text_hash}",
    )
    return pdf_response(content, f"agreement-{agreement_id}.pdf")


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
    return render(request, "agreements/check.html.jinja", rows=rows, text_hash=text_hash, **_LABELS)


@router.post("/agreements/{agreement_id}/withdrawal")
def withdraw(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    agreement_id: AgreementId,
    reason: Typed = "",
) -> Response:
    """Withdraw an agreement at once."""
    found = agreement_queries.agreement(session, viewer, agreement_id, for_update=True)
    require_can_withdraw(viewer, found)
    if not 0 < len(reason.strip()) <= MAX_REASON:
        return _agreement_page(request, session, viewer, found, problem="reason", status=422)
    actions.withdraw_agreement(session, found, by=viewer.name, reason=reason.strip(), at=clock.now())
    return RedirectResponse(f"/agreements/{agreement_id}", 303)


def _agreement_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    found: Agreement,
    *,
    problem: str = "",
    status: int = 200,
) -> Response:
    may_withdraw = page.may_be_withdrawn(found)
    try:
        require_can_withdraw(viewer, found)
    except (NotSignedIn, NotAllowed):
        may_withdraw = False
    return render(
        request,
        "agreements/agreement.html.jinja",
        status=status,
        may_withdraw=may_withdraw,
        problem=problem,
        **_shown(session, found, at=clock.now()),
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
        "stages": page.stages(found, waits_for, today),
        "state": page.state_label(found, waits_for, today),
        **_LABELS,
    }


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
    if not 0 < len(reason.strip()) <= MAX_REASON:
        return _party_page(request, session, party, party_key, problem="withdrawal", status=422)
    found = agreement_queries.agreement_of_party(session, party, for_update=True)
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
    )
