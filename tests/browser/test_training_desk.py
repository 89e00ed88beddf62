"""A training officer runs a Saturday: the desk, and the roster on a phone without a network."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import expect
from sqlalchemy import select

from aed import clock
from aed.accounts.permissions import Role
from aed.training.models import Attendance
from aed.training.rules import AttendanceState
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
PLAN = {
    "theory_pass_mark": 80,
    "stations": [
        {"code": "cpr", "name_en": "Resuscitation", "name_zh": "心肺复苏"},
        {"code": "bandage", "name_en": "Bandaging", "name_zh": "止血包扎", "pass_mark": 60},
    ],
    "retakes": 1,
    "retake_within_days": 30,
}


def test_attendance_is_ticked_offline_and_sent_later(open_page: OpenPage, site: Site, view: View) -> None:
    at = clock.now()
    with site.database.write_sessions() as session, session.begin():
        estate = make.estate(session, name_en="Lakeside", name_zh="湖畔花园")
        code = f"rc-{at:%H%M%S%f}"  # the site is the same for all views
        wanted = {**make.BATCH_FORMAT, "wants_photo": True}
        issuer = make.issuer(session, code, name_en=code, name_zh=code, also_called=[], batch_format=wanted)
        course = make.course(
            session,
            name_en="Resuscitation and AED",
            name_zh="心肺复苏与除颤",
            parts=4,
            assessment=PLAN,
            issuer=issuer.name_en,
        )
        training = make.training(
            session,
            course,
            estate=estate,
            starts_at=at + timedelta(minutes=30),
            planned_at=at - 9 * DAY,
            capacity=3,
            minimum=2,
            place_en="Club room",
            place_zh="会所二楼",
            trainer={"name": "蒲知行"},
        )
        people = [
            make.enrolment(session, training, name, at=at - 5 * DAY)
            for name in ("王芳", "李雷", "韩梅梅", "赵敏")
        ]
        officer = make.person_with_role(session, Role.TRAINING_OFFICER, region=training.region)
        assert officer.person_id is not None
        key = make.sign_in(session, officer.person_id)
        number, first, second = training.id, people[0].id, people[1].id
        last_retake = (training.ends_at + 8 * HOUR + 30 * DAY).date()  # Asia/Shanghai

    phone = open_page(session_key=key)
    phone.goto("/training")
    check(phone, view, "training")
    phone.goto("/training/new")
    phone.goto(f"/training/new?place=estate-{estate.id}")
    check(phone, view, "training-new")
    phone.goto(f"/training/{number}")
    expect(phone.locator("#roster[data-kept]")).to_be_attached()
    check(phone, view, "training-roster")

    phone.reload()  # now under the service worker
    expect(phone.locator("#roster[data-ready]")).to_be_attached()
    phone.context.set_offline(True)
    phone.locator("#q").fill("王芳")
    expect(phone.locator(f"#person-{second}")).to_be_hidden()
    phone.locator(f"#person-{first} input[value=attended]").check()
    expect(phone.locator(f"#person-{first}.unsent")).to_be_visible()
    phone.reload()
    expect(phone.locator(f"#person-{first}.unsent")).to_be_visible()
    phone.context.set_offline(False)
    phone.locator(f"#person-{second} input[value=no_show]").check()
    expect(phone.locator("#roster[data-sent]")).to_be_attached()
    phone.locator(f"#mark-{first}-theory").fill("70")
    phone.locator(f"#mark-{first}-cpr").select_option("passed")
    phone.locator(f"#mark-{first}-bandage").fill("85")
    phone.locator("#results button.big").click()
    expect(phone.locator(f"#person-{first}")).to_contain_text(str(last_retake))
    check(phone, view, "training-marks")
    phone.locator(f"#person-{first} a").click()
    phone.locator("#holder_id").fill("11010519491231002X")
    jpeg = make.jpeg(width=300, height=400)
    phone.locator("#photo").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": jpeg})
    phone.locator("main form button").click()
    expect(phone.locator("#holder-id-hint")).to_contain_text("110105********002X")
    check(phone, view, "training-identity")
    phone.context.close()

    with site.database.read_sessions() as session:
        marked = select(Attendance).where(Attendance.enrolment_id.in_([each.id for each in people]))
        found = {each.enrolment_id: each.state for each in session.scalars(marked)}
    assert found == {first: AttendanceState.ATTENDED, second: AttendanceState.NO_SHOW}
