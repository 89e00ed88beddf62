"""People of the demo district with their phones, on both databases.

The clock of the server is moved, so that a story can take days. Messages are read from the outbox.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from aed.accounts.demo_people import DemoRole, demo_people
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.cli.context import operator
from aed.cli.demo import DISTRICT
from aed.geo import Position
from aed.imports.devices.actions import import_devices
from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.training.enrolments import actions as enrolments
from aed.training.models import Enrolment
from aed.upkeep.rules import short_number
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import HEIGHT, VIEWS, OpenPage, View
from tests.browser.moved_clock import MovedClock
from tests.browser.site import Site, site_at
from tests.fixtures import ENGINES
from tests.make import ADMINISTRATOR

CHINA = ZoneInfo("Asia/Shanghai")
NIGHT = datetime(2026, 9, 22, 2, 0, tzinfo=CHINA)
SOUTH_BANK = {"latitude": 30.290005, "longitude": 120.10156}
"""At the canal, where at night the nearest device is behind a closed gate."""
OPEN_AT_NIGHT = "灯笼坡上西门门岗外墙"
LOBBY = "纸鹤花园5幢大堂"
OPEN_BY_DAY = "日晷庭22幢会所二楼"


@dataclass(frozen=True)
class District:
    """The demo district on a running server, and its clock."""

    site: Site
    clock: MovedClock

    def messages(self, phone: str) -> list[str]:
        """Return the texts in Chinese that were sent to a phone, oldest first."""
        with self.site.database.read_sessions() as session:
            found = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))
            return [each.text_zh or "" for each in found if each.recipient == phone]

    def newest_message(self, phone: str) -> str:
        return self.messages(phone)[-1]

    def newest_code(self, phone: str) -> str:
        """Return the sign-in code in the newest message to a phone."""
        (code,) = re.findall(r"\b\d{6}\b", self.newest_message(phone))
        return str(code)

    def newest_link(self, phone: str) -> str:
        """Return the link in the newest message to a phone."""
        (link,) = re.findall(r"http://\S+", self.newest_message(phone))
        return str(link)

    def device(self, place: str) -> str:
        """Return the number of the device at a place, as its label has it."""
        with self.site.database.read_sessions() as session:
            return short_number(session.scalars(select(Device.id).where(Device.place_zh == place)).one())


@pytest.fixture(scope="module", params=ENGINES)
def district(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    """Start a server with the demo district on each database in turn, at night."""
    with site_at(request, tmp_path_factory.mktemp("story"), request.param, NIGHT) as (site, moved):
        yield District(site, moved)


@pytest.fixture
def site(district: District) -> Site:
    return district.site


@pytest.fixture
def view() -> View:
    """Return a phone in Chinese; other tests look at other views."""
    return VIEWS[0]


def phone_at(open_page: OpenPage, district: District, at: datetime, **options: object) -> Page:
    """Return a page on a new phone, after moving the clocks of phone and server to a moment."""
    district.clock.move_to(at)
    page = open_page(**options)
    page.clock.install(time=at)
    return page


def test_a_stranger_at_night_is_led_to_an_aed_that_is_open(open_page: OpenPage, district: District) -> None:
    phone = phone_at(open_page, district, NIGHT, geolocation=SOUTH_BANK, permissions=["geolocation"])

    phone.goto("/")
    expect(phone.locator(".emergency .call")).to_have_attribute("href", "tel:120")
    phone.locator("#locate").click()

    nearest = phone.locator(".device").first
    expect(nearest).to_contain_text(OPEN_AT_NIGHT)
    expect(nearest).to_contain_text("现在开放")
    expect(phone.locator("main")).not_to_contain_text(OPEN_BY_DAY)
    nearest.get_by_role("link").first.click()
    expect(phone.locator("h1")).to_contain_text(OPEN_AT_NIGHT)
    expect(phone.locator("#use")).to_contain_text("120")
    district.clock.move_to(NIGHT + timedelta(hours=8))
    phone.go_back()
    phone.reload()
    expect(phone.locator(".device").first).to_contain_text(OPEN_BY_DAY)


def test_without_signal_the_stranger_sees_the_same_list(open_page: OpenPage, district: District) -> None:
    phone = phone_at(open_page, district, NIGHT, geolocation=SOUTH_BANK, permissions=["geolocation"])
    phone.goto("/")
    phone.locator("#locate").click()
    expect(phone.locator("#kept")).to_have_attribute("data-maps", "kept")

    phone.context.set_offline(True)
    phone.reload()

    expect(phone.locator("#age")).to_be_visible()
    expect(phone.locator(".device").first).to_contain_text(OPEN_AT_NIGHT)
    expect(phone.locator(".emergency .call")).to_have_attribute("href", "tel:120")


def test_a_stranger_who_denies_their_location_types_the_estate(
    open_page: OpenPage, district: District
) -> None:
    phone = phone_at(open_page, district, NIGHT)
    phone.goto("/")
    phone.locator("#locate").click()
    expect(phone.locator("#q")).to_be_focused()

    phone.locator("#q").fill("灯笼坡上")
    phone.keyboard.press("Enter")

    expect(phone.locator(".device").first).to_contain_text(OPEN_AT_NIGHT)


def import_list(district: District, place: str, *, keeper: str, phone: str) -> None:
    """Import the list of the district's devices again, in which a device has another keeper."""
    with (DISTRICT / "devices.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["place_zh"] == place]
    rows[0] |= {"keeper_name": keeper, "keeper_phone": phone}
    path = district.clock.file.with_name("devices.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with district.site.database.write_sessions() as session, session.begin():
        report = import_devices(session, operator(), path, at=district.clock.now(), is_partial=True)
        assert (report.changed, report.bad) == (1, [])


def sign_in(phone: Page, district: District, number: str, **fields: str) -> None:
    """Fill in the number, and the code that comes to it."""
    phone.locator("#phone").fill(number)
    phone.locator("main form button").first.click()
    phone.locator("#code").fill(district.newest_code(number))
    for name, value in fields.items():
        phone.locator(f"#{name}").fill(value)
    phone.locator("main form button").first.click()


def test_a_passer_by_reports_an_aed_that_is_not_there(open_page: OpenPage, district: District) -> None:
    keeper = "+8613800130101"
    import_list(district, OPEN_AT_NIGHT, keeper="滕拾月", phone=keeper)
    morning = NIGHT + timedelta(days=1, hours=8)
    passer_by = phone_at(open_page, district, morning)
    number = district.device(OPEN_AT_NIGHT)
    passer_by.goto(f"/d/{number}")
    passer_by.locator(f".act a[href='/d/{number}/report']").click()
    passer_by.locator("input[value=missing]").check()
    passer_by.locator("main form button").click()
    expect(passer_by.locator("main")).to_contain_text("已通知AED管理员")

    assert "不在原位" in district.newest_message(keeper)

    phone = open_page()
    phone.goto(district.newest_link(keeper))
    sign_in(phone, district, keeper)
    phone.locator("summary").first.click()
    phone.locator("[name=gone]").check()
    phone.locator("[name=send]").click()
    expect(phone.locator("#status")).to_contain_text("未通过")

    passer_by.reload()
    expect(passer_by.locator("main")).to_contain_text("已确认")
    passer_by.goto(f"/d/{number}")
    expect(passer_by.locator(".notice.bad")).to_be_visible()


def test_a_keeper_from_an_imported_list_can_sign_in_and_check(
    open_page: OpenPage, district: District
) -> None:
    keeper = "+8613800130102"
    morning = NIGHT + timedelta(days=1, hours=8)
    phone = phone_at(open_page, district, morning)
    import_list(district, LOBBY, keeper="茅引之", phone=keeper)
    number = district.device(LOBBY)

    phone.goto(f"/d/{number}")  # as scanned from its label
    phone.locator("main a[href$='/check']").first.click()
    sign_in(phone, district, keeper)
    expect(phone.locator("#check-page")).to_have_attribute("data-ready", "yes")
    phone.locator("[name=all]").click()

    expect(phone.locator("#status")).to_contain_text("巡检合格")
    phone.goto(f"/d/{number}")
    expect(phone.locator("main")).to_contain_text("2026-09-23")


LIN = "+8613800130103"
AT_THE_PATIENT = "30.2945, 120.0980"
"""Home of the volunteer: where exercises of the demo have their patient."""


@dataclass(frozen=True)
class Training:
    """A session with one place, which somebody has; and the people who run things."""

    id: int
    starts_at: datetime
    first_enrolment_id: int
    trainer_key: str
    dispatcher_key: str
    manager: str
    """Phone of the manager of Paper Crane Gardens."""


def plan_training(district: District, *, starts_at: datetime) -> Training:
    at = starts_at - timedelta(days=25)
    district.clock.move_to(at)
    with district.site.database.write_sessions() as session, session.begin():
        course = make.course(session, name_en="CPR and AED", name_zh="心肺复苏与AED")
        training = make.training(
            session,
            course,
            starts_at=starts_at,
            planned_at=at,
            region="CN-3399",
            capacity=1,
            place_en="Club house",
            place_zh="纸鹤花园会所",
        )
        first = make.enrolment(session, training, "陶先生", at=at)
        people = demo_people(session)
        return Training(
            id=training.id,
            starts_at=starts_at,
            first_enrolment_id=first.id,
            trainer_key=make.sign_in(session, people[DemoRole.TRAINER]),
            dispatcher_key=make.sign_in(session, people[DemoRole.DISPATCHER]),
            manager=session.get_one(Person, people[DemoRole.MANAGER]).phone or "",
        )


def cancel_the_first(district: District, training: Training) -> None:
    with district.site.database.write_sessions() as session, session.begin():
        version = session.get_one(Enrolment, training.first_enrolment_id).version
        enrolments.withdraw(
            session, ADMINISTRATOR, training.first_enrolment_id, version=version, at=district.clock.now()
        )


def sign_up_and_wait(lin: Page, district: District) -> int:
    """Enrol in the full session, signing up on the way; return the id of the enrolment."""
    lin.goto("/learn")
    lin.get_by_role("link", name="心肺复苏与AED").first.click()
    lin.locator("main a.big").click()
    sign_in(lin, district, LIN, name="林小满")
    lin.locator("main form button.big").click()
    expect(lin.locator("main")).to_contain_text("候补名单第 1 位")
    assert "候补第1位" in district.newest_message(LIN)
    return int(lin.url.rpartition("/")[2])


def join_the_estate(lin: Page, district: District, manager: Page, manager_phone: str) -> None:
    lin.goto("/me")
    lin.locator("#estate-name").fill("纸鹤花园")
    lin.locator("form[action='/me/estate'] button").click()
    expect(lin.locator("#estate ~ [role=status]")).to_be_visible()

    manager.goto(district.newest_link(manager_phone))
    expect(manager.locator("main")).to_contain_text("林小满")
    manager.locator("button.big").click()

    expect(manager.locator(".notice.good")).to_be_visible()
    assert "已确认" in district.newest_message(LIN)
    lin.goto("/me")
    expect(lin.locator("#estate ~ p").first).to_have_text("纸鹤花园")


def attend_and_pass(
    lin: Page, district: District, trainer: Page, training: Training, enrolment_id: int
) -> None:
    district.clock.move_to(training.starts_at - timedelta(minutes=10))
    path = f"/v1/sessions/{training.id}/attendance-code"
    trainer.goto(path)
    expect(trainer.locator("#here")).to_have_text("0")
    shown = trainer.request.get(path, headers={"Accept": "application/json"}).json()
    lin.goto(shown["address"])
    lin.locator("#sign-in").click()  # after four days the phone must sign in again
    sign_in(lin, district, LIN)
    lin.wait_for_url("**/me")
    lin.goto(shown["address"])
    lin.locator("main form button").click()
    expect(lin.locator(".notice.good")).to_contain_text("签到")

    district.clock.move_to(training.starts_at + timedelta(hours=4, minutes=30))
    passed = trainer.request.post(
        f"/v1/sessions/{training.id}/assessments",
        data={"rows": [{"enrolment_id": enrolment_id, "passed": True}]},
        headers={"X-CSRF-Token": trainer.request.get("/v1/me").json()["csrf_token"]},
    )
    assert passed.ok, passed.text()

    lin.goto(district.newest_link(LIN))
    expect(lin.locator("main")).to_contain_text("恭喜")
    with lin.expect_download() as certificate:
        lin.locator("a[download]").click()
    assert certificate.value.path().read_bytes().startswith(b"%PDF")


def offer_to_help(lin: Page) -> None:
    lin.goto("/me")
    lin.locator("a[href='/me/offer']").click()
    lin.locator("#position").fill(AT_THE_PATIENT)
    lin.locator("#of_age").check()
    lin.locator("#consent").check()
    lin.locator("main form button").click()
    expect(lin.locator(".notice.good")).to_contain_text("可呼叫您前往")


def pause_and_go_on(lin: Page) -> None:
    lin.locator("button[value='1']").click()
    expect(lin.locator(".notice.warn").first).to_contain_text("已暂停")
    lin.locator("form[action='/me/offer/pause'] button").click()
    expect(lin.locator("#pause")).to_be_visible()


def go_to_an_exercise(lin: Page, district: District, dispatcher: Page) -> None:
    dispatcher.goto("/demo")
    dispatcher.locator('form[action="/demo/exercises"] button').click()
    expect(dispatcher.locator("#board li").first).to_be_visible()

    assert "演练" in district.newest_message(LIN)
    lin.goto(district.newest_link(LIN))
    lin.locator('button[value="accept"]').click()
    expect(lin.locator("#call")).to_have_attribute("data-state", "accepted")
    expect(dispatcher.locator("#board")).to_contain_text("已接受")
    lin.locator('button[value="there"]').click()
    expect(lin.locator("#call")).to_have_attribute("data-state", "there")
    dispatcher.locator('form[action$="/end"] button').click()
    expect(dispatcher.locator("#board")).to_have_attribute("data-live", "no")


def see_the_record(lin: Page) -> None:
    lin.goto("/me")
    main = lin.locator("main")
    for section, words in (("certificates", "有效"), ("sessions", "已通过"), ("calls", "您已到达患者身边")):
        expect(main.locator(f"[aria-labelledby={section}]")).to_contain_text(words)
    lin.goto("/me/data")
    for title in ("姓名、号码和语言", "证书", "到课记录", "收到的呼叫", "同意记录"):
        expect(main.locator("summary", has_text=title).first).to_be_visible()


def erase_everything(lin: Page, district: District) -> None:
    lin.goto("/me/erasure")
    lin.locator("main form button").click()  # without saying that one is sure
    expect(lin.locator("#sure-error")).to_be_visible()
    lin.locator("#is_sure").check()
    lin.locator("main form button").click()
    expect(lin.locator(".notice.good")).to_be_visible()
    assert district.messages(LIN) == []
    lin.goto("/me")
    expect(lin.locator("#phone")).to_be_visible()


def test_a_person_without_account_becomes_a_volunteer_and_leaves_again(
    open_page: OpenPage, district: District
) -> None:
    saturday = datetime(2026, 9, 26, 9, 0, tzinfo=CHINA)
    training = plan_training(district, starts_at=saturday)
    monday = saturday - timedelta(days=4, hours=13)
    lin = phone_at(open_page, district, monday)

    enrolment_id = sign_up_and_wait(lin, district)
    join_the_estate(lin, district, open_page(), training.manager)
    district.clock.move_to(monday + timedelta(days=1))
    cancel_the_first(district, training)
    lin.goto(district.newest_link(LIN))
    lin.locator("button[value=accept]").click()
    expect(lin.locator("main")).to_contain_text("您已报上名")
    attend_and_pass(lin, district, open_page(session_key=training.trainer_key), training, enrolment_id)
    offer_to_help(lin)
    pause_and_go_on(lin)
    go_to_an_exercise(lin, district, open_page(session_key=training.dispatcher_key))
    see_the_record(lin)
    erase_everything(lin, district)


MORNING = datetime(2026, 9, 29, 9, 0, tzinfo=CHINA)
NIGHT_AFTER = MORNING.replace(hour=23)
CLUB_HOUSE = "湖畔花园会所外墙"
DESK = View(1280, "zh-CN")


@dataclass(frozen=True)
class Opening:
    """An estate that nobody else may see yet, and the session keys of its manager, region and a neighbour."""

    estate_id: int
    manager_key: str
    region_key: str
    neighbour_key: str


def plan_opening(district: District) -> Opening:
    district.clock.move_to(MORNING)
    here = Position(SOUTH_BANK["latitude"], SOUTH_BANK["longitude"])
    with district.site.database.write_sessions() as session, session.begin():
        neighbours = session.scalars(select(Estate).where(Estate.source_id == "lantern")).one()
        estate = make.estate(
            session,
            around=here,
            in_region="CN-3399",
            neighbourhood=neighbours.neighbourhood,
            name_en="Lakeside Gardens",
            name_zh="湖畔花园",
        )
        make.device(
            session, at=here, of=estate, audience="estate", place_en="Club house", place_zh=CLUB_HOUSE
        )
        keys = []
        for role, where in (
            (Role.ESTATE_MANAGER, {"estate": estate}),
            (Role.ADMINISTRATOR, {"region": make.region(session, "CN-3399")}),
            (Role.RESIDENT, {"estate": neighbours}),
        ):
            person = make.person(session)
            make.role(session, person, role, **where)
            keys.append(make.sign_in(session, person.id))
        return Opening(estate.id, *keys)


def draft_with_a_preview(desk: Page, opening: Opening) -> None:
    desk.set_viewport_size({"width": DESK.width, "height": HEIGHT})
    desk.goto(f"/estates/{opening.estate_id}/coverage")
    desk.locator("input[value=neighbours]").check()
    desk.locator("#hours").fill("20:00-08:00")
    desk.locator("main form button").click()
    expect(desk).to_have_url(re.compile(r"/coverage/\d+$"))
    desk.goto(f"/estates/{opening.estate_id}/agreements/new")
    expect(desk.locator("#hours")).to_have_value("20:00-08:00")
    desk.locator("#party_committee_legal_name").fill("湖畔社区党委")
    check(desk, DESK, "agreement-story-draft")
    desk.locator("button.big").click()
    expect(desk.locator("#preview")).to_be_visible()


def propose(desk: Page) -> list[str]:
    """Put the draft before its parties; return their links."""
    desk.locator("form[action$=proposal] button").click()
    links = desk.locator("input[readonly]")
    expect(links).to_have_count(3)
    return [links.nth(each).input_value() for each in range(3)]


def decide(phone: Page, link: str, view: View) -> None:
    phone.goto(link)
    check(phone, view, "agreement-story-party")
    phone.locator("button[value=consent]").click()
    expect(phone.locator(".notice.good")).to_be_visible()


def finds_club_house(open_page: OpenPage, district: District, opening: Opening, at: datetime) -> bool:
    """Look for help at the club house as a resident next door."""
    phone = phone_at(
        open_page,
        district,
        at,
        session_key=opening.neighbour_key,
        geolocation=SOUTH_BANK,
        permissions=["geolocation"],
    )
    phone.goto("/")
    phone.locator("#locate").click()
    expect(phone.locator(".device").first).to_be_visible()
    found = CLUB_HOUSE in phone.locator("main").inner_text()
    phone.context.close()  # or it goes on to keep maps while the agreement changes
    return found


def test_an_estate_opens_at_night_by_an_agreement_and_takes_it_back(
    open_page: OpenPage, district: District, view: View
) -> None:
    opening = plan_opening(district)
    assert not finds_club_house(open_page, district, opening, NIGHT_AFTER)

    desk = phone_at(open_page, district, MORNING, session_key=opening.manager_key)
    draft_with_a_preview(desk, opening)
    address = desk.url
    links = propose(desk)
    for link in links:
        decide(phone_at(open_page, district, MORNING), link, view)
    assert not finds_club_house(open_page, district, opening, NIGHT_AFTER)

    region = phone_at(open_page, district, MORNING, session_key=opening.region_key)
    region.set_viewport_size({"width": DESK.width, "height": HEIGHT})
    region.goto(address)
    check(region, DESK, "agreement-story-region")
    region.locator("form[action$=confirmation] button").click()
    expect(region.locator("[aria-current=step]")).to_have_text("生效中")
    check(region, DESK, "agreement-story-in-force")
    assert finds_club_house(open_page, district, opening, NIGHT_AFTER)
    assert not finds_club_house(open_page, district, opening, MORNING.replace(hour=12))

    party = phone_at(open_page, district, NIGHT_AFTER)
    party.goto(links[1])
    party.locator("summary", has_text="撤回").click()
    party.locator("#why").fill("大门夜间无照明")
    check(party, view, "agreement-story-withdrawal")
    party.locator("form[action$=withdrawal] button").click()
    expect(party.locator("[aria-current=step]")).to_have_text("已撤回")
    assert not finds_club_house(open_page, district, opening, NIGHT_AFTER + timedelta(minutes=5))
