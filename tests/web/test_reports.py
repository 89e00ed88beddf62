"""Reporting a problem on a page, and following what comes of it."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.upkeep.faults.actions import MAX_REPORTS_PER_ADDRESS, close_report
from aed.upkeep.models import FaultReport
from aed.upkeep.rules import FaultKind, FaultReportState, short_number
from tests import make
from tests.make import ADMINISTRATOR, NOW


@pytest.fixture
def browser(browser: dict[str, str]) -> dict[str, str]:
    return browser | {"Accept-Language": "en", "Sec-Fetch-Site": "same-origin"}


def count(session: Session) -> int:
    session.expire_all()
    return session.scalar(select(func.count()).select_from(FaultReport)) or 0


def test_a_stranger_reports_a_problem_and_follows_it_by_a_secret_address(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    device = make.device(session)
    session.commit()
    address = f"/d/{short_number(device.id)}/report"
    assert "It is not there" in client.get(address, headers=browser).text

    sent = client.post(
        address, data={"kind": "missing", "note": " gone "}, headers=browser, follow_redirects=False
    )

    assert sent.status_code == 303
    status = sent.headers["location"]
    assert status.startswith(f"{address}/missing-")
    report = session.scalars(select(FaultReport)).one()
    assert (report.kind, report.note, report.by_name) == (FaultKind.MISSING, "gone", None)
    assert "not answered yet" in client.get(status, headers=browser).text
    close_report(session, ADMINISTRATOR, report.id, state=FaultReportState.CONFIRMED, at=NOW)
    session.commit()
    assert "has confirmed it" in client.get(status, headers=browser).text
    assert client.get(status[:-1] + "x", headers=browser).status_code == 404
    assert client.get(f"{address}/x", headers=browser).status_code == 404


def test_a_hidden_device_and_an_unknown_number_look_alike(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    hidden = make.device(session, of=make.estate(session), audience="estate")
    session.commit()
    pages = []
    for device_id in (hidden.id, hidden.id + 90_000):
        code = short_number(device_id)
        form = client.get(f"/d/{code}/report", headers=browser)
        sent = client.post(
            f"/d/{code}/report", data={"kind": "beeping"}, headers=browser, follow_redirects=False
        )
        assert (form.status_code, sent.status_code) == (200, 303)
        if device_id == hidden.id:
            report = session.scalars(select(FaultReport)).one()
            close_report(session, ADMINISTRATOR, report.id, state=FaultReportState.DISMISSED, at=NOW)
            session.commit()
        after = client.get(sent.headers["location"], headers=browser).text
        pages.append((form.text + after).replace(sent.headers["location"], "").replace(code, ""))
    assert pages[0] == pages[1]
    assert "has been passed on" in pages[0]
    assert count(session) == 1


def test_what_was_typed_is_kept_when_something_is_wrong(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    device = make.device(session)
    session.commit()
    address = f"/d/{short_number(device.id)}/report"
    for data in (
        {"note": "<script>alert(1)</script>"},
        {"kind": "used", "note": "<script>alert(1)</script>"},
        {"kind": "missing", "note": "<script>alert(1)</script>" * 40},
    ):
        answer = client.post(address, data=data, headers=browser)
        assert answer.status_code == 422
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
        assert "<script>alert" not in answer.text
        assert 'class="field-error"' in answer.text
    assert count(session) == 0
    other_site = browser | {"Sec-Fetch-Site": "cross-site"}
    assert client.post(address, data={"kind": "missing"}, headers=other_site).status_code == 403
    assert client.get("/d/1234-5/report", headers=browser).status_code == 422


def test_too_many_reports_from_one_address_get_a_sentence(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    codes = [short_number(make.device(session).id) for _ in range(MAX_REPORTS_PER_ADDRESS + 1)]
    session.commit()
    answers = [
        client.post(
            f"/d/{code}/report",
            data={"kind": "other", "note": "kept"},
            headers=browser,
            follow_redirects=False,
        )
        for code in codes
    ]
    assert [each.status_code for each in answers] == [303] * MAX_REPORTS_PER_ADDRESS + [429]
    assert "try again in an hour" in answers[-1].text
    assert ">kept</textarea>" in answers[-1].text
    assert count(session) == MAX_REPORTS_PER_ADDRESS
