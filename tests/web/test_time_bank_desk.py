"""The desk of the time bank: what waits, decisions, appeals, goods, report; what strangers and others get."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Account, Person
from aed.accounts.permissions import Role, Viewer
from aed.accounts.viewers import viewer_of_person
from aed.registry.estates.models import Estate
from aed.sharing.rules import PartyRole
from aed.timebank.goods.models import Goods, GoodsOrder, Sponsor, StockChange
from aed.timebank.ledger.posting import find_person_account
from aed.timebank.regional_rules.queries import rules_at
from aed.timebank.rules import UNITS_PER_POINT, Currency, OrderState, ServiceKind
from aed.volunteering.appeals import actions as appeal_actions
from aed.volunteering.models import PlatformBatch, PlatformRow, ServiceAppeal, ServiceRecord
from aed.volunteering.platforms import actions as platform_actions
from aed.volunteering.platforms.schemas import RowAnswer
from aed.volunteering.records import actions as service_actions
from aed.volunteering.records import flags
from aed.volunteering.rules import RowState, ServiceState
from aed.web.time_bank_desk.regional_rules import NUMBERS
from tests import make
from tests.make import ADMINISTRATOR
from tests.web.conftest import SignIn

DESK = "/time-bank"


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


@pytest.fixture
def manager(session: Session, estate: Estate) -> Viewer:
    return make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)


def confirmed(session: Session, estate: Estate, by: Viewer) -> ServiceRecord:
    """Return an hour of service of a volunteer that ended an hour ago and was confirmed."""
    now = clock.now()
    volunteer = make.volunteer(session, estate, at=now - timedelta(days=30), number="330106000123")
    record = make.service(session, volunteer, estate, ended_at=now - timedelta(hours=1), at=now)
    return service_actions.confirm_record(session, by, record.id, rating=None, at=now)


def flagged(session: Session, estate: Estate, by: Viewer) -> ServiceRecord:
    """Return a confirmed record to which a member of the team objects."""
    record = confirmed(session, estate, by)
    objector = make.person_with_role(session, Role.RESIDENT, estate=estate)
    return flags.object_to_record(session, objector, record.id, reason="He was abroad <b>", at=clock.now())


def held_order(session: Session, estate: Estate) -> GoodsOrder:
    person_id = make.volunteer(session, estate).person_id
    assert person_id is not None
    return make.goods_order(session, make.goods(session, estate), session.get_one(Person, person_id))


def test_strangers_sign_in_and_people_without_an_office_are_refused(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    record = flagged(session, estate, manager)
    number, page = record.number, f"{DESK}/records/{record.id}"
    elsewhere = make.person_with_role(session, Role.ESTATE_MANAGER, estate=make.estate(session))
    stranger, resident = browser_of(None), browser_of(make.volunteer(session, estate).person_id)

    for path in (DESK, page):
        assert stranger.get(path).headers["location"] == f"/sign-in?next={path}"
    assert resident.get(DESK).status_code == 403
    assert number not in browser_of(elsewhere.person_id).get(DESK).text
    for client, status in ((stranger, 401), (resident, 404), (browser_of(elsewhere.person_id), 404)):
        assert client.post(page, data={"decision": "void", "reason": "No"}).status_code == status
    session.refresh(record)
    assert record.state is ServiceState.CONFIRMED


def test_the_desk_says_why_a_record_is_held_and_another_manager_releases_it_once(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    record = flagged(session, estate, manager)
    second = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    path, number = f"{DESK}/records/{record.id}", record.number
    first_desk, second_desk = browser_of(manager.person_id), browser_of(second.person_id)
    form = {"decision": "release", "reason": "He showed the ticket"}

    assert f"Look into {number}" in first_desk.get(DESK).text
    page = first_desk.get(path).text
    assert "A member of the team objects: He was abroad &lt;b&gt;" in page
    assert re.search(r"Earned by service</td><td>\+60 min", page)
    assert re.search(r"Held</td><td>−1 points", page)
    assert first_desk.post(path, data=form).status_code == 403, "they confirmed it"
    assert second_desk.post(path, data=form | {"reason": " "}).status_code == 422

    assert second_desk.post(path, data=form).status_code == 303
    again = second_desk.post(path, data=form)
    assert again.status_code == 409
    assert "has no open flag" in again.text
    page = second_desk.get(path).text
    assert re.search(r"Given back</td><td>\+1 points", page)
    assert page.count("He showed the ticket") == 1
    assert number not in second_desk.get(DESK).text


def test_a_disputed_record_is_voided_and_recorded_anew(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    record = confirmed(session, estate, manager)
    path = f"{DESK}/records/{record.id}"
    desk = browser_of(make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate).person_id)
    zone_now = clock.now() + timedelta(hours=8)  # Asia/Shanghai

    assert desk.post(path, data={"decision": "dispute", "reason": "Two patrols"}).status_code == 303
    assert "In dispute" in desk.get(DESK).text
    assert desk.post(path, data={"decision": "void", "reason": "Half of it"}).status_code == 303
    page = desk.get(path).text
    assert re.search(r"Reversed</td><td>−60 min", page)
    assert "The volunteer may appeal until" in page
    recorded = record.started_at + timedelta(hours=8)
    assert f'name="begins" type="datetime-local" required value="{recorded:%Y-%m-%dT%H:%M}"' in page

    begins = zone_now - timedelta(hours=2)
    bad = desk.post(f"{path}/correction", data={"begins": "soon", "ends": "", "activity": "Kept words"})
    assert bad.status_code == 422
    assert "Kept words" in bad.text
    made = desk.post(
        f"{path}/correction",
        data={
            "begins": f"{begins:%Y-%m-%dT%H:%M}",
            "ends": f"{begins + timedelta(minutes=30):%Y-%m-%dT%H:%M}",
            "activity": "",
        },
    )
    assert made.status_code == 303
    session.rollback()
    anew = session.scalars(select(ServiceRecord).where(ServiceRecord.corrects_id == record.id)).one()
    assert made.headers["location"] == f"{DESK}/records/{anew.id}"
    assert (anew.minutes, anew.state) == (30, ServiceState.PENDING)
    assert "Record it anew" not in desk.get(path).text


def test_goods_are_handed_out_by_the_code_and_only_once(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    order = held_order(session, estate)
    path, code = f"{DESK}/orders/{order.id}/collection", order.code
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    desk = browser_of(manager.person_id)

    page = desk.get(DESK).text
    assert "Hand out to" in page
    assert code not in page
    refused = desk.post(path, data={"code": wrong})
    assert refused.status_code == 422
    assert "not the code" in refused.text
    session.rollback()
    session.refresh(order)
    assert order.wrong_codes == 1
    session.rollback()
    assert [desk.post(path, data={"code": code}).status_code for _ in range(2)] == [303, 303]
    session.refresh(order)
    assert order.state is OrderState.COLLECTED
    sponsor = session.scalars(
        select(Sponsor).join(Goods, Goods.sponsor_id == Sponsor.id).where(Goods.id == order.goods_id)
    ).one()
    assert sponsor.committed == order.amount
    session.rollback()
    assert "Hand out to" not in desk.get(DESK).text


def test_rejected_rows_go_into_the_next_batch_once(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    confirmed(session, estate, manager)
    batch = make.service_batch(session, estate)
    row = session.scalars(select(PlatformRow).where(PlatformRow.batch_id == batch.id)).first()
    assert row is not None
    record = session.get_one(ServiceRecord, row.record_id)
    refusal = RowAnswer(number=record.number, accepted=False, reason="Unknown volunteer number")
    platform_actions.answer_batch(session, manager, batch.id, [refusal], at=clock.now())
    path = f"{DESK}/batches/{batch.id}/next"
    desk = browser_of(manager.person_id)

    assert "Unknown volunteer number" in desk.get(DESK).text
    assert [desk.post(path).status_code for _ in range(2)] == [303, 303]
    assert "Unknown volunteer number" not in desk.get(DESK).text
    batches = session.scalars(select(PlatformBatch.id).order_by(PlatformBatch.id)).all()
    assert len(batches) == 2
    again = session.get_one(PlatformRow, (batches[1], row.record_id))
    assert again.state is RowState.WAITING


def appealed(session: Session, estate: Estate, by: Viewer) -> tuple[ServiceAppeal, dict[PartyRole, Viewer]]:
    """Return the appeal of a volunteer whose record `by` voided, and the panel of their estate."""
    record = confirmed(session, estate, by)
    service_actions.void_record(session, by, record.id, reason="Nobody saw it", at=clock.now())
    volunteer = viewer_of_person(session, record.person_id)
    members = {each: make.person_with_role(session, Role.RESIDENT, estate=estate) for each in PartyRole}
    for party, member in members.items():
        assert member.person_id is not None
        appeal_actions.set_panel_member(session, ADMINISTRATOR, estate.id, party, member.person_id)
    reason = "The guard saw me <i>"
    return appeal_actions.open_appeal(session, volunteer, record.id, reason=reason, at=clock.now()), members


def test_two_parties_grant_an_appeal_and_what_was_reversed_is_shown(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    appeal, members = appealed(session, estate, manager)
    path = f"{DESK}/appeals/{appeal.id}"
    first, second, third = (browser_of(each.person_id) for each in members.values())
    grant = {"vote": "grant", "reason": "The guard confirms it"}

    assert f'href="{path}"' in first.get(DESK).text
    page = first.get(path).text
    assert "The guard saw me &lt;i&gt;" in page
    assert re.search(r"Reversed</td><td>−1 points", page)
    assert first.post(path, data=grant | {"reason": ""}).status_code == 422
    assert first.post(path, data=grant).status_code == 303
    again = first.post(path, data=grant)
    assert again.status_code == 409
    assert "Your party has voted already" in again.text
    assert second.post(path, data=grant).status_code == 303
    late = third.post(path, data={"vote": "dismiss", "reason": "No"})
    assert late.status_code == 409
    page = third.get(path).text
    assert "Granted" in page
    assert page.count("The guard confirms it") == 2
    session.rollback()
    anew = select(ServiceRecord.state).where(ServiceRecord.corrects_id == appeal.record_id)
    assert session.scalars(anew).all() == [ServiceState.CONFIRMED]
    session.rollback()


def test_the_confirmer_on_the_panel_does_not_vote_and_the_region_names_another(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    appeal, _ = appealed(session, estate, manager)
    assert manager.person_id is not None
    centre = PartyRole.SERVICE_CENTRE
    appeal_actions.set_panel_member(session, ADMINISTRATOR, estate.id, centre, manager.person_id)
    office = make.person_with_role(session, Role.ADMINISTRATOR, region=make.region(session))
    member = make.person_with_role(session, Role.KEEPER, estate=estate)
    assert member.person_id is not None
    phone = session.get_one(Account, member.person_id).phone
    path = f"{DESK}/appeals/{appeal.id}"
    desk, resident = browser_of(manager.person_id), browser_of(make.volunteer(session, estate).person_id)
    region = browser_of(office.person_id)

    refused = desk.post(path, data={"vote": "dismiss", "reason": "I know"})
    assert refused.status_code == 403
    assert "You took part in this" in refused.text
    assert resident.get(path).status_code == 404

    form = {"party": centre.value, "phone": phone}
    assert desk.post(f"{path}/panel", data=form).status_code == 403
    unknown = region.post(f"{path}/panel", data=form | {"phone": "+86 139 9999 9999"})
    assert unknown.status_code == 422
    assert "You may see no person" in unknown.text
    assert region.post(f"{path}/panel", data=form).status_code == 303
    assert (
        browser_of(member.person_id).post(path, data={"vote": "dismiss", "reason": "No"}).status_code == 303
    )


def test_goods_are_made_changed_and_booked_in_once_with_a_reason(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    sponsor_id = make.goods(session, estate).sponsor_id
    desk = browser_of(manager.person_id)
    form = {
        "estate_id": str(estate.id),
        "sponsor_id": str(sponsor_id),
        "name_zh": "食用油",
        "name_en": "Oil",
        "points": "12.5",
        "stock": "0",
        "first_for": ["over_80"],
        "first_until": "2027-01-01",
    }

    bad = desk.post(f"{DESK}/goods", data=form | {"points": "cheap", "name_en": "Kept words"})
    assert bad.status_code == 422
    assert "Kept words" in bad.text
    page = desk.post(f"{DESK}/goods", data=form).headers["location"]
    assert "Out of stock" in desk.get(page).text

    stock = {"change": "10", "reason": "The shop brought them", "key": str(uuid4())}
    assert [desk.post(f"{page}/stock", data=stock).status_code for _ in range(2)] == [303, 303]
    assert desk.post(f"{page}/stock", data={"change": "−3", "reason": ""}).status_code == 422
    refused = desk.post(f"{page}/stock", data={"change": "−11", "reason": "Broken"})
    assert refused.status_code == 409
    assert "Only 10 are left" in refused.text
    assert desk.post(f"{page}/stock", data={"change": "-3", "reason": "Broken"}).status_code == 303

    changed = {"name_zh": "油", "name_en": "Oil", "points": "15"}
    assert desk.post(page, data=changed).status_code == 303
    made = session.scalars(select(Goods).where(Goods.name_zh == "油")).one()
    assert (made.stock, made.price, made.first_for, made.is_open) == (7, 15 * UNITS_PER_POINT, [], False)
    booked = session.scalars(select(StockChange).order_by(StockChange.id)).all()
    assert [(each.change, each.reason) for each in booked] == [(10, "The shop brought them"), (-3, "Broken")]
    session.rollback()
    other = make.person_with_role(session, Role.ESTATE_MANAGER, estate=make.estate(session))
    elsewhere = browser_of(other.person_id)
    assert elsewhere.get(page).status_code == 403
    assert elsewhere.post(f"{page}/stock", data=stock).status_code == 403


def test_only_the_region_sets_a_sponsors_budget_and_a_cancelled_order_comes_back(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    order = held_order(session, estate)
    goods = session.get_one(Goods, order.goods_id)
    sponsor_id, stock, item = goods.sponsor_id, goods.stock, f"{DESK}/goods/{goods.id}"
    office = make.person_with_role(session, Role.ADMINISTRATOR, region=make.region(session))
    desk, region = browser_of(manager.person_id), browser_of(office.person_id)
    path = f"{DESK}/sponsors/{sponsor_id}"

    assert desk.post(path, data={"budget": "100"}).status_code == 403
    refused = region.post(path, data={"budget": "0.5"})
    assert refused.status_code == 409
    assert "More than this is ordered already" in refused.text
    assert region.post(path, data={"budget": "none"}).status_code == 422
    assert region.post(path, data={"budget": "100"}).status_code == 303
    assert "99 of 100 points left, 1 ordered" in region.get(f"{DESK}/goods").text
    new = {"region": "CN-33", "name": "Baker", "budget": "50"}
    assert desk.post(f"{DESK}/sponsors", data=new).status_code == 403
    assert region.post(f"{DESK}/sponsors", data=new).status_code == 303

    cancelled = f"{item}/orders/{order.id}/cancellation"
    assert [desk.post(cancelled).status_code for _ in range(2)] == [303, 303]
    session.refresh(goods)
    assert goods.stock == stock + 1
    session.rollback()
    assert "100 of 100 points left" in desk.get(f"{DESK}/goods").text


def test_a_proof_that_was_asked_for_is_issued_or_declined_once(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    person_id = make.volunteer(session, estate).person_id
    assert person_id is not None
    asked = make.proof_request(session, session.get_one(Person, person_id), estate)
    path, desk = f"{DESK}/proofs/{asked.id}", browser_of(manager.person_id)

    assert f'action="{path}"' in desk.get(DESK).text
    assert desk.post(path, data={"answer": "decline", "words": " "}).status_code == 422
    assert desk.post(path, data={"answer": "decline", "words": "Ask the school first"}).status_code == 303
    again = desk.post(path, data={"answer": "issue", "words": "Li Ming"})
    assert again.status_code == 409
    assert "it was answered or withdrawn" in again.text
    assert f'action="{path}"' not in desk.get(DESK).text
    session.refresh(asked)
    assert asked.decline_reason == "Ask the school first"


def test_the_report_has_a_chart_and_the_same_in_a_table_for_the_region_alone(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    confirmed(session, estate, manager)
    office = make.person_with_role(session, Role.ADMINISTRATOR, region=make.region(session))
    make.region(session, "CN-44")
    region, path = browser_of(office.person_id), f"{DESK}/report"

    assert browser_of(None).get(path).headers["location"] == f"/sign-in?next={path}"
    assert browser_of(manager.person_id).get(path).status_code == 403
    assert region.get(path, params={"region": "CN-44"}).status_code == 403
    page = region.get(path).text
    assert re.search(r"<td>Patrol</td><td>1</td><td>1 h 0 min</td>", page)
    assert page.count('<rect x="0"') == 8
    assert "fewer than 5" in page
    assert "<td>hidden</td>" in page
    bad = region.get(path, params={"from": "2026-12-31", "until": "soon"})
    assert bad.status_code == 422
    assert "Choose a first day" in bad.text
    link = re.search(r'href="(/v1/regions/CN-33/service-report.csv[^"]*)"', page)
    assert link is not None
    assert "patrol,60" in region.get(link[1].replace("&amp;", "&")).text


def test_the_region_sets_rules_from_a_day_on_and_the_past_stays(
    browser_of: SignIn, session: Session, estate: Estate, manager: Viewer
) -> None:
    credited = confirmed(session, estate, manager)
    office = make.person_with_role(session, Role.ADMINISTRATOR, region=make.region(session))
    region, path = browser_of(office.person_id), f"{DESK}/rules"
    page = region.get(path).text
    form: dict[str, str | list[str]] = dict.fromkeys(("region",), "CN-33")
    for name in ("kind", "points", "most"):
        form[name] = re.findall(rf'name="{name}"[^>]*value="([^"]*)"', page)
    form["counts"] = re.findall(r'name="counts" value="([^"]*)" checked', page)
    for name in NUMBERS:
        form[name] = re.findall(rf'name="{name}"[^>]*value="([^"]*)"', page)
    kinds, rates = form["kind"], form["points"]
    assert isinstance(rates, list)
    rates[kinds.index("patrol")] = "2"
    rates[kinds.index("call")] = "9"

    assert browser_of(manager.person_id).post(path, data=form).status_code == 403
    bad = region.post(path, data=form | {"gift_points_a_year": "many"})
    assert bad.status_code == 422
    assert 'value="many"' in bad.text
    assert region.post(path, data=form | {"starts_on": "2020-01-01"}).status_code == 422
    assert region.post(path, data=form | {"gift_points_a_year": "30"}).status_code == 303

    page = region.get(path).text
    assert "In force: CN-33-1." in page
    region_id = make.region(session).id
    rules = rules_at(session, region_id, clock.now())
    assert (rules.gift_points_a_year, rules.cap_points) == (30, 1500)
    assert rules.services[ServiceKind.PATROL].factor_tenths == 20
    assert rules.services[ServiceKind.CALL].factor_tenths == 0, "a call earns its minutes only"
    account = find_person_account(session, credited.person_id, Currency.POINTS)
    assert account is not None
    assert account.balance == UNITS_PER_POINT, "credited before"
    session.rollback()
    later = f"{clock.now() + timedelta(days=40):%Y-%m-%d}"
    assert region.post(path, data=form | {"starts_on": later}).status_code == 303
    assert "not yet in force" in region.get(path).text
    assert rules_at(session, region_id, clock.now()).version == "CN-33-1"
