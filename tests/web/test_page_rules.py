"""What forms of the pages say, and the words for what became of an enrolment."""

from __future__ import annotations

import pytest

from aed.training.rules import AttendanceState, EnrolmentState
from aed.web.checks.rules import marks_a_problem
from aed.web.my_page.rules import ENROLMENTS, enrolment_words
from aed.web.sign_up.rules import name_in


@pytest.mark.parametrize(
    ("form", "marks"),
    [
        ({}, False),
        ({"a_cabinet": "yes", "a_sign": "new", "note": "no"}, False),
        ({"gone": "1"}, True),
        ({"used": "1"}, True),
        ({"a_cabinet": "yes", "a_sign": "no"}, True),
        ({"a_access_as_described": "changed"}, True),
        ({"b_cabinet": "no"}, False),
    ],
)
def test_a_check_form_marks_a_problem_by_a_no_or_a_change(form: dict[str, str], marks: bool) -> None:
    assert marks_a_problem(form) is marks


@pytest.mark.parametrize(
    ("attendance", "passed", "words"),
    [
        (AttendanceState.ATTENDED, True, "Passed"),
        (AttendanceState.ATTENDED, False, "Attended, not passed yet"),
        (AttendanceState.NO_SHOW, True, "Passed"),
        (AttendanceState.ATTENDED, None, "Attended"),
        (AttendanceState.NO_SHOW, None, "You were not there"),
    ],
)
def test_what_became_of_an_enrolment_is_its_result_or_its_attendance(
    attendance: AttendanceState, passed: bool | None, words: str
) -> None:
    assert enrolment_words(EnrolmentState.ENROLLED, attendance, passed) == words


def test_before_its_session_an_enrolment_is_named_by_its_state() -> None:
    for state, words in ENROLMENTS.items():
        assert enrolment_words(state, None, None) == words


def test_an_empty_name_is_replaced_and_one_that_cannot_be_stored_is_refused() -> None:
    assert name_in(" ", otherwise="Resident") == "Resident"
    assert name_in("王芳", otherwise="Resident") == "王芳"
    assert name_in("王\x00芳", otherwise="Resident") is None
