"""Routes of policies, and the form of a check that follows from them."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, IfMatch, Limit, RowId, cursor_id, set_etag, version_from_if_match
from aed.registry.changes import RegistryChangeOut, changes_of
from aed.registry.devices import queries as device_queries
from aed.registry.estates import queries as estate_queries
from aed.upkeep.actions import policies as actions
from aed.upkeep.queries import policies as queries
from aed.upkeep.queries.quarantines import standing_quarantines
from aed.upkeep.rules.check import asked_of
from aed.upkeep.rules.policy import GLANCE_ASKS, CheckKind
from aed.upkeep.rules.quarantine import Reason
from aed.upkeep.rules.who import may_decide_policy
from aed.upkeep.schemas.policies import FormOut, FormQuestionOut, PolicyAmend, PolicyIn, PolicyOut, PolicyPage

router = APIRouter()


@router.get("/policies")
def list_policies(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> PolicyPage:
    """How often devices are looked at, and what a check asks: makers' and models' policies for everyone, an
    estate's for whoever knows the estate. Withdrawn ones too."""
    found = queries.policies(session, viewer, limit=limit + 1, after_id=cursor_id(cursor))
    return PolicyPage(
        policies=[PolicyOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.get("/policies/{policy_id}")
def get_policy(session: ReadSession, viewer: ViewerDep, policy_id: RowId, response: Response) -> PolicyOut:
    """One policy."""
    policy = queries.policy(session, viewer, policy_id)
    set_etag(response, policy.version)
    return PolicyOut.of(policy)


@router.post("/policies", status_code=201)
def create_policy(session: WriteSession, viewer: ViewerDep, new: PolicyIn, response: Response) -> PolicyOut:
    """Puts a policy into force. An estate's is its manager's to make, any other an administrator's."""
    policy = actions.create_policy(session, viewer, new, at=clock.now())
    response.headers["Location"] = f"/v1/policies/{policy.id}"
    set_etag(response, policy.version)
    return PolicyOut.of(policy)


@router.patch("/policies/{policy_id}")
def amend_policy(
    session: WriteSession,
    viewer: ViewerDep,
    policy_id: RowId,
    change: PolicyAmend,
    response: Response,
    if_match: IfMatch = None,
) -> PolicyOut:
    """Amends what is given; refused (412) when somebody else amended it since it was read."""
    policy = actions.amend_policy(
        session, viewer, policy_id, change, version=version_from_if_match(if_match), at=clock.now()
    )
    set_etag(response, policy.version)
    return PolicyOut.of(policy)


@router.delete("/policies/{policy_id}", status_code=204)
def withdraw_policy(
    session: WriteSession, viewer: ViewerDep, policy_id: RowId, if_match: IfMatch = None
) -> None:
    """The next wider policy holds from now on, or the default."""
    actions.withdraw_policy(
        session, viewer, policy_id, version=version_from_if_match(if_match), at=clock.now()
    )


@router.get("/policies/{policy_id}/history")
def list_policy_history(session: ReadSession, viewer: ViewerDep, policy_id: RowId) -> list[RegistryChangeOut]:
    """Every version of it, newest first: who changed what and when. For those who may amend it."""
    policy = queries.policy(session, viewer, policy_id)
    estate = (
        estate_queries.estate(session, viewer, policy.estate_id) if policy.estate_id is not None else None
    )
    may_decide_policy(viewer, policy.estate_id, estate.region_id if estate is not None else None)
    return [
        RegistryChangeOut.of(each)
        for each in changes_of(session, subject="policies", subject_id=str(policy.id))
    ]


@router.get("/devices/{device_id}/form")
def get_check_form(
    session: ReadSession, viewer: ViewerDep, device_id: RowId, kind: CheckKind = CheckKind.CHECK
) -> FormOut:
    """What a check of this device asks today, by the policy in force; for everyone who may see the device."""
    device = device_queries.device(session, viewer, device_id)
    policy = queries.policy_for(session, device)
    standing = {each.reason for each in standing_quarantines(session, device.id)}
    terms = queries.terms_of(policy)
    asks = GLANCE_ASKS if kind is CheckKind.GLANCE else asked_of(terms.asks, standing)
    return FormOut(
        device_id=device.id,
        kind=kind,
        policy_id=policy.id if policy is not None else None,
        policy_version=policy.version if policy is not None else None,
        asks=[FormQuestionOut.of(question) for question in asks],
        asks_about_recall=Reason.RECALL in standing,
        needs_new_pads=Reason.USED in standing,
    )
