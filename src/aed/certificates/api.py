"""Routes of what issuers say, and of people who may be one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.certificates.actions import pairs as actions
from aed.certificates.queries import checks as check_queries
from aed.certificates.queries import pairs as pair_queries
from aed.certificates.queries import rosters as roster_queries
from aed.certificates.rules.checking import CheckState
from aed.certificates.schemas import (
    CertificateCheckOut,
    ChecksPage,
    IssuerEntriesPage,
    IssuerEntryOut,
    PairDecisionIn,
    PersonPairOut,
    PersonPairsPage,
)
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, cursor_id
from aed.issuers import queries as issuers
from aed.training.rules.who import may_write

router = APIRouter(tags=["verification"])

IssuerId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
PairId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/issuers/{issuer_id}/entries")
def list_issuer_entries(
    session: ReadSession, viewer: ViewerDep, issuer_id: IssuerId, limit: Limit = 100, cursor: Cursor = None
) -> IssuerEntriesPage:
    """What the issuer's rosters say, a page at a time. For those who look after it."""
    issuer = issuers.issuer(session, issuer_id)
    issuers.require_can_look_after(viewer, issuer.region_id)
    found = roster_queries.entries_page(session, issuer.id, limit=limit + 1, after_id=cursor_id(cursor))
    page = IssuerEntriesPage(entries=[IssuerEntryOut.of(each) for each in found[:limit]])
    if len(found) > limit:
        page.next = str(page.entries[-1].id)
    return page


@router.get("/certificate-checks")
def list_certificate_checks(
    session: ReadSession,
    viewer: ViewerDep,
    issuer_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    state: Annotated[CheckState | None, Query(description="waiting, disputed, …")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ChecksPage:
    """How the verification of certificates stands, and why, of the people whose training you run; and of your
    own."""
    may_write(viewer)
    found = check_queries.checks(
        session, viewer, limit=limit + 1, after_id=cursor_id(cursor), issuer_id=issuer_id, state=state
    )
    page = ChecksPage(checks=[CertificateCheckOut.of(each) for each in found[:limit]])
    if len(found) > limit:
        page.next = str(page.checks[-1].certificate_id)
    return page


@router.get("/person-pairs")
def list_duplicate_people(
    session: ReadSession,
    viewer: ViewerDep,
    also_decided: Annotated[bool, Query(description="Those that were decided, too")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PersonPairsPage:
    """People who may be one person, and why, of those whose region's training you run."""
    may_write(viewer)
    found = pair_queries.pairs(
        session, viewer, limit=limit + 1, after_id=cursor_id(cursor), also_decided=also_decided
    )
    page = PersonPairsPage(pairs=[PersonPairOut.of(each) for each in found[:limit]])
    if len(found) > limit:
        page.next = str(page.pairs[-1].id)
    return page


@router.get("/person-pairs/{pair_id}")
def get_duplicate_people(session: ReadSession, viewer: ViewerDep, pair_id: PairId) -> PersonPairOut:
    """One pair."""
    may_write(viewer)
    return PersonPairOut.of(pair_queries.pair(session, viewer, pair_id))


@router.post("/person-pairs/{pair_id}/decision")
def decide_duplicate_people(
    session: WriteSession, viewer: ViewerDep, pair_id: PairId, given: PairDecisionIn
) -> PersonPairOut:
    """Says that the two are one person, or two. What is one's is then the other's: certificates, enrolments,
    roles, history. It is remembered, and never done without somebody who says so."""
    may_write(viewer)
    pair = actions.decide_pair(
        session, viewer, pair_id, given.decision, keep_id=given.keep_id, at=clock.now()
    )
    return PersonPairOut.of(pair)
