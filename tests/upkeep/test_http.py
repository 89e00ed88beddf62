"""Upkeep over HTTP, as a stranger, an estate's manager and an administrator."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar
from openpyxl import load_workbook
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Device
from aed.upkeep.checks.photo import MAX_PIXELS, MAX_SIDE
from tests import make
from tests.cases import each_case
from tests.registry.conftest import Desk

LONG_AGO = date(2020, 1, 1)


def a_check(**given: Any) -> dict[str, Any]:
    return {"key": str(uuid.uuid4()), "answers": {"status_light": True, "pads_in_date": True}} | given


def in_service(session: Session, **given: Any) -> int:
    device = make.device(session, **given)
    session.commit()
    return device.id


def test_a_check_sent_twice_is_stored_once_and_returns_its_result(
    session: Session, office: Desk, nobody: Desk
) -> None:
    device_id = in_service(session, pads_expire_on=date(2099, 1, 1))
    path, sent = f"/v1/devices/{device_id}/checks", a_check(was_used=True)
    assert nobody.post(path, sent).status_code == 401

    first, again = office.post(path, sent), office.post(path, sent)

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    readiness = first.json()["device"]
    assert (readiness["is_usable"], [each["reason"] for each in readiness["unusable_reasons"]]) == (
        False,
        ["used"],
    )
    assert office.post(path, sent | {"note": "x"}).status_code == 409
    shown = nobody.get(f"/v1/devices/{device_id}/readiness").json()
    assert shown["unusable_reasons"][0]["zh"] == "已使用，须更换电极片"
    assert nobody.get(f"/v1/nearest?lat={make.PATIENT.lat}&lon={make.PATIENT.lon}").json()["devices"] == []
    assert nobody.get(path).status_code == 401
    assert [each["key"] for each in office.get(path).json()["checks"]] == [sent["key"]]
    assert len(office.get(f"/v1/quarantines?device_id={device_id}").json()["quarantines"]) == 1
    assert nobody.get("/v1/quarantines").json()["quarantines"] == []


def test_readiness_names_each_reason_why_a_device_is_not_usable(session: Session, nobody: Desk) -> None:
    expired = in_service(session, pads_expire_on=LONG_AGO)
    by_hand = in_service(session, state="out_of_service", out_of_service_reason="Lobby rebuilt")

    def reason(device_id: int) -> list[tuple[str, str]]:
        found = nobody.get(f"/v1/devices/{device_id}/readiness").json()
        assert not found["is_usable"]
        return [(each["reason"], each["en"]) for each in found["unusable_reasons"]]

    assert reason(expired) == [("expired", "pads or battery have expired")]
    assert reason(by_hand) == [("out_of_service", "Lobby rebuilt")]


def test_the_form_follows_the_policy_and_the_reasons_for_which_it_is_out(
    session: Session, office: Desk, nobody: Desk
) -> None:
    device_id = in_service(session, maker="Heartline", model="H1")
    path = f"/v1/devices/{device_id}/form"
    assert nobody.get(path).json()["policy_id"] is None
    made = office.post(
        "/v1/policies",
        {
            "maker": "Heartline",
            "name_en": "Short",
            "name_zh": "简",
            "asks": ["pads_in_date", "status_light", "photo"],
        },
    )
    assert made.status_code == 201

    form = nobody.get(path).json()
    assert [each["question"] for each in form["asks"]] == ["pads_in_date", "status_light", "photo"]
    assert form["asks"][2]["zh"] == "请拍一张正面照片。"
    assert (form["policy_id"], form["policy_version"]) == (made.json()["id"], 1)
    assert [each["question"] for each in nobody.get(f"{path}?kind=glance").json()["asks"]] == ["status_light"]

    for _ in range(2):
        assert office.post(f"/v1/devices/{device_id}/reports", {"kind": "not_fetched"}).status_code == 202
    form = nobody.get(path).json()
    assert form["asks"][-1]["question"] == "access_as_described"
    assert office.patch(f"/v1/policies/{made.json()['id']}", {"check_days": 7}).json()["version"] == 2
    history = office.get(f"/v1/policies/{made.json()['id']}/history").json()
    assert history[0]["fields"] == {"check_days": [30, 7]}


def test_a_passer_by_reports_and_the_estate_confirms(
    session: Session, nobody: Desk, desk_of: Callable[..., Desk]
) -> None:
    home = make.estate(session)
    device_id = in_service(session, of=home)
    ours, theirs = desk_of(home), desk_of(make.estate(session))

    thanks = nobody.post(f"/v1/devices/{device_id}/reports", {"kind": "missing", "note": "箱子是空的"})

    assert (thanks.status_code, thanks.json()["zh"]) == (202, "谢谢！已通知该设备的AED管理员。")
    assert nobody.get("/v1/reports").json()["reports"] == []
    assert theirs.get("/v1/reports").json()["reports"] == []
    (report,) = ours.get("/v1/reports").json()["reports"]
    assert (report["note"], report["by"]) == ("箱子是空的", None)
    closed = ours.patch(f"/v1/reports/{report['id']}", {"state": "confirmed"}, etag=None)
    assert (closed.status_code, closed.json()["state"]) == (200, "confirmed")
    ready = nobody.get(f"/v1/devices/{device_id}/readiness").json()
    assert [each["reason"] for each in ready["unusable_reasons"]] == ["missing"]
    for wrong in ({"kind": "gone"}, {"kind": "other", "note": "x" * 501}):
        assert nobody.post(f"/v1/devices/{device_id}/reports", wrong).status_code == 422


def test_a_stranger_who_sends_too_many_reports_has_to_wait(session: Session, nobody: Desk) -> None:
    ids = [in_service(session) for _ in range(6)]
    answers = [nobody.post(f"/v1/devices/{id_}/reports", {"kind": "beeping"}).status_code for id_ in ids]
    assert answers == [202] * 5 + [429]


def test_a_recall_is_entered_followed_and_closed(session: Session, office: Desk, nobody: Desk) -> None:
    device_id = in_service(session, maker="Heartline", model="H1", serial="H1-20001")
    sent = {
        "maker": "Heartline",
        "serial_from": "H1-20000",
        "serial_to": "H1-20999",
        "reference": "HL-2026-03",
        "text_en": "Replace the capacitor.",
        "text_zh": "更换电容。",
        "announced_on": "2026-09-20",
    }
    assert nobody.post("/v1/recalls", sent).status_code == 401
    made = office.post("/v1/recalls", sent)

    assert (made.status_code, made.json()["found"], made.json()["dealt_with"]) == (201, 1, 0)
    path = made.headers["Location"]
    assert office.post("/v1/recalls", sent).status_code == 409
    assert nobody.get("/v1/recalls").json()["recalls"][0]["reference"] == "HL-2026-03"
    assert nobody.get(f"{path}/devices").json()["devices"] == []
    assert office.get(f"{path}/devices").json()["devices"][0]["serial"] == "H1-20001"
    assert nobody.get(f"/v1/devices/{device_id}/form").json()["asks_about_recall"]

    office.post(f"/v1/devices/{device_id}/checks", a_check(recall_is_done=True))

    assert office.get(path).json()["dealt_with"] == 1
    closed = office.patch(path, {"state": "closed"})
    assert (closed.status_code, closed.json()["state"]) == (200, "closed")
    assert office.patch(path, {"state": "closed"}).status_code == 412


def test_due_tasks_are_available_as_pages_spreadsheet_and_calendar(
    session: Session, nobody: Desk, desk_of: Callable[..., Desk]
) -> None:
    home = make.estate(session)
    device_id = in_service(session, of=home, pads_expire_on=LONG_AGO, maker="Heartline", model="H1")
    in_service(session, of=make.estate(session), pads_expire_on=LONG_AGO)
    ours = desk_of(home, writes=False)
    for path in ("/v1/due", "/v1/due.xlsx", "/v1/due.ics", "/v1/replacements", "/v1/replacements.xlsx"):
        assert nobody.get(path).status_code == 401, path

    page = ours.get("/v1/due?limit=1").json()
    seen = page["due"]
    while page["next"]:
        page = ours.get(f"/v1/due?limit=1&cursor={page['next']}").json()
        seen += page["due"]

    assert {each["device_id"] for each in seen} == {device_id}
    assert seen[0]["due_kind"] == "pads"
    assert seen[0]["overdue_days"] == (datetime.now(UTC) + timedelta(hours=8)).date().toordinal() - (
        LONG_AGO.toordinal()
    )
    assert [
        each["due_kind"] for each in ours.get("/v1/due?due_kind=pads&due_kind=battery").json()["due"]
    ] == ["pads"]
    assert ours.get("/v1/due?mine=true").status_code == 401
    assert ours.get("/v1/due?region=NOWHERE").status_code == 404
    book = load_workbook(io.BytesIO(ours.get("/v1/due.xlsx").content))
    assert book.active is not None
    assert book.active.max_row == len(seen) + 1
    feed = ours.get("/v1/due.ics")
    assert feed.headers["content-type"].startswith("text/calendar")
    assert len(Calendar.from_ical(feed.content).walk("VEVENT")) == len(
        [each for each in ours.get("/v1/due?days=366").json()["due"] if each["due_kind"] != "glance"]
    )
    (ordered,) = ours.get("/v1/replacements").json()
    assert (ordered["maker"], ordered["kind"], ordered["quantity"]) == ("Heartline", "pads", 1)
    assert load_workbook(io.BytesIO(ours.get("/v1/replacements.xlsx").content)).active is not None


# --- photos ---------------------------------------------------------------------------------------------


def with_place() -> bytes:
    """Return a rotated picture with location and camera metadata."""
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate right
    exif[0x010F] = "Camera Works"
    exif.get_ifd(0x8825)[1] = "N"
    return make.jpeg(width=2_400, height=1_200, exif=exif, comment=b"Chen's phone")


@pytest.fixture
def checked(session: Session, office: Desk) -> tuple[int, str]:
    """Record a check; return its id and key."""
    sent = a_check()
    stored = office.post(f"/v1/devices/{in_service(session)}/checks", sent).json()
    return stored["check"]["id"], sent["key"]


def send(desk: Desk, key: str, sent: bytes) -> Any:
    headers = {**desk.headers, "Content-Type": "image/jpeg"}
    return desk.client.post(f"/v1/photos?check={key}", content=sent, headers=headers)


def test_a_photo_is_kept_upright_smaller_and_without_a_trace_of_where_it_was_taken(
    office: Desk, nobody: Desk, checked: tuple[int, str]
) -> None:
    check_id, key = checked
    assert send(nobody, key, with_place()).status_code == 401

    first, again = send(office, key, with_place()), send(office, key, with_place())

    assert (first.status_code, first.json()["id"]) == (200, again.json()["id"])
    kept = office.get(f"/v1/photos/{first.json()['id']}")
    picture = Image.open(io.BytesIO(kept.content))
    assert (picture.format, picture.size) == ("JPEG", (MAX_SIDE // 2, MAX_SIDE))
    assert not picture.getexif()
    assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    for trace in (b"Camera", b"Chen", b"Exif"):
        assert trace not in kept.content
    assert kept.headers["etag"] == f'"{first.json()["sha256"]}"'
    assert [each["id"] for each in office.get(f"/v1/checks/{check_id}/photos").json()] == [first.json()["id"]]
    assert nobody.get(f"/v1/photos/{first.json()['id']}").status_code == 404


@each_case(
    "sent",
    [b"", b"no picture", make.jpeg()[:-200], b"GIF89a" + bytes(40)],
)
def test_an_incomplete_image_is_refused(office: Desk, checked: tuple[int, str], sent: bytes) -> None:
    answer = send(office, checked[1], sent)
    assert (answer.status_code, answer.json()["field"]) == (422, "photo")


def test_a_small_file_that_would_fill_the_memory_is_refused(office: Desk, checked: tuple[int, str]) -> None:
    into = io.BytesIO()
    Image.new("1", (10_000, MAX_PIXELS // 10_000 + 1)).save(into, "PNG")

    assert send(office, checked[1], into.getvalue()).status_code == 422


def test_a_photo_needs_its_check_and_a_check_has_few(office: Desk, checked: tuple[int, str]) -> None:
    assert send(office, str(uuid.uuid4()), make.jpeg()).status_code == 404
    answers = [send(office, checked[1], make.jpeg(width=40 + number)).status_code for number in range(6)]
    assert answers == [200] * 5 + [409]


def test_a_photo_over_the_limit_is_refused_before_it_is_read(office: Desk, checked: tuple[int, str]) -> None:
    assert send(office, checked[1], bytes(15_000_001)).status_code == 413


def test_a_list_does_not_bring_a_quarantined_device_back(session: Session, office: Desk) -> None:
    device_id = in_service(session, source="town", source_id="1")
    office.post(f"/v1/devices/{device_id}/checks", a_check(is_there=False, answers={}))
    row = "source,source_id,region,lat,lon,floor,state\ntown,1,CN-33,30.29,120.1,3,in_service\n"

    headers = {**office.headers, "Content-Type": "text/csv"}
    answer = office.client.post("/v1/imports/devices", content=row.encode(), headers=headers)

    assert answer.status_code == 200, answer.text
    session.expire_all()
    device = session.get_one(Device, device_id)
    assert (device.floor, str(device.state), device.is_quarantined) == (3, "out_of_service", True)


def test_a_manager_asks_the_keeper_for_a_check_once_a_day(
    session: Session, office: Desk, nobody: Desk
) -> None:
    keeper = {"name": "Chen", "phone": "138 0013 8765"}
    path = f"/v1/devices/{in_service(session, keeper=keeper)}/check-request"

    assert nobody.post(path, {}).status_code == 401
    asked = [office.post(path, {}).json()["is_new"] for _ in range(2)]

    assert asked == [True, False]
    texts = session.scalars(select(OutboxMessage.text_zh)).all()
    assert len([each for each in texts if each and "请现在巡检这台AED" in each]) == 1
    alone = office.post(f"/v1/devices/{in_service(session)}/check-request", {})
    assert (alone.status_code, "keeper" in alone.json()["detail"]) == (409, True)
