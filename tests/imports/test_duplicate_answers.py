"""Rows that may be a registered device or the device of another row: asked about, answered, and kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, Viewer
from aed.errors import InvalidInput, NotAllowed
from aed.geo import Position
from aed.imports.devices.actions import import_devices
from aed.imports.devices.answers import Answers, answers_as_json, answers_from, with_answer
from aed.imports.devices.models import Review, SourceRecord
from aed.imports.devices.preview import Preview, preview_devices
from aed.imports.devices.report import DeviceReport
from aed.imports.devices.rules import Decision
from aed.imports.formats.guess import guess_mapping
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.registry.estates.models import Estate
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of

LOBBY = ("大堂", PATIENT)
LOBBY_AGAIN = ("大堂", north_of(PATIENT, metres=30))
CLUB = ("会所", east_of(PATIENT, metres=100))


def list_of(folder: Path, *rows: tuple[str, Position], name: str = "台账.csv") -> Path:
    path = folder / name
    lines = [f"{place},{here.lon},{here.lat}" for place, here in rows]
    path.write_text("\n".join(["安装位置,经度,纬度", *lines]), encoding="utf-8")
    return path


def preview(
    session: Session, who: Viewer, path: Path, answers: Answers | None = None, *, source: str = "list-lake"
) -> Preview:
    mapping = guess_mapping(path, source=source).mapping
    return preview_devices(session, who, path, mapping=mapping, answers=answers)


def take(
    session: Session, who: Viewer, path: Path, answers: Answers | None = None, *, source: str = "list-lake"
) -> DeviceReport:
    mapping = guess_mapping(path, source=source).mapping
    return import_devices(session, who, path, at=NOW, mapping=mapping, is_partial=True, answers=answers)


def active(session: Session) -> list[int]:
    return list(
        session.scalars(select(Device.id).where(Device.state != DeviceState.WITHDRAWN).order_by(Device.id))
    )


def asked(found: Preview) -> list[tuple[int, str, str]]:
    return [(each.number, each.other, each.why.value) for each in found.questions]


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


@pytest.fixture
def manager(session: Session, estate: Estate) -> Viewer:
    return make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)


def registered(session: Session, estate: Estate, *, at: Position = PATIENT, place: str = "门卫室") -> Device:
    return make.device(session, at=at, of=estate, place_zh=place)


# --- Who may answer ---


def test_nobody_answers_about_a_device_of_an_estate_that_they_do_not_manage(
    session: Session, tmp_path: Path, manager: Viewer
) -> None:
    hidden = make.device(session, at=PATIENT, place_zh="大堂")
    path = list_of(tmp_path, LOBBY)

    (question,) = preview(session, manager, path).questions

    assert (question.may_answer, question.known, question.value) == (False, {}, "")
    answers = with_answer({}, "2", f"device:{hidden.id}", "same")
    with pytest.raises(NotAllowed, match="do not manage"):
        take(session, manager, path, answers)


def test_a_withdrawn_device_can_be_no_answer(
    session: Session, tmp_path: Path, manager: Viewer, estate: Estate
) -> None:
    device = registered(session, estate)
    device.state = DeviceState.WITHDRAWN
    session.flush()

    with pytest.raises(InvalidInput, match="no AED"):
        take(session, manager, list_of(tmp_path, LOBBY), with_answer({}, "2", f"device:{device.id}", "same"))


# --- A registered device ---


def test_a_row_at_the_point_of_a_registered_device_is_asked_about_and_joined(
    session: Session, tmp_path: Path, manager: Viewer, estate: Estate
) -> None:
    device = registered(session, estate)
    path = list_of(tmp_path, LOBBY)

    seen = preview(session, manager, path)
    assert asked(seen) == [(2, f"device:{device.id}", "point")]
    assert (seen.questions[0].row["place_zh"], seen.questions[0].known["place_zh"]) == ("大堂", "门卫室")
    assert (seen.new, seen.joined) == (1, 0)

    answers = with_answer({}, "2", f"device:{device.id}", "same")
    seen = preview(session, manager, path, answers)
    assert (seen.new, seen.joined, seen.questions[0].answer) == (0, 1, Decision.SAME)
    report = take(session, manager, path, answers)
    assert (report.new, report.merged, active(session)) == (0, 1, [device.id])
    review = session.scalars(select(Review).where(Review.device_id == device.id)).first()
    assert review is not None
    assert (review.decision, review.decided_by) == (Decision.SAME, manager.name)
    assert asked(preview(session, manager, path)) == []


def test_a_row_called_different_is_registered_and_never_asked_about_again(
    session: Session, tmp_path: Path, manager: Viewer, estate: Estate
) -> None:
    device = registered(session, estate, place="大堂")
    path = list_of(tmp_path, ("大堂", north_of(PATIENT, metres=3)))
    (question,) = preview(session, manager, path).questions
    assert question.unanswered == "joined"
    answers = with_answer({}, "2", f"device:{device.id}", "different")

    seen = preview(session, manager, path, answers)
    assert (seen.new, seen.joined, len(seen.questions)) == (1, 0, 1)
    report = take(session, manager, path, answers)

    assert (report.new, report.merged, len(active(session))) == (1, 0, 2)
    again = list_of(tmp_path, ("大堂", north_of(PATIENT, metres=3)), name="again.csv")
    assert asked(preview(session, manager, again)) == []
    assert take(session, manager, again).unchanged == 1


def test_a_row_that_waited_is_decided_by_the_next_import(
    session: Session, tmp_path: Path, manager: Viewer, estate: Estate
) -> None:
    device = registered(session, estate, place="大堂", at=north_of(PATIENT, metres=60))
    path = list_of(tmp_path, LOBBY)
    assert preview(session, manager, path).waiting == 1
    assert take(session, manager, path).waiting == 1

    report = take(session, manager, path, with_answer({}, "2", f"device:{device.id}", "same"))

    assert report.bad == []
    assert session.scalars(select(SourceRecord.device_id)).all() == [device.id]
    assert active(session) == [device.id]


# --- Another row of the list ---


def test_two_rows_called_the_same_become_one_device(
    session: Session, tmp_path: Path, manager: Viewer
) -> None:
    path = list_of(tmp_path, LOBBY, LOBBY_AGAIN, CLUB)
    assert asked(preview(session, manager, path)) == [(3, "row:2", "words")]
    answers = with_answer({}, "3", "row:2", "same")

    seen = preview(session, manager, path, answers)
    report = take(session, manager, path, answers)

    assert (seen.new, seen.joined) == (2, 1)
    assert (report.new, report.merged, len(active(session))) == (2, 1, 2)
    assert asked(preview(session, manager, path)) == []
    assert take(session, manager, path).unchanged == 3


def test_two_rows_called_different_are_not_asked_about_again(
    session: Session, tmp_path: Path, manager: Viewer
) -> None:
    path = list_of(tmp_path, LOBBY, LOBBY_AGAIN)

    take(session, manager, path, with_answer({}, "3", "row:2", "different"))

    assert len(active(session)) == 2
    assert asked(preview(session, manager, path)) == []


def test_two_registered_rows_are_merged_by_an_administrator_alone(
    session: Session, tmp_path: Path, manager: Viewer
) -> None:
    path = list_of(tmp_path, LOBBY, LOBBY_AGAIN)
    take(session, manager, path)
    first, _ = active(session)
    assert [each.may_answer for each in preview(session, manager, path).questions] == [False]
    with pytest.raises(NotAllowed), session.begin_nested():
        take(session, manager, path, with_answer({}, "3", "row:2", "same"))

    take(session, ADMINISTRATOR, path, with_answer({}, "3", "row:2", "same"))

    assert active(session) == [first]


def test_the_same_words_in_two_estates_are_not_asked_about(
    session: Session, tmp_path: Path, estate: Estate
) -> None:
    far = east_of(PATIENT, metres=3_000)
    make.estate(session, around=far)
    region = make.person_with_role(session, Role.ADMINISTRATOR, region=make.region(session))

    found = preview(session, region, list_of(tmp_path, LOBBY, ("大堂", far)))

    assert asked(found) == []


# --- Answers ---


def test_a_row_is_the_same_as_one_other_at_most() -> None:
    answers = with_answer({}, "5", "row:2", "same")
    answers = with_answer(answers, "5", "device:17", "same")
    answers = with_answer(answers, "5", "row:3", "different")

    assert answers_as_json(answers) == {"5": {"device:17": "same", "row:3": "different"}}
    assert answers_from(answers_as_json(answers)) == answers
    assert with_answer(with_answer(answers, "5", "device:17", ""), "5", "row:3", "") == {}


@pytest.mark.parametrize(
    ("row", "other", "answer", "says"),
    [
        ("x", "row:2", "same", "names a row"),
        ("5", "row:\0", "same", "names a row"),
        ("5", "device:1;", "same", "names a row"),
        ("5", "row:5", "same", "earlier row"),
        ("5", "row:2", "perhaps", "must be same or different"),
        ("5", "row:2", "take", "must be same or different"),
    ],
)
def test_a_malformed_answer_gets_a_sentence(row: str, other: str, answer: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        with_answer({}, row, other, answer)
