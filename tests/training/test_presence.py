"""Check-in with the code on the trainer's screen: once, in time, and only for enrolled people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import ANYONE, Role, Viewer
from aed.accounts.viewers import viewer_of_person
from aed.errors import AedError, Conflict, InvalidInput, NotAllowed, NotSignedIn
from aed.settings import Settings
from aed.signatures import TokenPurpose, opened, signed, signing_keys
from aed.training.attendance import actions as attendance_actions
from aed.training.attendance.rules import CHANGES_EVERY, VALID_FOR, PresenceCode, read_code
from aed.training.enrolments import actions as enrolment_actions
from aed.training.enrolments.schemas import EnrolmentIn
from aed.training.models import Attendance, Enrolment, PresenceCodeUsed, TrainingSession
from aed.training.rosters.actions import Result, open_for_results, save_results
from aed.training.rules import AttendanceState, EnrolmentState, MarkedBy
from aed.training.sessions import actions as session_actions
from tests import make
from tests.accounts.everyone import signed_in
from tests.make import ADMINISTRATOR, NOW
from tests.registry.conftest import Desk
from tests.training.reading import code_in

BEGINS = NOW + timedelta(days=10)
PHONE = "+86 138 0013 8000"


@dataclass(frozen=True)
class Room:
    """A session that has just begun, with two enrolled people who can sign in."""

    training: TrainingSession
    first: Viewer
    second: Viewer


def enrolled(session: Session, training: TrainingSession, *, at: datetime = NOW) -> Viewer:
    person = make.person(session)
    given = EnrolmentIn(name=person.name, phone=person.phone or "")
    who = viewer_of_person(session, person.id)
    enrolment_actions.enrol(session, who, training.id, given, at=at)
    return who


@pytest.fixture
def room(session: Session) -> Room:
    training = make.training(session, make.course(session, "CPR"), starts_at=BEGINS, capacity=2)
    made = Room(training, enrolled(session, training), enrolled(session, training))
    session.commit()
    return made


def shown(session: Session, room: Room, *, at: datetime = BEGINS) -> PresenceCode:
    return attendance_actions.new_code(session, ADMINISTRATOR, room.training.id, at=at)[1]


def refused(session: Session, who: Viewer, code: PresenceCode | None, at: datetime = BEGINS) -> AedError:
    with pytest.raises(AedError) as raised:
        attendance_actions.sign_in(session, who, code, at=at)
    return raised.value


def came(session: Session, room: Room) -> dict[str, tuple[AttendanceState, MarkedBy]]:
    found = session.execute(
        select(Enrolment.person_id, Attendance.state, Attendance.how)
        .join(Attendance, Attendance.enrolment_id == Enrolment.id)
        .where(Enrolment.session_id == room.training.id)
    )
    return {f"person:{person_id}": (state, how) for person_id, state, how in found}


def test_a_code_marks_the_person_who_scans_it_once(session: Session, room: Room) -> None:
    code = shown(session, room)

    first = attendance_actions.sign_in(session, room.first, code, at=BEGINS)
    again = attendance_actions.sign_in(session, room.first, code, at=BEGINS + timedelta(seconds=30))

    assert (first.is_new, again.is_new) == (True, False)
    assert came(session, room) == {room.first.name: (AttendanceState.ATTENDED, MarkedBy.CODE)}
    assert room.training.state == "held"
    assert [each.nonce for each in session.scalars(select(PresenceCodeUsed))] == [code.nonce]


def test_a_forwarded_code_is_already_used_and_the_next_one_is_not(session: Session, room: Room) -> None:
    code = shown(session, room)
    attendance_actions.sign_in(session, room.first, code, at=BEGINS)

    error = refused(session, room.second, code)

    assert isinstance(error, Conflict)
    assert "Someone else has used this code. Scan the new code on the screen." in error.detail
    assert "请扫描屏幕上的新二维码" in error.detail
    assert room.second.name not in came(session, room)
    assert attendance_actions.sign_in(session, room.second, shown(session, room), at=BEGINS).is_new


def test_a_code_is_valid_for_a_minute(session: Session, room: Room) -> None:
    code = shown(session, room)

    late = refused(session, room.first, code, BEGINS + VALID_FOR + timedelta(seconds=1))

    assert isinstance(late, Conflict)
    assert "has expired after a minute. Scan the code on the screen now" in late.detail
    assert attendance_actions.sign_in(session, room.first, code, at=BEGINS + VALID_FOR).is_new


def test_the_refusal_of_an_old_code_names_its_day(session: Session, room: Room) -> None:
    code = PresenceCode(room.training.id, BEGINS - timedelta(days=1), "yesterdays")

    error = refused(session, room.first, code)

    assert isinstance(error, Conflict)
    assert (
        "This code is from 2026-10-01 and has expired. Scan the code on the screen at your session."
        in error.detail
    )


def test_a_code_from_the_future_is_refused(session: Session, room: Room) -> None:
    ahead = PresenceCode(room.training.id, BEGINS + timedelta(minutes=5), "tomorrows")
    a_little = PresenceCode(room.training.id, BEGINS + timedelta(seconds=20), "nearlynow")

    assert isinstance(refused(session, room.first, ahead), Conflict)
    assert attendance_actions.sign_in(session, room.first, a_little, at=BEGINS).is_new, (
        "clocks differ a little"
    )


def test_a_person_not_enrolled_or_not_signed_in_gets_advice(session: Session, room: Room) -> None:
    code = shown(session, room)
    stranger = viewer_of_person(session, make.person(session).id)
    waiting = enrolled(session, room.training)

    assert isinstance(refused(session, ANYONE, code), NotSignedIn)
    assert "not a token" in refused(session, ADMINISTRATOR, code).detail
    none = refused(session, stranger, code)
    assert isinstance(none, NotAllowed)
    assert "You are not enrolled in this session. Ask the trainer." in none.detail
    assert "waiting list" in refused(session, waiting, code).detail
    assert isinstance(refused(session, room.first, None), InvalidInput)
    assert came(session, room) == {}


def test_a_code_is_valid_only_for_its_session(session: Session, room: Room) -> None:
    other = make.training(session, starts_at=BEGINS)
    code = attendance_actions.new_code(session, ADMINISTRATOR, other.id, at=BEGINS)[1]

    assert "not enrolled in this session" in refused(session, room.first, code).detail
    assert came(session, room) == {}


def test_an_offered_place_must_be_accepted_before_scanning(session: Session) -> None:
    training = make.training(session, starts_at=BEGINS, capacity=1)
    first, waits = enrolled(session, training), enrolled(session, training)
    held = session.scalars(select(Enrolment).order_by(Enrolment.id)).all()
    at = BEGINS - timedelta(hours=1, minutes=50)
    enrolment_actions.withdraw(session, first, held[0].id, version=held[0].version, at=at)
    assert held[1].state is EnrolmentState.OFFERED
    code = attendance_actions.new_code(session, ADMINISTRATOR, training.id, at=at)[1]

    assert "Accept it first" in refused(session, waits, code, at).detail


def test_a_future_cancelled_or_finished_session_has_no_code(session: Session, room: Room) -> None:
    for at, message in (
        (BEGINS - timedelta(hours=3), "two hours before"),
        (BEGINS + timedelta(days=1), "has ended"),
    ):
        with pytest.raises(Conflict, match=message):
            shown(session, room, at=at)
    code = PresenceCode(room.training.id, BEGINS, "cancelledone")
    session_actions.cancel_session(
        session, ADMINISTRATOR, room.training.id, reason="Ill.", version=room.training.version, at=BEGINS
    )
    assert "was cancelled" in refused(session, room.first, code).detail


def test_a_latecomer_marked_absent_becomes_present(session: Session, room: Room) -> None:
    mine = session.scalars(select(Enrolment).order_by(Enrolment.id)).first()
    assert mine is not None
    training = open_for_results(session, ADMINISTRATOR, room.training.id, at=BEGINS)
    absent = [Result(mine.id, attendance=AttendanceState.NO_SHOW)]
    save_results(session, ADMINISTRATOR, training, absent, how=MarkedBy.HAND, at=BEGINS)

    assert attendance_actions.sign_in(session, room.first, shown(session, room), at=BEGINS).is_new
    assert came(session, room)[room.first.name][0] is AttendanceState.ATTENDED


def test_a_number_in_another_notation_matches_the_same_person(session: Session) -> None:
    training = make.training(session, starts_at=BEGINS)
    person = make.person(session, phone=PHONE, name="王小明")
    make.enrolment(session, training, "王小明", phone="138-0013-8000")
    other = make.person(session, name="王小明")
    code = attendance_actions.new_code(session, ADMINISTRATOR, training.id, at=BEGINS)[1]

    namesake = refused(session, viewer_of_person(session, other.id), code)
    done = attendance_actions.sign_in(session, viewer_of_person(session, person.id), code, at=BEGINS)

    assert "not enrolled" in namesake.detail, "a name alone is not enough"
    assert done.is_new


@pytest.mark.parametrize(
    "text", ["", "1.2", "x.1.abcdefgh", "1.2.short", "1.2.abcdefgh ", "9" * 30 + ".1.abcdefgh"]
)
def test_text_that_is_not_a_code_is_read_as_none(text: str) -> None:
    assert read_code(text) is None


def test_a_code_is_read_back_as_written() -> None:
    code = PresenceCode(12, BEGINS, "abcdefgh_-12")
    assert read_code(code.written()) == code
    assert CHANGES_EVERY < VALID_FOR


# --- over HTTP ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Here:
    path: str
    person: Person
    headers: dict[str, str]


@pytest.fixture
def here(session: Session) -> Here:
    """A session that begins within the hour of real time, with one enrolled person who is signed in."""
    begins = datetime.now(UTC) + timedelta(minutes=50)
    training = make.training(session, starts_at=begins, enrolment_closes_at=begins.isoformat())
    person = make.person(session)
    given = EnrolmentIn(name=person.name, phone=person.phone or "")
    enrolment_actions.enrol(session, viewer_of_person(session, person.id), training.id, given, at=NOW)
    made = Here(f"/v1/sessions/{training.id}/attendance-code", person, signed_in(session, person))
    session.commit()
    return made


def scan(client: TestClient, address: str, headers: dict[str, str]) -> Any:
    return client.post(address.removeprefix("http://testserver"), headers=headers)


def test_a_code_scanned_from_the_screen_marks_attendance(
    session: Session, here: Here, office: Desk, nobody: Desk, client: TestClient
) -> None:
    assert nobody.get(here.path).status_code == 401
    assert client.get(here.path, headers=here.headers).status_code == 403

    screen = office.get(here.path)
    on_screen = screen.json()
    assert (on_screen["attended"], on_screen["enrolled"], screen.headers["cache-control"]) == (
        0,
        1,
        "no-store",
    )
    assert code_in(on_screen["svg"]) == on_screen["address"], "as a phone reads it"
    assert office.get(here.path).json()["address"] != on_screen["address"], "each request returns a new code"
    shown_as_page = client.get(on_screen["address"], headers={"Accept": "text/html"})
    assert shown_as_page.status_code == 200
    assert here.person.name not in shown_as_page.text
    assert nobody.post(on_screen["address"], None).status_code == 401

    done = scan(client, on_screen["address"], here.headers)
    assert done.status_code == 200, done.text
    assert (done.json()["is_new"], done.json()["said_zh"]) == (True, "签到成功，出勤已记录。")
    assert scan(client, on_screen["address"], here.headers).json()["is_new"] is False
    assert office.get(here.path).json()["attended"] == 1
    without_word = {"Cookie": here.headers["Cookie"]}
    assert scan(client, on_screen["address"], without_word).status_code == 403, "a form on another site"


def test_the_screen_page_loads_only_from_its_own_origin(here: Here, office: Desk, client: TestClient) -> None:
    page = client.get(here.path, headers={**office.headers, "Accept": "text/html"})

    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "http" not in page.text.replace("http-equiv", ""), "nothing is loaded from other origins"


def test_a_forged_code_is_refused_with_a_page(here: Here, client: TestClient, settings: Settings) -> None:
    keys = signing_keys(settings)
    session_id = int(here.path.split("/")[3])
    now = datetime.now(UTC)
    old = signed(
        keys, TokenPurpose.PRESENCE, PresenceCode(session_id, now - timedelta(hours=30), "abcdefgh").written()
    )
    other_use = signed(keys, TokenPurpose.CERTIFICATE, PresenceCode(session_id, now, "abcdefgh").written())
    gone = signed(keys, TokenPurpose.PRESENCE, PresenceCode(10**9, now, "abcdefgh").written())
    assert opened(keys, TokenPurpose.PRESENCE, old) is not None

    for token, status, message in (
        ("nonsense", 422, "not an attendance code"),
        (other_use, 422, "not an attendance code"),
        (old, 409, "This code is from"),
        (gone, 404, "no session"),
    ):
        answer = client.post(f"/v1/attendance/{token}", headers=here.headers)
        assert (answer.status_code, message in answer.json()["detail"]) == (status, True), answer.text
        page = client.get(f"/v1/attendance/{token}", headers={"Accept": "text/html", "Accept-Language": "en"})
        assert (page.status_code, message in page.text) == (status, True)
        assert page.url.path == f"/attendance/{token}"
        assert page.headers["content-type"].startswith("text/html")


def test_a_training_officer_runs_the_screen_and_a_resident_does_not(
    session: Session, client: TestClient, here: Here
) -> None:
    officer, resident = make.person(session), make.person(session)
    make.role(session, officer, Role.TRAINING_OFFICER, region=make.region(session))
    headers = [signed_in(session, each) for each in (officer, resident)]
    session.commit()

    assert [client.get(here.path, headers=each).status_code for each in headers] == [200, 403]
    screen = f"/learn/sessions/{here.path.split('/')[3]}/attendance"
    led = client.get(here.path, headers={"Accept": "text/html"}, follow_redirects=False)
    assert led.headers["location"] == screen
    as_pages = [client.get(screen, headers={**each, "Accept": "text/html"}) for each in (headers[1], {})]
    assert [page.status_code for page in as_pages] == [403, 401]
    assert "培训" in as_pages[0].text.partition("</h1>")[2], "the reason, in a sentence"
    english = {**headers[1], "Accept": "text/html", "Accept-Language": "en"}
    assert "Only the training officer" in client.get(screen, headers=english).text
    assert f'href="/sign-in?next={screen}"' in as_pages[1].text


def test_a_form_of_the_page_records_attendance_and_says_so(
    here: Here, office: Desk, client: TestClient
) -> None:
    page = {"Accept": "text/html", "Accept-Language": "en", "Sec-Fetch-Site": "same-origin"}
    own = page | {"Cookie": here.headers["Cookie"]}
    path = "/attendance/" + office.get(here.path).json()["address"].rpartition("/")[2]

    stranger = client.get(path, headers=page)
    assert "Sign in first." in stranger.text
    assert "<form" not in stranger.text
    assert client.post(path, headers=page).status_code == 401
    assert client.post(path, headers=own | {"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert "record my attendance" in client.get(path, headers=own).text
    assert "Your attendance is recorded." in client.post(path, headers=own).text
    assert "Your attendance was already recorded." in client.post(path, headers=own).text
    assert office.get(here.path).json()["attended"] == 1
