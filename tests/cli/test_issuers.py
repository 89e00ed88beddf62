"""aed issuers, aed people duplicates: from a chapter's roster to the people alerted."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Account, Identity, Person
from aed.responders.models import Certificate
from aed.responders.rules import CertificateTrust
from tests import make
from tests.cli.conftest import Aed
from tests.imports.servers import answers, serving

COURSES = [
    {
        "code": "救护员",
        "name_en": "First-aider",
        "name_zh": "救护员",
        "kind": "cpr_aed",
        "validity_months": 36,
    }
]
ROSTER = "姓名,证书编号,课程,有效期至,状态\n王小明,RC-1,救护员,2029/12/31,\n李华,RC-2,救护员,not a day,\n"


def trust_of(session: Session, number: str) -> tuple[CertificateTrust, str]:
    session.rollback()
    found = session.execute(
        select(Certificate.trust, Certificate.valid_until).where(Certificate.number == number)
    ).one()
    session.rollback()
    return found.trust, f"{found.valid_until}"


def test_an_issuer_goes_from_its_first_roster_to_checks_over_http(
    aed: Aed, session: Session, tmp_path: Path
) -> None:
    for name, number in (("王小明", "RC-1"), ("李华", "RC-2")):
        make.responder(
            session, name=name, number_on_card=number, issuer="湖城红会", trust=CertificateTrust.DOCUMENTED
        )
    session.commit()
    (tmp_path / "courses.json").write_text(json.dumps(COURSES), encoding="utf-8")
    roster = tmp_path / "名册.csv"
    roster.write_bytes(ROSTER.encode("gbk"))

    given = ["code=lake", "name_en=Lake City Red Cross", "name_zh=湖城红十字会", "kind=red_cross"]
    added = aed("issuers", "add", *given, "verified_by=roster", f"courses=@{tmp_path / 'courses.json'}")
    assert "is lake: Lake City Red Cross 湖城红十字会." in added.out
    (tmp_path / "names.json").write_text('["湖城红会"]', encoding="utf-8")
    aed("issuers", "amend", "lake", f"also_called=@{tmp_path / 'names.json'}")
    assert "救护员" in aed("issuers", "show", "lake").out
    assert "lake" in aed("issuers", "list").out
    assert "also_called" in aed("issuers", "history", "lake").out

    tried = aed("issuers", "import-roster", "lake", str(roster), "--dry-run").out
    assert "Nothing was written" in tried
    assert trust_of(session, "RC-1") == (CertificateTrust.DOCUMENTED, "2028-01-01")
    read = aed("issuers", "import-roster", "lake", str(roster))
    assert "1 corrected" in read.out
    assert "1 set aside" in read.out
    assert "'not a day' is not a date" in read.out + read.err
    assert trust_of(session, "RC-1") == (CertificateTrust.VERIFIED, "2029-12-31")
    assert "corrected" in aed("issuers", "checks", "lake").out

    says = {"found": True, "number": "RC-2", "name": "李华", "kind": "cpr_aed", "valid_until": "2028-01-01"}
    with serving(answers(json.dumps(says))) as source:
        aed("issuers", "amend", "lake", "verified_by=query", f"query_url={source.url('/verify')}")
        refused = aed("issuers", "verify").out
        assert refused.startswith("lake: 0 answered, 1 unanswered.")
        assert "this machine itself" in aed("issuers", "checks", "lake", "--state", "waiting").out
    assert trust_of(session, "RC-2") == (CertificateTrust.DOCUMENTED, "2028-01-01")
    aed("issuers", "withdraw", "lake")
    assert aed("issuers", "verify").out == "Nothing is due.\n"


def test_duplicate_people_are_merged_and_a_linked_identity_is_removed(aed: Aed, session: Session) -> None:
    for name, phone in (
        ("王小明", "+86 138 0013 8000"),
        ("王小明 Wang Xiaoming", "13800138000"),
        ("李华", "+86 138 0013 8001"),
        ("李华 Li Hua", "13800138001"),
    ):
        make.responder(session, name=name, phone=phone)
    session.commit()

    found = aed("people", "duplicates", "list").out
    assert "王小明" in found
    assert "李华" in found
    assert aed("people", "duplicates", "merge", "1").out.startswith("Both entries ")
    assert aed("people", "duplicates", "reject", "2").out == "The two are recorded as different people.\n"
    assert aed("people", "duplicates", "list").out == "No possible duplicates.\n"
    assert "same" in aed("people", "duplicates", "list", "--no-search", "--decided").out
    assert len(session.scalars(select(Person).where(Person.joined_into_id.is_not(None))).all()) == 1
    session.rollback()

    added = aed("people", "add", "王芳", "138 0013 8002", "--email", "Fang@estate.example").out
    person_id = int(added.split()[1])
    session.add(
        Identity(
            provider="https://id.example",
            subject="7",
            person_id=person_id,
            linked_at=clock.now(),
            linked_by="email",
        )
    )
    session.commit()
    shown = aed("people", "show", str(person_id)).out
    assert "fang@estate.example" in shown
    assert "https://id.example" in shown
    assert aed("people", "unlink-identity", str(person_id)).out == "Linked identities removed: 1.\n"
    assert "https://id.example" not in aed("people", "show", str(person_id)).out.partition("History")[0]
    aed("people", "amend", str(person_id), "email=null")
    assert session.scalars(select(Account.email).where(Account.person_id == person_id)).one() is None
