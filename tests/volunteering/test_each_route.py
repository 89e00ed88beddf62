"""Each JSON route of the time bank and of service records, with a request that succeeds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from aed.settings import Settings
from aed.signatures import TokenPurpose, signed, signing_keys
from tests.apps import served_document
from tests.volunteering.story import CHINA, Story

OURS = ("time bank", "volunteering")
"""Tags of these routes."""


class Routes:
    """Requests that must succeed, each noted by its route."""

    def __init__(self, story: Story) -> None:
        self.story, self.succeeded = story, set[str]()

    def __call__(self, who: str, route: str, body: Any = None, **given: Any) -> Any:
        """Send a request; `given` has the values of the path, and `query` and `status` if they matter."""
        method, path = route.split()
        target = path.format(**given) + given.get("query", "")
        answer = self.story.send(who, method, target, body, status=given.get("status", 200))
        self.succeeded.add(f"{method} /v1{path}")
        return answer


def new_key() -> str:
    return str(uuid4())


def test_each_route_succeeds_for_the_person_it_is_for(story: Story, settings: Settings) -> None:
    send = Routes(story)
    story.served_before("lead", hours=120)

    serve_and_decide(story, send)
    prove(story, send, settings)
    give_and_inherit(story, send)
    spend(story, send)
    connect(story, send)

    routes = {
        f"{method.upper()} {path}"
        for path, methods in served_document()["paths"].items()
        for method, operation in methods.items()
        if set(OURS) & set(operation["tags"])
    }
    assert routes - send.succeeded == set()
    assert len(routes) >= 96


def serve_and_decide(story: Story, send: Routes) -> None:
    """Register the lead; record, confirm, flag, dispute and void their service, and appeal."""
    people, estate_id = story.people, story.estate.id
    lead = {"person_id": people["lead"]}
    joining = {"estate_id": estate_id, "building_id": story.building_id, "number": "330106000123"}
    send("lead", "PUT /volunteers/{person_id}", joining, **lead)
    assert send("lead", "GET /volunteers/{person_id}", **lead)["number"] == "330106000123"
    assert len(send("manager", "GET /volunteers")["volunteers"]) == 1
    buildings = send(
        "manager",
        "PUT /estates/{estate_id}/leads/{person_id}/buildings",
        {"building_ids": [story.building_id]},
        estate_id=estate_id,
        **lead,
    )
    assert buildings["building_ids"] == [story.building_id]
    for party, name in (
        ("service_centre", "daughter"),
        ("owners_committee", "teacher"),
        ("party_committee", "late neighbour"),
    ):
        seat = "PUT /estates/{estate_id}/appeal-panel/{party_role}"
        member = {"person_id": people[name]}
        send("region", seat, member, estate_id=estate_id, party_role=party)
    panel = send("lead", "GET /estates/{estate_id}/appeal-panel", estate_id=estate_id)
    assert len(panel["members"]) == 3

    patrols = []
    for day in (2, 3, 4):
        began = datetime(2026, 10, day, 20, tzinfo=CHINA)
        story.now = began + timedelta(hours=1)
        new = {
            "key": new_key(),
            **lead,
            "estate_id": estate_id,
            "activity": "夜间巡逻",
            "started_at": began.isoformat(),
            "ended_at": story.now.isoformat(),
        }
        patrols.append(send("lead", "POST /service-records", new, status=201)["id"])
    kept, wrong, disputed = patrols
    for each in patrols:
        send("manager", "POST /service-records/{record_id}/confirmation", {"rating": 5}, record_id=each)
    reason = {"reason": "当晚没有巡逻"}
    assert (
        len(send("teacher", "GET /estates/{estate_id}/service-notices", estate_id=estate_id)["records"]) == 3
    )
    send("teacher", "POST /service-records/{record_id}/objections", reason, record_id=kept, status=204)
    released = send("second manager", "POST /service-records/{record_id}/release", reason, record_id=kept)
    assert not released["is_held"]
    send("second manager", "POST /service-records/{record_id}/dispute", reason, record_id=disputed)
    upheld = send("second manager", "POST /service-records/{record_id}/upholding", reason, record_id=disputed)
    assert upheld["state"] == "confirmed"
    send("second manager", "POST /service-records/{record_id}/voiding", reason, record_id=wrong)
    began = datetime(2026, 10, 3, 20, tzinfo=CHINA)
    right = {"started_at": began.isoformat(), "ended_at": (began + timedelta(minutes=30)).isoformat()}
    appeal = send(
        "lead",
        "POST /service-records/{record_id}/appeal",
        {"reason": "门岗可以证明"},
        record_id=wrong,
        status=201,
    )
    vote = {"is_granted": False, "reason": "门岗没有看到"}
    for name in ("daughter", "teacher"):
        decided = send(name, "POST /service-appeals/{appeal_id}/votes", vote, appeal_id=appeal["id"])
    assert decided["state"] == "dismissed"
    assert len(send("lead", "GET /service-appeals")["appeals"]) == 1
    made = send(
        "second manager", "POST /service-records/{record_id}/corrections", right, record_id=wrong, status=201
    )
    assert made["minutes"] == 30
    assert send("lead", "GET /service-records/{record_id}", record_id=made["id"])["corrects_id"] == wrong
    assert len(send("lead", "GET /service-records")["records"]) == 4


def prove(story: Story, send: Routes, settings: Settings) -> None:
    """Prove the service on paper, on a platform and in the region's report."""
    estate_id, lead_id = story.estate.id, story.people["lead"]
    issuer = {
        "kind": "residents_committee",
        "name": "幸福社区居民委员会",
        "responsible": "吴敏",
        "contact": "+86 571 0555 0101",
    }
    send("region", "PUT /estates/{estate_id}/service-issuer", issuer, estate_id=estate_id)
    found = send("lead", "GET /estates/{estate_id}/service-issuer", estate_id=estate_id)
    assert found["name"] == issuer["name"]

    story.at(20)
    month = {"from_on": "2026-10-01", "until_on": "2026-10-31"}
    asking = {"purpose": "申请学校", "recipient": "第一中学"} | month
    wanted, other, third = (
        send("lead", "POST /service-proof-requests", asking | {"key": new_key()}, status=201)["id"]
        for _ in range(3)
    )
    withdrawal = "POST /service-proof-requests/{proof_request_id}/withdrawal"
    for _ in range(2):  # the second time changes nothing
        assert send("lead", withdrawal, proof_request_id=other)["state"] == "withdrawn"
    refusal = "POST /service-proof-requests/{proof_request_id}/refusal"
    declined = send("manager", refusal, {"reason": "请到办公室来"}, proof_request_id=third)
    assert (declined["state"], declined["decline_reason"]) == ("declined", "请到办公室来")
    story.post("lead", f"/service-proof-requests/{third}/withdrawal", status=409)
    story.post("teacher", f"/service-proof-requests/{wanted}/withdrawal", status=404)
    story.post("lead", f"/service-proof-requests/{wanted}/refusal", reason="…", status=403)

    new = {"key": new_key(), "person_id": lead_id, "estate_id": estate_id, "handler": "李明"} | month
    proof = send("manager", "POST /service-certificates", new | {"request_id": wanted}, status=201)
    number = {"service_number": proof["number"]}
    states = {each["id"]: each["state"] for each in send("lead", "GET /service-proof-requests")["requests"]}
    assert states == {wanted: "issued", other: "withdrawn", third: "declined"}
    assert len(send("lead", "GET /service-certificates")["certificates"]) == 1
    assert send("lead", "GET /service-certificates/{service_number}", **number)["minutes"] == 120
    assert send("lead", "GET /service-certificates/{service_number}/pdf", **number).startswith(b"%PDF")
    token = signed(signing_keys(settings), TokenPurpose.SERVICE, proof["number"])
    assert send("anybody", "GET /service-check/{token}", token=token)["is_valid"]
    send("manager", "DELETE /service-certificates/{service_number}", status=204, **number)
    assert not send("anybody", "GET /service-check/{token}", token=token)["is_valid"]

    platform = {"platform": "zhiyuanhui", "estate_id": estate_id}
    batch = send("manager", "POST /service-batches", platform | month | {"reference": "2026-10"}, status=201)
    ids = {"batch_id": batch["id"]}
    rows = [{"number": each["number"], "accepted": True} for each in batch["rows"]]
    assert send("manager", "GET /service-batches/{batch_id}/file.{ending}", ending="xlsx", **ids)
    answered = send("manager", "POST /service-batches/{batch_id}/answer", {"rows": rows}, **ids)
    assert send("manager", "GET /service-batches/{batch_id}", **ids) == answered
    assert len(send("manager", "GET /service-batches")["batches"]) == 1
    content = (
        "记录编号,志愿者编号,活动名称,开始时间,结束时间\n"
        "Z1,330106000123,社区清扫,2026-10-18 10:00,2026-10-18 11:30"
    )
    imported = send("manager", "POST /service-hours", platform | {"content": content})
    assert imported["recorded"] == 1

    period = {"region": "CN-33", "query": "?from=2026-10-01&until=2026-10-31"}
    assert send("region", "GET /regions/{region}/service-report", **period)["minutes"]["patrol"] == 120
    assert send("region", "GET /regions/{region}/service-report.{ending}", ending="csv", **period)


def give_and_inherit(story: Story, send: Routes) -> None:
    """Declare relatives, share a family account, give, donate, name an heir, and inherit."""
    people = story.people
    declare = {"relative_id": people["daughter"], "relation": "child"}
    declared = send("lead", "POST /time-bank/relatives", declare, status=201)
    ids = {"relative_declaration_id": declared["id"]}
    send("daughter", "POST /time-bank/relatives/{relative_declaration_id}/confirmation", **ids)
    assert len(send("lead", "GET /time-bank/relatives")["relatives"]) == 1
    send("lead", "PUT /time-bank/heir", {"heir_id": people["daughter"]}, status=204)
    story.send("lead", "PUT", "/time-bank/heir", {"heir_id": people["teacher"]}, status=403)

    accounts = send("lead", "GET /time-bank/accounts")["accounts"]
    (points,) = [each for each in accounts if each["currency"] == "points"]
    gift = {"person_id": people["daughter"], "points": 5, "key": new_key()}
    send("lead", "POST /time-bank/gifts", gift)
    send("lead", "POST /time-bank/donations", {"to": "care_pool", "points": 3, "key": new_key()})
    entries = send("lead", "GET /time-bank/accounts/{account_id}/entries", account_id=points["id"])["entries"]
    assert [each["kind"] for each in entries[:2]] == ["donate", "gift"]
    group = {"estate_id": story.estate.id, "name": "红十字志愿服务队"}
    assert send("manager", "POST /time-bank/groups", group, status=201)["balance"] == 0

    send("lead", "POST /time-bank/family", {"name": "家"}, status=201)
    invite = {"person_id": people["daughter"]}
    send("lead", "POST /time-bank/family/members", invite, status=201)
    send("lead", "POST /time-bank/family/deposits", {"points": 2, "key": new_key()})
    assert send("lead", "GET /time-bank/family")["member_ids"] == [people["lead"]]
    send("daughter", "POST /time-bank/family", {"name": "空"}, status=201)
    send("daughter", "DELETE /time-bank/family/members/me", status=204)
    send("daughter", "DELETE /time-bank/relatives/{relative_declaration_id}", status=204, **ids)

    story.served_before("late neighbour", hours=90)
    died = {"person_id": people["late neighbour"], "died_on": "2026-10-19"}
    left = send("manager", "POST /time-bank/inheritances", died, status=201)
    claim = "POST /time-bank/inheritances/{inheritance_id}/claim"
    send("second manager", claim, {"heir_id": people["teacher"]}, inheritance_id=left["id"])
    assert story.balance("teacher") == 90
    assert len(send("manager", "GET /time-bank/inheritances")["inheritances"]) == 1


def spend(story: Story, send: Routes) -> None:
    """Order goods, and a service of another member, also with a mandate."""
    people = story.people
    sponsor = send(
        "region",
        "POST /time-bank/sponsors",
        {"region": "CN-33", "name": "街角超市", "points": 500},
        status=201,
    )
    budget = "PUT /time-bank/sponsors/{sponsor_id}/budget"
    send("region", budget, {"points": 600}, sponsor_id=sponsor["id"])
    assert len(send("region", "GET /time-bank/sponsors")["sponsors"]) == 1
    named = {"name_en": "Rice, 5 kg", "name_zh": "大米5公斤", "points": 10}
    new = named | {"estate_id": story.estate.id, "sponsor_id": sponsor["id"], "stock": 20}
    rice = {"goods_id": send("manager", "POST /time-bank/goods", new, status=201)["id"]}
    send("manager", "PUT /time-bank/goods/{goods_id}", named | {"points": 9, "is_open": True}, **rice)
    stock = {"change": 5, "reason": "商店送来5袋"}
    assert send("manager", "POST /time-bank/goods/{goods_id}/stock", stock, **rice)["stock"] == 25
    (shown,) = send("daughter", "GET /time-bank/goods", query="?region=CN-33")["goods"]
    assert shown["points"] == 9
    order = send("lead", "POST /time-bank/orders", rice | {"key": new_key()}, status=201)
    ids = {"order_id": order["id"]}
    send("manager", "POST /time-bank/orders/{order_id}/collection", {"code": order["code"]}, **ids)
    reviewed = send("lead", "PUT /time-bank/orders/{order_id}/review", {"is_received": True}, **ids)
    assert reviewed["is_received"]
    other = send("lead", "POST /time-bank/orders", rice | {"key": new_key()}, status=201)
    cancelled = send("lead", "POST /time-bank/orders/{order_id}/cancellation", order_id=other["id"])
    assert cancelled["state"] == "cancelled"
    assert len(send("lead", "GET /time-bank/orders")["orders"]) == 2
    story.served_before("elderly neighbour", hours=100)
    priority = {"person_id": people["elderly neighbour"], "group": "over_80"}
    assert send("manager", "POST /time-bank/priority", priority, status=201)["groups"] == ["over_80"]

    mandate = {"principal_id": people["elderly neighbour"], "agent_id": people["lead"]}
    granted = send("elderly neighbour", "POST /time-bank/mandates", mandate, status=201)
    assert len(send("lead", "GET /time-bank/mandates")["mandates"]) == 1
    lessons = {"kind": "lesson", "title": "智能手机课", "points_per_hour": 2}
    offer = {"offer_id": send("teacher", "POST /time-bank/offers", lessons, status=201)["id"]}
    assert len(send("lead", "GET /time-bank/offers")["offers"]) == 1
    asking = "POST /time-bank/offers/{offer_id}/exchanges"
    lesson = {
        "starts_at": "2026-10-26T10:00:00+08:00",
        "minutes": 60,
        "acting_for": people["elderly neighbour"],
    }
    first, second = (
        {"exchange_id": send("lead", asking, lesson | {"key": new_key()}, status=201, **offer)["id"]}
        for _ in range(2)
    )
    later = {"starts_at": "2026-10-27T10:00:00+08:00"}
    story.send(
        "daughter", "PUT", "/time-bank/exchanges/{exchange_id}/time".format(**first), later, status=403
    )
    moved = send("teacher", "PUT /time-bank/exchanges/{exchange_id}/time", later, **first)
    assert datetime.fromisoformat(moved["starts_at"]) == datetime.fromisoformat(later["starts_at"])
    send("lead", "POST /time-bank/exchanges/{exchange_id}/agreement", **first)
    send("lead", "POST /time-bank/exchanges/{exchange_id}/cancellation", **second)
    story.at(27, "11:00")
    rating = "PUT /time-bank/exchanges/{exchange_id}/rating"
    for name in ("teacher", "lead"):
        settled = send(name, "POST /time-bank/exchanges/{exchange_id}/confirmation", **first)
    assert settled["state"] == "settled"
    story.send(
        "teacher",
        "PUT",
        "/time-bank/exchanges/{exchange_id}/rating".format(**first),
        {"rating": 5},
        status=403,
    )
    assert send("lead", rating, {"rating": 4}, **first)["rating"] == 4
    assert {each["state"] for each in send("teacher", "GET /time-bank/exchanges")["exchanges"]} == {
        "settled",
        "cancelled",
    }
    send("teacher", "DELETE /time-bank/offers/{offer_id}", status=204, **offer)
    send("elderly neighbour", "DELETE /time-bank/mandates/{mandate_id}", status=204, mandate_id=granted["id"])
    send("lead", "DELETE /volunteers/{person_id}", status=204, person_id=people["lead"])


def connect(story: Story, send: Routes) -> None:
    """Set the region's rules, and connect programs and an app."""
    rules = {"numbers": {"gift_points_a_year": 30}}
    send("region", "POST /time-bank/rules/{region}", rules, region="CN-33", status=201)
    read = send("anybody", "GET /time-bank/rules/{region}", region="CN-33")
    assert read["numbers"]["gift_points_a_year"] == 30

    new = {
        "estate_id": story.estate.id,
        "address": "https://app.example.org/hooks",
        "events": ["points.changed"],
    }
    made = send("manager", "POST /time-bank/webhooks", new, status=201)
    hook = {"webhook_id": made["webhook"]["id"]}
    assert len(send("manager", "GET /time-bank/webhooks")["webhooks"]) == 1
    send("manager", "POST /time-bank/webhooks/{webhook_id}/test", status=202, **hook)
    secret = send("manager", "POST /time-bank/webhooks/{webhook_id}/secret", {"overlap_hours": 1}, **hook)
    assert secret["secret"] != made["secret"]
    send("manager", "DELETE /time-bank/webhooks/{webhook_id}", status=204, **hook)
    assert send("manager", "GET /time-bank/webhooks/{webhook_id}", **hook)["is_active"] is False

    app = send(
        "manager", "POST /time-bank/apps", {"name": "Lake Life", "estate_id": story.estate.id}, status=201
    )
    known = {"client_id": app["app"]["client_id"]}
    assert len(send("manager", "GET /time-bank/apps")["apps"]) == 1
    replaced = send("manager", "POST /time-bank/apps/{client_id}/secret", **known)
    link = send("lead", "POST /time-bank/app-links", known | replaced, status=201)
    assert "/embed/time-bank/open/" in link["url"]
    send("manager", "DELETE /time-bank/apps/{client_id}", status=204, **known)
