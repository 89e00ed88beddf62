"""Trials end by themselves, and report what they brought."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pypdfium2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Audience, Role, TokenRole
from aed.errors import Conflict
from aed.incidents.rules import Task
from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.sharing.agreements import queries as agreement_queries
from aed.sharing.costs.actions import open_cost_cases
from aed.sharing.models import Agreement
from aed.sharing.rules import days_in_date
from aed.sharing.shares.actions import refresh_due_devices
from aed.sharing.trials.jobs import send_trial_reports
from aed.sharing.trials.queries import trial_report
from aed.upkeep.faults import actions as fault_actions
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.rules import FaultKind
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of

LAST_DAY = date(2026, 10, 21)
END = datetime(2026, 10, 21, 16, 0, tzinfo=UTC)
"""Midnight after it in China."""


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


def of_estate(session: Session, estate: Estate) -> Device:
    return make.device(session, of=estate, audience="estate", at=north_of(PATIENT, metres=50))


def trial(session: Session, estate: Estate, *devices: Device, **given: Any) -> Agreement:
    made = make.agreement(
        session,
        estate,
        *devices,
        kind="trial",
        ends_on=LAST_DAY.isoformat(),
        terms={"cost_per_use": 600, "check_interval_days": 20},
        **given,
    )
    return agreement_queries.agreement(session, ADMINISTRATOR, made.id)


def test_a_trial_reports_uses_times_checks_and_cost(session: Session, estate: Estate) -> None:
    device, other = of_estate(session, estate), of_estate(session, estate)
    for each in (device, other):
        each.last_checked_on = date(2026, 9, 20)
    made = trial(session, estate, device, other)
    incident = make.incident(session)
    for minutes in (3, 5, 8):
        alert = make.alert(session, incident, make.person(session), key=f"call_{minutes}")
        alert.task, alert.device_id = Task.FETCH, device.id
        alert.asked_at, alert.there_at = NOW, NOW + timedelta(minutes=minutes)
    used_at = NOW + timedelta(days=3)
    fault_actions.report_device(
        session, ADMINISTRATOR, device.id, ReportIn(kind=FaultKind.USED), from_key=None, at=used_at
    )
    open_cost_cases(session, at=used_at)

    found = trial_report(session, made, at=END)
    assert (found.first_day, found.last_day, found.is_over) == (date(2026, 9, 22), LAST_DAY, True)
    assert (found.devices, found.uses, found.cost_open_minor) == (2, 1, 60_000)
    assert (found.fetches, found.median_minutes_there, found.longest_minutes_there) == (3, 5, 8)
    # Checked two days before the start, so overdue from the 11th of October: 19 of 30 days were kept.
    assert found.checks_kept_percent == pytest.approx(63.3)


def test_days_on_which_a_check_is_in_date() -> None:
    days = {"first": date(2026, 9, 1), "last": date(2026, 9, 30)}
    assert days_in_date([], **days, interval_days=31) == 0
    assert days_in_date([date(2026, 8, 31)], **days, interval_days=10) == 10
    assert days_in_date([date(2026, 8, 31), date(2026, 9, 21)], **days, interval_days=10) == 20


def test_the_report_shows_who_gained_by_the_preview(session: Session, estate: Estate) -> None:
    device = of_estate(session, estate)
    preview = make.coverage_preview(session, estate)
    made = trial(
        session,
        estate,
        device,
        preview_id=preview.id,
        preview_hash=preview.inputs_hash,
        share={"step": "public"},
    )

    gains = trial_report(session, made, at=END).gains
    assert [each.band for each in gains] == ["day", "evening", "night", "weekend"]
    assert gains[0].residents == preview.result["bands"][0]["gains"][1]["residents"]


def test_a_trial_ends_by_itself_and_its_report_is_sent_once(session: Session, estate: Estate) -> None:
    manager = make.person(session)
    make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    device = of_estate(session, estate)
    made = trial(session, estate, device, share={"step": "public"})
    made.parties[0].representative_id = make.person(session).id
    session.flush()

    before = END - timedelta(minutes=1)
    assert send_trial_reports(session, at=before, public_url=None) == 0
    refresh_due_devices(session, at=END)
    assert session.get_one(Device, device.id).audience is Audience.DISPATCH
    sent = [
        send_trial_reports(session, at=END + timedelta(days=days), public_url="https://aed.example")
        for days in range(3)
    ]
    assert sent == [2, 0, 0]
    texts = session.scalars(select(OutboxMessage.text_zh).where(OutboxMessage.person_id == manager.id)).all()
    (report,) = [each for each in texts if "共享试行" in (each or "")]
    assert f"https://aed.example/v1/agreements/{made.id}/trial-report.pdf" in (report or "")


def test_only_a_trial_has_a_report(session: Session, estate: Estate) -> None:
    made = make.agreement(session, estate, of_estate(session, estate))
    with pytest.raises(Conflict, match="not a trial"):
        trial_report(session, agreement_queries.agreement(session, ADMINISTRATOR, made.id), at=END)


def test_the_report_over_http_and_on_one_page(session: Session, client: TestClient, estate: Estate) -> None:
    made = trial(session, estate, of_estate(session, estate))
    headers = make.key(session, TokenRole.MEMBER, estate=estate)
    session.commit()

    path = f"/v1/agreements/{made.id}/trial-report"
    assert client.get(path).status_code == 404
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["uses"] == 0
    paper = client.get(f"{path}.pdf", headers=headers)
    assert paper.headers["Content-Type"] == "application/pdf"
    pages = pypdfium2.PdfDocument(paper.content)
    assert len(pages) == 1
    assert "试行" in pages[0].get_textpage().get_text_range()
