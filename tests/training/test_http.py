"""Training over HTTP, as a stranger, a member, an estate's office and a network administrator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.registry.estates.models import Estate
from aed.responders.models import Certificate
from aed.training.models import TrainingSession
from tests import make
from tests.cases import each_case
from tests.make import NOW, PATIENT, north_of
from tests.registry.conftest import Desk
from tests.statements import statements_of

LATER = datetime(2060, 1, 1, tzinfo=UTC)


def planned(session: Session, **given: Any) -> int:
    training = make.training(session, **{"starts_at": LATER, "planned_at": NOW} | given)
    session.commit()
    return training.id


def soon(session: Session, **given: Any) -> int:
    """A session that is open both for enrolment and for check-in."""
    starts_at = datetime.now(UTC) + timedelta(hours=1)
    return planned(session, starts_at=starts_at, enrolment_closes_at=starts_at.isoformat(), **given)


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["sessions"]]


def test_a_stranger_sees_public_sessions_without_their_people(
    session: Session, nobody: Desk, desk_of: Callable[..., Desk]
) -> None:
    home, other = make.estate(session), make.estate(session)
    public, ours = planned(session, trainer={"name": "Lin"}), planned(session, estate=home)
    make.enrolment(session, session.get_one(TrainingSession, public))
    session.commit()

    assert ids(nobody.get("/v1/sessions")) == [public]
    assert ids(desk_of(other).get("/v1/sessions")) == [public]
    assert ids(desk_of(home, writes=False).get("/v1/sessions")) == [public, ours]
    assert nobody.get(f"/v1/sessions/{ours}").status_code == 404
    shown = nobody.get(f"/v1/sessions/{public}").json()
    assert (shown["trainer"], shown["places_free"]) == (None, 19)
    assert nobody.get(f"/v1/sessions/{public}/enrolments").status_code == 401
    assert nobody.get("/v1/enrolments/1").status_code == 401
    assert nobody.get(f"/v1/sessions/{public}/history").status_code == 401
    reader = desk_of(home, writes=False)
    assert reader.get(f"/v1/sessions/{ours}/enrolments").status_code == 403
    assert desk_of(other).get(f"/v1/sessions/{public}/enrolments").json()["enrolments"] == []


def test_a_dispatcher_sees_the_sessions_of_the_region_without_names(
    session: Session, client: TestClient
) -> None:
    home = make.estate(session)
    elsewhere = make.estate(session, in_region="CN-31")
    ours, theirs = planned(session, estate=home), planned(session, estate=elsewhere)
    here = make.key(session, TokenRole.DISPATCHER, region=make.region(session), writes=True)
    session.commit()

    dispatcher = Desk(client, here)

    assert ids(dispatcher.get("/v1/sessions")) == [ours]
    assert dispatcher.get(f"/v1/sessions/{theirs}").status_code == 404
    assert dispatcher.get(f"/v1/sessions/{ours}/enrolments").json()["enrolments"] == []


def test_sessions_are_found_by_place_estate_course_language_and_day(session: Session, nobody: Desk) -> None:
    estate = make.estate(session)
    course = make.course(session, "CPR")
    first = planned(session, of=course, estate=estate, audience="public", language="en")
    second = planned(session, at=north_of(PATIENT, metres=5_000), starts_at=LATER + timedelta(days=3))
    now = datetime.now(UTC)
    past = planned(session, starts_at=now - timedelta(days=1), planned_at=now - timedelta(days=9))

    def found(query: str) -> list[int]:
        return ids(nobody.get(f"/v1/sessions?{query}"))

    assert found("") == [first, second]
    assert found("bbox=120.09,30.28,120.11,30.30") == [first]
    assert found(f"estate_id={estate.id}") == [first]
    assert found("course=CPR") == [first]
    assert found("language=zh") == [second]
    assert found("region=CN-31") == []
    assert found("starts_from=2060-01-02T00:00:00Z") == [second]
    assert found("starts_from=2020-01-01T00:00:00Z&starts_before=2060-01-02T00:00:00Z") == [past, first]
    assert nobody.get("/v1/sessions?bbox=1,2,3").status_code == 422


def test_sessions_are_listed_in_pages_of_equal_statement_count(
    session: Session, nobody: Desk, client: TestClient
) -> None:
    made = [planned(session, starts_at=LATER + timedelta(days=day)) for day in (2, 0, 1, 0, 2)]
    expected = [made[1], made[3], made[2], made[0], made[4]]

    seen: list[int] = []
    path = "/v1/sessions?limit=2"
    with statements_of(client.app.state.database.engine) as sent:  # type: ignore[attr-defined] # it is a FastAPI
        while path:
            page = nobody.get(path).json()
            seen += [each["id"] for each in page["sessions"]]
            path = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")

    assert seen == expected
    assert len(sent) == 3 * 2, "a page is two statements: the sessions, and their places"


def test_an_estate_runs_only_its_own_training(
    session: Session, desk_of: Callable[..., Desk], nobody: Desk
) -> None:
    home, other = make.estate(session), make.estate(session)
    make.course(session, "CPR")
    session.commit()
    ours = desk_of(home)
    new = {
        "course": "CPR",
        "estate_id": home.id,
        "position": {"lat": PATIENT.lat, "lon": PATIENT.lon},
        "place_en": "Hall",
        "place_zh": "活动室",
        "starts_at": "2060-01-01T09:00:00+08:00",
        "ends_at": "2060-01-01T13:00:00+08:00",
        "capacity": 2,
    }

    assert nobody.post("/v1/sessions", new).status_code in (401, 404)
    assert desk_of(other).post("/v1/sessions", new).status_code in (403, 404)
    made = ours.post("/v1/sessions", new)
    assert made.status_code == 201, made.text
    path = made.headers["Location"]
    assert desk_of(other).patch(path, {"capacity": 3}).status_code == 404
    assert ours.patch(path, {"capacity": 3}, etag=None).status_code == 428
    assert ours.patch(path, {"capacity": 3}, etag='"9"').status_code == 412
    amended = ours.patch(path, {"capacity": 3, "trainer": {"name": "Lin"}})
    assert (amended.status_code, amended.json()["trainer"]["name"]) == (200, "Lin")
    assert amended.headers["ETag"] == '"2"'
    assert ours.patch(path, {"ends_at": "2059-01-01T00:00:00Z"}, etag='"2"').status_code == 422
    assert ours.delete(path, etag='"2"').status_code == 204
    cancelled = ours.get(path).json()
    assert (cancelled["state"], cancelled["cancelled_why"]) == ("cancelled", "It cannot be held.")
    assert [each["fields"].get("state") for each in ours.get(f"{path}/history").json()] == [
        ["planned", "cancelled"],
        None,
        [None, "planned"],
    ]


@pytest.fixture
def course(session: Session) -> None:
    make.course(session, "CPR")
    session.commit()


@each_case(
    ("wrong", "message"),
    [
        ({"capacity": 0}, "capacity"),
        ({"minimum": 30}, "minimum"),
        ({"starts_at": "2020-01-01T00:00:00Z"}, "starts_at must be in the future"),
        ({"starts_at": "2060-01-01T00:00:00"}, "timezone"),
        ({"enrolment_closes_at": "2070-01-01T00:00:00Z"}, "closes"),
        ({"ends_at": "2059-01-01T00:00:00Z"}, "ends"),
        ({"course": "NONE"}, "There is no course 'NONE'. Known courses: CPR"),
        ({"audience": "estate"}, "public"),
        ({"region": None}, "estate_id, or region"),
    ],
)
def test_an_invalid_session_is_refused_in_a_sentence(
    course: None, office: Desk, wrong: dict[str, Any], message: str
) -> None:
    new = {
        "course": "CPR",
        "region": "CN-33",
        "audience": "public",
        "position": {"lat": PATIENT.lat, "lon": PATIENT.lon},
        "place_en": "Hall",
        "place_zh": "活动室",
        "starts_at": "2060-01-01T09:00:00+08:00",
        "ends_at": "2060-01-01T13:00:00+08:00",
        "capacity": 20,
    }

    answer = office.post("/v1/sessions", new | wrong)

    assert answer.status_code in (404, 422)
    assert message in answer.json()["detail"]


def test_everyone_sees_courses_and_administrators_create_them(
    session: Session, office: Desk, nobody: Desk, desk_of: Callable[..., Desk]
) -> None:
    new = {"code": "REFRESH", "name_en": "Refresher", "name_zh": "复训", "hours": 1.5}
    estate = make.estate(session)
    session.commit()
    assert nobody.post("/v1/courses", new).status_code == 401
    assert desk_of(estate).post("/v1/courses", new).status_code == 403
    assert office.post("/v1/courses", new).status_code == 201
    assert office.post("/v1/courses", new).status_code == 409
    advanced = office.post("/v1/courses", new | {"code": "MORE", "prerequisites": ["REFRESH"]})
    path = advanced.headers["Location"]

    assert [each["prerequisites"] for each in nobody.get("/v1/courses").json()] == [[], ["REFRESH"]]
    circle = office.patch("/v1/courses/1", {"prerequisites": ["MORE"]})
    assert (circle.status_code, "itself requires" in circle.json()["detail"]) == (409, True)
    assert office.patch(path, {"validity_months": 12}, etag='"1"').status_code == 422
    assert office.patch(path, {"prerequisites": []}).json()["prerequisites"] == []
    assert office.post("/v1/courses", new | {"code": "X", "certificate_kind": "cpr_aed"}).status_code == 422
    assert office.delete(path).status_code == 204
    withdrawn = office.post("/v1/sessions", {"course": "MORE"})
    assert withdrawn.status_code == 422


def test_a_person_waits_is_offered_a_place_and_accepts_it(
    session: Session, desk_of: Callable[..., Desk], nobody: Desk
) -> None:
    home = make.estate(session)
    path = f"/v1/sessions/{soon(session, estate=home, capacity=1)}/enrolments"
    ours = desk_of(home)
    people = [{"name": name, "phone": "+86 571 5550 3000"} for name in ("王小明", "李华", "张三")]
    assert nobody.post(path, people[0]).status_code == 401

    first, second, third = (ours.post(path, person) for person in people)

    assert [each.json()["state"] for each in (first, second, third)] == ["enrolled", "waiting", "waiting"]
    assert [each.json()["waiting_place"] for each in (first, second, third)] == [None, 1, 2]
    assert ours.post(path, people[0]).json()["detail"].startswith("This person is already on the roster")
    assert ours.patch(first.headers["Location"], {"state": "withdrawn"}).status_code == 200
    offered = ours.get(second.headers["Location"])
    assert (offered.json()["state"], offered.headers["ETag"]) == ("offered", '"2"')
    taken = ours.patch(second.headers["Location"], {"state": "enrolled"}, etag='"2"')
    assert (taken.status_code, taken.json()["state"]) == (200, "enrolled")
    page = ours.get(f"{path}?limit=2").json()
    assert [each["state"] for each in page["enrolments"]] == ["withdrawn", "enrolled"]
    rest = ours.get(page["links"][0]["href"]).json()
    assert [each["name"] for each in rest["enrolments"]] == ["张三"]
    history = ours.get(second.headers["Location"] + "/history").json()
    assert [each["fields"]["state"] for each in history] == [
        ["offered", "enrolled"],
        ["waiting", "offered"],
        [None, "waiting"],
    ]


def test_attendance_and_assessment_award_a_certificate_that_anyone_can_check(
    session: Session, desk_of: Callable[..., Desk], nobody: Desk
) -> None:
    home, other = make.estate(session), make.estate(session)
    path = f"/v1/sessions/{soon(session, estate=home)}"
    ours = desk_of(home)
    made = [
        ours.post(f"{path}/enrolments", {"name": name, "phone": "+86 571 5550 3000"}).json()["id"]
        for name in ("王小明", "Anna Berg")
    ]
    came = {"rows": [{"enrolment_id": each, "attendance": "attended"} for each in made]}
    assert nobody.post(f"{path}/attendance", came).status_code == 404, "its existence is not revealed"
    assert desk_of(home, writes=False).post(f"{path}/attendance", came).status_code == 403

    assert ours.post(f"{path}/attendance", came).json() == {"changed": 2, "unchanged": 0}
    assert ours.post(f"{path}/attendance", came).json() == {"changed": 0, "unchanged": 2}
    half = {"rows": [{"enrolment_id": made[0], "passed": True}, {"enrolment_id": 99, "passed": True}]}
    refused = ours.post(f"{path}/assessments", half)
    assert (refused.status_code, refused.json()["field"]) == (404, "rows.1.enrolment_id")
    assert ours.get(f"/v1/enrolments/{made[0]}").json()["passed"] is None, "all or nothing"
    passed = {"rows": [{"enrolment_id": each, "passed": True} for each in made]}
    assert ours.post(f"{path}/assessments", passed).json() == {"changed": 2, "unchanged": 0}

    number = ours.get(f"/v1/enrolments/{made[0]}").json()["certificate"]
    shown = nobody.get(f"/v1/certificates/{number}").json()
    assert (shown["is_valid"], shown["holder"]) == (True, "王**")
    assert shown.keys() == {"number", "is_valid", "holder", "valid_until"}
    assert nobody.delete(f"/v1/certificates/{number}").status_code == 401
    assert desk_of(other).delete(f"/v1/certificates/{number}").status_code == 403
    assert ours.delete(f"/v1/certificates/{number}?reason=Mistaken").status_code == 204
    assert nobody.get(f"/v1/certificates/{number}").json()["is_valid"] is False
    assert nobody.get("/v1/certificates/CPR-2026-0000000000").status_code == 404


def test_an_imported_certificate_number_reveals_nothing_to_a_stranger(session: Session, nobody: Desk) -> None:
    make.responder(session)
    session.commit()
    number = session.scalar(select(Certificate.number))

    assert nobody.get(f"/v1/certificates/{number}").status_code == 404


def test_moving_returns_the_new_enrolment(session: Session, desk_of: Callable[..., Desk]) -> None:
    home: Estate = make.estate(session)
    here, there = soon(session, estate=home), soon(session, estate=home)
    ours = desk_of(home)
    person = {"name": "Wang", "phone": "+86 571 5550 3000"}
    made = ours.post(f"/v1/sessions/{here}/enrolments", person)

    moved = ours.patch(made.headers["Location"], {"session_id": there})

    assert (moved.status_code, moved.json()["session_id"]) == (200, there)
    assert ours.get(made.headers["Location"]).json()["moved_to_id"] == moved.json()["id"]
    assert ours.patch(made.headers["Location"], {}).status_code == 422
