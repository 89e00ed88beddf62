"""Assessments by parts: theory and stations, retakes, assessors, presence, and grades of trainers."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, Viewer
from aed.errors import AedError, Conflict, InvalidInput, NotAllowed, NotSignedIn
from aed.registry.changes import PutOutcome
from aed.responders.models import Certificate
from aed.training import queries as session_queries
from aed.training.assessments.queries import assessments
from aed.training.assessments.rules import (
    AssessmentPlan,
    can_retake,
    has_passed,
    is_complete,
    parts_to_take,
    plan_of,
    was_present_enough,
)
from aed.training.models import Course, TrainingSession
from aed.training.rosters.actions import Result, open_for_results, save_results
from aed.training.rosters.sheet_actions import export_roster, import_roster
from aed.training.rules import AttendanceState, MarkedBy
from aed.training.trainers import actions as trainer_actions
from aed.training.trainers.queries import grades, warnings_for
from aed.training.trainers.rules import SessionWarning, warnings_of
from aed.training.trainers.schemas import TrainerGradeIn
from tests import make
from tests.make import ADMINISTRATOR, ANYONE, NOW

CAME = AttendanceState.ATTENDED
PLAN: dict[str, Any] = {
    "theory_pass_mark": 80,
    "stations": [
        {"code": "cpr", "name_en": "Resuscitation", "name_zh": "心肺复苏"},
        {"code": "bandage", "name_en": "Bandaging", "name_zh": "包扎", "pass_mark": 60},
    ],
    "retakes": 1,
    "retake_within_days": 30,
}
ALL_PASSED = {"theory": 80, "cpr": True, "bandage": 60}


def plan(**given: Any) -> AssessmentPlan:
    stations = [{"pass_mark": None} | each for each in PLAN["stations"]]
    found = plan_of(PLAN | {"stations": stations} | given)
    assert found is not None
    return found


def course(session: Session, **given: Any) -> Course:
    return make.course(session, **{"assessment": PLAN} | given)


def put(
    session: Session,
    training: TrainingSession,
    *results: Result,
    who: Viewer = ADMINISTRATOR,
    days: int = 0,
    assessor: str | None = None,
) -> list[PutOutcome]:
    at = training.ends_at + timedelta(days=days)
    found = open_for_results(session, who, training.id, at=at)
    return save_results(session, who, found, results, how=MarkedBy.HAND, at=at, assessor=assessor)


# --- rules ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempts", "result"),
    [
        ([], None),
        ([{"theory": 90}], None),
        ([ALL_PASSED], True),
        ([ALL_PASSED | {"theory": 79}], False),
        ([ALL_PASSED | {"cpr": False}], False),
        ([ALL_PASSED | {"bandage": 59}, {"bandage": 61}], True),
        ([ALL_PASSED | {"bandage": 59, "theory": 1}, {"bandage": 61}], None),
        ([ALL_PASSED | {"bandage": 59, "theory": 1}, {"bandage": 61, "theory": 2}], False),
    ],
)
def test_a_person_passes_once_each_part_is_passed_in_some_attempt(
    attempts: list[dict[str, int | bool]], result: bool | None
) -> None:
    assert has_passed(plan(), attempts) is result
    assert is_complete(plan(), attempts) is (result is not None)


def test_only_failed_parts_are_retaken_within_the_days_and_as_often_as_allowed() -> None:
    failed = ALL_PASSED | {"theory": 10, "cpr": False}
    assert [part.code for part in parts_to_take(plan(), [failed])] == ["theory", "cpr"]
    ended_on = date(2026, 10, 2)
    for today, retakes, is_allowed in (
        (date(2026, 11, 1), 1, True),
        (date(2026, 11, 2), 1, False),
        (date(2026, 10, 3), 0, False),
    ):
        assert can_retake(plan(retakes=retakes), [failed], ended_on=ended_on, today=today) is is_allowed
    assert not can_retake(plan(), [ALL_PASSED], ended_on=ended_on, today=ended_on)
    assert not can_retake(plan(), [{"theory": 10}], ended_on=ended_on, today=ended_on)


def test_presence_is_counted_in_parts() -> None:
    assert was_present_enough(3, 4, 75)
    assert not was_present_enough(2, 4, 75)
    assert was_present_enough(None, 4, 75)
    assert was_present_enough(0, 4, None)


def test_warnings_name_trainers_manikins_and_grades() -> None:
    fine: dict[str, Any] = {
        "learners": 12,
        "trainers": 2,
        "manikins": 4,
        "learners_per_trainer": 6,
        "learners_per_manikin": 3,
        "is_grade_required": True,
        "grade_valid_until": date(2026, 10, 2),
        "held_on": date(2026, 10, 2),
    }
    assert warnings_of(**fine) == []
    assert warnings_of(**fine | {"learners": 13}) == ["too_few_trainers", "too_few_manikins"]
    assert warnings_of(**fine | {"learners": 13, "learners_per_trainer": None, "manikins": None}) == []
    assert warnings_of(**fine | {"grade_valid_until": date(2026, 10, 1)}) == ["trainer_grade_expired"]
    assert warnings_of(**fine | {"grade_valid_until": None}) == ["trainer_grade_missing"]
    assert warnings_of(**fine | {"grade_valid_until": None, "is_grade_required": False}) == []


# --- marks ----------------------------------------------------------------------------------------------


def test_marks_lead_to_a_result_and_a_retake_to_the_certificate(session: Session) -> None:
    training = make.training(session, course(session))
    enrolment = make.enrolment(session, training, "王小明")
    with pytest.raises(NotSignedIn):
        put(session, training, Result(enrolment.id, marks={"theory": 90}), who=ANYONE)
    with pytest.raises(NotSignedIn):
        assessments(session, ANYONE, training.id, at=NOW)
    with pytest.raises(Conflict, match="no recorded attendance"):
        put(session, training, Result(enrolment.id, marks={"theory": 90}))

    put(session, training, Result(enrolment.id, CAME, marks={"theory": 90, "cpr": False}))
    with pytest.raises(Conflict, match="follows from its parts"):
        put(session, training, Result(enrolment.id, passed=True))
    with pytest.raises(Conflict, match="lacks marks"):
        put(session, training, Result(enrolment.id, marks={"cpr": True}, attempt=2))
    last: Result = Result(enrolment.id, marks={"bandage": 70}, note="手位")
    assert put(session, training, last) == [PutOutcome.CHANGED]
    assert put(session, training, last) == [PutOutcome.UNCHANGED]
    assert session.scalars(select(Certificate)).all() == []

    with pytest.raises(Conflict, match="in an earlier attempt"):
        put(session, training, Result(enrolment.id, marks={"theory": 99}, attempt=2), days=3)
    with pytest.raises(Conflict, match="could retake parts until 2026-11-01"):
        put(session, training, Result(enrolment.id, marks={"cpr": True}, attempt=2), days=31)
    put(session, training, Result(enrolment.id, marks={"cpr": True}, attempt=2), days=3)
    with pytest.raises(Conflict, match="awarded a certificate"):
        put(session, training, Result(enrolment.id, marks={"cpr": False}), days=3)

    (certificate,) = session.scalars(select(Certificate)).all()
    assert certificate.issued_on == date(2026, 10, 5), "the day of the retake"
    _, (found,), _ = assessments(session, ADMINISTRATOR, training.id, at=NOW)
    assert (found.passed, found.parts_to_take, found.can_retake) == (True, (), False)
    assert [each.marks for each in found.attempts] == [
        {"theory": 90, "cpr": False, "bandage": 70},
        {"cpr": True},
    ]


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ({"cpr": 70}, "cpr must be passed or failed"),
        ({"bandage": True}, "bandage must be a score"),
        ({"theory": 101}, "theory must be a score from 0 to 100"),
        ({"swimming": True}, "Its parts are theory, cpr, bandage"),
    ],
)
def test_a_wrong_mark_is_refused_by_name(
    session: Session, marks: dict[str, int | bool], message: str
) -> None:
    training = make.training(session, course(session))
    enrolment = make.enrolment(session, training)
    with pytest.raises(InvalidInput, match=message):
        put(session, training, Result(enrolment.id, CAME, marks=marks))


def test_who_was_absent_too_long_cannot_be_assessed(session: Session) -> None:
    training = make.training(session, course(session, parts=4, min_presence_percent=75))
    enrolment = make.enrolment(session, training)
    put(session, training, Result(enrolment.id, CAME, parts_present=2))
    with pytest.raises(Conflict, match="present for 2 of 4 parts"):
        put(session, training, Result(enrolment.id, marks=ALL_PASSED))
    with pytest.raises(InvalidInput, match="from 0 to 4"):
        put(session, training, Result(enrolment.id, parts_present=5))
    put(session, training, Result(enrolment.id, parts_present=3, marks=ALL_PASSED))
    assert len(session.scalars(select(Certificate)).all()) == 1


def test_an_issuer_can_demand_another_assessor_and_a_valid_grade(session: Session) -> None:
    issuer = make.issuer(session, assessor_not_trainer=True, requires_trainer_grade=True)
    of_issuer = course(session, issuer=issuer.name_en)
    assert of_issuer.issuer_id == issuer.id
    with pytest.raises(Conflict, match="none is recorded"):
        make.training(session, of_issuer, trainer={"name": "林华", "phone": "+8613900000001"})
    grade = TrainerGradeIn.model_validate(
        {
            "trainer": {"name": "林华", "phone": "+8613900000001"},
            "grade": "一级师资",
            "valid_until": "2026-10-01",
        }
    )
    resident = make.person_with_role(session, Role.RESIDENT, estate=make.estate(session))
    with pytest.raises(NotAllowed):
        trainer_actions.record_grade(session, resident, issuer.id, grade, at=NOW)
    with pytest.raises(NotSignedIn):
        grades(session, ANYONE, issuer.id)
    trainer_actions.record_grade(session, ADMINISTRATOR, issuer.id, grade, at=NOW)
    with pytest.raises(Conflict, match="valid until 2026-10-01 only"):
        make.training(session, of_issuer, trainer={"name": "林华"})
    renewed = grade.model_copy(update={"valid_until": date(2027, 1, 1)})
    trainer_actions.record_grade(session, ADMINISTRATOR, issuer.id, renewed, at=NOW)
    training = make.training(session, of_issuer, trainer={"name": "林华"}, manikins=1)
    places = session_queries.places(session, [training.id])
    warnings = warnings_for(session, ADMINISTRATOR, [training], places)
    assert warnings == {training.id: [SessionWarning.TOO_FEW_TRAINERS, SessionWarning.TOO_FEW_MANIKINS]}
    assert warnings_for(session, ANYONE, [training], places) == {}

    enrolment = make.enrolment(session, training)
    came = Result(enrolment.id, CAME, marks=ALL_PASSED)
    with pytest.raises(Conflict, match="other than the trainer"):
        put(session, training, came)
    with pytest.raises(Conflict, match="other than the trainer"):
        put(session, training, came, assessor="林华")
    with pytest.raises(InvalidInput, match="0 people who train here are called 谁"):
        put(session, training, came, assessor="谁")
    officer = make.person_with_role(session, Role.TRAINING_OFFICER, region=training.region)
    put(session, training, came, who=officer)
    (found,) = grades(session, ADMINISTRATOR, issuer.id)
    trainer_actions.remove_grade(
        session, ADMINISTRATOR, issuer.id, found.person_id, version=found.version, at=NOW
    )
    assert list(grades(session, ADMINISTRATOR, issuer.id)) == []


def test_the_sheet_has_a_column_for_each_part_in_both_languages(session: Session, tmp_path: Path) -> None:
    training = make.training(session, course(session, parts=2))
    passes, fails = make.enrolment(session, training), make.enrolment(session, training)
    sheet = tmp_path / "roster.xlsx"
    export_roster(session, ADMINISTRATOR, training.id, sheet)
    book = load_workbook(sheet)
    names = [cell.value for cell in book.active[1]]
    assert names[-4:] == ["parts_present", "theory", "station_1", "station_2"]
    assert [cell.value for cell in book.active[2]][-2:] == ["心肺复苏 Resuscitation", "包扎 Bandaging"]
    for row, marks in ((3, ["2", "85", "合格 passed", "90"]), (4, ["", "85", "不合格", "10"])):
        book.active.cell(row, names.index("attendance") + 1, "到")
        for offset, mark in enumerate(marks):
            book.active.cell(row, len(names) - 3 + offset, mark)
    book.save(sheet)

    report = import_roster(session, ADMINISTRATOR, training.id, sheet, at=training.ends_at)
    again = import_roster(session, ADMINISTRATOR, training.id, sheet, at=training.ends_at)

    assert (report.bad, report.new, again.unchanged) == ([], 2, 2)
    _, found, _ = assessments(session, ADMINISTRATOR, training.id, at=training.ends_at)
    assert [(each.enrolment_id, each.passed) for each in found] == [(passes.id, True), (fails.id, False)]
    export_roster(session, ADMINISTRATOR, training.id, tmp_path / "again.csv")
    assert "85,failed,10" in (tmp_path / "again.csv").read_text(encoding="utf-8-sig")


def test_a_plan_needs_a_part_and_different_codes(session: Session) -> None:
    for stations in ([], [PLAN["stations"][0]] * 2):
        with pytest.raises((ValueError, AedError), match=r"at least one station|different codes"):
            course(session, assessment=PLAN | {"theory_pass_mark": None, "stations": stations})
