"""The month of a neighbourhood lead (里长) and of those who deal with them, each on their own phone.

What has a page is done on it; the rest through the API. One view is enough: test_time_bank.py and
test_time_bank_desk.py look at these pages in each. tests/volunteering/test_month.py has the story on both
databases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx2
import pytest
from playwright.sync_api import Page, expect

from aed import schedule
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, TokenRole
from aed.incidents.models import Incident
from aed.registry.estates.models import Estate
from aed.timebank.ledger.verification import verify_ledger
from aed.upkeep.rules import short_number
from tests import make
from tests.browser.conftest import VIEWS, OpenPage, View
from tests.browser.moved_clock import MovedClock
from tests.browser.site import Site, site_at
from tests.make import PATIENT, north_of
from tests.volunteering.test_report import recomputed

CHINA = ZoneInfo("Asia/Shanghai")
REGION = "CN-3399"
ROLES = {
    "里长": (Role.LEAD, Role.KEEPER),
    "经理": (Role.ESTATE_MANAGER,),
    "副经理": (Role.ESTATE_MANAGER,),
    "女儿": (Role.RESIDENT,),
    "老人": (Role.RESIDENT,),
    "老师": (Role.RESIDENT,),
    "故人": (Role.RESIDENT,),
}
"""Lead, manager, second manager, daughter, elderly neighbour, teacher, and a neighbour who dies."""


def on(day: int, time: str = "09:00") -> datetime:
    return datetime.fromisoformat(f"2026-10-{day:02}T{time}").replace(tzinfo=CHINA)


class Month:
    """The people of the story with their phones, at the moment to which the clock is set."""

    def __init__(self, site: Site, clock: MovedClock, open_page: OpenPage) -> None:
        self.site, self.clock, self._open_page = site, clock, open_page
        self.ids: dict[str, int] = {}
        self._cookies: dict[str, str] = {}
        self._headers: dict[str, dict[str, str]] = {}
        with site.database.write_sessions() as session, session.begin():
            estate = make.estate(session, in_region=REGION, name_zh="湖畔花园", name_en="Lakeside Gardens")
            region = make.region(session, REGION)
            self.estate_id = estate.id
            self.device_id = make.device(session, of=estate, place_zh="大堂", place_en="Lobby").id
            self.building_id = make.building(session, estate, at=north_of(PATIENT, metres=30)).id
            for name, roles in ROLES.items():
                person = make.person(session, name=name)
                for role in roles:
                    make.role(session, person, role, estate=estate)
                self.ids[name] = person.id
            office = make.person(session, name="区里")
            make.role(session, office, Role.ADMINISTRATOR, region=region)
            self.ids["区里"] = office.id
            for name, person_id in self.ids.items():
                self._cookies[name] = make.sign_in(session, person_id)
                token = make.sign_in(session, person_id, bearer=True)
                self._headers[name] = {"Authorization": f"Bearer {token}"}
            self._headers["120"] = make.key(session, TokenRole.DISPATCHER, region=region, writes=True)
            for name, hours in {"里长": 120, "老人": 100, "老师": 1, "故人": 90}.items():
                make.credited(session, session.get_one(Person, self.ids[name]), estate, minutes=hours * 60)

    def at(self, day: int, time: str = "09:00") -> None:
        """Set the clock to a day of October."""
        self.clock.move_to(on(day, time))

    @contextmanager
    def phone(self, who: str | None, path: str) -> Iterator[Page]:
        """Open a page on the phone of a person, or of a stranger."""
        page = self._open_page(session_key=self._cookies[who] if who is not None else None)
        page.goto(path)
        yield page
        page.context.close()

    def send(self, who: str, method: str, path: str, body: Any = None) -> Any:
        """Send what has no page."""
        answer = httpx2.request(
            method, f"{self.site.address}/v1{path}", json=body, headers=self._headers[who], timeout=60
        )
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def record_known_service(self) -> None:
        """Run the hourly job that records the service which the program knows itself."""
        job = schedule.job_called("service-records")
        job.run(self.site.database, self.site.settings, self.clock.now)


@pytest.fixture(scope="module")
def site_and_clock(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, MovedClock]]:
    """Start a server of its own, whose clock the test moves."""
    with site_at(request, tmp_path_factory.mktemp("month"), "spatialite", on(1)) as started:
        yield started


@pytest.fixture
def site(site_and_clock: tuple[Site, MovedClock]) -> Site:
    return site_and_clock[0]


@pytest.fixture
def view() -> View:
    return VIEWS[0]


@pytest.fixture
def month(site_and_clock: tuple[Site, MovedClock], open_page: OpenPage) -> Month:
    site, moved = site_and_clock
    return Month(site, moved, open_page)


def test_a_leads_month_on_their_phones(month: Month) -> None:
    join(month)
    for day, ends in ((2, "21:00"), (9, "21:00"), (16, "23:00"), (23, "21:00")):
        patrol(month, day, ends=ends)
    check_a_device(month)
    month.at(6)
    start = {"lat": PATIENT.lat, "lon": PATIENT.lon}
    drill = {"key": str(uuid4()), "start": start, "seconds": 200}
    month.send("里长", "POST", f"/devices/{month.device_id}/drills", drill)
    month.record_known_service()
    teach_a_session(month)
    go_to_a_call(month)

    month.at(24)
    month.record_known_service()
    confirm_all(month, count=7)
    dispute_and_correct(month)
    confirm_all(month, count=1)
    # 120 h before; 10 of the check, 4 of the drill, 4 patrols, 4 h taught at 1.5; the call earns no points
    expect_balance(month, "里长", "130.23")

    month.at(25)
    buy_rice(month, bags=2)
    take_a_lesson(month)
    give_and_donate(month)
    inherit(month)
    expect_balance(month, "里长", "102.23")

    month.at(31)
    prove(month)
    export(month)
    read_the_report(month)


def join(month: Month) -> None:
    """Join the volunteers. The number comes from the national system; the region names who issues proofs."""
    with month.phone("里长", "/me/time-bank") as page:
        page.locator("select[name=estate_id] + button").click()
        expect(page.locator("#activity")).to_be_visible()
    write_number(month, "330106000123")
    issuer = {
        "kind": "residents_committee",
        "name": "幸福社区居民委员会",
        "responsible": "吴敏",
        "contact": "+86 571 0555 0101",
    }
    month.send("区里", "PUT", f"/estates/{month.estate_id}/service-issuer", issuer)


def write_number(month: Month, number: str) -> None:
    about = {"estate_id": month.estate_id, "building_id": month.building_id, "birth_year": 1958}
    month.send("里长", "PUT", f"/volunteers/{month.ids['里长']}", about | {"number": number})


def patrol(month: Month, day: int, *, ends: str) -> None:
    """Record a patrol that is just over."""
    month.at(day, ends)
    with month.phone("里长", "/me/time-bank") as page:
        before = page.locator("#service ~ ul li").count()
        for name, value in {"day": f"2026-10-{day:02}", "begins": "20:00", "ends": ends}.items():
            page.locator(f"#{name}").fill(value)
        page.locator("#activity").fill("夜间巡逻")
        page.locator("#ends ~ button").click()
        expect(page.locator("#service ~ ul li")).to_have_count(before + 1)


def check_a_device(month: Month) -> None:
    month.at(5)
    with month.phone("里长", f"/d/{short_number(month.device_id)}/check") as page:
        expect(page.locator("#check-page")).to_have_attribute("data-ready", "yes")
        page.locator("[name=all]").click()
        expect(page.locator("#status")).to_contain_text("巡检合格")


def teach_a_session(month: Month) -> None:
    month.at(10, "12:30")
    with month.site.database.write_sessions() as session, session.begin():
        estate = session.get_one(Estate, month.estate_id)
        training = make.training(session, estate=estate, starts_at=on(10))
        training.trainer_id = month.ids["里长"]
        enrolment = make.enrolment(session, training)
        session_id, rows = training.id, [{"enrolment_id": enrolment.id, "attendance": "attended"}]
    month.send("区里", "POST", f"/sessions/{session_id}/attendance", {"rows": rows})


def go_to_a_call(month: Month) -> None:
    month.at(12, "14:00")
    patient = {"lat": PATIENT.lat, "lon": PATIENT.lon}
    incident = month.send(
        "120", "POST", "/incidents", {"key": str(uuid4()), "position": patient, "region": REGION}
    )
    with month.site.database.write_sessions() as session, session.begin():
        lead = session.get_one(Person, month.ids["里长"])
        make.alert(session, session.get_one(Incident, incident["id"]), lead)
    with month.phone(None, "/a/call_key") as page:
        page.locator("button[value=accept]").click()
        expect(page.locator("#call")).to_have_attribute("data-state", "accepted")
        page.locator("button[value=there]").click()
        expect(page.locator("#call")).to_have_attribute("data-state", "there")
    month.at(12, "14:42")
    month.send("120", "POST", f"/incidents/{incident['id']}/close", {"outcome": "handed_over"})


def confirm_all(month: Month, *, count: int) -> None:
    """Confirm what waits, as the manager: nothing of the lead waits for the lead."""
    with month.phone("里长", "/service") as page:
        expect(page.locator("section.card")).to_have_count(0)
    with month.phone("经理", "/service") as page:
        for left in range(count, 0, -1):
            expect(page.locator("section.card")).to_have_count(left)
            page.locator("section.card button").first.click()
        expect(page.locator(".notice.good")).to_be_visible()


def dispute_and_correct(month: Month) -> None:
    """Dispute the third patrol, which lasted one hour and not three; void it, and record it anew."""
    records = month.send("副经理", "GET", "/service-records")["records"]
    (wrong,) = [each for each in records if each["minutes"] == 180]
    path = f"/time-bank/records/{wrong['id']}"
    with month.phone("副经理", path) as page:
        page.locator("#reason").fill("只巡逻了一小时")
        page.locator("button[value=dispute]").click()
        expect(page.locator("button[value=uphold]")).to_be_visible()
        expect_balance(month, "里长", "129.23")  # with two hours too many, but not these three
        page.locator("#reason").fill("只巡逻了一小时")
        page.locator("button[value=void]").click()
        page.locator("#begins").fill("2026-10-16T20:00")
        page.locator("#ends").fill("2026-10-16T21:00")
        page.locator("#ends ~ button").click()
        expect(page).not_to_have_url(re.compile(f"{path}(/correction)?$"))


def expect_balance(month: Month, who: str, points: str) -> None:
    with month.phone(who, "/me/time-bank") as page:
        expect(page.locator("#balance + dl dd").last).to_have_text(points)


def buy_rice(month: Month, *, bags: int) -> None:
    """Buy rice of a sponsor, one bag after the other; each is handed out for its code."""
    with month.phone("区里", "/time-bank/goods") as page:
        page.locator("summary").last.click()
        page.locator("#sponsor-name").fill("街角超市")
        page.locator("#budget").fill("500")
        page.locator("#budget + button").click()
        expect(page.locator("#sponsors ~ ul li")).to_have_count(1)
    with month.phone("经理", "/time-bank/goods") as page:
        page.locator("#add ~ details summary").click()
        for name, value in {
            "name_zh": "大米5公斤",
            "name_en": "Rice, 5 kg",
            "points": "10",
            "stock": "20",
        }.items():
            page.locator(f"#{name}").fill(value)
        page.locator("#stock + button").click()
        expect(page.locator("main")).to_contain_text("大米5公斤")
    for number in range(1, bags + 1):
        with month.phone("里长", "/me/time-bank") as page:
            page.locator("#goods ~ ul summary").click()
            page.locator("#goods ~ ul form button").click()
            line = page.locator("#orders ~ ul li").first
            expect(line).to_contain_text("大米5公斤")
            (code,) = re.findall(r"(?<!\d)\d{6}(?!\d)", line.inner_text())
        with month.phone("经理", "/time-bank") as page:
            page.locator("#orders ~ ul input[name=code]").fill(code)
            page.locator("#orders ~ ul button").click()
            expect(page.locator("#orders ~ ul li")).to_have_count(0)
        with month.phone("里长", "/me/time-bank") as page:
            page.locator("button[value=yes]").first.click()
            expect(page.locator("button[value=yes]")).to_have_count(0)
            expect(page.locator("#orders ~ ul li")).to_have_count(number)


def accept_invitation(month: Month, inviter: str, kind: str, invited: str) -> None:
    with month.phone(inviter, "/me/time-bank/people") as page:
        page.locator("#kind").select_option(kind)
        page.locator("#invite ~ form button").click()
        link = page.locator(".notice.good a").inner_text()
    with month.phone(invited, link) as page:
        page.locator("main form button").click()
        expect(page).to_have_url(re.compile("/me/time-bank/people"))


def take_a_lesson(month: Month) -> None:
    """Ask for a neighbour's lesson for the elderly one, who gave a mandate; both sides confirm it."""
    with month.phone("老师", "/me/time-bank/services") as page:
        page.locator("#kind").select_option("lesson")
        page.locator("#title").fill("智能手机课")
        page.locator("#points").fill("2")
        page.locator("#points + button").click()
        expect(page.locator("#offers ~ .card")).to_have_count(1)
    accept_invitation(month, "老人", "agent", "里长")
    elderly = f"/me/time-bank/services?for={month.ids['老人']}"
    with month.phone("里长", elderly) as page:
        page.locator("#offers ~ .card summary").click()
        page.locator("#offers ~ .card input[name=day]").fill("2026-10-26")
        page.locator("#offers ~ .card input[name=begins]").fill("10:00")
        page.locator("#offers ~ .card form button").click()
        expect(page.locator("#exchanges ~ .card")).to_contain_text("智能手机课")
    answer_exchange(month, "老师", "agree")
    month.at(26, "11:00")
    answer_exchange(month, "老师", "confirm")
    answer_exchange(month, "里长", "confirm", path=elderly)
    expect_balance(month, "老人", "98")
    expect_balance(month, "老师", "3")


def answer_exchange(month: Month, who: str, change: str, *, path: str = "/me/time-bank/services") -> None:
    with month.phone(who, path) as page:
        form = page.locator(f"#exchanges ~ .card form:has(input[value={change}])")
        form.locator("button").click()
        expect(form).to_have_count(0)


def give_and_donate(month: Month) -> None:
    accept_invitation(month, "里长", "child", "女儿")
    for to, points in ((f"person:{month.ids['女儿']}", "5"), ("care_pool", "3")):
        with month.phone("里长", "/me/time-bank/give") as page:
            page.locator("#to").select_option(to)
            page.locator("#points").fill(points)
            page.locator("#points + button").click()
            page.locator("main form button").click()
            expect(page).to_have_url(re.compile("/me/time-bank#statement$"))
    expect_balance(month, "女儿", "5")


def inherit(month: Month) -> None:
    """A neighbour dies; the second manager has seen that the teacher is the heir."""
    died = {"person_id": month.ids["故人"], "died_on": "2026-10-26"}
    left = month.send("经理", "POST", "/time-bank/inheritances", died)
    claim = f"/time-bank/inheritances/{left['id']}/claim"
    month.send("副经理", "POST", claim, {"heir_id": month.ids["老师"]})
    expect_balance(month, "老师", "93")


def prove(month: Month) -> None:
    """Ask for a proof, issue it at the desk, download it; a stranger checks its code."""
    with month.phone("里长", "/me/time-bank/proofs") as page:
        page.locator("#purpose").fill("评选志愿者")
        page.locator("#recipient").fill("街道办")
        page.locator("#from_on").fill("2026-10-01")
        page.locator("#until_on").fill("2026-10-31")
        page.locator("#ask ~ form button").click()
        expect(page.locator("form[action$=withdrawal]")).to_have_count(1)
    with month.phone("经理", "/time-bank") as page:
        page.locator("#proofs ~ ul input[name=words]").fill("李明")
        page.locator("button[value=issue]").click()
        expect(page.locator("#proofs ~ ul li")).to_have_count(0)
    with month.phone("里长", "/me/time-bank/proofs") as page:
        paper = page.request.get(page.locator("a[href$='/pdf']").get_attribute("href") or "")
        assert paper.body().startswith(b"%PDF")
        code = page.locator("a[href^='/v1/service-check/']").get_attribute("href")
    assert code is not None
    with month.phone(None, code) as page:
        expect(page.locator("body")).to_contain_text("有效")
        expect(page.locator("body")).to_contain_text("幸福社区居民委员会")
    checked = httpx2.get(f"{month.site.address}{code}", headers={"Accept": "application/json"}).json()
    with month.site.database.read_sessions() as session:
        served = sum(recomputed(session)["minutes"].values())
    assert (checked["is_valid"], checked["minutes"]) == (True, served)


def export(month: Month) -> None:
    """Send the month to 志愿汇, which refuses three rows; mend the number and send them again."""
    wanted = {
        "platform": "zhiyuanhui",
        "estate_id": month.estate_id,
        "from_on": "2026-10-01",
        "until_on": "2026-10-31",
        "reference": "2026-10",
    }
    batch = month.send("经理", "POST", "/service-batches", wanted)
    rows = [
        {"number": row["number"], "accepted": place >= 3, "reason": "志愿者编号不存在" if place < 3 else None}
        for place, row in enumerate(batch["rows"])
    ]
    assert len(rows) == 8
    month.send("经理", "POST", f"/service-batches/{batch['id']}/answer", {"rows": rows})
    with month.phone("经理", "/time-bank") as page:
        expect(page.locator("#rejected ~ ul li")).to_have_count(3)
        write_number(month, "330106000124")
        page.locator("form[action$='/next'] button").click()
        expect(page.locator("#rejected ~ ul li")).to_have_count(0)
    latest = max(each["id"] for each in month.send("经理", "GET", "/service-batches")["batches"])
    again = month.send("经理", "GET", f"/service-batches/{latest}")
    assert [row["number"] for row in again["rows"]] == [row["number"] for row in rows[:3]]
    accepted = [{"number": row["number"], "accepted": True} for row in again["rows"]]
    answered = month.send("经理", "POST", f"/service-batches/{again['id']}/answer", {"rows": accepted})
    assert {row["state"] for row in answered["rows"]} == {"accepted"}


def read_the_report(month: Month) -> None:
    """Compare the report with what is recomputed from the rows by code that shares nothing with it."""
    with month.site.database.read_sessions() as session:
        expected = recomputed(session)
        state = verify_ledger(session)
    assert (state.first_broken, state.wrong_accounts) == (None, [])
    by_hand = {name: expected["minutes"][name] for name in ("check", "drill", "patrol", "session_taught")}
    assert by_hand == {"check": 10, "drill": 4, "patrol": 240, "session_taught": 240}
    with month.phone("区里", "/time-bank/report?from=2026-10-01&until=2026-10-31") as page:
        total = page.locator("#minutes ~ table tbody tr").last.locator("td").last
        hours, minutes = divmod(sum(expected["minutes"].values()), 60)
        expect(total).to_have_text(re.compile(rf"^{hours}\D+{minutes}\D*$"))
        shown = page.locator("#points ~ table tbody tr").last.locator("td").inner_text()
    assert 0 <= expected["points"] - Fraction(shown.replace(",", "")) < Fraction(1, 100)
