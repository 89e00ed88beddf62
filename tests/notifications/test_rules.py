"""The rate limits of channels, addresses of Apprise, and links in messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aed.accounts.people.rules import Language
from aed.notifications.rules import (
    MAX_RATE_PERIOD,
    RATES,
    Channel,
    Delivery,
    Endpoint,
    WaitingFor,
    WaitReason,
    apprise_refusal,
    next_free_at,
    without_links,
)
from tests.make import NOW

DOCUMENTED = {
    Channel.DINGTALK: {timedelta(minutes=1): 20},
    Channel.WECOM: {timedelta(minutes=1): 20},
    Channel.WECOM_APP: {timedelta(minutes=1): 30, timedelta(hours=1): 1000},
    Channel.DINGTALK_APP: {timedelta(days=1): 500},
    Channel.FEISHU: {timedelta(seconds=1): 5, timedelta(minutes=1): 100},
}


def test_the_rate_limits_are_those_that_the_platforms_document() -> None:
    assert {
        channel: {each.within: each.most for each in rates} for channel, rates in RATES.items()
    } == DOCUMENTED
    assert timedelta(days=1) == MAX_RATE_PERIOD


@pytest.mark.parametrize("channel", RATES)
def test_the_first_message_over_a_limit_waits_for_the_period_to_end(channel: Channel) -> None:
    for rate in RATES[channel]:
        tried = [NOW] * rate.most
        assert next_free_at(tried[1:], [rate], at=NOW) == NOW
        assert next_free_at(tried, [rate], at=NOW) == NOW + rate.within
        assert next_free_at(tried, [rate], at=NOW + rate.within) == NOW + rate.within


@pytest.mark.parametrize(
    "address",
    [
        "ntfys://example.org/topic",
        "  SLACK://token-a/token-b",
        "jsons://example.org/?verify=yes",
        "jsons://example.org/?verify=",
        "ntfys://example.org/topic?priority=high&+X-Key=value",
        "ntfys://example.org/topic?tags=file",
    ],
)
def test_a_chat_or_push_service_is_taken(address: str) -> None:
    assert apprise_refusal(address) is None


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("", "must be one of a chat or push service"),
        ("file:///etc/passwd", "must be one of a chat or push service"),
        ("slack", None),
        ("jsons://example.org/?attach=x", "The option 'attach' would read a file"),
        ("jsons://example.org/?+Key=x", "would read a file"),  # `+` is a space in a query
        ("jsons://example.org/?%2BKey=x", "The option '+Key' would read a file"),
        ("jsons://example.org/?a=1&b=/etc/passwd", "The option 'b' would read a file"),
        ("jsons://example.org/?b=%2520FILE:x", "The option 'b' would read a file"),  # encoded twice
        ("jsons://example.org/?b=~root", "The option 'b' would read a file"),
        ("jsons://example.org/?b=..%2Fx", "The option 'b' would read a file"),
        ("jsons://example.org/?Verify=No", "Certificates of servers are always checked"),
        ("jsons://example.org/?verify=%200", "Certificates of servers are always checked"),
    ],
)
def test_an_address_that_reads_files_or_skips_certificates_is_refused(
    address: str, sentence: str | None
) -> None:
    refusal = apprise_refusal(address)

    assert (sentence is None) is (refusal is None)
    assert sentence is None or (refusal is not None and sentence in refusal)


def test_links_are_removed_from_a_message_and_nothing_else() -> None:
    assert without_links(None) is None
    assert without_links("Bring the AED.") == "Bring the AED."
    assert without_links("见 https://example.org/a?b=c#d，或 http://x.cn/1。") == (
        "见 [link removed]，或 [link removed]。"
    )


def test_only_a_webhook_has_a_server_of_its_own() -> None:
    def delivery(channel: Channel, endpoint: Endpoint | None) -> Delivery:
        return Delivery(
            id=1,
            key="key",
            channel=channel,
            recipient="somebody",
            language=Language.EN,
            subject="",
            text="",
            created_at=NOW,
            expires_at=None,
            tries=1,
            endpoint=endpoint,
        )

    endpoint = Endpoint(7, "centre", "https://example.org/", None)

    assert delivery(Channel.WEBHOOK, endpoint).own_server_id == 7
    assert delivery(Channel.WEBHOOK, None).own_server_id is None
    assert delivery(Channel.APPRISE, endpoint).own_server_id is None


def test_why_a_message_waits_is_said_with_the_time_if_it_is_known() -> None:
    def said(reason: WaitReason) -> str:
        return str(WaitingFor(reason, until=datetime(2026, 9, 22, 2, 0, 5, tzinfo=UTC), behind_id=7))

    at = "2026-09-22 02:00:05 UTC"
    assert said(WaitReason.NOT_DUE) == f"not due before {at}"
    assert said(WaitReason.RETRY) == f"the last attempt failed; the next is at {at}"
    assert said(WaitReason.EARLIER_MESSAGE) == "message 7 to the same recipient must be sent first"
    assert said(WaitReason.CHANNEL_DOWN) == f"the channel is unavailable; the next attempt is at {at}"
    assert said(WaitReason.BEING_SENT) == f"being sent (claimed until {at})"
    assert str(WaitingFor(WaitReason.NEXT)) == "sent next"
    assert str(WaitingFor(WaitReason.NOT_DUE)) == "not due before "
