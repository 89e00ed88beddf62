"""Issuers' rosters confirm, correct and revoke certificates; errors are reported and no row is lost."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Role, TokenRole
from aed.accounts.viewers import viewer_of_person
from aed.certificates.issuer_rosters.sheet_actions import IssuerRosterReport, import_issuer_roster
from aed.certificates.models import CertificateCheck, IssuerEntry
from aed.certificates.rules import CheckState
from aed.certificates.verification.actions import begin_checks
from aed.errors import InvalidInput, NotAllowed, NotSignedIn
from aed.responders.models import Certificate, Responder
from aed.responders.rules import CertificateKind, CertificateTrust, ResponderState
from tests import make
from tests.cases import each_case
from tests.make import ADMINISTRATOR, NOW

HEADER = ("姓名", "证书编号", "身份证号", "手机号", "培训课程", "有效期至", "状态")
ISSUER_IN_LISTS = "Lake Red Cross as lists write it"


def text_of(rows: Sequence[Sequence[str]], *, title: str = "湖城红十字会持证名册") -> str:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerows([[title], HEADER, *rows])
    return written.getvalue()


def roster(folder: Path, *rows: Sequence[str], encoding: str = "utf-8-sig", name: str = "roster.csv") -> Path:
    path = folder / name
    path.write_bytes(text_of(rows).encode(encoding))
    return path


def row(name: str, number: str, **given: str) -> list[str]:
    cells = {
        "id": "",
        "phone": "",
        "course": "CPR",
        "until": "2028-01-01",
        "state": "有效",
    } | given
    return [name, number, cells["id"], cells["phone"], cells["course"], cells["until"], cells["state"]]


@pytest.fixture
def chapter(session: Session) -> int:
    """Return the issuer's id."""
    made = make.issuer(session, also_called=[ISSUER_IN_LISTS], region=make.region(session).code).id
    session.commit()
    return made


def holds(session: Session, name: str, number: str, **given: Any) -> int:
    """Return the id of an unverified certificate of the chapter for a person of a list."""
    responder_id = make.responder(
        session,
        name=name,
        number_on_card=number,
        **({"trust": CertificateTrust.DOCUMENTED, "issuer": ISSUER_IN_LISTS} | given),
    )
    return session.scalars(select(Certificate.id).where(Certificate.responder_id == responder_id)).one()


def read(session: Session, chapter: int, path: Path, *, days: int = 0) -> IssuerRosterReport:
    report = import_issuer_roster(session, ADMINISTRATOR, chapter, path, at=NOW + timedelta(days=days))
    session.commit()
    session.expire_all()
    return report


def counts(report: IssuerRosterReport) -> Mapping[CheckState, int]:
    return dict(report.effects.counts)


def test_only_those_who_manage_the_issuer_import_its_roster(
    session: Session, chapter: int, tmp_path: Path
) -> None:
    path = roster(tmp_path, row("王小明", "RC-1"))
    elsewhere, there = make.person(session), make.person(session)
    make.role(session, elsewhere, Role.TRAINING_OFFICER, region=make.region(session, "CN-44"))
    make.role(session, there, Role.TRAINING_OFFICER, region=make.region(session))

    with pytest.raises(NotSignedIn):
        import_issuer_roster(session, ANYONE, chapter, path, at=NOW)
    with pytest.raises(NotAllowed):
        import_issuer_roster(session, viewer_of_person(session, elsewhere.id), chapter, path, at=NOW)
    who = viewer_of_person(session, there.id)
    assert import_issuer_roster(session, who, chapter, path, at=NOW).new == 1


def test_a_row_of_a_learner_without_a_certificate_adds_it(
    session: Session, chapter: int, tmp_path: Path
) -> None:
    training = make.training(session)
    learner = make.enrolment(session, training, "韩梅梅", phone="+86 138 0013 8001")
    make.enrolment(session, training, "李雷", phone="+86 138 0013 8002")
    session.commit()
    path = roster(
        tmp_path,
        row("韩梅梅", "RC-1", phone="13800138001"),
        row("李雷", "RC-2", phone="13800138003"),
        row("王芳", "RC-3", phone="13800138002"),
    )

    report = read(session, chapter, path)
    again = read(session, chapter, path, days=1)

    assert (report.effects.added, report.effects.not_held) == (1, 2)
    assert counts(report) == {CheckState.CONFIRMED: 1}
    assert (again.effects.added, again.effects.not_held) == (0, 2)
    (card,) = session.scalars(select(Certificate)).all()
    assert (card.number, card.trust) == ("RC-1", CertificateTrust.VERIFIED)
    holder = session.get_one(Responder, card.responder_id)
    assert holder.person_id == learner.person_id
    assert holder.state is not ResponderState.ACTIVE, "nobody is called who did not offer to help"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp936", "gb18030"])
def test_a_roster_confirms_corrects_revokes_and_disputes(
    session: Session, chapter: int, tmp_path: Path, encoding: str
) -> None:
    right = holds(session, "王小明 Wang Xiaoming", "RC-1")
    wrong = holds(session, "李华", "RC-2", valid_until=date(2027, 1, 1))
    revoked = holds(session, "赵敏", "RC-3")
    of_another = holds(session, "钱多", "RC-4")
    path = roster(
        tmp_path,
        row("王小明", "RC-1", id="330106********1234"),
        row("李华", "RC-2", course="救护员", until="2028年5月31日"),
        row("赵敏", "RC-3", state="已撤销"),
        row("孙悟", "RC-4"),
        row("周易", "RC-5"),
        encoding=encoding,
    )

    report = read(session, chapter, path)

    assert counts(report) == {
        CheckState.CONFIRMED: 1,
        CheckState.CORRECTED: 1,
        CheckState.REVOKED: 1,
        CheckState.DISPUTED: 1,
    }
    assert (report.new, report.effects.not_held, report.bad) == (5, 1, [])
    cards = {id_: session.get_one(Certificate, id_) for id_ in (right, wrong, revoked, of_another)}
    assert (cards[right].trust, cards[right].holder_id) == (CertificateTrust.VERIFIED, "330106********1234")
    assert (cards[wrong].trust, cards[wrong].kind) == (CertificateTrust.VERIFIED, CertificateKind.FIRST_AID)
    assert cards[wrong].valid_until == date(2028, 5, 31)
    assert cards[revoked].revoked_at == NOW
    assert cards[of_another].trust is CertificateTrust.SELF_DECLARED, (
        "no value of a disputed certificate is applied"
    )
    (corrected,) = (each for each in report.effects.unconfirmed if each.state is CheckState.CORRECTED)
    assert corrected.changes["valid_until"] == ["2027-01-01", "2028-05-31"]
    history = {each.subject_id: each.fields for each in make.changes(session, "certificates")}
    assert history[str(wrong)]["valid_until"] == ["2027-01-01", "2028-05-31"]
    assert history[str(wrong)]["trust"] == ["documented", "verified"]
    assert "a person with another name" in session.get_one(CertificateCheck, of_another).said


def test_the_same_roster_twice_changes_nothing_and_a_changed_one_keeps_the_previous_values(
    session: Session, chapter: int, tmp_path: Path
) -> None:
    held = holds(session, "王小明", "RC-1")
    path = roster(tmp_path, row("王小明", "RC-1"), row("李华", "RC-2"))
    read(session, chapter, path)
    changes = len(make.changes(session, "certificates"))

    again = read(session, chapter, path, days=1)

    assert (again.new, again.changed, again.unchanged) == (0, 0, 2)
    assert len(make.changes(session, "certificates")) == changes
    later = roster(tmp_path, row("王小明", "RC-1", until="2030-01-01"), name="later.csv")
    report = read(session, chapter, later, days=2)
    assert (report.changed, counts(report)) == (1, {CheckState.CORRECTED: 1})
    entry = session.scalars(select(IssuerEntry).where(IssuerEntry.number == "RC-1")).one()
    assert entry.before is not None
    assert entry.before[0]["valid_until"] == ["2028-01-01", "2030-01-01"]
    assert session.get_one(Certificate, held).valid_until == date(2030, 1, 1)
    assert session.scalar(select(func.count()).select_from(IssuerEntry)) == 2, "nothing is lost"


def test_a_revocation_taken_back_by_the_issuer_makes_the_certificate_valid_again(
    session: Session, chapter: int, tmp_path: Path
) -> None:
    held = holds(session, "王小明", "RC-1")
    read(session, chapter, roster(tmp_path, row("王小明", "RC-1", state="作废")))
    read(session, chapter, roster(tmp_path, row("王小明", "RC-1", state="有效")), days=1)

    card = session.get_one(Certificate, held)
    assert (card.revoked_at, card.trust) == (None, CertificateTrust.VERIFIED)


def test_a_verified_certificate_missing_from_a_roster_is_kept_and_counted(
    session: Session, chapter: int, tmp_path: Path
) -> None:
    held = holds(session, "王小明", "RC-1")
    read(session, chapter, roster(tmp_path, row("王小明", "RC-1")))

    report = read(session, chapter, roster(tmp_path, row("李华", "RC-2")), days=1)

    assert report.missing == 1
    assert session.get_one(Certificate, held).trust is CertificateTrust.VERIFIED


def test_a_certificate_added_after_the_roster_is_checked_against_it(
    session: Session, chapter: int, tmp_path: Path
) -> None:
    read(session, chapter, roster(tmp_path, row("王小明", "RC-1"), row("李华", "RC-2")))
    right, nobodys = holds(session, "王小明", "RC-1"), holds(session, "王小明", "RC-77")
    session.commit()

    assert begin_checks(session, NOW) == 2

    session.expire_all()
    assert session.get_one(Certificate, right).trust is CertificateTrust.VERIFIED
    waiting = session.get_one(CertificateCheck, nobodys)
    assert (waiting.state, waiting.said) == (
        CheckState.WAITING,
        "It is verified by the next roster of Red Cross lake-rc.",
    )
    assert begin_checks(session, NOW) == 0


WRONG = {
    "an id that fails its check digit": (
        row("王", "1", id="33010619900307123X"),
        "holder_id: the check digit",
    ),
    "an id that is none": (row("王", "1", id="no id"), "holder_id: must be an identity number"),
    "a date that could be two": (
        row("王", "1", until="05/06/2027"),
        "or is ambiguous. Write it as 2027-05-31",
    ),
    "no date": (row("王", "1", until="next year"), "valid_until: 'next year' is not a date"),
    "a day that no month has": (row("王", "1", until="2027-02-30"), "is not a date"),
    "a date out of reach": (row("王", "1", until="1890-01-01"), "must be between"),
    "no date at all": (row("王", "1", until=""), "valid_until: must not be empty"),
    "a merged cell": (row("王", "1", course=""), "course: is empty. If cells are merged, split them"),
    "a course of nobody": (row("王", "1", course="潜水"), "this issuer has no course '潜水'"),
    "a formula": (row("=HYPERLINK(1)", "1"), "name: is a formula"),
    "a state of nobody": (row("王", "1", state="?"), "must be valid"),
    "a number without end": (row("王", "1" * 101), "number: is longer than 100 characters"),
}


@each_case(("bad", "message"), list(WRONG.values()))
def test_a_bad_row_is_set_aside_with_advice_and_the_others_are_imported(
    session: Session, chapter: int, tmp_path: Path, bad: list[str], message: str
) -> None:
    path = roster(tmp_path, row("李华", "RC-2"), bad, row("赵敏", "RC-3"))

    report = import_issuer_roster(session, ADMINISTRATOR, chapter, path, at=NOW)

    assert report.new == 2
    (bad_row,) = report.bad
    assert bad_row.where == "line 4"
    assert message in bad_row.reason
    assert "19900307" not in str(bad_row.fields), "a full identity number is never stored"


@each_case(
    "written",
    ["2027-05-31", "2027/5/31", "20270531", "31.05.2027", "2027年5月31日", "46538", "2027-05-31 00:00:00"],
)
def test_dates_are_read_in_common_notations(
    session: Session, chapter: int, tmp_path: Path, written: str
) -> None:
    path = roster(tmp_path, row("李华", "RC-2", until=written))

    report = import_issuer_roster(session, ADMINISTRATOR, chapter, path, at=NOW)

    assert report.bad == []
    assert session.scalars(select(IssuerEntry.valid_until)).one() == date(2027, 5, 31)


def test_a_repeated_number_counts_once_and_is_reported(
    session: Session, chapter: int, tmp_path: Path
) -> None:
    report = read(session, chapter, roster(tmp_path, row("李华", "RC-2"), row("李华", "RC-2")))

    assert report.new == 1
    assert [each.reason for each in report.bad] == ["RC-2 is a duplicate: it is already in line 3"]


def test_a_missing_expiry_date_is_computed_from_the_course(
    session: Session, chapter: int, tmp_path: Path
) -> None:
    path = tmp_path / "roster.csv"
    path.write_text("name,number,course,issued_on\nLi Wei,RC-1,救护员,2026-09-22\n", encoding="utf-8")

    read(session, chapter, path)

    assert session.scalars(select(IssuerEntry.valid_until)).one() == date(2029, 9, 21)


def test_a_workbook_with_a_title_and_real_dates_is_read(
    session: Session, chapter: int, tmp_path: Path
) -> None:
    held = holds(session, "王小明", "RC-1", valid_until=date(2027, 1, 1))
    path = tmp_path / "roster.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet("名册")
        sheet.merge_range(0, 0, 0, 6, "湖城红十字会持证名册")
        sheet.write_row(2, 0, HEADER)
        sheet.write_row(3, 0, ["王小明", "RC-1", "330106********1234", "13800138000", "CPR"])
        sheet.write_datetime(3, 5, date(2028, 5, 31), book.add_format({"num_format": "yyyy-mm-dd"}))
        sheet.merge_range(4, 4, 5, 4, "CPR")
        sheet.write_row(4, 0, ["李华", "RC-2", "", ""])
        sheet.write_row(5, 0, ["赵敏", "RC-3", "", ""])
        for number in (4, 5):
            sheet.write_string(number, 5, "2028-01-01")

    report = read(session, chapter, path)

    assert counts(report) == {CheckState.CORRECTED: 1}
    assert session.get_one(Certificate, held).valid_until == date(2028, 5, 31)
    assert report.new == 2
    assert [each.reason for each in report.bad] == [
        "course: is empty. If cells are merged, split them and fill in every row"
    ]


@each_case(
    ("content", "message"),
    [
        (b"a,b\n1,2\n", "One of its first 15 rows must name the columns"),
        ("姓名,证书编号,课程\n王,1,CPR\n".encode(), "must have a column valid_until"),
        ("姓名,姓名,证书编号,课程,有效期至\n".encode(), "two columns in row 1 mean name"),
        ("姓名,证书编号,课程,有效期至\n".encode("utf-16"), "UTF-16"),
        (b"", "is empty"),
        ("姓名,证书编号,课程,有效期至\n".encode(), "has no rows below its first line"),
    ],
)
def test_a_file_that_is_not_a_roster_is_refused_in_a_sentence(
    session: Session, chapter: int, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "roster.csv").write_bytes(content)

    with pytest.raises(InvalidInput, match=message):
        import_issuer_roster(session, ADMINISTRATOR, chapter, tmp_path / "roster.csv", at=NOW)


def test_a_roster_is_imported_over_http(session: Session, chapter: int, client: TestClient) -> None:
    holds(session, "王小明", "RC-1", valid_until=date(2027, 1, 1))
    key = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    body = text_of([row("王小明", "RC-1"), row("", "RC-2")]).encode("gbk")
    path = f"/v1/imports/issuer-roster?issuer_id={chapter}"

    assert client.post(path, content=body).status_code == 401
    dry = client.post(f"{path}&dry_run=true", content=body, headers=key)
    assert client.get(f"/v1/issuers/{chapter}/entries", headers=key).json()["entries"] == []
    done = client.post(path, content=body, headers=key)

    assert done.status_code == 200, done.text
    assert {**dry.json(), "is_dry_run": False} == done.json()
    answer = done.json()
    assert (answer["new"], answer["set_aside"], answer["corrected"]) == (1, 1, 1)
    assert answer["notified"][0]["changes"]["valid_until"] == ["2027-01-01", "2028-01-01"]
    entries = client.get(f"/v1/issuers/{chapter}/entries", headers=key).json()["entries"]
    assert [each["number"] for each in entries] == ["RC-1"]
    assert client.get(f"/v1/issuers/{chapter}/entries").status_code == 401
    checks = client.get(f"/v1/certificate-checks?issuer_id={chapter}", headers=key).json()["checks"]
    assert [(each["state"], each["trust"]) for each in checks] == [("corrected", "verified")]
    assert client.get("/v1/certificate-checks").status_code == 401
