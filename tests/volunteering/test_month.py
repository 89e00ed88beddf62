"""The month of a neighbourhood lead (里长), over HTTP with a moved clock: the story of the time bank."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import uuid4

from sqlalchemy import text

from aed.settings import Settings
from aed.signatures import TokenPurpose, signed, signing_keys
from aed.timebank.ledger.verification import verify_ledger
from tests import make
from tests.make import PATIENT
from tests.volunteering.story import CHINA, Story
from tests.volunteering.test_report import recomputed


def test_a_leads_month(story: Story, settings: Settings) -> None:
    story.served_before("lead", hours=120)
    lead_id = story.people["lead"]

    # The lead joins the team; the region names the residents' committee as the issuer of proofs.
    joining = {"estate_id": story.estate.id, "building_id": story.building_id, "birth_year": 1958}
    story.send("lead", "PUT", f"/volunteers/{lead_id}", joining | {"number": "330106000123"})
    issuer = {
        "kind": "residents_committee",
        "name": "幸福社区居民委员会",
        "responsible": "吴敏",
        "contact": "+86 571 0555 0101",
    }
    story.send("region", "PUT", f"/estates/{story.estate.id}/service-issuer", issuer)

    # Patrols are recorded by hand; the third one with two hours too many.
    patrols = [story.patrol(2), story.patrol(9), story.patrol(16, hours=3), story.patrol(23)]

    # A check, a drill, a session taught and a call are known to the program.
    serve(story)
    story.at(24)
    story.run("service-records")
    assert sorted((each["source"], each["minutes"], each["state"]) for each in story.records()) == [
        ("call", 42, "confirmed"),
        ("check", 10, "pending"),
        ("drill", 4, "pending"),
        ("patrol", 60, "pending"),
        ("patrol", 60, "pending"),
        ("patrol", 60, "pending"),
        ("patrol", 180, "pending"),
        ("session_taught", 240, "pending"),
    ]
    (call,) = story.records(source="call")
    assert (call["activity"], call["place"], call["started_at"]) == ("应急救护 0:42", None, None)

    # Nobody confirms their own service: the manager does.
    story.post("lead", f"/service-records/{patrols[0]['id']}/confirmation", rating=5, status=403)
    for record in story.records(state="pending"):
        story.post("manager", f"/service-records/{record['id']}/confirmation", rating=5)
    assert story.balance("lead", "minutes") == 7200 + 42 + 10 + 4 + 180 + 180 + 240
    assert story.balance("lead") == Fraction(7200 + 10 + 4 + 180 + 180 + 240 * 3 // 2, 60)

    # The third patrol is disputed: its points are held. It is voided and corrected, and confirmed again.
    wrong = f"/service-records/{patrols[2]['id']}"
    story.post("second manager", f"{wrong}/dispute", reason="只巡逻了一小时")
    assert story.balance("lead") == Fraction(7200 + 10 + 4 + 180 + 240 * 3 // 2, 60)
    story.post("second manager", f"{wrong}/voiding", reason="只巡逻了一小时")
    began = datetime(2026, 10, 16, 20, tzinfo=CHINA)
    right = story.post(
        "second manager",
        f"{wrong}/corrections",
        started_at=began.isoformat(),
        ended_at=(began + timedelta(hours=1)).isoformat(),
        status=201,
    )
    story.post("second manager", f"/service-records/{right['id']}/confirmation", {}, status=403)
    story.post("manager", f"/service-records/{right['id']}/confirmation", {})
    assert story.balance("lead", "minutes") == 7200 + 42 + 10 + 4 + 240 + 240
    earned = Fraction(7200 + 10 + 4 + 240 + 240 * 3 // 2, 60)
    assert story.balance("lead") == earned

    spend(story)
    assert story.balance("lead") == earned - 20 - 5 - 3

    # After the notice of seven days the proof counts all of it, and anyone checks it by its code.
    story.at(31)
    wanted = {
        "person_id": lead_id,
        "estate_id": story.estate.id,
        "from_on": "2026-10-01",
        "until_on": "2026-10-31",
    }
    proof = story.post(
        "manager", "/service-certificates", wanted | {"key": str(uuid4()), "handler": "李明"}, status=201
    )
    assert proof["minutes"] == 42 + 10 + 4 + 240 + 240
    assert story.send("lead", "GET", f"/service-certificates/{proof['number']}/pdf").startswith(b"%PDF")
    code = signed(signing_keys(settings), TokenPurpose.SERVICE, proof["number"])
    checked = story.send("anybody", "GET", f"/service-check/{code}")
    assert (checked["is_valid"], checked["minutes"], checked["issuer"]) == (True, 536, "幸福社区居民委员会")

    export(story)

    # The region's report is recomputed from the rows, by a script that shares no code with it.
    report = story.send("region", "GET", "/regions/CN-33/service-report?from=2026-10-01&until=2026-10-31")
    story.session.rollback()
    expected = recomputed(story.session)
    assert {source: minutes for source, minutes in report["minutes"].items() if minutes} == expected[
        "minutes"
    ]
    assert (expected["people"], report["active_volunteers"]) == (1, None), "hidden: fewer than five"
    outstanding = Fraction(report["points_outstanding"]["total"])
    assert 0 <= expected["points"] - outstanding < Fraction(1, 100)
    state = verify_ledger(story.session)
    assert (state.first_broken, state.wrong_accounts) == (None, [])
    assert story.session.scalar(text("SELECT sum(balance) FROM ledger_accounts")) == 0


def serve(story: Story) -> None:
    """A check on the 5th, a drill on the 6th, a session taught on the 10th and a call on the 12th."""
    story.at(5)
    answers = dict.fromkeys(("status_light", "pads_in_date", "battery_in_date", "access_as_described"), True)
    story.post("lead", f"/devices/{story.device_id}/checks", key=str(uuid4()), answers=answers)

    story.at(6)
    start = {"lat": PATIENT.lat, "lon": PATIENT.lon}
    story.post("lead", f"/devices/{story.device_id}/drills", key=str(uuid4()), start=start, seconds=200)
    for _ in range(2):  # the second time records nothing
        story.run("service-records")

    training = make.training(
        story.session, estate=story.estate, starts_at=datetime(2026, 10, 10, 9, tzinfo=CHINA)
    )
    training.trainer_id = story.people["lead"]
    enrolment = make.enrolment(story.session, training)
    story.session.commit()
    story.at(10, "12:30")
    rows = [{"enrolment_id": enrolment.id, "attendance": "attended"}]
    story.post("region", f"/sessions/{training.id}/attendance", rows=rows)

    story.at(12, "14:00")
    incident = story.post("dispatch centre", "/incidents", key=str(uuid4()), position=start, region="CN-33")
    story.alert(incident["id"])
    for reply in ("seen", "accept", "there"):
        story.post("anybody", "/alerts/call_key", reply=reply)
    story.at(12, "14:42")
    story.post("dispatch centre", f"/incidents/{incident['id']}/close", outcome="handed_over")


def spend(story: Story) -> None:
    """Spend on rice and on a lesson for an elderly neighbour; give, donate and inherit."""
    story.at(25)
    for name, hours in (("elderly neighbour", 100), ("teacher", 1), ("late neighbour", 90)):
        story.served_before(name, hours=hours)

    # Two bags of rice of a sponsor, collected with the code.
    sponsor = story.post("region", "/time-bank/sponsors", region="CN-33", name="Shop", points=500, status=201)
    rice = story.post(
        "manager",
        "/time-bank/goods",
        estate_id=story.estate.id,
        sponsor_id=sponsor["id"],
        name_en="Rice, 5 kg",
        name_zh="大米5公斤",
        points=10,
        stock=20,
        status=201,
    )
    wanted = {"goods_id": rice["id"], "quantity": 2, "key": str(uuid4())}
    order = story.post("lead", "/time-bank/orders", wanted, status=201)
    assert story.post("lead", "/time-bank/orders", wanted, status=201)["id"] == order["id"]
    collected = story.post("manager", f"/time-bank/orders/{order['id']}/collection", code=order["code"])
    assert (collected["state"], collected["points"]) == ("collected", 20)

    # A neighbour teaches the elderly one to use a phone; the lead asks for it with a mandate.
    offer = story.post(
        "teacher", "/time-bank/offers", kind="lesson", title="智能手机课", points_per_hour=2, status=201
    )
    elderly_id = story.people["elderly neighbour"]
    lesson = {
        "starts_at": "2026-10-26T10:00:00+08:00",
        "minutes": 60,
        "key": str(uuid4()),
        "acting_for": elderly_id,
    }
    asking = f"/time-bank/offers/{offer['id']}/exchanges"
    story.post("lead", asking, lesson, status=403)
    mandate = {"principal_id": elderly_id, "agent_id": story.people["lead"], "days": 30}
    story.post("manager", "/time-bank/mandates", mandate, status=201)
    exchange = f"/time-bank/exchanges/{story.post('lead', asking, lesson, status=201)['id']}"
    story.post("teacher", f"{exchange}/agreement")
    story.at(26, "11:00")
    story.post("teacher", f"{exchange}/confirmation")
    assert story.post("lead", f"{exchange}/confirmation")["state"] == "settled"
    assert story.balance("elderly neighbour") == 98
    assert story.balance("teacher") == 3

    # A gift to a daughter who confirmed to be one, and a donation for people who need care.
    gift = {"person_id": story.people["daughter"], "points": 5, "key": str(uuid4())}
    story.post("lead", "/time-bank/gifts", gift, status=403)
    declared = story.post(
        "lead", "/time-bank/relatives", relative_id=story.people["daughter"], relation="child", status=201
    )
    story.post("daughter", f"/time-bank/relatives/{declared['id']}/confirmation")
    for _ in range(2):
        story.post("lead", "/time-bank/gifts", gift)
    story.post("lead", "/time-bank/donations", to="care_pool", points=3, key=str(uuid4()))
    assert story.balance("daughter") == 5

    # A neighbour dies; the second manager has seen that the teacher is the heir.
    died = {"person_id": story.people["late neighbour"], "died_on": "2026-10-26"}
    left = story.post("manager", "/time-bank/inheritances", died, status=201)
    claim = f"/time-bank/inheritances/{left['id']}/claim"
    story.post("manager", claim, heir_id=story.people["manager"], status=403)
    story.post("manager", claim, heir_id=story.people["teacher"], status=403)
    story.post("second manager", claim, heir_id=story.people["teacher"])
    assert story.balance("teacher") == 93


def export(story: Story) -> None:
    """Export to the platform, which refuses three rows; they are mended and accepted."""
    month = {
        "platform": "zhiyuanhui",
        "estate_id": story.estate.id,
        "from_on": "2026-10-01",
        "until_on": "2026-10-31",
    }
    batch = story.post("manager", "/service-batches", month | {"reference": "2026-10"}, status=201)
    assert (
        story.post("manager", "/service-batches", month | {"reference": "2026-10"}, status=201)["id"]
        == batch["id"]
    )
    file = story.send("manager", "GET", f"/service-batches/{batch['id']}/file.csv").decode("utf-8-sig")
    lines = list(csv.reader(file.splitlines()))
    assert len(lines) == 1 + len(batch["rows"]) == 9
    answers = [
        {"number": row["number"], "accepted": place >= 3, "reason": "志愿者编号不存在" if place < 3 else None}
        for place, row in enumerate(batch["rows"])
    ]
    answered = story.post("manager", f"/service-batches/{batch['id']}/answer", rows=answers)
    refused = [row["number"] for row in answered["rows"] if row["state"] == "rejected"]
    assert len(refused) == 3

    known = story.send("lead", "GET", f"/volunteers/{story.people['lead']}")
    mended = {name: known[name] for name in ("estate_id", "building_id", "birth_year")}
    story.send("lead", "PUT", f"/volunteers/{story.people['lead']}", mended | {"number": "330106000124"})
    again = story.post("manager", "/service-batches", month | {"reference": "2026-10-b"}, status=201)
    assert [row["number"] for row in again["rows"]] == refused
    file = story.send("manager", "GET", f"/service-batches/{again['id']}/file.csv").decode("utf-8-sig")
    assert file.count("330106000124") == 3
    accepted = [{"number": number, "accepted": True} for number in refused]
    answered = story.post("manager", f"/service-batches/{again['id']}/answer", rows=accepted)
    assert {row["state"] for row in answered["rows"]} == {"accepted"}
    empty = story.post("manager", "/service-batches", month | {"reference": "2026-10-c"}, status=409)
    assert empty["detail"]
