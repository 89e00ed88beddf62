"""The outbox: claims, order, retries, dead letters, and permissions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed import clock, jobs
from aed.accounts.masking import mask_recipient
from aed.accounts.people.models import Person
from aed.accounts.people.rules import Language, PersonMessage, PhoneChannel
from aed.accounts.permissions import ANYONE, TokenRole
from aed.database.session import Database, transaction
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.notifications import claims, queries
from aed.notifications.endpoints import EndpointInput, remove_endpoint, save_endpoint
from aed.notifications.jobs import Outages, Sent, delete_messages, send_channel, send_waiting
from aed.notifications.models import EndpointRow, OutboxMessage
from aed.notifications.outbox import Notice, enqueue, enqueue_body, enqueue_to_endpoint, notify_person
from aed.notifications.rules import (
    MAX_TRIES,
    OWN_CHANNELS,
    RATES,
    Channel,
    Delivery,
    PermanentFailure,
    Rate,
    TemporaryFailure,
    WaitingFor,
    WaitReason,
    next_free_at,
    wait_after,
)
from aed.settings import Settings
from aed.worker.models import Lease
from aed.worker.rules import WORKER
from tests import make
from tests.cases import each_case
from tests.make import ADMINISTRATOR, NOW

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def message(session: Session, to: Person, text: str = "hello", **given: object) -> OutboxMessage:
    values: dict[str, object] = {
        "person_id": to.id,
        "channel": PhoneChannel.SMS,
        "phone": "+8613800138000",
        "language": Language.EN,
        "text_en": text,
        "text_zh": text,
    }
    return enqueue(session, PersonMessage(**values | given), NOW)  # type: ignore[arg-type] # named one by one


def endpoint(session: Session, channel: Channel = Channel.DINGTALK, name: str = "group") -> EndpointRow:
    return save_endpoint(
        session,
        ADMINISTRATOR,
        EndpointInput(name, channel, "http://127.0.0.1:9/x", secret=SECRET),
        at=NOW,
        is_private_allowed=True,
    )


class Deliveries:
    """A channel that accepts every message unless the test says otherwise."""

    def __init__(self, fail: Callable[[Delivery], Exception | None] = lambda _: None) -> None:
        self.texts: list[str] = []
        self.keys: list[str] = []
        self._fail, self._lock = fail, threading.Lock()

    def __call__(self, letter: Delivery, *, at: datetime) -> None:
        error = self._fail(letter)
        with self._lock:
            self.keys.append(letter.key)
            if error is None:
                self.texts.append(letter.text)
        if error is not None:
            raise error


def run(database: Database, deliver: Deliveries, at: datetime = NOW) -> Sent:
    return send_waiting(database, lambda: at, channels=dict.fromkeys(Channel, deliver))


def state(session: Session, row: OutboxMessage) -> OutboxMessage:
    session.rollback()
    session.expire_all()
    found = session.scalars(select(OutboxMessage).where(OutboxMessage.id == row.id)).one()
    session.commit()  # the read must hold no lock
    return found


# --- the caller's transaction ---------------------------------------------------------------------------


def test_a_message_that_was_rolled_back_is_never_sent(session: Session, database: Database) -> None:
    person = make.person(session)
    session.commit()
    message(session, person)
    session.rollback()
    deliver = Deliveries()

    assert run(database, deliver) == Sent()
    assert deliver.texts == []


# --- claims ---------------------------------------------------------------------------------------------


def test_concurrent_workers_share_the_messages_and_none_is_sent_twice(
    session: Session, database: Database
) -> None:
    people = [make.person(session) for _ in range(60)]
    for number, person in enumerate(people):
        message(session, person, str(number))
    session.commit()
    deliver = Deliveries()

    def claim_and_send(number: int) -> None:
        send_channel(
            database, clock.now, channel=Channel.SMS, deliver=deliver, by=f"w{number}", outages=Outages()
        )

    threads = [threading.Thread(target=claim_and_send, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(deliver.texts, key=int) == [str(number) for number in range(60)]


def test_an_expired_claim_is_released_and_its_late_result_is_ignored(
    session: Session, database: Database
) -> None:
    row = message(session, make.person(session))
    session.commit()
    with transaction(database) as own:
        (letter,) = claims.claim(own, channel=Channel.SMS, by="first", at=NOW, most=10)
        assert claims.claim(own, channel=Channel.SMS, by="second", at=NOW, most=10) == []
    later = NOW + claims.LEASE
    with transaction(database) as own:
        (again,) = claims.claim(own, channel=Channel.SMS, by="second", at=later, most=10)
        assert again.key == letter.key
        assert claims.sent(own, [letter], by="first", at=later) == 0
        claims.failed(own, letter, PermanentFailure("No."), by="first", at=later)
        assert claims.sent(own, [again], by="second", at=later) == 1
    assert state(session, row).sent_at == later


def test_the_claims_of_a_dead_worker_are_released_at_once(session: Session, database: Database) -> None:
    message(session, make.person(session))
    session.commit()
    with transaction(database) as own:
        claims.claim(own, channel=Channel.SMS, by="dead", at=NOW, most=10)
        assert claims.release_claims_of(own, "dead") == 1
        assert len(claims.claim(own, channel=Channel.SMS, by="alive", at=NOW, most=10)) == 1


# --- order ----------------------------------------------------------------------------------------------


def test_a_person_gets_messages_in_order_even_when_one_is_retried(
    session: Session, database: Database
) -> None:
    one, other = make.person(session), make.person(session)
    for text in ("1", "2", "3"):
        message(session, one, text)
    message(session, other, "to another")
    session.commit()
    tries: list[str] = []

    def once(letter: Delivery) -> Exception | None:
        tries.append(letter.text)
        return TemporaryFailure("Busy.") if tries.count("1") == 1 and letter.text == "1" else None

    deliver = Deliveries(once)
    assert run(database, deliver) == Sent(sent=1, postponed=1)
    assert deliver.texts == ["to another"], "2 and 3 wait for 1, and no other message does"
    run(database, deliver, NOW + timedelta(minutes=1))
    assert deliver.texts == ["to another", "1", "2", "3"]


def test_a_long_lane_is_claimed_at_once_and_sent_in_order(session: Session, database: Database) -> None:
    """As for a webhook that receives all events: claiming each alone would cost more than sending it."""
    to = endpoint(session, Channel.WEBHOOK)
    for number in range(30):
        enqueue_to_endpoint(session, to, Notice(str(number), str(number)), NOW)
    session.commit()
    with transaction(database) as own:
        letters = claims.claim(own, channel=to.channel, by="w", at=NOW, most=100)
        assert [letter.text for letter in letters] == [str(number) for number in range(30)]
        claims.release(own, letters, by="w")
    busy = Deliveries(lambda letter: TemporaryFailure("Busy.") if letter.text == "20" else None)
    free = Deliveries()

    assert run(database, busy) == Sent(sent=20, postponed=1)
    assert run(database, free, NOW + timedelta(minutes=1)) == Sent(sent=10)
    assert busy.texts + free.texts == [str(number) for number in range(30)]


def test_the_rest_of_a_slow_lane_is_released_after_a_while(
    session: Session, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aed.notifications.jobs.ORDERING_KEY_SECONDS", -1.0)  # ends after the first
    to = endpoint(session, Channel.WEBHOOK)
    rows = [enqueue_to_endpoint(session, to, Notice(str(number), str(number)), NOW) for number in range(3)]
    session.commit()
    deliver = Deliveries()

    assert run(database, deliver) == Sent(sent=3)
    assert deliver.texts == ["0", "1", "2"]
    assert [state(session, row).tries for row in rows] == [1, 1, 1], (
        "a released claim does not count as an attempt"
    )


def test_a_sign_in_code_does_not_wait_behind_a_reminder(session: Session, database: Database) -> None:
    person = make.person(session)
    message(session, person, "reminder")
    message(session, person, "code", is_secret=True)
    session.commit()
    deliver = Deliveries(lambda letter: TemporaryFailure("Busy.") if letter.text == "reminder" else None)

    run(database, deliver)

    assert deliver.texts == ["code"]


def test_a_dead_letter_blocks_no_other_message(session: Session, database: Database) -> None:
    person = make.person(session)
    message(session, person, "bad")
    message(session, person, "good")
    session.commit()
    deliver = Deliveries(lambda letter: PermanentFailure("No such number.") if letter.text == "bad" else None)

    assert run(database, deliver) == Sent(sent=1, refused=1)
    assert deliver.texts == ["good"]


# --- retries --------------------------------------------------------------------------------------------


@given(st.integers(1, 200), st.floats(0, 1))
def test_retry_delays_double_up_to_half_an_hour_with_a_jitter_of_a_fifth(
    tries: int, random_fraction: float
) -> None:
    wait, plain = wait_after(tries, random_fraction=random_fraction), wait_after(tries, random_fraction=0.5)
    assert plain == min(timedelta(seconds=15) * 2 ** min(tries - 1, 20), timedelta(minutes=30))
    assert wait / plain == pytest.approx(0.8 + 0.4 * random_fraction)


def test_a_message_is_tried_for_nearly_a_day() -> None:
    waits = [wait_after(tries, random_fraction=0.5) for tries in range(1, MAX_TRIES)]
    assert timedelta(hours=21) < sum(waits, timedelta()) < timedelta(hours=22)
    assert sum(waits[:7], timedelta()) < timedelta(minutes=32)


def test_a_temporary_failure_is_retried_with_the_same_key_and_a_permanent_one_is_not(
    session: Session, database: Database
) -> None:
    row = message(session, make.person(session))
    session.commit()
    busy, no = (
        Deliveries(lambda _: TemporaryFailure("Busy.")),
        Deliveries(lambda _: PermanentFailure("No such number.")),
    )

    assert run(database, busy) == Sent(postponed=1)
    waits = state(session, row)
    assert (waits.tries, waits.reason, waits.given_up_at) == (1, "Busy.", None)
    assert NOW + timedelta(seconds=12) <= waits.due_at <= NOW + timedelta(seconds=18)
    assert run(database, no, NOW + timedelta(seconds=20)) == Sent(refused=1)
    dead = state(session, row)
    assert (dead.tries, dead.reason) == (2, "No such number.")
    assert dead.given_up_at is not None
    assert busy.keys == no.keys == [row.key]


def test_a_retry_after_is_respected(session: Session, database: Database) -> None:
    row = message(session, make.person(session))
    session.commit()
    run(database, Deliveries(lambda _: TemporaryFailure("Too much.", wait=timedelta(minutes=10))))
    assert state(session, row).due_at == NOW + timedelta(minutes=10)


def test_an_unreachable_channel_costs_one_attempt_and_not_one_for_each_message(
    session: Session, database: Database
) -> None:
    for _ in range(30):
        message(session, make.person(session))
    session.commit()
    down = Deliveries(lambda _: TemporaryFailure("Down.", is_channel_down=True))
    outages = Outages(first_seconds=0.05)

    for _ in range(3):
        send_channel(database, lambda: NOW, channel=Channel.SMS, deliver=down, by="w", outages=outages)

    tried = len(down.keys)
    assert 1 <= tried <= 8, "messages being sent at the same time"
    session.rollback()
    assert session.scalar(select(func.sum(OutboxMessage.tries))) == tried
    assert not outages.is_over(Channel.SMS)


def test_an_exception_in_a_channel_blocks_no_other_message(session: Session, database: Database) -> None:
    row = message(session, make.person(session), "bad")
    message(session, make.person(session), "good")
    session.commit()
    deliver = Deliveries(lambda letter: KeyError(letter.text) if letter.text == "bad" else None)

    assert run(database, deliver) == Sent(sent=1, postponed=1)
    assert state(session, row).reason == "Internal error: KeyError."


# --- rates ----------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 120), max_size=60))
def test_no_time_window_contains_more_messages_than_the_rate_limit(asked_at: list[float]) -> None:
    """At any moment, messages stay within 5 in 10 s and 12 in 60 s."""
    rates = (Rate(5, timedelta(seconds=10)), Rate(12, timedelta(seconds=60)))
    sent: list[datetime] = []
    for seconds in sorted(asked_at):
        at = max([NOW + timedelta(seconds=seconds), *sent])
        sent.append(next_free_at(sent[::-1], rates, at=at))
    for rate in rates:
        for first, last in zip(sent, sent[rate.most :], strict=False):
            assert last - first >= rate.within


@pytest.mark.parametrize("channel", RATES)
def test_a_bot_stays_within_the_rate_limit_of_its_platform(
    session: Session, database: Database, channel: Channel
) -> None:
    if channel in OWN_CHANNELS:  # these belong to people, who add them by signing in at the platform
        to = EndpointRow(
            name="member", channel=channel, language=Language.ZH, address="member-1", created_at=NOW
        )
        session.add(to)
        session.flush()
    else:
        to = endpoint(session, channel)
    for number in range(25):
        enqueue_to_endpoint(session, to, Notice(str(number), str(number)), NOW)
    session.commit()
    deliver, at, sent_at = Deliveries(), NOW, []
    while len(deliver.texts) < 25 and at < NOW + timedelta(minutes=3):
        before = len(deliver.texts)
        run(database, deliver, at)
        sent_at += [at] * (len(deliver.texts) - before)
        at += timedelta(seconds=0.5)

    assert deliver.texts == [str(number) for number in range(25)]
    for rate in RATES[channel]:
        for first, last in zip(sent_at, sent_at[rate.most :], strict=False):
            assert last - first >= rate.within
    assert sent_at[-1] - NOW <= timedelta(seconds=61), "the limit is used fully"


# --- dead letters ---------------------------------------------------------------------------------------


def dead_letter(
    session: Session, database: Database, *, text: str = "hello", is_secret: bool = False
) -> OutboxMessage:
    row = message(session, make.person(session), text, is_secret=is_secret)
    session.commit()
    run(database, Deliveries(lambda _: PermanentFailure("No such number.")))
    return state(session, row)


def test_a_dead_letter_is_sent_again_only_by_an_administrator(session: Session, database: Database) -> None:
    row = dead_letter(session, database)
    with pytest.raises(NotSignedIn):
        claims.send_now(session, ANYONE, row.id, at=NOW)
    with pytest.raises(NotAllowed):
        claims.send_now(session, make.member(make.estate(session), writes=True), row.id, at=NOW)
    with pytest.raises(NotFound):
        claims.send_now(session, ADMINISTRATOR, row.id + 1, at=NOW)
    claims.send_now(session, ADMINISTRATOR, row.id, at=NOW)
    session.commit()
    deliver = Deliveries()

    assert run(database, deliver) == Sent(sent=1)
    assert deliver.keys == [row.key], "the same key, so that the recipient keeps one copy"
    with pytest.raises(Conflict):
        claims.send_now(session, ADMINISTRATOR, row.id, at=NOW)


def test_a_secret_message_that_failed_is_erased_and_not_sent_again(
    session: Session, database: Database
) -> None:
    row = dead_letter(session, database, is_secret=True)
    assert (row.text_en, row.text_zh) == (None, None)
    with pytest.raises(Conflict, match="has been deleted"):
        claims.send_now(session, ADMINISTRATOR, row.id, at=NOW)


def test_an_unsent_code_is_erased_once_it_is_no_longer_valid(
    session: Session, database: Database, settings: Settings
) -> None:
    row = message(session, make.person(session), is_secret=True, expires_at=NOW + timedelta(minutes=10))
    row.due_at = NOW + timedelta(hours=1)  # waits for its next attempt, since the gateway was down
    session.commit()
    for minutes, given_up in ((9, 0), (10, 1), (11, 0)):
        assert jobs.forget_expired_codes(
            database, settings, partial(NOW.__add__, timedelta(minutes=minutes))
        ) == {"given_up": given_up}
    assert (state(session, row).text_en, state(session, row).text_zh) == (None, None)


def test_removing_an_endpoint_cancels_its_waiting_messages(session: Session, database: Database) -> None:
    to = endpoint(session, Channel.WEBHOOK)
    rows = [enqueue_to_endpoint(session, to, Notice("a", "a"), NOW) for _ in range(2)]
    session.commit()
    gone = Deliveries(lambda _: PermanentFailure("It answered 410.", is_endpoint_gone=True))

    assert run(database, gone) == Sent(refused=1)
    assert [state(session, row).reason for row in rows] == ["It answered 410."] * 2
    closed = session.scalars(select(EndpointRow)).one()
    assert (closed.address, closed.secret) == ("", None)
    with pytest.raises(Conflict, match="endpoint"):
        claims.send_now(session, ADMINISTRATOR, rows[0].id, at=NOW)
    endpoint(session, Channel.WEBHOOK)  # the name can be used again


def test_old_sent_messages_are_deleted_and_waiting_ones_are_kept(
    session: Session, database: Database
) -> None:
    message(session, make.person(session), "sent")
    session.commit()
    run(database, Deliveries())
    waiting = message(session, make.person(session), "waits")
    session.commit()

    assert delete_messages(database, NOW + timedelta(days=89), keep_days=90) == 0
    assert delete_messages(database, NOW + timedelta(days=91), keep_days=90) == 1
    session.rollback()
    assert session.scalars(select(OutboxMessage.id)).all() == [waiting.id]


# --- recipients and addresses ---------------------------------------------------------------------------


def test_a_person_is_notified_at_their_endpoints_or_else_by_phone(
    session: Session, database: Database
) -> None:
    keeper, nobody = make.person(session, phone="+8613800138000"), make.person(session)
    nobody.phone = None
    session.flush()
    notice = Notice("Due", "到期", subject_en="Pads", subject_zh="电极片")

    assert [row.channel for row in notify_person(session, keeper.id, notice, NOW)] == [Channel.SMS]
    assert notify_person(session, nobody.id, notice, NOW) == []
    mailbox = EndpointInput("keeper", Channel.EMAIL, "keeper@example.org", person_id=keeper.id)
    save_endpoint(session, ADMINISTRATOR, mailbox, at=NOW)
    (row,) = notify_person(session, keeper.id, notice, NOW)
    assert (row.channel, row.recipient, row.subject_zh) == (Channel.EMAIL, "keeper@example.org", "电极片")
    with pytest.raises(NotFound):
        notify_person(session, keeper.id + 1000, notice, NOW)


@each_case(
    ("channel", "address", "secret"),
    [
        (Channel.SMS, "+8613800138000", None),
        (Channel.EMAIL, "no mailbox", None),
        (Channel.EMAIL, "a@example.org, b@example.org", None),
        (Channel.EMAIL, "a@example.org\nBcc: b", None),
        (Channel.DINGTALK, "https://evil.example.org/robot/send?access_token=x", None),
        (Channel.FEISHU, "http://open.feishu.cn/open-apis/bot/v2/hook/x", None),
        (Channel.WECOM, "https://qyapi.weixin.qq.com@evil.example.org/x", None),
        (Channel.WEBHOOK, "https://hook.example.org/x", None),
        (Channel.WEBHOOK, "https://hook.example.org/x", "whsec_!"),
        (Channel.WEBHOOK, "https://127.0.0.1/x", SECRET),
        (Channel.WEBHOOK, "https://[::1]/x", SECRET),
        (Channel.WEBHOOK, "http://hook.example.org/x", SECRET),
        (Channel.WEBHOOK, "file:///etc/passwd", SECRET),
        (Channel.WEB_PUSH, "https://push.example.org/x", None),
        (Channel.APPRISE, "no-such-thing://x", None),
    ],
)
def test_an_invalid_endpoint_is_refused(
    session: Session, channel: Channel, address: str, secret: str | None
) -> None:
    with pytest.raises(InvalidInput):
        save_endpoint(session, ADMINISTRATOR, EndpointInput("x", channel, address, secret), at=NOW)


def test_only_administrators_add_endpoints_and_their_names_are_unique(session: Session) -> None:
    given = EndpointInput("group", Channel.WECOM, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x")
    with pytest.raises(NotSignedIn):
        save_endpoint(session, ANYONE, given, at=NOW)
    save_endpoint(session, ADMINISTRATOR, given, at=NOW)
    with pytest.raises(Conflict):
        save_endpoint(session, ADMINISTRATOR, given, at=NOW)
    with pytest.raises(NotFound):
        remove_endpoint(session, ADMINISTRATOR, "other", at=NOW)
    remove_endpoint(session, ADMINISTRATOR, "group", at=NOW)
    assert queries.endpoints(session, ADMINISTRATOR) == []


# --- over HTTP ------------------------------------------------------------------------------------------


def test_administrators_see_recipients_of_messages_and_never_their_text(
    session: Session, database: Database, client: TestClient
) -> None:
    hidden = "the text is nobody's business"
    row = dead_letter(session, database, text=hidden)
    waiting = message(session, make.person(session), hidden)
    to = endpoint(session)
    enqueue_to_endpoint(session, to, Notice(hidden, hidden), NOW)
    reading = make.key(session, TokenRole.ADMINISTRATOR, writes=False)
    writing = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()

    assert client.get("/v1/outbox").status_code == 401
    dead = client.get("/v1/outbox?state=dead", headers=reading)
    assert [each["id"] for each in dead.json()["messages"]] == [row.id]
    assert dead.json()["messages"][0]["reason"] == "No such number."
    assert dead.json()["messages"][0]["recipient"] == "+86138…00"
    page = client.get("/v1/outbox?limit=2", headers=reading).json()
    rest = client.get(f"/v1/outbox?limit=2&cursor={page['next']}", headers=reading).json()
    assert [len(page["messages"]), len(rest["messages"]), rest["next"]] == [2, 1, None]
    for path in ("/v1/outbox", f"/v1/outbox/{row.id}", "/v1/endpoints", "/metrics"):
        reply = client.get(path, headers=reading)
        assert reply.status_code == 200
        assert hidden not in reply.text
        assert "127.0.0.1:9" not in reply.text
        assert SECRET not in reply.text
    assert client.post(f"/v1/outbox/{row.id}/resend", headers=reading).status_code == 403
    assert client.post(f"/v1/outbox/{waiting.id}/resend", headers=writing).status_code == 409
    assert client.post(f"/v1/outbox/{row.id}/resend", headers=writing).json()["state"] == "waiting"


def test_an_endpoint_is_added_and_removed_over_http(session: Session, client: TestClient) -> None:
    headers = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    address = "https://oapi.dingtalk.com/robot/send?access_token=hidden"
    body = {"name": "gate", "channel": "dingtalk", "address": address, "secret": "hidden too"}

    assert client.post("/v1/endpoints", json=body).status_code == 401
    made = client.post("/v1/endpoints", json=body, headers=headers)
    assert made.status_code == 201
    assert "hidden" not in made.text
    assert client.post("/v1/endpoints", json=body, headers=headers).status_code == 409
    wrong = client.post("/v1/endpoints", json=body | {"address": "https://x.org/hidden"}, headers=headers)
    assert wrong.status_code == 422
    assert "hidden" not in wrong.text
    assert client.delete("/v1/endpoints/gate", headers=headers).status_code == 204
    assert client.delete("/v1/endpoints/gate", headers=headers).status_code == 404


def test_recipients_are_masked() -> None:
    assert mask_recipient("+8613800138000") == "+86138…00"
    assert mask_recipient("keeper@example.org") == "k…@example.org"
    assert mask_recipient("gate-group") == "gate-group"


def test_messages_are_counted_by_channel_and_state(session: Session, database: Database) -> None:
    dead_letter(session, database)
    message(session, make.person(session), channel=PhoneChannel.VOICE)
    session.commit()
    backlogs = {each.channel: each for each in queries.outbox_backlogs(session, ADMINISTRATOR)}
    assert (backlogs[Channel.SMS].dead, backlogs[Channel.SMS].waiting) == (1, 0)
    assert (backlogs[Channel.VOICE].waiting, backlogs[Channel.VOICE].oldest_due_at) == (1, NOW)
    with pytest.raises(NotAllowed):
        queries.outbox_backlogs(session, make.member(make.estate(session)))


# --- cancelling, and reasons to wait --------------------------------------------------------------------


def worker_acts(session: Session, *, until: datetime) -> None:
    session.add(Lease(name=WORKER, token="t", holder="machine:1", taken_at=NOW, expires_at=until))


def test_a_cancelled_message_is_not_sent_and_the_next_one_is(session: Session, database: Database) -> None:
    person = make.person(session)
    dated = message(session, person, "dated to next year")
    dated.due_at = NOW + timedelta(days=200)
    behind = message(session, person, "of today")
    session.commit()
    deliver = Deliveries()
    assert run(database, deliver) == Sent()
    assert queries.waiting_reasons(session, [dated, behind], at=NOW) == {
        dated.id: WaitingFor(WaitReason.NOT_DUE, until=dated.due_at),
        behind.id: WaitingFor(WaitReason.EARLIER_MESSAGE, behind_id=dated.id),
    }
    session.commit()

    with transaction(database) as own:
        with pytest.raises(NotSignedIn):
            claims.cancel_waiting(own, ANYONE, dated.id, at=NOW)
        assert claims.cancel_waiting(own, ADMINISTRATOR, dated.id, at=NOW).reason == "Cancelled by test."
    assert run(database, deliver) == Sent(sent=1)
    assert deliver.texts == ["of today"]
    with transaction(database) as own:
        for done in (dated, behind):
            with pytest.raises(Conflict):
                claims.cancel_waiting(own, ADMINISTRATOR, done.id, at=NOW)
        with pytest.raises(NotFound):
            claims.cancel_waiting(own, ADMINISTRATOR, 10**9, at=NOW)


def test_a_cancelled_secret_is_erased_and_a_claimed_one_cannot_be_cancelled(
    session: Session, database: Database
) -> None:
    row = message(session, make.person(session), is_secret=True)
    session.commit()
    with transaction(database) as own:
        claims.claim(own, channel=Channel.SMS, by="worker", at=NOW, most=10)
    assert (
        queries.waiting_reasons(session, [state(session, row)], at=NOW)[row.id].reason
        is WaitReason.BEING_SENT
    )
    session.commit()
    with transaction(database) as own, pytest.raises(Conflict):
        claims.cancel_waiting(own, ADMINISTRATOR, row.id, at=NOW)

    with transaction(database) as own:
        claims.cancel_waiting(own, ADMINISTRATOR, row.id, at=NOW + claims.LEASE)
    assert state(session, row).text_en is None


def test_each_waiting_message_has_a_reason(session: Session, database: Database) -> None:
    failing, other = message(session, make.person(session)), message(session, make.person(session))
    session.commit()
    assert {each.reason for each in queries.waiting_reasons(session, [failing, other], at=NOW).values()} == {
        WaitReason.PAUSED
    }
    worker_acts(session, until=NOW + timedelta(days=1))
    session.commit()
    assert queries.waiting_reasons(session, [failing], at=NOW)[failing.id].reason is WaitReason.NEXT
    session.commit()

    run(database, Deliveries(lambda _: TemporaryFailure("Busy.")))
    found = queries.waiting_reasons(session, [state(session, failing)], at=NOW)[failing.id]
    assert (found.reason, found.until) == (WaitReason.RETRY, state(session, failing).due_at)
    later = NOW + timedelta(hours=1)
    run(database, Deliveries(lambda _: TemporaryFailure("No route.", is_channel_down=True)), later)
    fresh = message(session, make.person(session))
    session.commit()
    found = queries.waiting_reasons(session, [state(session, fresh)], at=later)[fresh.id]
    assert found.reason is WaitReason.CHANNEL_DOWN
    assert found.until is not None
    assert found.until > later
    session.commit()

    run(database, Deliveries(), later + timedelta(hours=2))
    last = message(session, make.person(session))
    session.commit()
    assert (
        queries.waiting_reasons(session, [state(session, last)], at=later)[last.id].reason is WaitReason.NEXT
    )
    sent = state(session, failing)
    assert sent.sent_at is not None
    assert queries.waiting_reasons(session, [sent], at=later) == {}


def test_an_administrator_sees_why_a_message_waits_and_cancels_it_over_http(
    session: Session, client: TestClient
) -> None:
    row = message(session, make.person(session))
    reader, office = (
        make.key(session, TokenRole.ADMINISTRATOR),
        make.key(session, TokenRole.ADMINISTRATOR, writes=True),
    )
    session.commit()

    waiting = client.get(f"/v1/outbox/{row.id}", headers=reader).json()["waiting"]
    assert (waiting["reason"], waiting["behind_id"]) == ("paused", None)
    assert client.get("/v1/outbox", headers=reader).json()["messages"][0]["waiting"] == waiting
    assert client.post(f"/v1/outbox/{row.id}/cancel").status_code == 401
    assert client.post(f"/v1/outbox/{row.id}/cancel", headers=reader).status_code == 403
    cancelled = client.post(f"/v1/outbox/{row.id}/cancel", headers=office).json()
    assert (cancelled["state"], cancelled["waiting"]) == ("dead", None)
    assert client.post(f"/v1/outbox/{row.id}/cancel", headers=office).status_code == 409


# --- links ----------------------------------------------------------------------------------------------

LINK = "https://aed.example.org/c/tNqD3bF_9"


def message_with_link(session: Session, **given: object) -> OutboxMessage:
    return message(session, make.person(session), f"Answer here: {LINK}。", **given)


def test_a_link_is_erased_once_it_was_sent(session: Session, database: Database) -> None:
    sent, to = message_with_link(session), endpoint(session, Channel.WEBHOOK)
    posted = enqueue_body(session, to, f'{{"link":"{LINK}","n":1}}', NOW, ordering_key="x")
    session.commit()
    deliver = Deliveries()

    run(database, deliver)

    assert LINK in " ".join(deliver.texts)
    assert state(session, sent).text_en == state(session, sent).text_zh == "Answer here: [link removed]。"
    assert state(session, posted).body == '{"link":"[link removed]","n":1}'


def test_a_dead_letter_keeps_its_link_until_the_link_expires(session: Session, database: Database) -> None:
    lasting, ending = (
        message_with_link(session),
        message_with_link(session, expires_at=NOW + timedelta(days=1)),
    )
    session.commit()
    run(database, Deliveries(lambda _: PermanentFailure("No.")))

    def linked(after: timedelta) -> list[bool]:
        with transaction(database) as own:
            claims.remove_dead_links(own, at=NOW + after)
        return [LINK in (state(session, each).text_en or "") for each in (lasting, ending)]

    assert linked(timedelta(hours=1)) == [True, True]
    assert linked(timedelta(days=1)) == [True, False]
    assert linked(timedelta(days=7)) == [False, False]
    lasting_id = state(session, lasting).id
    with transaction(database) as own, pytest.raises(Conflict, match="link"):
        claims.send_now(own, ADMINISTRATOR, lasting_id, at=NOW)


def test_a_message_that_expired_unsent_has_no_link(session: Session, database: Database) -> None:
    row = message_with_link(session, expires_at=NOW)
    session.commit()
    assert run(database, Deliveries()) == Sent()
    assert "[link removed]" in (state(session, row).text_en or "")
