"""aed service, aed points."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import Role
from aed.timebank.ledger.posting import find_person_account
from aed.timebank.rules import Currency
from tests import make
from tests.cli.conftest import Aed

CHINA = ZoneInfo("Asia/Shanghai")


def test_records_are_listed_confirmed_by_a_person_reported_and_voided(
    aed: Aed, session: Session, tmp_path: Path
) -> None:
    now = clock.now()
    estate = make.estate(session)
    managers = [make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate) for _ in range(2)]
    first, second = (str(each.person_id) for each in managers)
    volunteer = make.volunteer(session, estate, at=now - timedelta(days=30))
    assert volunteer.person_id is not None
    record = make.service(session, volunteer, estate, ended_at=now - timedelta(hours=1), at=now)
    number, record_id, person_id = record.number, str(record.id), volunteer.person_id
    make.goods(session, estate)
    session.commit()

    assert "pending" in aed("service", "list", "--state", "pending").out
    assert "Only the lead" in aed("service", "confirm", record_id, "--by", str(person_id), fails=True).err
    assert f"{number} is confirmed" in aed("service", "confirm", record_id, "--by", first).out
    assert "1:00" in aed("service", "list", "--person", str(person_id)).out

    today = now.astimezone(CHINA)
    period = ("--from", f"{today - timedelta(days=3):%Y-%m-%d}", "--until", f"{today:%Y-%m-%d}")
    assert "patrol" in aed("service", "report", "CN-33", *period).out
    output = tmp_path / "report.csv"
    aed("service", "report", "CN-33", *period, "-o", str(output))
    assert "minutes,patrol,60" in output.read_text("utf-8-sig")

    assert "1.00" in aed("points", "balance", str(person_id)).out
    account = find_person_account(session, person_id, Currency.POINTS)
    assert account is not None
    account_id = str(account.id)
    session.rollback()
    assert "earn" in aed("points", "statement", account_id).out
    assert "大米" in aed("points", "goods", "CN-33").out
    assert "None waits." in aed("service", "write-batches", str(tmp_path / "out")).out
    voided = aed("service", "void", record_id, "--by", second, "--reason", "Nobody saw it").out
    assert f"{number} is void" in voided
    assert "reverse" in aed("points", "statement", account_id).out
