"""Several people act on the same agreement at the same time: what may happen only once happens once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.database.session import Database, transaction
from aed.errors import AedError
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.sharing.agreements import actions, queries
from aed.sharing.agreements.schemas import AgreementIn
from aed.sharing.costs.actions import open_cost_cases
from aed.sharing.decisions.actions import decide
from aed.sharing.decisions.queries import party
from aed.sharing.decisions.schemas import PartyDecisionIn
from aed.sharing.models import Agreement, CostCase, PartyDecision
from aed.sharing.rules import AgreementState, DecisionKind, PartyRole
from aed.upkeep.faults import actions as fault_actions
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.rules import FaultKind
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of

type Act = Callable[[Session], object]


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


@pytest.fixture
def device(session: Session, estate: Estate) -> Device:
    return make.device(session, of=estate, audience="estate", at=north_of(PATIENT, metres=50))


def at_once(database: Database, *acts: Act) -> list[str]:
    """Do these at the same time, each in its own transaction; return "done" or the error's class."""
    ready = threading.Barrier(len(acts))

    def do(act: Act) -> str:
        ready.wait()
        try:
            with transaction(database) as own:
                act(own)
        except AedError as error:
            return type(error).__name__
        return "done"

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(do, acts))


def consenting(agreement_id: int, text_hash: str, role: PartyRole) -> Act:
    given = PartyDecisionIn(kind=DecisionKind.CONSENT, text_hash=text_hash)
    return lambda own: decide(own, party(own, agreement_id, role), given, by=f"link:{role}", at=NOW)


def confirming(agreement_id: int, text_hash: str) -> Act:
    return lambda own: actions.confirm_agreement(
        own, ADMINISTRATOR, agreement_id, text_hash=text_hash, at=NOW
    )


def withdrawing(agreement_id: int) -> Act:
    def withdraw(own: Session) -> None:
        found = queries.agreement(own, ADMINISTRATOR, agreement_id, for_update=True)
        actions.withdraw_agreement(own, found, by="link:1", reason="Second thoughts", at=NOW)

    return withdraw


def waiting(session: Session, agreement_id: int) -> Sequence[str]:
    session.expire_all()
    found = queries.agreement(session, ADMINISTRATOR, agreement_id)
    return queries.waits_for(found, queries.decisions_of(session, [found.id])[found.id])


def test_three_parties_decide_at_once(
    session: Session, database: Database, estate: Estate, device: Device
) -> None:
    made = make.draft(session, estate, device)
    agreement_id, text_hash = made.id, made.text_hash
    session.commit()

    acts = [consenting(agreement_id, text_hash, role) for role in PartyRole]
    assert at_once(database, *acts) == ["done"] * 3
    assert waiting(session, agreement_id) == ["region"]


def test_a_party_that_signs_eight_times_at_once_signs_once(
    session: Session, database: Database, estate: Estate, device: Device
) -> None:
    made = make.draft(session, estate, device)
    agreement_id, text_hash = made.id, made.text_hash
    session.commit()

    acts = [consenting(agreement_id, text_hash, PartyRole.OWNERS_COMMITTEE)] * 8
    assert Counter(at_once(database, *acts)) == {"done": 1, "Conflict": 7}
    session.expire_all()
    assert session.scalar(select(func.count()).select_from(PartyDecision)) == 1


def test_a_consent_never_counts_for_a_text_that_is_changed_at_the_same_time(
    session: Session, database: Database, estate: Estate, device: Device
) -> None:
    made = make.draft(session, estate, device)
    agreement_id, text_hash, version = made.id, made.text_hash, made.version
    text = AgreementIn.model_validate(make.agreement_text(device, ends_on="2026-12-31"))
    session.commit()

    def amend(own: Session) -> None:
        actions.amend_agreement(own, ADMINISTRATOR, agreement_id, text, version=version, at=NOW)

    _, amended = at_once(database, consenting(agreement_id, text_hash, PartyRole.SERVICE_CENTRE), amend)
    assert amended == "done"
    assert waiting(session, agreement_id) == [str(role) for role in PartyRole]


def test_of_two_agreements_about_a_device_confirmed_at_once_one_is_refused(
    session: Session, database: Database, estate: Estate, device: Device
) -> None:
    both = [make.draft(session, estate, device) for _ in range(2)]
    for made in both:
        make.consent(session, made)
    acts = [confirming(made.id, made.text_hash) for made in both]
    session.commit()

    assert sorted(at_once(database, *acts)) == ["Conflict", "done"]
    session.expire_all()
    states = session.scalars(select(Agreement.state).where(Agreement.id.in_([each.id for each in both])))
    assert sorted(states) == [AgreementState.CONFIRMED, AgreementState.PROPOSED]


def test_a_withdrawal_wins_over_a_confirmation_at_the_same_time(
    session: Session, database: Database, estate: Estate, device: Device
) -> None:
    made = make.draft(session, estate, device)
    make.consent(session, made)
    agreement_id, text_hash, device_id = made.id, made.text_hash, device.id
    session.commit()

    answers = at_once(database, confirming(agreement_id, text_hash), withdrawing(agreement_id))
    assert answers[1] == "done"
    session.expire_all()
    assert session.get_one(Agreement, agreement_id).state is AgreementState.WITHDRAWN
    assert session.get_one(Device, device_id).audience == "estate"


def test_a_use_found_by_two_jobs_at_once_has_one_case(
    session: Session, database: Database, estate: Estate, device: Device
) -> None:
    make.agreement(session, estate, device, terms={"cost_per_use": 600})
    used = ReportIn(kind=FaultKind.USED)
    fault_actions.report_device(session, ADMINISTRATOR, device.id, used, from_key=None, at=NOW)
    session.commit()

    acts: list[Act] = [lambda own: open_cost_cases(own, at=NOW)] * 4
    assert at_once(database, *acts) == ["done"] * 4
    session.expire_all()
    assert session.scalar(select(func.count()).select_from(CostCase)) == 1
