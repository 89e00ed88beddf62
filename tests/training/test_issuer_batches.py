"""Batches of results for an issuer: its columns, identity numbers, the answer, and rejected rows."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import text
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role
from aed.errors import Conflict, InvalidInput, NotAllowed, NotSignedIn
from aed.issuers.models import Issuer
from aed.issuers.schemas import BatchFormatIn
from aed.training.enrolments import queries as enrolment_queries
from aed.training.issuer_batches import actions, queries
from aed.training.issuer_batches.sheet import csv_of, read_answer, xlsx_of
from aed.training.models import Enrolment, IssuerBatch, LearnerIdentity, TrainingSession
from aed.training.rules import BatchRowState, identity_number
from tests import make
from tests.make import ADMINISTRATOR, ANYONE, NOW

FORMAT: dict[str, Any] = make.BATCH_FORMAT
COLUMNS = FORMAT["columns"]
WHOLE, MASKED = "11010519491231002X", "110105********002X"


def issuer_with(session: Session, **given: Any) -> Issuer:
    return make.issuer(session, batch_format=FORMAT | given)


def passed(session: Session, issuer: Issuer, *names: str) -> tuple[TrainingSession, list[Enrolment]]:
    return make.passed_results(session, make.course(session, issuer=issuer.name_en), *names)


def prepare(session: Session, issuer: Issuer, reference: str = "2026-10") -> actions.PreparedBatch:
    return actions.prepare_batch(session, ADMINISTRATOR, issuer.id, reference=reference, at=NOW)


def identify(session: Session, enrolment: Enrolment, number: str = WHOLE) -> LearnerIdentity:
    return actions.set_identity(session, ADMINISTRATOR, enrolment.id, holder_id=number, at=NOW)


def answer(session: Session, issuer: Issuer, batch: IssuerBatch, path: Path, *rows: list[str]) -> Any:
    with path.open("w", encoding="gb18030", newline="") as into:
        writer = csv.writer(into)
        writer.writerow(["湖城红十字会 发证结果"])
        writer.writerow([each["heading"] for each in COLUMNS])
        writer.writerows(rows)
    return actions.take_answer(session, ADMINISTRATOR, issuer.id, batch.id, path, at=NOW)


@pytest.mark.parametrize(
    ("columns", "holder_ids", "message"),
    [
        (COLUMNS[:5], "whole", "needed to read the answer"),
        (COLUMNS, "none", "if and only if"),
        ([*COLUMNS, {"field": "row", "heading": "行"}], "whole", "used once"),
        ([*COLUMNS, {"field": "phone", "heading": " 姓名"}], "whole", "used once"),
    ],
)
def test_a_format_without_what_its_answer_needs_is_refused(
    columns: list[dict[str, str]], holder_ids: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        BatchFormatIn.model_validate({"columns": columns, "holder_ids": holder_ids})


def test_identity_numbers_are_read_as_people_write_them() -> None:
    assert identity_number(" 110105-1949 1231-002x ") == WHOLE
    assert identity_number("H12345678") == "H12345678"
    assert identity_number("王小明") is None


def test_an_identity_number_is_kept_only_as_the_issuer_wants_it(session: Session) -> None:
    whole, masked = (
        issuer_with(session),
        make.issuer(
            session,
            "masks",
            name_en="Masks",
            name_zh="隐",
            also_called=[],
            batch_format=FORMAT | {"holder_ids": "masked"},
        ),
    )
    of_whole, of_masked = (passed(session, each, "王小明")[1][0] for each in (whole, masked))
    of_none = make.enrolment(session, make.training(session))
    with pytest.raises(NotSignedIn):
        queries.learner(session, ANYONE, of_whole.id)
    with pytest.raises(Conflict, match="wants no identity numbers"):
        identify(session, of_none)
    for wrong in ("110105194912310021", "王小明", MASKED):
        with pytest.raises(InvalidInput, match="holder_id"):
            identify(session, of_whole, wrong)

    identify(session, of_whole)
    assert identify(session, of_masked).holder_id == MASKED
    stored = session.scalars(text("SELECT holder_id FROM learner_identities")).all()
    assert len(stored) == 2
    assert all("1949" not in each for each in stored), "it is encrypted"


def test_a_batch_comes_back_with_numbers_and_reasons_and_rejected_rows_are_mended(
    session: Session, tmp_path: Path
) -> None:
    issuer = issuer_with(session)
    training, (first, second, third) = passed(session, issuer, "王小明", "李雷", "韩梅梅")
    resident = make.person_with_role(session, Role.RESIDENT, estate=make.estate(session))
    with pytest.raises(NotAllowed):
        actions.prepare_batch(session, resident, issuer.id, reference="x", at=NOW)
    with pytest.raises(Conflict, match="3 learners lack"):
        prepare(session, issuer)
    identify(session, first)
    identify(session, second)

    made = prepare(session, issuer)
    assert [each.name for each in made.left_out] == ["韩梅梅"]
    assert prepare(session, issuer).batch.id == made.batch.id
    form = queries.format_of(issuer)
    lines = actions.lines_of(session, made.batch, form, queries.rows_of(session, made.batch.id))
    rows = list(csv.reader(io.StringIO(csv_of(form, lines).decode("utf-8-sig"))))
    assert rows[0] == ["序号", "姓名", "身份证号", "考核日期", "证书编号", "退回原因"]
    assert rows[1] == ["1", "王小明", WHOLE, "2026年10月02日", "", ""]
    book = load_workbook(io.BytesIO(xlsx_of(form, lines)))
    assert [cell.value for cell in book.active[3]][:3] == ["2", "李雷", WHOLE]

    given = (
        ["1", "王小明", "", "", "RC-2026-1", ""],
        ["2", "李雷", "", "", "", "照片不清"],
        ["2", "韩梅梅", "", "", "RC-2026-2", ""],
        ["9", "", "", "", "RC-2026-9", ""],
    )
    report = answer(session, issuer, made.batch, tmp_path / "answer.csv", *given)
    assert (report.accepted, report.rejected) == (1, 1)
    assert [each.reason.partition(":")[0] for each in report.bad] == ["name", "row"]
    again = answer(session, issuer, made.batch, tmp_path / "answer.csv", *given)
    assert (again.changed, again.unchanged) == (0, 2)
    states = [(each.row.state, each.row.reason) for each in queries.rows_of(session, made.batch.id)]
    assert states == [(BatchRowState.ACCEPTED, None), (BatchRowState.REJECTED, "照片不清")]
    assert made.batch.answered_at == NOW
    assert queries.identity(session, first.id) is None, "it is deleted once the card is issued"
    roster = enrolment_queries.roster(session, ADMINISTRATOR, training.id)
    assert [each.issuer_number for each in roster] == ["RC-2026-1", None, None]

    identify(session, third)
    following = prepare(session, issuer, "2026-11")
    assert [each.person.name for each in queries.rows_of(session, following.batch.id)] == ["李雷", "韩梅梅"]


def test_a_file_that_is_no_answer_is_refused_with_the_headings_it_needs(tmp_path: Path) -> None:
    wrong = tmp_path / "list.csv"
    wrong.write_text("姓名,电话\n王小明,1\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="not an answer"):
        list(read_answer(wrong, BatchFormatIn.model_validate(FORMAT)))
