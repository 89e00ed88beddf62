"""The pages of training: sessions, enrolling, and the buttons behind the link of each notice."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.sessions import SESSION_COOKIE
from aed.geo import Position
from aed.notifications.models import OutboxMessage
from aed.settings import Settings
from aed.training.models import Enrolment, TrainingSession
from aed.training.queries import After
from aed.training.rules import EnrolmentState
from aed.web.learn.rules import SessionFilter, after_parameter, filter_asked
from tests import make
from tests.make import ADMINISTRATOR, PATIENT, north_of

SITE = "https://aed.example.cn"
FORM = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"public_url": SITE})


@pytest.fixture
def browser(browser: dict[str, str]) -> dict[str, str]:
    return browser | {"Accept-Language": "en"}


def soon(session: Session, *, days: float = 10, **given: object) -> TrainingSession:
    """Add a session that people can enrol in now."""
    return make.training(session, starts_at=clock.now() + timedelta(days=days), **given)  # type: ignore[arg-type]  # any field


def last_link(session: Session, person_id: int) -> str:
    """Return the path of the short link in the person's last message."""
    row = session.scalars(
        select(OutboxMessage).where(OutboxMessage.person_id == person_id).order_by(OutboxMessage.id.desc())
    ).first()
    session.commit()  # the server writes next
    assert row is not None
    found = re.search(rf"{SITE}(/l/\w+)", row.text_zh or "")
    assert found is not None, row.text_zh
    return found[1]


def state(session: Session, of: Enrolment) -> EnrolmentState:
    found = session.get_one(Enrolment, of.id, populate_existing=True).state
    session.commit()
    return found


def signed_in(session: Session, person: Person) -> dict[str, str]:
    return {"Cookie": f"{SESSION_COOKIE}={make.sign_in(session, person.id)}"}


def test_a_stranger_sees_public_sessions_with_places_left(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    near = soon(session, capacity=2, place_en="Public library")
    make.enrolment(session, near)
    far = soon(session, at=north_of(PATIENT, metres=30_000), place_en="Far hall")
    hidden = soon(session, estate=make.estate(session), place_en="Estate office")
    over = make.training(session, starts_at=clock.now() - timedelta(days=1), place_en="Yesterday")
    session.commit()

    page = client.get("/learn", headers=browser).text
    assert "Public library" in page
    assert "1 place free" in page
    assert "Far hall" in page
    assert "Estate office" not in page
    assert "Yesterday" not in page
    near_me = client.get(f"/learn?lat={PATIENT.lat}&lon={PATIENT.lon}", headers=browser).text
    assert "Public library" in near_me
    assert "Far hall" not in near_me
    own_page = client.get(f"/learn/sessions/{near.id}", headers=browser).text
    assert f'href="/sign-in?next=/learn/sessions/{near.id}"' in own_page
    sign_in = client.get(f"/sign-in?next=/learn/sessions/{near.id}", headers=browser)
    assert f'name="next" value="/learn/sessions/{near.id}"' in sign_in.text
    assert client.get(f"/learn/sessions/{hidden.id}", headers=browser).status_code == 404
    assert client.get(f"/learn/sessions/{far.id}", headers=browser).status_code == 200
    assert client.get(f"/learn/sessions/{over.id}", headers=browser).status_code == 200
    for odd in ("lat=x&lon=y", "lat=999&lon=0", "after=x", "after=1-99999999999999999999", "course=%3Cb%3E"):
        assert client.get(f"/learn?{odd}", headers=browser).status_code == 200, odd


def test_a_stranger_cannot_enrol_and_another_site_cannot_either(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    training = soon(session)
    session.commit()

    where = f"/learn/sessions/{training.id}"
    assert client.post(where, headers=browser | FORM).status_code == 401
    cross = browser | {"Sec-Fetch-Site": "cross-site"}
    assert client.post(where, headers=cross).status_code == 403


def test_a_refused_enrolment_gives_the_reason_in_the_readers_language(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    over = make.training(session, starts_at=clock.now() - timedelta(days=1))
    cookie = signed_in(session, make.person(session, phone="+8613800138001"))
    session.commit()

    def why(language: str) -> str:
        headers = browser | cookie | FORM | {"Accept-Language": language}
        page = client.post(f"/learn/sessions/{over.id}", headers=headers)
        found = re.search(r'role="alert">[^<]*<span class="quiet">([^<]+)</span>', page.text)
        assert found is not None, page.text
        return found[1]

    assert why("en").isascii()
    assert re.fullmatch(r"[\u4e00-\u9fff，。：；0-9 :-]+", why("zh-CN"))


def test_a_waiting_person_sees_their_position_on_the_waiting_list(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    training = soon(session, capacity=1)
    make.enrolment(session, training)
    person = make.person(session, phone="+8613800138001")
    cookie = signed_in(session, person)
    session.commit()

    where = f"/learn/sessions/{training.id}"
    assert "Put me on the waiting list" in client.get(where, headers=browser | cookie).text
    for _double_tap in range(2):
        done = client.post(where, headers=browser | cookie | FORM, follow_redirects=False)
        assert done.status_code == 303
    page = client.get(done.headers["Location"], headers=browser | cookie).text
    assert "You are number 1 on the waiting list." in page
    assert "already" in client.get(where, headers=browser | cookie).text
    (message,) = session.scalars(select(OutboxMessage).where(OutboxMessage.person_id == person.id))
    assert (message.text_zh or "").startswith("候补第1位：")
    stranger = client.get(done.headers["Location"], headers=browser)
    assert stranger.status_code == 401
    other = signed_in(session, make.person(session))
    session.commit()
    assert client.get(done.headers["Location"], headers=browser | other).status_code == 404


def test_the_link_of_an_offer_accepts_it_without_signing_in(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    training = soon(session, capacity=1)
    has, waits = make.enrolment(session, training), make.enrolment(session, training)
    session.commit()
    give_up = client.get(last_link(session, has.person_id), headers=browser)
    assert "You have a place." in give_up.text
    assert "Yes, cancel my place" in give_up.text

    client.post(str(give_up.url), headers=browser | FORM, data={"change": "withdraw"})
    assert state(session, has) is EnrolmentState.WITHDRAWN
    offer = client.get(last_link(session, waits.person_id), headers=browser)
    assert "A place is free. It is kept for you until" in offer.text
    for _double_tap in range(2):
        answer = client.post(str(offer.url), headers=browser | FORM, data={"change": "accept"})
        assert answer.status_code == 200, answer.text
        assert "you have accepted the place" in answer.text
    assert state(session, waits) is EnrolmentState.ENROLLED
    late = client.post(str(give_up.url), headers=browser | FORM, data={"change": "accept"})
    assert late.status_code == 409
    assert "This is how it stands now." in late.text


def test_a_link_opens_its_own_enrolment_alone_and_not_after_it_expired(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    training = soon(session)
    mine, other = make.enrolment(session, training), make.enrolment(session, training)
    session.commit()
    mine_url = client.get(last_link(session, mine.person_id), headers=browser).url.path
    key = mine_url.rpartition("/")[2]

    for where in (f"/learn/enrolments/{other.id}/{key}", f"/learn/enrolments/{mine.id}/guess"):
        assert client.get(where, headers=browser).status_code == 410
        answer = client.post(where, headers=browser | FORM, data={"change": "withdraw"})
        assert answer.status_code == 410
        assert client.get(f"{where}/certificate.pdf", headers=browser).status_code == 410
    assert state(session, other) is EnrolmentState.ENROLLED
    assert client.post(mine_url, headers=browser | FORM, data={"change": "rob"}).status_code == 422


def test_the_link_moves_to_another_session_of_the_course(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    course = make.course(session)
    training, later = soon(session, of=course), soon(session, of=course, days=20, place_en="Town hall")
    full = soon(session, of=course, days=15, capacity=1, place_en="Full hall")
    make.enrolment(session, full)
    mine = make.enrolment(session, training)
    session.commit()

    page = client.get(last_link(session, mine.person_id), headers=browser)
    assert "Town hall" in page.text
    assert "Full hall" not in page.text
    move = {"change": "move", "to_session": str(later.id)}
    for _double_tap in range(2):
        moved = client.post(str(page.url), headers=browser | FORM, data=move)
        assert moved.status_code == 200
        assert "You are now in this session." in moved.text
    assert state(session, mine) is EnrolmentState.MOVED
    assert "You have moved to another session." in client.get(str(page.url), headers=browser).text


def test_a_manager_enrols_a_person_by_name_and_phone(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    estate = make.estate(session)
    training = soon(session, estate=estate)
    manager = make.person(session)
    make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    session.flush()
    cookie = signed_in(session, manager)
    session.commit()

    where = f"/learn/sessions/{training.id}"
    who = {"name": "<script>alert(1)</script>", "phone": "+86 138 0013 8002"}
    done = client.post(where, headers=browser | cookie | FORM, data=who, follow_redirects=False)
    assert "The person has a place" in client.get(done.headers["Location"], headers=browser | cookie).text
    bad = client.post(where, headers=browser | cookie | FORM, data={"name": "<b>Li", "phone": "<i>"})
    assert bad.status_code == 422
    assert "<b>" not in bad.text
    assert "&lt;b&gt;Li" in bad.text
    person = session.scalars(select(Person).where(Person.name == who["name"])).one()
    assert "&lt;script&gt;" in client.get(last_link(session, person.id), headers=browser).text


def test_who_passed_gets_the_certificate_by_the_link(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    from aed.training.rosters import actions as roster_actions
    from aed.training.rules import AttendanceState, MarkedBy

    training = soon(session, days=1.5)
    mine, at = make.enrolment(session, training), training.ends_at
    for result in (
        roster_actions.Result(mine.id, attendance=AttendanceState.ATTENDED),
        roster_actions.Result(mine.id, passed=True),
    ):
        open_ = roster_actions.open_for_results(session, ADMINISTRATOR, training.id, at=at)
        roster_actions.save_results(session, ADMINISTRATOR, open_, [result], how=MarkedBy.HAND, at=at)
    session.commit()

    page = client.get(last_link(session, mine.person_id), headers=browser)
    assert "You passed." in page.text
    paper = client.get(f"{page.url.path}/certificate.pdf", headers=browser)
    assert paper.headers["Content-Type"] == "application/pdf"
    assert paper.content.startswith(b"%PDF")


# --- The list's parameters ------------------------------------------------------------------------------


@given(st.integers(0, 10**16 - 1), st.integers(1, 10**18 - 1))
@example(10**15, 10**17)
def test_the_cursor_of_the_list_reads_back_the_same(microseconds: int, session_id: int) -> None:
    last = After(datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds), session_id)
    assert filter_asked({"after": after_parameter(last)}).after == last


@pytest.mark.parametrize(
    "after",
    ["", "-", "1-", "-1", "x-1", "1-x", "\uff11-1", "1-\u0661", "1" * 17 + "-1", "1-" + "1" * 19],
)
def test_a_cursor_that_no_page_made_starts_the_list_anew(after: str) -> None:
    assert filter_asked({"after": after}).after is None


@pytest.mark.parametrize("given", [{"lat": "30"}, {"lat": "x", "lon": "120"}, {"lat": "91", "lon": "120"}])
def test_a_place_that_cannot_be_read_counts_as_not_given(given: dict[str, str]) -> None:
    assert filter_asked(given | {"course": " first-aid "}) == SessionFilter(course="first-aid")
    assert filter_asked({"lat": "30", "lon": "120"}).here == Position(30.0, 120.0)
