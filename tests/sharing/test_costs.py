"""Costs of uses: who pays for the use of a shared device, how much, and what happens until it is paid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditEntry, AuditSubject
from aed.accounts.permissions import Role, TokenRole
from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.sharing.agreements import actions, queries
from aed.sharing.agreements.schemas import Terms
from aed.sharing.costs.actions import open_cost_cases
from aed.sharing.costs.jobs import remind_of_costs
from aed.sharing.models import Agreement, CostCase
from aed.sharing.rules import CostCaseState, Payer, amount_due, due_cost_reminder
from aed.upkeep.faults import actions as fault_actions
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.retrievals.actions import close_retrieval
from aed.upkeep.rules import FaultKind, RetrievalOutcome
from tests import make
from tests.accounts.everyone import signed_in
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


def shared(session: Session, estate: Estate, **terms: Any) -> tuple[Device, Agreement]:
    device = make.device(session, of=estate, audience="estate", at=north_of(PATIENT, metres=50))
    return device, make.agreement(session, estate, device, terms={"cost_per_use": 600} | terms)


def use(session: Session, device: Device, *, at: datetime = NOW) -> None:
    """Report that the device was used."""
    fault_actions.report_device(
        session, ADMINISTRATOR, device.id, ReportIn(kind=FaultKind.USED), from_key=None, at=at
    )


def check(session: Session, device: Device, *, at: datetime) -> None:
    """Put a used device back into service, with new pads."""
    make.check(session, device, at=at, replaced=[{"kind": "pads", "expires_on": "2030-01-01"}])


def cases(session: Session) -> list[CostCase]:
    return list(session.scalars(select(CostCase).order_by(CostCase.id)))


def test_a_use_of_a_shared_device_opens_one_case(session: Session, estate: Estate) -> None:
    device, agreement = shared(session, estate, use_payer="owners_committee")
    use(session, device)

    assert open_cost_cases(session, at=NOW) == 1
    assert open_cost_cases(session, at=NOW) == 0
    (case,) = cases(session)
    assert (case.agreement_id, case.device_id, case.used_at) == (agreement.id, device.id, NOW)
    assert (case.payer, case.amount_minor, case.state) == (Payer.OWNERS_COMMITTEE, 60_000, CostCaseState.OPEN)
    entries = session.scalars(select(AuditEntry).where(AuditEntry.subject == AuditSubject.AGREEMENT))
    assert [each.action for each in entries].count("cost_opened") == 1


def test_the_time_of_use_is_when_the_retrieval_was_sent(session: Session, estate: Estate) -> None:
    device, agreement = shared(session, estate)
    retrieval = make.retrieval(session, device)
    later = NOW + timedelta(days=1)
    close_retrieval(session, ADMINISTRATOR, retrieval.id, RetrievalOutcome.USED, None, at=later)
    found = queries.agreement(session, ADMINISTRATOR, agreement.id)
    actions.withdraw_agreement(
        session, found, by="link:1", reason="Vandalism", at=retrieval.sent_at + timedelta(hours=1)
    )

    assert open_cost_cases(session, at=later) == 1
    assert cases(session)[0].used_at == retrieval.sent_at


def test_without_an_agreement_in_force_a_use_opens_no_case(session: Session, estate: Estate) -> None:
    unshared = make.device(session, of=estate, audience="public", at=north_of(PATIENT, metres=90))
    use(session, unshared)
    device, agreement = shared(session, estate)
    found = queries.agreement(session, ADMINISTRATOR, agreement.id)
    actions.withdraw_agreement(session, found, by="link:1", reason="Vandalism", at=NOW)
    use(session, device, at=NOW + timedelta(hours=1))

    assert open_cost_cases(session, at=NOW + timedelta(hours=2)) == 0


def test_the_agreement_binds_while_it_is_suspended(session: Session, estate: Estate) -> None:
    device, agreement = shared(session, estate)
    found = queries.agreement(session, ADMINISTRATOR, agreement.id)
    actions.suspend_agreement(session, found, by="link:1", reason="Building site", at=NOW)
    use(session, device, at=NOW + timedelta(hours=1))

    assert open_cost_cases(session, at=NOW + timedelta(hours=1)) == 1


def test_the_uses_of_a_year_cost_no_more_than_the_cap(session: Session, estate: Estate) -> None:
    device, _ = shared(session, estate, cost_cap=1_000)
    for number in range(3):
        at = NOW + timedelta(days=2 * number)
        use(session, device, at=at)
        open_cost_cases(session, at=at)
        check(session, device, at=at + timedelta(days=1))
    next_year = datetime(2026, 12, 31, 16, 30, tzinfo=UTC)  # 0:30 on the first of January in China
    use(session, device, at=next_year)
    open_cost_cases(session, at=next_year)

    found = cases(session)
    assert [each.amount_minor for each in found] == [60_000, 40_000, 0, 60_000]
    assert [each.state for each in found] == ["open", "open", "waived", "open"]
    assert "cap" in (found[2].waiver_reason or "")


def test_an_agreement_without_a_cost_leaves_it_to_the_bill() -> None:
    assert amount_due(None, cap=1_000, claimed_minor=0) is None
    assert amount_due(600, cap=None, claimed_minor=10**9) == 60_000
    assert amount_due(0, cap=None, claimed_minor=0) == 0


@pytest.mark.parametrize("payer", ["rescuer", "patient", "family", "responder"])
def test_neither_the_rescuer_nor_the_family_can_pay(session: Session, estate: Estate, payer: str) -> None:
    with pytest.raises(ValidationError):
        Terms.model_validate({"use_payer": payer})
    case = make.cost_case(session, estate)
    with pytest.raises(IntegrityError):
        session.execute(
            text("UPDATE cost_cases SET payer = :payer WHERE id = :id"), {"payer": payer, "id": case.id}
        )


def test_the_payers_representative_and_the_managers_are_reminded_until_it_is_paid(
    session: Session, estate: Estate
) -> None:
    manager = make.person(session)
    make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    device, agreement = shared(session, estate, use_payer="owners_committee")
    representative = make.person(session)
    found = queries.agreement(session, ADMINISTRATOR, agreement.id)
    found.parties[1].representative_id = representative.id
    use(session, device)
    open_cost_cases(session, at=NOW)

    sent = {}
    for days in range(100):
        at = NOW + timedelta(days=days)
        if count := remind_of_costs(session, at=at):
            sent[days] = count
            assert remind_of_costs(session, at=at) == 0
    assert sent == {0: 2, 14: 2, 30: 2, 60: 2, 90: 2}
    message = session.scalars(
        select(OutboxMessage).where(
            OutboxMessage.person_id == representative.id, OutboxMessage.text_zh.contains("使用费用")
        )
    ).first()
    assert message is not None
    assert "业主委员会承担：600.00元" in (message.text_zh or "")
    session.execute(
        update(CostCase).values(state=CostCaseState.PAID, settled_at=NOW, settled_by="test", paid_minor=1)
    )
    session.expire_all()
    assert remind_of_costs(session, at=NOW + timedelta(days=120)) == 0


def test_a_missed_reminder_is_not_sent_late() -> None:
    assert due_cost_reminder(40, reminded=None) == 30
    assert due_cost_reminder(40, reminded=30) is None
    assert due_cost_reminder(151, reminded=90) == 150


# --- Over HTTP ------------------------------------------------------------------------------------------


def test_a_case_is_paid_once_and_waived_by_the_region(
    session: Session, client: TestClient, estate: Estate
) -> None:
    first = make.cost_case(session, estate)
    manager = make.person(session)
    make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    as_manager = signed_in(session, manager)
    as_region = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()

    listed = client.get("/v1/cost-cases", params={"state": "open"}, headers=as_manager).json()
    assert [each["id"] for each in listed["cost_cases"]] == [first.id]
    assert client.get("/v1/cost-cases").json()["cost_cases"] == []
    path = f"/v1/cost-cases/{first.id}"
    assert client.get(path).status_code == 404
    assert client.post(f"{path}/waiver", json={"reason": "Ours"}, headers=as_manager).status_code == 403
    assert client.post(f"{path}/waiver", json={"reason": ""}, headers=as_region).status_code == 422
    paid = client.post(f"{path}/payment", json={"reference": "T 1"}, headers=as_manager)
    assert paid.status_code == 200, paid.text
    assert (paid.json()["state"], paid.json()["paid_minor"]) == ("paid", 60_000)
    again = client.post(f"{path}/waiver", json={"reason": "Paid by the city"}, headers=as_region)
    assert again.status_code == 409


def test_a_case_without_an_amount_is_paid_by_its_bill(
    session: Session, client: TestClient, estate: Estate
) -> None:
    case = make.cost_case(session, estate, cost_per_use=None)
    headers = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()

    path = f"/v1/cost-cases/{case.id}/payment"
    assert client.post(path, json={}, headers=headers).status_code == 422
    assert client.post(path, json={"paid_minor": 48_050}, headers=headers).json()["paid_minor"] == 48_050
