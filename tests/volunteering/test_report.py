"""The report of a region, recomputed from the entries by a script that shares no code with it."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from io import BytesIO
from typing import Any

import openpyxl
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role
from aed.errors import NotAllowed
from aed.volunteering.records import actions as record_actions
from aed.volunteering.records import flags
from aed.volunteering.report.formats import csv_of, lines_of, xlsx_of
from aed.volunteering.report.queries import ServiceReport, service_report
from aed.volunteering.rules import hidden_counts
from tests import make
from tests.make import ADMINISTRATOR, NOW

FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)


def recomputed(session: Session) -> dict[str, Any]:
    """Recompute the figures from the rows: minutes from times, points from the entries of the ledger."""
    minutes: dict[str, int] = {}
    people = set()
    for row in session.execute(text("SELECT source, minutes, state, person_id FROM service_records")):
        if row.state == "confirmed":
            minutes[row.source] = minutes.get(row.source, 0) + row.minutes
            people.add(row.person_id)
    kinds = {row.id: row.kind for row in session.execute(text("SELECT id, kind FROM ledger_accounts"))}
    held = {"person", "family", "group", "care_pool", "region_pool", "suspense"}
    units = 0
    entries = "SELECT from_account_id, to_account_id, amount FROM ledger_entries WHERE currency = 'points'"
    for entry in session.execute(text(entries)):
        units += entry.amount * (
            (kinds[entry.to_account_id] in held) - (kinds[entry.from_account_id] in held)
        )
    return {"minutes": minutes, "people": len(people), "points": Fraction(units, 600)}


def report_of_seven(session: Session) -> ServiceReport:
    """Return the report of a region with seven volunteers, one of whose records is held and one void."""
    estate = make.estate(session)
    managers = [make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate) for _ in range(2)]
    for number in range(7):
        who = make.volunteer(session, estate, birth_year=1950 if number < 6 else 1990)
        record = make.service(session, who, estate, minutes=30 + number)
        record_actions.confirm_record(session, managers[0], record.id, rating=None, at=NOW)
        if number == 0:
            record_actions.void_record(session, managers[1], record.id, reason="No", at=NOW)
        if number == 1:
            objector = make.person_with_role(session, Role.RESIDENT, estate=estate)
            flags.object_to_record(session, objector, record.id, reason="No", at=NOW)
    return service_report(session, ADMINISTRATOR, make.region(session), first=FIRST, last=LAST)


def test_the_report_agrees_with_an_independent_computation(session: Session) -> None:
    report = report_of_seven(session)
    expected = recomputed(session)

    assert {name: count for name, count in report.minutes.items() if count} == expected["minutes"]
    assert report.active_volunteers == expected["people"] == 6
    assert abs(Fraction(report.points_outstanding["total"]) - expected["points"]) < Fraction(1, 100)
    assert expected["points"] > 0


def test_small_counts_are_hidden_with_the_one_from_which_they_would_follow(session: Session) -> None:
    report = report_of_seven(session)

    assert report.ages == {"30_44": None, "70_79": None}
    assert hidden_counts({"a": 3, "b": 9, "c": 20}) == {"a": None, "b": None, "c": 20}
    assert hidden_counts({"a": 3, "b": 2, "c": 20}) == {"a": None, "b": None, "c": 20}
    assert hidden_counts({"a": 0, "b": 9}) == {"a": 0, "b": 9}


def test_csv_and_workbook_say_the_same(session: Session) -> None:
    report = report_of_seven(session)
    lines = [("section", "name", "value"), *lines_of(report)]

    assert csv_of(report).decode("utf-8-sig").splitlines() == [",".join(each) for each in lines]
    sheet = openpyxl.load_workbook(BytesIO(xlsx_of(report))).active
    assert sheet is not None
    assert [tuple(row) for row in sheet.iter_rows(values_only=True)] == lines


def test_only_the_administrator_of_the_region_gets_it(session: Session) -> None:
    estate = make.estate(session)
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    elsewhere = make.person_with_role(session, Role.ADMINISTRATOR, region=make.region(session, "CN-44"))

    for who in (manager, elsewhere):
        with pytest.raises(NotAllowed):
            service_report(session, who, make.region(session), first=FIRST, last=LAST)
