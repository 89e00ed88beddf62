"""Cabinet labels, and the page that a phone opens from the QR code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from icalendar import Calendar
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role
from aed.upkeep.faults.actions import MAX_REPORTS_PER_ADDRESS
from aed.upkeep.labels.pdf import check_address, label_sheets
from aed.upkeep.labels.queries import Labelled
from aed.upkeep.models import FaultReport
from aed.upkeep.rules import device_id_of, short_number
from tests import make
from tests.accounts.everyone import signed_in
from tests.registry.conftest import Desk


def test_labels_are_for_the_devices_own_people(
    session: Session, nobody: Desk, office: Desk, desk_of: Callable[..., Desk]
) -> None:
    home = make.estate(session)
    devices = [make.device(session, of=home, place_zh="1号楼大堂") for _ in range(11)]
    ours, theirs = desk_of(home), desk_of(make.estate(session))
    path = f"/v1/labels.pdf?estate_id={home.id}"

    assert nobody.get(path).status_code == 401
    assert theirs.get(path).status_code == 404
    assert office.get("/v1/labels.pdf").status_code == 422
    made = ours.get(path)

    assert (made.status_code, made.headers["content-type"]) == (200, "application/pdf")
    assert made.content.startswith(b"%PDF")
    assert b"/Type/Pages/Count 2/" in made.content, "ten to a sheet"
    assert device_id_of(short_number(devices[0].id)) == devices[0].id


def test_labels_are_printed_with_the_check_address() -> None:
    label = Labelled(1234, None, "桃源小区", None, "1号楼大堂", "0571 5555 1234", "120")
    assert check_address("https://aed.example.org", 1234) == "https://aed.example.org/d/1234-4"
    assert label_sheets([label], public_url="https://aed.example.org").startswith(b"%PDF")


def test_an_address_on_an_earlier_label_redirects_to_the_page(nobody: Desk) -> None:
    for code, target in (
        ("1234-4", "../d/1234-4"),
        ("ask_a b", "../d/ask_a%20b"),
        ("worker.js", "../d/worker.js"),
    ):
        old = nobody.client.get(f"/c/{code}?from=singlemessage", follow_redirects=False)
        assert (old.status_code, old.headers["location"]) == (308, target)


def test_a_problem_can_be_reported_by_label_number_even_for_private_devices(
    session: Session, nobody: Desk
) -> None:
    hidden = make.device(session, of=make.estate(session), audience="estate")
    session.commit()
    assert nobody.get(f"/v1/devices/{hidden.id}").status_code == 404

    def report(number: str) -> tuple[int, str]:
        answer = nobody.post("/v1/reports", {"number": number, "kind": "beeping"})
        return answer.status_code, answer.text

    known, unknown = report(short_number(hidden.id)), report(short_number(hidden.id + 1_000))
    assert known == unknown, "the response does not reveal whether the device exists"
    assert known[0] == 202
    assert [each.device_id for each in session.scalars(select(FaultReport))] == [hidden.id]
    session.commit()
    mistyped = short_number(hidden.id)[:-1] + str((int(short_number(hidden.id)[-1]) + 1) % 10)
    assert report(mistyped)[0] == 422
    for _ in range(MAX_REPORTS_PER_ADDRESS - 1):
        assert report(short_number(hidden.id))[0] == 202
    assert report(short_number(hidden.id))[0] == 429
    used = nobody.post("/v1/reports", {"number": short_number(hidden.id), "kind": "used"})
    assert used.status_code in (401, 404), "what takes a device out needs a name"


def test_a_calendar_feed_shows_what_its_owner_may_see_now(
    session: Session, nobody: Desk, client: pytest.FixtureRequest
) -> None:
    home = make.estate(session)
    device = make.device(session, of=home, pads_expire_on=make.clock_today())
    person = make.person(session)
    grant = make.role(session, person, Role.KEEPER, estate=home)
    keeper = Desk(nobody.client, signed_in(session, person))
    session.commit()
    due = {"kind": "due", "estate_id": home.id}
    assert nobody.post("/v1/calendars", due).status_code == 401

    made = keeper.post("/v1/calendars", due)
    assert made.status_code == 201
    path = made.json()["address"].removeprefix("http://testserver")
    number = short_number(device.id)

    def summaries() -> list[str]:
        read = nobody.get(path)
        assert read.status_code == 200
        events = Calendar.from_ical(read.content).walk("VEVENT")
        return [str(each["summary"]) for each in events]

    assert f"AED {number} 更换电极片 replace pads" in summaries()
    grant.revoked_at, grant.revoked_by = make.NOW, "test"
    session.commit()
    assert summaries() == [], "a role that is over is over here too"
    (listed,) = keeper.get("/v1/calendars").json()["calendars"]
    assert "address" not in listed
    assert keeper.delete(f"/v1/calendars/{listed['id']}", etag=None).status_code == 204
    assert nobody.get(path).status_code == 404


def test_due_tasks_are_summarised_in_one_line(session: Session, office: Desk) -> None:
    today = make.clock_today()
    for day in (today - timedelta(days=365), today):
        make.device(session, pads_expire_on=day, last_checked_on=today)
    session.commit()

    line = office.get("/v1/due?days=0&due_kind=pads").json()["line"]

    assert line["en"] == "AED: replace pads: 1 overdue, 1 due."
    assert line["zh"] == "AED：更换电极片逾期1台、到期1台。"
    assert office.get("/v1/due?days=0&due_kind=battery").json()["line"]["zh"] == "暂无到期事项。"
