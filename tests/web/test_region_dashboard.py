"""The region's dashboard: who reads it, its figures recounted from the rows, filters, and the report."""

from __future__ import annotations

import io
import re
from collections import Counter
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import Table as SqlTable
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import Role
from aed.accounts.regions.queries import region_by_code
from aed.incidents.models import Drill
from aed.registry.devices.models import Consumable, Device
from aed.settings import Settings
from aed.upkeep.models import Check, Quarantine
from aed.web.region_dashboard.page import summary_of, tables_of
from aed.web.region_dashboard.queries import Figures, figures
from aed.web.region_dashboard.rules import FigureTable, year_until
from tests import make
from tests.make import ADMINISTRATOR, NOW
from tests.training.reading import words_on
from tests.web.conftest import SignIn

ZONE = ZoneInfo("Asia/Shanghai")


def rows_of(session: Session, table: type) -> list[dict[str, object]]:
    """Return every row of a table, without the project's queries."""
    columns: SqlTable = table.__table__  # type: ignore[attr-defined]  # of a mapped class
    kept = [each for each in columns.columns if each.name not in ("position", "origins")]
    return [dict(row._mapping) for row in session.execute(select(*kept))]


@pytest.fixture
def region(session: Session) -> list[Device]:
    """Make two estates with devices: ready, expired, quarantined; checks and drills in two months."""
    here = make.estate(session)
    away = make.east_of(make.PATIENT, metres=900)
    there = make.estate(session, around=away)
    devices = [
        make.device(session, of=here, last_checked_on=NOW.date()),
        make.device(session, of=here, pads_expire_on=(NOW - timedelta(days=3)).date()),
        make.device(session, of=there, at=away, pads_expire_on=(NOW + timedelta(days=9)).date()),
        make.device(session, of=there, at=away, last_checked_on=None),
    ]
    for days in (0, 1, 40):
        make.check(session, devices[0], at=NOW - timedelta(days=days))
    make.check(session, devices[3], at=NOW - timedelta(days=2), answers={"status_light": False})
    for number, seconds in enumerate((150, 200, 290, 301)):
        make.drill(session, devices[number % 2], seconds=seconds, ran_at=NOW - timedelta(days=20 * number))
    session.commit()
    return devices


def read(session: Session, *, estate_id: int | None = None, at: datetime = NOW) -> Figures:
    here = region_by_code(session, "CN-33")
    year = year_until(at.astimezone(ZONE).date(), here.time_zone)
    return figures(session, ADMINISTRATOR, here, year, estate_id=estate_id, at=at, settings=Settings())


def table(found: Figures, key: str) -> FigureTable:
    return next(each for each in tables_of(found, "en") if each.key == key)


@pytest.mark.usefixtures("region")
def test_every_figure_equals_a_count_of_the_rows(session: Session) -> None:
    found = read(session)
    today = NOW.astimezone(ZONE).date()
    devices = {row["id"]: row for row in rows_of(session, Device)}
    ready = Counter[str]()
    for device in devices.values():
        first = {
            row["kind"]: row["expires_on"]
            for row in rows_of(session, Consumable)
            if row["device_id"] == device["id"] and row["state"] == "fitted"
        }
        if device["state"] == "out_of_service":
            ready["Out of service"] += 1
        elif first.get("battery", today) < today:  # type: ignore[operator]  # a date
            ready["Battery expired"] += 1
        elif first.get("pads", today) < today:  # type: ignore[operator]  # a date
            ready["Pads expired"] += 1
        else:
            ready["Ready, checked lately" if device["last_checked_on"] else "Usable, not checked lately"] += 1
    checks, drills = Counter[tuple[str, bool]](), Counter[tuple[str, int]]()
    for row in rows_of(session, Check):
        at = row["answered_at"]
        assert isinstance(at, datetime)
        checks[f"{at.astimezone(ZONE):%Y-%m}", bool(row["is_passed"])] += 1
    for row in rows_of(session, Drill):
        at, seconds = row["ran_at"], row["seconds"]
        assert isinstance(at, datetime)
        assert isinstance(seconds, float)
        drills[f"{at.astimezone(ZONE):%Y-%m}", 0 if seconds <= 180 else 1 if seconds <= 300 else 2] += 1

    assert {row[0]: row[1] for row in table(found, "readiness").rows if row[1]} == ready
    assert sum(ready.values()) == summary_of(found)["devices"] == 4
    returns = [row for row in rows_of(session, Quarantine) if row["lifted_at"] is None]
    assert [row[1:] for row in table(found, "due").rows if row[0] == "return to service"] == [
        (len(returns), 0)
    ]
    for month, passed, failed in table(found, "checks").rows:
        assert (passed, failed) == (checks[str(month), True], checks[str(month), False])
    assert sum(map(sum, found.checks)) == 4
    for month, *counts in table(found, "drills").rows:
        assert counts == [drills[str(month), number] for number in range(3)]
    assert "Median: 4.1 minutes; 3 of 4 drills within 5 minutes." in table(found, "drills").note


def test_the_filter_by_estate_counts_its_devices_alone(session: Session, region: list[Device]) -> None:
    whole, part = read(session), read(session, estate_id=region[2].estate_id)

    assert (summary_of(whole)["devices"], summary_of(part)["devices"]) == (4, 2)
    assert [each.key for each in tables_of(part, "en")].count("estates") == 0
    assert sum(map(sum, part.checks)) == 1
    assert part.drills == []
    before = read(session, at=NOW - timedelta(days=35))
    assert sum(map(sum, before.checks)) == 1


def test_a_region_is_read_by_those_who_run_it_alone(
    browser_of: SignIn, session: Session, region: list[Device]
) -> None:
    make.region(session, "CN-44")
    here, office = make.region(session), "/region"
    administrator = make.person_with_role(session, Role.ADMINISTRATOR, region=here)
    resident = make.person_with_role(session, Role.DISPATCHER, region=here)

    assert browser_of(None).get(office).headers["location"] == "/sign-in?next=/region"
    assert browser_of(None).get("/region/report").headers["location"] == "/sign-in?next=/region"
    assert browser_of(resident.person_id).get(office).status_code == 403
    signed_in = browser_of(administrator.person_id)
    page = signed_in.get(office)
    assert page.status_code == 200
    assert "of 4 AEDs not ready" in page.text
    assert page.text.count("<svg") >= 4
    assert page.text.count("<table>") >= page.text.count("<svg")
    for other in ("CN-44", "XX", "<b>"):
        assert signed_in.get(office, params={"region": other}).status_code == 403
        assert signed_in.get("/region/report", params={"region": other}).status_code == 403
    assert signed_in.get(office, params={"estate": "12345"}).status_code == 404
    assert signed_in.get(office, params={"estate": str(region[0].estate_id)}).status_code == 200
    for bad in ("soon", "2999-01", "2026-13", "<b>"):
        answer = signed_in.get(office, params={"month": bad})
        assert answer.status_code == 422
        assert "Write the month like" in answer.text
    assert 'value="&lt;b&gt;"' in answer.text


def test_the_monthly_report_says_what_the_page_says(
    browser_of: SignIn, session: Session, region: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    person = make.person_with_role(session, Role.ESTATE_MANAGER, region=make.region(session))
    signed_in = browser_of(person.person_id)

    book = signed_in.get("/region/report", params={"format": "xlsx"})
    sheets = CalamineWorkbook.from_filelike(io.BytesIO(book.content))
    page = signed_in.get("/region").text
    for each in tables_of(read(session), "en"):
        rows = sheets.get_sheet_by_name(each.key).to_python()
        assert rows[2] == list(each.columns)
        assert [row[1] for row in rows[3:]] == ["" if row[1] is None else row[1] for row in each.rows]
        assert re.search(rf'<h2 id="{each.key}">', page)
    paper = signed_in.get("/region/report")
    assert paper.headers["content-type"] == "application/pdf"
    assert paper.headers["content-disposition"].endswith(f'-{NOW.astimezone(ZONE):%Y-%m}.pdf"')
    text = "".join("".join(words_on(paper.content)).split())
    month = NOW.astimezone(ZONE)
    for words in (f"{month.year}年{month.month}月", "AED现状", "电池已过期", "演练"):
        assert words in text
    assert signed_in.get("/region/report", params={"month": "2999-01"}).status_code == 422


def test_each_moment_of_the_year_belongs_to_one_local_month() -> None:
    year = year_until(NOW.astimezone(ZONE).date(), str(ZONE))

    assert [(each.month, each.day) for each in sorted(year.months, key=lambda each: each.month)] == [
        (month, 1) for month in range(1, 13)
    ]
    for number, (first, begins, ends) in enumerate(
        zip(year.months, year.bounds, year.bounds[1:], strict=False)
    ):
        assert (begins.astimezone(ZONE).date(), begins.astimezone(ZONE).hour) == (first, 0)
        assert year.month_of(begins) == year.month_of(ends - timedelta(microseconds=1)) == number
