"""Routes by which parties decide: signed in as their representative, or by a secret link."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer, require_estate_manager
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import PublicAddress
from aed.sharing.agreements import actions as agreement_actions
from aed.sharing.agreements import queries as agreement_queries
from aed.sharing.agreements.schemas import AgreementOut, ReasonIn, StepDownIn
from aed.sharing.decisions import actions, queries
from aed.sharing.decisions.schemas import LinkIn, LinkOut, PartyDecisionIn, PartyPage, RepresentativeChange
from aed.sharing.models import AgreementParty
from aed.sharing.rules import PartyRole

router = APIRouter(tags=["agreements"])
AgreementId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
Key = Annotated[
    str, Path(min_length=8, max_length=100, description="The key in the party's link", examples=["agr_…"])
]
PAGE = "/agreements/party/"


def _page(session: Session, party: AgreementParty) -> PartyPage:
    found = agreement_queries.agreement_of_party(session, party)
    decisions = agreement_queries.decisions_of(session, [found.id])[found.id]
    return PartyPage(
        party=party.role,
        legal_name=party.legal_name,
        agreement=AgreementOut.full(
            found,
            agreement_queries.latest_decisions(found, decisions),
            agreement_queries.waits_for(found, decisions),
        ),
    )


@router.post("/agreements/{agreement_id}/parties/{party_role}/decisions", status_code=201)
def decide(
    session: WriteSession,
    viewer: ViewerDep,
    agreement_id: AgreementId,
    party_role: PartyRole,
    given: PartyDecisionIn,
) -> PartyPage:
    """Decide on the text of an agreement as the representative of a party."""
    agreement_queries.agreement(session, viewer, agreement_id)
    party = queries.party(session, agreement_id, party_role)
    queries.require_representative(viewer, party)
    actions.decide(session, party, given, by=viewer.name, at=clock.now())
    return _page(session, party)


@router.post("/agreements/{agreement_id}/parties/{party_role}/links", status_code=201)
def create_party_link(
    session: WriteSession,
    viewer: ViewerDep,
    address: PublicAddress,
    agreement_id: AgreementId,
    party_role: PartyRole,
    given: LinkIn,
    response: Response,
) -> LinkOut:
    """Create a secret link by which a party, or its delegate with a mandate, reads and decides.

    For the estate's manager, who sends it to the party, and for the party's representative.
    """
    party = _managed_party(session, viewer, agreement_id, party_role)
    made, key = actions.create_link(session, party, given, by=viewer.name, at=clock.now())
    response.headers["Cache-Control"] = "no-store"
    return LinkOut(id=made.id, party=party.role, address=f"{address}{PAGE}{key}", expires_at=made.expires_at)


@router.put("/agreements/{agreement_id}/parties/{party_role}/representative", status_code=204)
def change_representative(
    session: WriteSession,
    viewer: ViewerDep,
    agreement_id: AgreementId,
    party_role: PartyRole,
    given: RepresentativeChange,
) -> None:
    """Let another person decide for a party: its links stop working, its decisions stay."""
    party = _managed_party(session, viewer, agreement_id, party_role)
    actions.change_representative(session, party, given, by=viewer.name, at=clock.now())


def _managed_party(session: Session, viewer: Viewer, agreement_id: int, role: PartyRole) -> AgreementParty:
    found = agreement_queries.agreement(session, viewer, agreement_id)
    party = queries.party(session, agreement_id, role)
    if viewer.person_id is None or viewer.person_id != party.representative_id:
        require_estate_manager(viewer, found.estate_id, region_id=found.region_id)
    return party


# --- By link --------------------------------------------------------------------------------------------


@router.get("/agreements/by-link/{party_key}")
def read_by_link(session: ReadSession, party_key: Key, response: Response) -> PartyPage:
    """Read an agreement by a party's secret link."""
    response.headers["Cache-Control"] = "no-store"
    party, _ = queries.party_by_key(session, party_key, at=clock.now())
    return _page(session, party)


@router.post("/agreements/by-link/{party_key}/decisions", status_code=201)
def decide_by_link(session: WriteSession, party_key: Key, given: PartyDecisionIn) -> PartyPage:
    """Decide on the text of an agreement by a party's secret link."""
    now = clock.now()
    party, link = queries.party_by_key(session, party_key, at=now, for_update=True)
    actions.decide(session, party, given, by=actions.link_actor(party), mandate=link.mandate, at=now)
    return _page(session, party)


@router.post("/agreements/by-link/{party_key}/withdrawal")
def withdraw_by_link(session: WriteSession, party_key: Key, given: ReasonIn) -> PartyPage:
    """Withdraw an agreement at once by a party's secret link."""
    now = clock.now()
    party, _ = queries.party_by_key(session, party_key, at=now, for_update=True)
    found = agreement_queries.agreement_of_party(session, party, for_update=True)
    agreement_actions.withdraw_agreement(
        session, found, by=actions.link_actor(party), reason=given.reason, at=now
    )
    return _page(session, party)


@router.post("/agreements/by-link/{party_key}/step-down")
def step_down_by_link(session: WriteSession, party_key: Key, given: StepDownIn) -> PartyPage:
    """Lower the sharing step of a device at once, with a party's secret link."""
    now = clock.now()
    party, _ = queries.party_by_key(session, party_key, at=now, for_update=True)
    found = agreement_queries.agreement_of_party(session, party, for_update=True)
    agreement_actions.step_down(
        session,
        found,
        device_id=given.device_id,
        step=given.step,
        by=actions.link_actor(party),
        at=now,
    )
    return _page(session, party)
