"""aed incidents report, outcome; aed statistics."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from tests import make
from tests.cli.conftest import Aed


@pytest.fixture
def incident(session: Session) -> int:
    found = make.incident(session)
    session.commit()
    return found.id


def test_the_outcome_of_a_patient_is_recorded_step_by_step_and_counted(
    aed: Aed, incident: int, tmp_path: Path
) -> None:
    assert "not recorded yet" in aed("incidents", "outcome", incident).out
    aed("incidents", "outcome", incident, "arrest=yes", "resuscitation=yes", "age_years=67", "survived=yes")
    shown = aed("incidents", "outcome", incident, "cpc=1", "age_years=null").out
    assert "recorded by cli:" in shown
    assert "survived         yes" in shown
    assert "cpc              1" in shown
    assert "age_years        unknown" in shown
    assert "Call 呼救" in shown

    year = aed("statistics", 2026).out
    assert "unwitnessed" in year
    assert "survived, %" in year
    assert "<5" not in year
    assert "<5" in aed("statistics", 2026, "--for-publication").out
    assert aed("statistics", 2026, "--region", "CN-33", "--kind", "exercise").out

    for ending, begins in (
        (".csv", b"\xef\xbb\xbftable,row"),
        (".xlsx", b"PK"),
        (".json", b'{"template":'),
    ):
        to = tmp_path / f"year{ending}"
        aed("statistics", 2026, "--output", to, warns=True)
        assert to.read_bytes().startswith(begins)
    cases = tmp_path / "cases.csv"
    aed("statistics", 2026, "--cases", "--output", cases, warns=True)
    assert len(cases.read_text(encoding="utf-8-sig").splitlines()) == 2


def test_the_report_is_written_to_a_file(aed: Aed, incident: int, tmp_path: Path) -> None:
    to = tmp_path / "report.pdf"
    assert "incident 1" in aed("incidents", "report", incident, "--output", to, warns=True).err
    assert to.read_bytes().startswith(b"%PDF")


WRONG: tuple[tuple[tuple[object, ...], str], ...] = (
    (("incidents", "outcome", 9), "Incident 9 does not exist"),
    (("incidents", "outcome", 9, "arrest=yes"), "Incident 9 does not exist"),
    (("incidents", "outcome", 1, "arrest=perhaps"), "arrest"),
    (("incidents", "outcome", 1, "survived=yes", "cpc=5"), "survived"),
    (("incidents", "report", 9, "--output", "x.pdf"), "Incident 9 does not exist"),
    (("statistics", 2026, "--region", "CN-99"), "no region 'CN-99'"),
    (("statistics", 2026, "--output", "x.doc"), ".csv, .xlsx or .json"),
    (("statistics", 2026, "--cases"), "--output"),
    (("statistics", 2026, "--cases", "--for-publication", "--output", "x.csv"), "must not be published"),
)


def test_an_invalid_outcome_is_refused_in_a_sentence(aed: Aed, incident: int) -> None:
    for words, says in WRONG:
        assert says in aed(*words, fails=True).err, words
