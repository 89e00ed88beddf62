"""A training session on the command line, from the course to the certificate."""

from __future__ import annotations

import csv
import json
import re
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from aed import clock
from tests.cli.conftest import Aed

PLACE = ("lat=30.29", "lon=120.1", "place_en=Hall", "place_zh=活动室")


@pytest.fixture
def session_id(aed: Aed) -> str:
    """Add a session for two that begins within the hour; return its id."""
    aed(
        *("regions", "put", "code=CN-33", "name_en=Zhejiang", "name_zh=浙江", "country=CN"),
        *("time_zone=Asia/Shanghai", "emergency_number=120"),
    )
    aed(
        *("courses", "add", "code=CPR", "name_en=Resuscitation", "name_zh=心肺复苏", "hours=4"),
        *("certificate_kind=cpr_aed", "issuer=Office", "validity_months=1", "refresher_months=6"),
    )
    begins = clock.now() + timedelta(minutes=50)
    result = aed(
        *("sessions", "add", "course=CPR", "region=CN-33", "audience=public", "capacity=2", "minimum=2"),
        *(f"starts_at={begins.isoformat()}", f"ends_at={(begins + timedelta(hours=4)).isoformat()}"),
        *("trainer_name=林老师", "trainer_phone=+86 571 5550 2000", *PLACE),
    )
    found = re.search(r"Session (\d+) is planned", result.out)
    assert found
    return found[1]


def test_a_training_goes_from_the_course_to_the_certificate(
    aed: Aed, session_id: str, tmp_path: Path
) -> None:
    assert "CPR" in aed("courses", "list").out
    assert "0/2*" in aed("sessions", "list").out
    for name in ("王小明", "李华", "张三"):
        output = aed("enrol", session_id, f"name={name}", "phone=+86 571 5550 3000").out
    assert "张三 is waiting, place 1 on the waiting list" in output
    assert (
        "already on the roster"
        in aed("enrol", session_id, "name=李华", "phone=+86 571 5550 3000", fails=True).err
    )
    aed("enrolments", "withdraw", 1)
    assert "offered" in aed("sessions", "roster", session_id).out
    assert "0 offers expired" in aed("enrolments", "expire").out
    aed("enrolments", "accept", 3)

    sheet = tmp_path / "roster.csv"
    assert "2 people" in aed("sessions", "roster", session_id, "-o", sheet).out
    with sheet.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    rows[0] |= {"attendance": "attended", "result": "passed"}
    rows[1] |= {"attendance": "attended", "result": "maybe"}
    with sheet.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    marked = tmp_path / "marked.csv"
    some = aed("sessions", "results", session_id, sheet, "--marked", marked)
    assert "1 new, 0 changed, 0 unchanged, 1 not taken." in some.out
    assert "line 3: result" in some.out
    assert "lint_findings" in marked.read_text(encoding="utf-8-sig")

    number = re.search(r"CPR-\d{4}-\w{10}", aed("enrolments", "show", 2).out)
    assert number
    assert "valid, 李*, until" in aed("certificates", "verify", number[0]).out
    assert "李华" in aed("certificates", "expiring", "--days", 40).out
    assert "No certificate" in aed("certificates", "expiring", "--days", 3).out
    assert "Nobody" in aed("certificates", "refreshers").out
    aed("certificates", "revoke", number[0], "--reason", "A mistake")
    assert "NOT VALID" in aed("certificates", "verify", number[0]).out
    assert "No certificate" in aed("certificates", "expiring", "--days", 40).out
    assert "state: waiting → offered" in aed("enrolments", "history", 3).out


def test_a_session_is_amended_receives_a_moved_enrolment_and_is_cancelled(aed: Aed, session_id: str) -> None:
    later = clock.now() + timedelta(days=3)
    aed(
        *("sessions", "add", "course=CPR", "region=CN-33", "audience=public", "capacity=5", *PLACE),
        *(f"starts_at={later.isoformat()}", f"ends_at={(later + timedelta(hours=4)).isoformat()}"),
    )
    aed("enrol", session_id, "name=王小明", "phone=+86 571 5550 3000")
    assert "Enrolment 2 in session 2 is enrolled" in aed("enrolments", "move", 1, "--to", 2).out
    assert "version 2" in aed("sessions", "amend", 2, "capacity=6", "language=en").out
    assert "language: en" in aed("sessions", "show", 2).out
    assert "version is now 2" in aed("sessions", "amend", 2, "capacity=7", "--version", 1, fails=True).err
    aed("sessions", "cancel", 2, "--reason", "The trainer is ill.")
    assert "cancelled" in aed("sessions", "list").out
    assert "state: cancelled" in aed("enrolments", "show", 2).out
    assert "The trainer is ill" in aed("sessions", "history", 2).out
    assert "The session was cancelled" in aed("enrol", 2, "name=Li", "phone=+86 1", fails=True).err


def test_courses_have_prerequisites_and_are_withdrawn(aed: Aed, session_id: str) -> None:
    assert session_id == "1"
    aed("courses", "add", "code=MORE", "name_en=More", "name_zh=进阶", "hours=8", "--needs", "CPR")
    assert 'prerequisites: ["CPR"]' in aed("courses", "show", 2).out
    assert "itself requires CPR" in aed("courses", "amend", 1, "--needs", "MORE", fails=True).err
    aed("courses", "amend", 2, "hours=6")
    aed("courses", "withdraw", 2)
    assert "withdrawn" in aed("courses", "list").out
    assert "hours: 8.0 → 6.0" in aed("courses", "history", 2).out


def test_marks_a_trainers_grade_and_a_batch_on_the_command_line(
    aed: Aed, session_id: str, tmp_path: Path
) -> None:
    plan, form = tmp_path / "plan.json", tmp_path / "form.json"
    plan.write_text(
        '{"theory_pass_mark": 80, "stations": [{"code": "cpr", "name_en": "CPR", "name_zh": "复苏"}]}',
        "utf-8",
    )
    names = {"row": "序号", "name": "姓名", "certificate_number": "证书编号", "reason": "退回原因"}
    columns = [{"field": field, "heading": heading} for field, heading in names.items()]
    form.write_text(json.dumps({"columns": columns}), "utf-8")
    aed("courses", "amend", 1, f"assessment=@{plan}")
    aed("enrol", session_id, "name=王小明", "phone=+86 571 5550 3000")
    code = f"own-{sha256(b'office').hexdigest()[:12]}"
    graded = ("grade=一级师资", "valid_until=2099-01-01", "trainer_phone=+86 571 5550 2000")
    assert "until 2099-01-01" in aed("trainers", "grade", code, "trainer_name=林老师", *graded).out
    assert "林老师" in aed("trainers", "list", code).out

    came = tmp_path / "came.csv"
    came.write_text("enrolment,attendance\n1,到\n", "utf-8")
    aed("sessions", "results", session_id, came)
    assert "is not CODE=MARK" in aed("sessions", "assess", 1, "theory", fails=True).err
    assert "not assessed yet: cpr" in aed("sessions", "assess", 1, "theory=90").out
    assert "passed." in aed("sessions", "assess", 1, "cpr=passed", "--assessor", "林老师").out
    assert "theory=90 cpr=passed" in aed("sessions", "assessments", session_id).out

    assert "takes no batches" in aed("issuers", "batch", code, "B1", "-o", came, fails=True).err
    aed("issuers", "amend", code, f"batch_format=@{form}")
    batch = tmp_path / "batch.csv"
    assert "1 result in batch B1" in aed("issuers", "batch", code, "B1", "-o", batch).out
    text = batch.read_text("utf-8-sig")
    assert text.splitlines()[1] == "1,王小明,,"
    batch.write_text(text.replace("王小明,,", "王小明,RC-1,"), "utf-8")
    assert "1 accepted, 0 rejected" in aed("issuers", "answer", code, "B1", batch).out
    assert "RC-1" in aed("enrolments", "show", 1).out
    assert "B1" in aed("issuers", "batches", code).out
    person = re.search(r"(\d+) +林老师", aed("trainers", "list", code).out)
    assert person
    assert "removed" in aed("trainers", "remove", code, person[1]).out
