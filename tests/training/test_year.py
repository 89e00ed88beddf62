"""A simulated year of one estate, on the command line and over HTTP, on both databases.

240 people, 12 courses with waiting lists that move, no-shows, 180 certificates, a Red Cross roster that
corrects 20 of them, a cancelled session, a refresher, and certificates that expire. At the end every
reported number is recomputed from the change history and the imported files.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.database.geometry import position_of
from aed.geo import distance_metres
from aed.hours.dates import months_after
from aed.notifications.models import OutboxMessage
from aed.registry.changes import RegistryChange
from aed.registry.estates.models import Building, Estate
from aed.registry.holidays.queries import holiday_calendar
from aed.training.gaps.week import AWAY, HOURS, NOT_KNOWN, THERE, CalendarWeek, hour_states
from aed.training.rules import last_valid_day
from tests import make
from tests.accounts.everyone import signed_in
from tests.cli.conftest import Aed, aed, run
from tests.make import PATIENT, east_of, north_of, square

pytestmark = pytest.mark.slow

__all__ = ["aed", "run"]

CHINA = ZoneInfo("Asia/Shanghai")
COURSES, PEOPLE, CAPACITY, PASSING = 12, 240, 18, 15
BEGINS, ENDS = datetime(2027, 1, 4, 1, 0, tzinfo=UTC), datetime(2028, 1, 10, 1, 0, tzinfo=UTC)
ISSUER, ISSUER_CODE = "Demo City Red Cross", "demo-red-cross"
WALK_METRES = 259.1 / 1.5
"""Three minutes from an alert in an estate (docs/decide/arrival-times.md), as a straight line.

No walking network is loaded.
"""
HOURS_GIVEN = ("24/7", "Mo-Fr 18:00-23:00; Sa,Su 08:00-22:00", "Mo-Su 19:00-07:30", "")


def name_of(number: int) -> str:
    return f"居民{number:03}"


def phone_of(number: int) -> str:
    return f"+86 138 0013 {8000 + number:04d}"


@dataclass
class Year:
    """The clients, the simulated clock and the imported files."""

    aed: Aed
    client: TestClient
    headers: dict[str, str]
    folder: Path
    session: Session
    now: datetime = BEGINS
    estate_id: int = 0
    sessions: list[int] = field(default_factory=list)
    corrected: dict[str, date] = field(default_factory=dict)
    """Corrections in the chapter's roster: certificate number to last valid day."""
    dated: dict[str, date] = field(default_factory=dict)
    """The last valid days of those certificates before the correction."""
    enrolled_by: Counter[str] = field(default_factory=Counter)

    # --- HTTP -------------------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        answer = self.client.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any) -> Any:
        answer = self.client.post(path, json=body, headers=self.headers)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def patch(self, enrolment: dict[str, Any], body: Any) -> Any:
        headers = {**self.headers, "If-Match": f'"{enrolment["version"]}"'}
        answer = self.client.patch(f"/v1/enrolments/{enrolment['id']}", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def roster(self, session_id: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/v1/sessions/{session_id}/enrolments")["enrolments"]
        return found

    # --- actions of either client -----------------------------------------------------------------------

    def plan(self, course: str, starts_at: datetime, *, capacity: int, by_command: bool) -> int:
        fields: dict[str, Any] = {
            "course": course,
            "estate_id": self.estate_id,
            "place_en": "Hall",
            "place_zh": "活动室",
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(hours=4)).isoformat(),
            "capacity": capacity,
            "minimum": 2,
        }
        if not by_command:
            position = {"lat": PATIENT.lat, "lon": PATIENT.lon}
            return int(self.post("/v1/sessions", fields | {"position": position})["id"])
        words = [f"{name}={value}" for name, value in fields.items()]
        output = self.aed("sessions", "add", *words, f"lat={PATIENT.lat}", f"lon={PATIENT.lon}").out
        found = re.search(r"Session (\d+) is planned", output)
        assert found, output
        return int(found[1])

    def enrol(self, session_id: int, number: int, *, by_command: bool) -> None:
        person = {"name": name_of(number), "phone": phone_of(number), "estate_id": self.estate_id}
        self.enrolled_by["command" if by_command else "http"] += 1
        if by_command:
            self.aed("enrol", session_id, *(f"{name}={value}" for name, value in person.items()))
        else:
            self.post(f"/v1/sessions/{session_id}/enrolments", person)

    def say_who_came(self, session_id: int, absent: set[int], failed: set[int], *, by_command: bool) -> None:
        """Record attendance, with the roster sheet or over HTTP."""
        rows = [row for row in self.roster(session_id) if row["state"] == "enrolled"]
        attended = {row["id"]: "no_show" if row["id"] in absent else "attended" for row in rows}
        passed = {row["id"]: row["id"] not in failed for row in rows if row["id"] not in absent}
        if not by_command:
            marked = [{"enrolment_id": id_, "attendance": came} for id_, came in attended.items()]
            self.post(f"/v1/sessions/{session_id}/attendance", {"rows": marked})
            results = [{"enrolment_id": id_, "passed": ok} for id_, ok in passed.items()]
            self.post(f"/v1/sessions/{session_id}/assessments", {"rows": results})
            return
        sheet = self.folder / f"roster-{session_id}.csv"
        self.aed("sessions", "roster", session_id, "-o", sheet)
        with sheet.open(encoding="utf-8-sig", newline="") as opened:
            filled = list(csv.DictReader(opened))
        for row in filled:
            id_ = int(row["enrolment"])
            if id_ in attended:
                row["attendance"] = attended[id_]
            if id_ in passed:
                row["result"] = "passed" if passed[id_] else "failed"
        with sheet.open("w", encoding="utf-8", newline="") as opened:
            writer = csv.DictWriter(opened, list(filled[0]))
            writer.writeheader()
            writer.writerows(filled)
        answer = self.aed("sessions", "results", session_id, sheet).out
        assert "0 not taken" in answer, answer


# --- the year -------------------------------------------------------------------------------------------


@pytest.fixture
def year(
    aed: Aed, client: TestClient, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Year:
    """An estate with three buildings, a training officer, and forty neighbours who are responders already."""
    client.base_url = client.base_url.copy_with(scheme="https")
    make.region(session)
    session.commit()
    year = Year(aed, client, {}, tmp_path, session)
    monkeypatch.setattr("aed.clock.now", lambda: year.now)  # a year passes in seconds
    (tmp_path / "estates.geojson").write_text(json.dumps(estates_file()), encoding="utf-8")
    aed("import", "estates", tmp_path / "estates.geojson")
    year.estate_id = session.scalars(select(Estate.id)).one()
    officer = make.person(session)
    make.role(session, officer, Role.TRAINING_OFFICER, region=make.region(session))
    year.headers = signed_in(session, officer)
    session.commit()
    (tmp_path / "responders.csv").write_text(responders_file(), encoding="utf-8")
    aed("import", "responders", tmp_path / "responders.csv")
    aed(
        *("issuers", "add", f"code={ISSUER_CODE}", f"name_en={ISSUER}", "name_zh=示范市红十字会"),
        *("kind=red_cross", "region=CN-33", "verified_by=roster"),
    )
    aed(
        *("courses", "add", "code=CPR", "name_en=Resuscitation", "name_zh=心肺复苏", "hours=4"),
        *("certificate_kind=cpr_aed", f"issuer={ISSUER}", "validity_months=12", "refresher_months=6"),
    )
    aed("courses", "add", "code=AGAIN", "name_en=Again", "name_zh=复训", "hours=2", "--needs", "CPR")
    return year


def estates_file() -> dict[str, Any]:
    estate = {
        "type": "Feature",
        "properties": {
            "kind": "estate",
            "source": "town",
            "source_id": "e1",
            "name_en": "Lotus Court",
            "name_zh": "荷苑",
            "region": "CN-33",
        },
        "geometry": square(PATIENT, metres=400),
    }
    places = [PATIENT, north_of(PATIENT, metres=200), east_of(PATIENT, metres=350)]
    houses = [
        {
            "type": "Feature",
            "properties": {
                "kind": "building",
                "source": "town",
                "source_id": f"b{number}",
                "estate": "e1",
                "name_en": f"Building {number}",
                "name_zh": f"{number}幢",
                "floors": 11,
            },
            "geometry": {"type": "Point", "coordinates": [place.lon, place.lat]},
        }
        for number, place in enumerate(places, start=1)
    ]
    return {"type": "FeatureCollection", "features": [estate, *houses]}


RESPONDERS = range(40)
"""Indexes of the people with certificates that expire between March of the year and September of the next."""
UNSEEN = range(1, 40, 5)
"""Indexes of the responders whose certificates are not verified, so that they are not alerted."""


def old_card(number: int) -> date:
    return date(2027, 3, 1) + timedelta(days=14 * number)


def home_of(number: int) -> Any:
    return east_of(north_of(PATIENT, metres=10.0 * (number % 20)), metres=12.0 * (number % 9))


def responders_file() -> str:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(
        [
            *("source", "source_id", "name", "phone", "region", "estate", "certificate_kind"),
            *("certificate_issuer", "certificate_number", "certificate_valid_until", "certificate_trust"),
            *("availability", "place", "lat", "lon", "place_hours"),
        ]
    )
    for number in RESPONDERS:
        home = home_of(number)
        writer.writerow(
            [
                *("town", f"r{number}", name_of(number), phone_of(number), "CN-33", "e1", "cpr_aed"),
                *("Old chapter", f"OLD-{number}", old_card(number)),
                *("documented" if number in UNSEEN else "verified", HOURS_GIVEN[number % 4]),
                *("home", home.lat, home.lon, "24/7"),
            ]
        )
    return written.getvalue()


def live(year: Year) -> None:
    """Simulate month by month: enrolments a month ahead, withdrawals, and the sessions."""
    for month in range(COURSES):
        by_command = month % 2 == 0
        starts_at = datetime(2027, month + 1, 16, 1, 0, tzinfo=UTC)
        year.now = max(BEGINS, starts_at - timedelta(days=12))
        session_id = year.plan("CPR", starts_at, capacity=CAPACITY, by_command=by_command)
        year.sessions.append(session_id)
        people = range(month * 20, month * 20 + 20)
        for place, number in enumerate(people):
            year.enrol(session_id, number, by_command=by_command and place < 3)
        rows = year.roster(session_id)
        assert [row["state"] for row in rows] == ["enrolled"] * CAPACITY + ["waiting"] * 2
        year.now += timedelta(days=1)
        for row in rows[4:6]:
            year.patch(row, {"state": "withdrawn"})
        first, second = (row for row in year.roster(session_id) if row["state"] == "offered")
        year.patch(first, {"state": "enrolled"})
        if by_command:  # the offer expires
            year.now += timedelta(days=1, hours=1)
            assert "1 offer expired" in year.aed("enrolments", "expire").out
            assert "0 offers expired" in year.aed("enrolments", "expire").out
        else:
            year.patch(second, {"state": "enrolled"})
        year.now = starts_at + timedelta(hours=4)
        held = [row["id"] for row in year.roster(session_id) if row["state"] == "enrolled"]
        absent = set(held[: 1 + month % 2])
        failed = set(held[len(absent) : len(held) - PASSING])
        year.say_who_came(session_id, absent, failed, by_command=by_command)
        if month == 6:
            correct_by_roster(year)
        if month == 7:
            cancel_one(year)
        if month == 8:
            refresh(year)
    year.now = ENDS


def correct_by_roster(year: Year) -> None:
    """Import the chapter's roster of certificates awarded in its name, with 20 different last days."""
    of = {
        row["certificate"]: row for each in year.sessions for row in year.roster(each) if row["certificate"]
    }
    days = {number: year.client.get(f"/v1/certificates/{number}").json()["valid_until"] for number in of}
    lines = ["示范市红十字会持证名册", "姓名,证书编号,手机号,培训课程,有效期至,状态"]
    for place, (number, row) in enumerate(of.items()):
        last = date.fromisoformat(days[number])
        if 20 <= place < 40:
            year.dated[number] = last
            last += timedelta(days=30 if place % 3 else -200)
            year.corrected[number] = last
        lines.append(f"{row['name']},{number},{row['phone']},cpr_aed,{last:%Y年%m月%d日},有效")
    lines.append(f"外地人,{ISSUER_CODE}-1,,cpr_aed,2029-01-01,有效")
    file = year.folder / "chapter.csv"
    file.write_bytes("\n".join(lines).encode("cp936"))
    tried = year.aed("issuers", "import-roster", ISSUER_CODE, file, "--dry-run").out
    issuer_id = year.get("/v1/issuers")["issuers"][0]["id"]
    answer = year.client.post(
        f"/v1/imports/issuer-roster?issuer_id={issuer_id}&name=chapter.csv",
        content=file.read_bytes(),
        headers=year.headers,
    )
    assert answer.status_code == 200, answer.text
    done = answer.json()
    assert (done["set_aside"], done["disputed"], done["revoked"], done["not_held"]) == (0, 0, 0, 1)
    assert (done["confirmed"], done["corrected"]) == (len(of) - 20, 20)
    assert f"{len(of) - 20} confirmed, 20 corrected, 0 revoked, 0 disputed" in " ".join(tried.split())
    assert "20 corrected" not in year.aed("issuers", "import-roster", ISSUER_CODE, file).out, "a second time"


def cancel_one(year: Year) -> None:
    """Cancel an additional session with three enrolled people, one of whom has moved there."""
    starts_at = year.now + timedelta(days=20)
    kept = year.plan("CPR", starts_at, capacity=5, by_command=False)
    session_id = year.plan("CPR", starts_at + timedelta(days=1), capacity=5, by_command=False)
    for number in (1, 2):
        year.enrol(session_id, number, by_command=False)
    year.enrol(kept, 3, by_command=False)
    (row,) = year.roster(kept)
    year.patch(row, {"session_id": session_id})
    year.aed("sessions", "cancel", session_id, "--reason", "The hall is flooded.")
    year.aed("sessions", "cancel", kept, "--reason", "Nobody is left.")


def refresh(year: Year) -> None:
    """Ten people who passed in the winter practise again."""
    passed = [row for row in year.roster(year.sessions[0]) if row["passed"]][:10]
    starts_at = year.now + timedelta(days=5)
    session_id = year.plan("AGAIN", starts_at, capacity=10, by_command=True)
    for row in passed:
        year.enrol(session_id, int(row["name"].removeprefix("居民")), by_command=False)
    year.now = starts_at + timedelta(hours=2)
    year.say_who_came(session_id, set(), set(), by_command=False)


# --- checks ---------------------------------------------------------------------------------------------


@dataclass
class Record:
    """The change history, replayed: the current state of each row, and each state change on the way."""

    rows: dict[str, dict[int, dict[str, Any]]]
    became: dict[str, list[tuple[int, str | None, str]]]
    """By table: (id, state before, state after), in order."""

    @classmethod
    def of(cls, session: Session) -> Record:
        rows: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
        became: dict[str, list[tuple[int, str | None, str]]] = defaultdict(list)
        for change in session.scalars(select(RegistryChange).order_by(RegistryChange.id)):
            if not change.subject_id.isdecimal():
                continue
            id_ = int(change.subject_id)
            rows[change.subject].setdefault(id_, {}).update({k: now for k, (_, now) in change.fields.items()})
            if "state" in change.fields:
                before, now = change.fields["state"]
                became[change.subject].append((id_, before, now))
        session.rollback()
        return cls(rows, became)

    def enrolments_in(self, session_id: int) -> dict[int, dict[str, Any]]:
        return {id_: row for id_, row in self.rows["enrolments"].items() if row["session_id"] == session_id}

    def of_enrolment(self, table: str, enrolment_id: int) -> dict[str, Any]:
        """Return the attendance or assessment of an enrolment, or an empty mapping."""
        found = (row for row in self.rows[table].values() if row["enrolment_id"] == enrolment_id)
        return next(found, {})


def last_days(record: Record, names: dict[int, str], *, is_called_by: bool = False) -> dict[str, date]:
    """Return the last valid day of each person's certificates.

    Combines imported certificates, awards, corrections of the chapter's roster, and revocations. With
    `is_called_by`, only verified certificates count.
    """
    found = {
        name_of(number): old_card(number) for number in RESPONDERS if not (is_called_by and number in UNSEEN)
    }
    for assessment in record.rows["assessments"].values():
        if assessment.get("certificate_id") is None:
            continue
        certificate = record.rows["certificates"][assessment["certificate_id"]]
        if certificate.get("revoked_at") is not None:
            continue
        last = date.fromisoformat(certificate["valid_until"])
        name = names[record.rows["enrolments"][assessment["enrolment_id"]]["person_id"]]
        found[name] = max(last, found.get(name, last))
    return found


def test_a_year_of_training_in_an_estate(year: Year) -> None:
    live(year)
    planned = year.plan("CPR", ENDS + timedelta(days=40), capacity=CAPACITY, by_command=True)
    for number in range(5, 9):
        year.enrol(planned, number, by_command=False)
    revoked = next(row for row in year.roster(year.sessions[-1]) if row["certificate"])
    year.aed("certificates", "revoke", revoked["certificate"], "--reason", "Somebody else's.")
    record = Record.of(year.session)
    names = {row.id: row.name for row in year.session.execute(select(Person.id, Person.name))}
    year.session.rollback()

    every_step_of_the_year_was_recorded(year, record, names)
    rosters_match_the_records(year, record, names)
    sessions_match_the_records(year, record)
    every_change_was_notified_once(year, record)
    certificates_are_valid_as_awarded_corrected_and_revoked(year, record, revoked["certificate"])
    today = ENDS.date()
    expiries_follow_the_latest_certificates(year, last_days(record, names), today)
    refreshers_are_people_without_recent_practice(year, record, names, today)
    gaps_match_a_count_by_neighbour_and_hour(
        year, record, names, last_days(record, names, is_called_by=True), planned
    )


def every_step_of_the_year_was_recorded(year: Year, record: Record, names: dict[int, str]) -> None:
    held = [row for row in record.rows["training_sessions"].values() if row["state"] == "held"]
    assert len(held) == COURSES + 1
    of_courses = [id_ for session in year.sessions for id_ in record.enrolments_in(session)]
    people = {names[record.rows["enrolments"][id_]["person_id"]] for id_ in of_courses}
    assert people == {name_of(number) for number in range(PEOPLE)}
    awarded = [row for row in record.rows["certificates"].values() if row.get("is_awarded")]
    assert len(awarded) == len({row["number"] for row in awarded}) == COURSES * PASSING == 180
    assert len(year.corrected) == 20
    came = Counter(row["state"] for row in record.rows["attendances"].values())
    assert came["no_show"] == 18
    moves = Counter(now for _, before, now in record.became["enrolments"] if before is not None)
    assert moves == {
        "withdrawn": 2 * COURSES,
        "offered": 2 * COURSES,
        "enrolled": COURSES + COURSES // 2,
        "lapsed": COURSES // 2,
        "moved": 1,
        "cancelled": 3,
    }
    assert year.enrolled_by["command"] == 3 * COURSES // 2


def rosters_match_the_records(year: Year, record: Record, names: dict[int, str]) -> None:
    for session_id in record.rows["training_sessions"]:
        expected = record.enrolments_in(session_id)
        shown = {row["id"]: row for row in year.roster(session_id)}
        assert shown.keys() == expected.keys()
        waiting = sorted(id_ for id_, row in expected.items() if row["state"] == "waiting")
        for id_, row in expected.items():
            attendance, assessment = (
                record.of_enrolment(table, id_) for table in ("attendances", "assessments")
            )
            certificate = record.rows["certificates"].get(assessment.get("certificate_id", 0), {})
            assert {
                "name": names[row["person_id"]],
                "state": row["state"],
                "attendance": attendance.get("state"),
                "passed": assessment.get("passed"),
                "certificate": certificate.get("number"),
                "waiting_place": waiting.index(id_) + 1 if id_ in waiting else None,
                "moved_to_id": row.get("moved_to_id"),
            }.items() <= shown[id_].items()


def sessions_match_the_records(year: Year, record: Record) -> None:
    shown = year.get("/v1/sessions?starts_from=2027-01-01T00:00:00Z")["sessions"]
    assert {each["id"] for each in shown} == record.rows["training_sessions"].keys()
    for each in shown:
        row = record.rows["training_sessions"][each["id"]]
        states = Counter(enrolment["state"] for enrolment in record.enrolments_in(each["id"]).values())
        assert each["state"] == row["state"]
        assert each["places_free"] == row["capacity"] - states["enrolled"] - states["offered"]
        assert each["waiting"] == states["waiting"]
        assert states["enrolled"] <= row["capacity"]


def every_change_was_notified_once(year: Year, record: Record) -> None:
    """Check that each enrolment change that concerns its person produced one message."""
    moved_to = {row.get("moved_to_id") for row in record.rows["enrolments"].values()} - {None}
    happened: Counter[tuple[int | None, str]] = Counter()
    for id_, _, now in record.became["enrolments"]:
        kind = "moved" if now == "enrolled" and id_ in moved_to else now
        if kind in ("enrolled", "offered", "lapsed", "cancelled") or id_ in moved_to:
            happened[record.rows["enrolments"][id_]["person_id"], kind] += 1
    begins = {
        "您已报上名": "enrolled",
        "候补有名额了": "offered",
        "为您保留的名额逾期": "lapsed",
        "您的报名已改到": "moved",
        "本场次已取消": "cancelled",
    }
    sent_by_kind: Counter[tuple[int | None, str]] = Counter()
    for person_id, text in year.session.execute(select(OutboxMessage.person_id, OutboxMessage.text_zh)):
        (kind,) = (kind for words, kind in begins.items() if text is not None and text.startswith(words))
        sent_by_kind[person_id, kind] += 1
    year.session.rollback()
    assert sent_by_kind == happened
    assert sum(sent_by_kind.values()) > PEOPLE


def certificates_are_valid_as_awarded_corrected_and_revoked(year: Year, record: Record, revoked: str) -> None:
    """Check every certificate number as the public can."""
    today = ENDS.astimezone(CHINA).date()
    valid = 0
    for row in record.rows["certificates"].values():
        number = row["number"]
        until = date.fromisoformat(row["valid_until"])
        awarded = last_valid_day(date.fromisoformat(row["issued_on"]), 12)
        assert until == year.corrected.get(number, awarded)
        assert year.dated.get(number, awarded) == awarded
        shown = year.client.get(f"/v1/certificates/{number}").json()
        assert shown["valid_until"] == until.isoformat()
        assert shown["is_valid"] is (until >= today and number != revoked)
        valid += shown["is_valid"]
    assert 0 < valid < 180


def expiries_follow_the_latest_certificates(year: Year, last: dict[str, date], today: date) -> None:
    output = year.aed("certificates", "expiring", "--days", 90).out
    shown = {
        name: date.fromisoformat(day) for day, name in re.findall(r"([0-9-]{10}) +\d+ +(居民\d{3})", output)
    }

    expected = {name: day for name, day in last.items() if today <= day <= today + timedelta(days=90)}
    assert len(expected) >= 20
    assert shown == expected


def refreshers_are_people_without_recent_practice(
    year: Year, record: Record, names: dict[int, str], today: date
) -> None:
    output = year.aed("certificates", "refreshers").out
    shown = {
        name: (date.fromisoformat(day), how)
        for day, name, how in re.findall(r"([0-9-]{10}) +(居民\d{3}) .*(due|suggested)", output)
    }

    ended = {
        id_: datetime.fromisoformat(row["ends_at"]).date()
        for id_, row in record.rows["training_sessions"].items()
    }
    practised: dict[str, date] = {}
    passed: set[str] = set()
    for id_, row in record.rows["enrolments"].items():
        name = names[row["person_id"]]
        if record.of_enrolment("attendances", id_).get("state") == "attended":
            day = ended[row["session_id"]]
            practised[name] = max(day, practised.get(name, day))
        if row["session_id"] in year.sessions and record.of_enrolment("assessments", id_).get("passed"):
            passed.add(name)
    assert len(passed) == 180
    expected = {
        name: (practised[name], "due" if today >= months_after(practised[name], 6) else "suggested")
        for name in passed
        if today >= months_after(practised[name], 3)
    }
    assert {how for _, how in expected.values()} == {"due", "suggested"}
    assert shown == expected


def gaps_match_a_count_by_neighbour_and_hour(
    year: Year, record: Record, names: dict[int, str], last: dict[str, date], planned: int
) -> None:
    (shown,) = year.get(f"/v1/gaps?estate_id={year.estate_id}")["estates"]
    week = CalendarWeek.coming(ENDS, "Asia/Shanghai")
    assert shown["week_begins"] == week.monday.isoformat()

    today = ENDS.astimezone(CHINA).date()
    horizon = today + timedelta(days=90)
    calendar = holiday_calendar(year.session, "CN")
    houses = [
        (row.id, position_of(row.position)) for row in year.session.scalars(select(Building).order_by("id"))
    ]
    year.session.rollback()
    renewing = {names[row["person_id"]] for row in record.enrolments_in(planned).values()}

    held = {id_ for id_, row in record.rows["training_sessions"].items() if id_ in year.sessions}
    taken = [
        id_
        for id_, row in record.rows["enrolments"].items()
        if row["session_id"] in held and row["state"] == "enrolled"
    ]
    passed = {id_ for id_ in taken if record.of_enrolment("assessments", id_).get("passed")}
    called = {name for n in RESPONDERS if (name := name_of(n)) in last}
    assert 0 < len(called) < len(RESPONDERS), (
        "responders without a verified certificate or a passed course are excluded"
    )
    callable_now = {name for name in called if last[name] >= today}
    serving = [id_ for id_ in passed if names[record.rows["enrolments"][id_]["person_id"]] in callable_now]
    fills = (len(taken) + 8) / (COURSES * CAPACITY + 10)
    passes = (len(passed) + 8) / (len(taken) + 10)
    serves = (len(serving) + 5) / (len(passed) + 10)
    enrolled = record.enrolments_in(planned)
    new = [row for row in enrolled.values() if names[row["person_id"]] not in callable_now]
    expected = (len(new) + max(0.0, fills * CAPACITY - len(enrolled))) * passes * serves
    assert shown["responders_expected"] == pytest.approx(expected, abs=0.01)
    assert shown["sessions_planned"] == 1

    lapsing = Counter(last[name].isoformat() for name in callable_now if last[name] <= horizon)
    assert {each["valid_until"]: each["count"] for each in shown["lapsing"]} == lapsing
    assert 0 < sum(lapsing.values()) < len(callable_now)

    for (id_, place), building in zip(houses, shown["buildings"], strict=True):
        assert building["id"] == id_
        now, unknown, staying = [0] * HOURS, [0] * HOURS, [0.0] * HOURS
        for number in RESPONDERS:
            name = name_of(number)
            if name not in called or distance_metres(place, home_of(number)) > WALK_METRES:
                continue
            states = hour_states(HOURS_GIVEN[number % 4] or None, week, calendar)
            for hour in range(HOURS):
                if week.monday + timedelta(days=hour // 24) > last[name] or states[hour] == AWAY:
                    continue
                unknown[hour] += int(states[hour] == NOT_KNOWN)
                now[hour] += int(states[hour] == THERE)
                stays = 1.0 if last[name] > horizon else passes if name in renewing else 0.0
                staying[hour] += stays * (states[hour] == THERE)
        assert building["now"] == now
        assert building["unknown"] == unknown
        assert building["hours_below"] == sum(count < 3 for count in now)
        arriving = [after - stays for after, stays in zip(building["after"], staying, strict=True)]
        assert all(-0.01 <= each <= expected + 0.01 for each in arriving)
    assert sum(map(sum, (building["now"] for building in shown["buildings"]))) > 0
