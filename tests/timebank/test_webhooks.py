"""Programs are notified of service, points and orders, in signed messages with ids and numbers only."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

from aed import clock
from aed.accounts.permissions import ANYONE, Role, Viewer
from aed.accounts.viewers import viewer_of_person
from aed.database.session import Database
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.http import outbound
from aed.notifications.channels import channels_of
from aed.notifications.jobs import Sent, send_waiting
from aed.notifications.queries import backlog
from aed.registry.estates.models import Estate
from aed.settings import Settings
from aed.timebank.giving.actions import donate
from aed.timebank.models import WebhookEventType, WebhookSubscription
from aed.timebank.webhooks import actions, queries
from aed.volunteering.records.actions import confirm_record
from tests import make
from tests.docs.blocks import ROOT
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of
from tests.notifications.sinks import Posted, Reply, Sink, receiving, says

EXAMPLES = ROOT / "docs/connect/examples"
HTTPS = "https://app.example.org/hook"


@pytest.fixture
def sink() -> Iterator[Sink]:
    with receiving() as opened:
        yield opened


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


def deliver(database: Database, settings: Settings, at: datetime = NOW) -> Sent:
    channels = channels_of(settings.model_copy(update={"notify_allow_private": True}))
    return send_waiting(database, lambda: at, channels=channels)


def verified(sink: Sink, secret: str) -> list[dict[str, Any]]:
    """Return the messages received, after verifying each signature."""
    return [_verified(each, secret) for each in sink.posted]


def _verified(posted: Posted, secret: str) -> dict[str, Any]:
    at = datetime.fromtimestamp(int(posted.headers["webhook-timestamp"]), tz=NOW.tzinfo)
    signature = Webhook(secret).sign(posted.headers["webhook-id"], at, posted.body.decode())
    assert signature in posted.headers["webhook-signature"].split(" ")
    message: dict[str, Any] = posted.json
    return message


def add(session: Session, who: Viewer, **given: Any) -> tuple[WebhookSubscription, str]:
    fields: dict[str, Any] = {
        "estate_id": None,
        "region": None,
        "address": HTTPS,
        "events": list(WebhookEventType),
        "at": NOW,
        "is_private_allowed": False,
    }
    return actions.add_subscription(session, who, **(fields | given))


def test_only_those_who_manage_the_estate_or_region_have_webhooks_of_it(
    session: Session, estate: Estate
) -> None:
    other = make.estate(session, around=east_of(PATIENT, metres=5_000))
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    elsewhere = make.person_with_role(session, Role.ESTATE_MANAGER, estate=other)
    resident = make.person_with_role(session, Role.RESIDENT, estate=estate)
    with pytest.raises(NotSignedIn):
        add(session, ANYONE, estate_id=estate.id)
    with pytest.raises(NotSignedIn):
        queries.subscriptions(session, ANYONE, limit=9, after_id=0)
    for who in (resident, elsewhere):
        with pytest.raises(NotAllowed):
            add(session, who, estate_id=estate.id)
    with pytest.raises(NotAllowed):
        add(session, manager, region="CN-33")

    made, _ = add(session, manager, estate_id=estate.id)

    assert queries.subscriptions(session, manager, limit=9, after_id=0) == [made]
    assert queries.subscriptions(session, elsewhere, limit=9, after_id=0) == []
    with pytest.raises(NotAllowed):
        queries.subscriptions(session, resident, limit=9, after_id=0)
    for change in (actions.send_test, actions.stop_subscription):
        with pytest.raises(NotFound):
            change(session, elsewhere, made.id, at=NOW)
    actions.stop_subscription(session, manager, made.id, at=NOW)
    assert not queries.subscription(session, manager, made.id).is_active
    with pytest.raises(Conflict):
        actions.send_test(session, manager, made.id, at=NOW)


@pytest.mark.parametrize(
    "address", ["http://app.example.org/hook", "https://127.0.0.1/hook", "https://169.254.169.254/latest"]
)
def test_an_address_inside_a_network_is_refused(session: Session, estate: Estate, address: str) -> None:
    with pytest.raises(InvalidInput):
        add(session, ADMINISTRATOR, estate_id=estate.id, address=address)


def test_service_points_and_orders_arrive_signed_with_ids_and_numbers_only(
    session: Session, database: Database, settings: Settings, estate: Estate, sink: Sink
) -> None:
    _, secret = make.webhook(session, of=estate, to=sink.url())
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    volunteer = make.volunteer(session, estate)
    record = make.service(session, volunteer, estate)
    confirm_record(session, manager, record.id, rating=5, at=NOW)
    buyer = make.person(session)
    order = make.goods_order(session, make.goods(session, estate), buyer)
    session.commit()

    deliver(database, settings)

    found = verified(sink, secret)
    by_type: dict[str, list[dict[str, Any]]] = {}
    for each in found:
        by_type.setdefault(each["type"], []).append(each["data"])
    assert by_type["service.confirmed"] == [
        {
            "event": f"service.confirmed:service:{record.id}:1",
            "service": record.id,
            "number": record.number,
            "person": volunteer.person_id,
            "estate": estate.id,
            "source": "patrol",
            "minutes": 60,
        }
    ]
    earned, credit, held = sorted(by_type["points.changed"], key=lambda each: int(each["entry"]))
    assert (earned["person"], earned["kind"], earned["amount"]) == (volunteer.person_id, "earn", 600)
    assert (credit["person"], held["person"]) == (buyer.id, buyer.id)
    assert (held["kind"], held["amount"], held["balance"]) == (
        "hold",
        -order.amount,
        credit["balance"] - order.amount,
    )
    assert [(each["order"], each["quantity"]) for each in by_type["order.placed"]] == [(order.id, 1)]
    assert len({each["data"]["event"] for each in found}) == len(found)
    sent = b"".join(each.body for each in sink.posted).decode()
    assert record.activity not in sent
    assert f'"{order.code}"' not in sent


def test_a_message_of_a_rolled_back_transaction_is_not_sent(
    session: Session, database: Database, settings: Settings, estate: Estate, sink: Sink
) -> None:
    make.webhook(session, of=estate, to=sink.url())
    session.commit()
    make.credited(session, make.person(session), estate)
    session.rollback()

    assert deliver(database, settings) == Sent()
    assert sink.posted == []


def test_an_estate_gets_its_own_events_and_a_region_those_of_all_regions_below(
    session: Session, database: Database, settings: Settings, sink: Sink
) -> None:
    make.region(session, "CN")
    city = make.region(session, "CN-33", parent="CN")
    estate = make.estate(session)
    other = make.estate(session, around=east_of(PATIENT, metres=5_000))
    for place, path in ((estate, "/estate"), (other, "/other")):
        make.webhook(session, of=place, to=sink.url(path))
    for code in (city.code, "CN"):
        add(session, ADMINISTRATOR, region=code, address=sink.url(f"/{code}"), is_private_allowed=True)
    add(
        session,
        ADMINISTRATOR,
        region="CN",
        events=["order.placed"],
        address=sink.url("/orders"),
        is_private_allowed=True,
    )
    account = make.credited(session, make.person(session), estate, minutes=6000)
    assert account.person_id is not None
    donate(
        session,
        viewer_of_person(session, account.person_id),
        to="care_pool",
        units=600,
        key="a",
        at=NOW,
    )
    session.commit()

    deliver(database, settings)

    received = {path: sum(each.path == path for each in sink.posted) for path in ("/estate", "/CN-33", "/CN")}
    assert received == {"/estate": 2, "/CN-33": 2, "/CN": 2}
    assert {each.path for each in sink.posted} == set(received)


def test_a_server_that_fails_or_is_slow_gets_the_same_message_again(
    session: Session,
    database: Database,
    settings: Settings,
    estate: Estate,
    sink: Sink,
) -> None:
    webhook_id, secret = make.webhook(session, of=estate, to=sink.url())
    actions.send_test(session, ADMINISTRATOR, webhook_id, at=NOW)
    session.commit()
    gave_up = threading.Event()

    def slow(_posted: Posted) -> Reply:
        gave_up.wait(60)
        return 200, b"", {}

    at = NOW
    for answer in (says(500), says(429, retry_after="60")):
        sink.answer = answer
        assert deliver(database, settings, at).postponed == 1
        at += timedelta(hours=1)
    sink.answer = slow
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbound, "SILENT_SECONDS", 0.2)  # it is no setting, and 15 s are long for a test
        assert deliver(database, settings, at).postponed == 1
    gave_up.set()
    at += timedelta(hours=1)
    sink.answer = says(200)
    assert deliver(database, settings, at).sent == 1

    assert len({each.headers["webhook-id"] for each in sink.posted}) == 1
    assert {each["type"] for each in verified(sink, secret)} == {"webhook.test"}


def test_a_message_that_is_given_up_counts_as_a_failure(
    session: Session, database: Database, settings: Settings, estate: Estate, sink: Sink
) -> None:
    webhook_id, _ = make.webhook(session, of=estate, to=sink.url())
    actions.send_test(session, ADMINISTRATOR, webhook_id, at=NOW)
    session.commit()
    sink.answer = says(400)
    deliver(database, settings)

    found = queries.subscription(session, ADMINISTRATOR, webhook_id)
    assert found.is_active
    assert backlog(session, [found.endpoint_id]) == {found.endpoint_id: (0, 1)}


def test_an_answer_of_410_stops_the_subscription(
    session: Session, database: Database, settings: Settings, estate: Estate, sink: Sink
) -> None:
    webhook_id, _ = make.webhook(session, of=estate, to=sink.url())
    for _ in range(3):
        actions.send_test(session, ADMINISTRATOR, webhook_id, at=NOW)
    session.commit()
    sink.answer = says(410)
    deliver(database, settings)
    session.expire_all()

    assert not queries.subscription(session, ADMINISTRATOR, webhook_id).is_active
    make.credited(session, make.person(session), estate)
    session.commit()
    assert deliver(database, settings) == Sent()
    assert len(sink.posted) == 1


def test_while_the_secret_changes_both_sign(
    session: Session, database: Database, settings: Settings, estate: Estate, sink: Sink
) -> None:
    webhook_id, old = make.webhook(session, of=estate, to=sink.url())
    new = actions.rotate_secret(session, ADMINISTRATOR, webhook_id, at=NOW, overlap=timedelta(hours=1))
    actions.send_test(session, ADMINISTRATOR, webhook_id, at=NOW)
    session.commit()
    deliver(database, settings)

    assert verified(sink, old) == verified(sink, new)


@pytest.mark.one_engine("the examples see no database")
@pytest.mark.parametrize("command", [[sys.executable, "verify_webhook.py"], ["node", "verify_webhook.mjs"]])
def test_the_documented_examples_verify_what_is_sent(
    session: Session, database: Database, settings: Settings, estate: Estate, sink: Sink, command: list[str]
) -> None:
    webhook_id, secret = make.webhook(session, of=estate, to=sink.url())
    at = clock.now()
    actions.send_test(session, ADMINISTRATOR, webhook_id, at=at)
    session.commit()
    deliver(database, settings, at)
    (posted,) = sink.posted
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    headers = [posted.headers[each] for each in names]

    def run(body: bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*command, secret, *headers], input=body, cwd=EXAMPLES, capture_output=True)

    assert run(posted.body).stdout.startswith(b"webhook.test {")
    assert run(posted.body.replace(b"webhook.test", b"order.placed")).returncode != 0
