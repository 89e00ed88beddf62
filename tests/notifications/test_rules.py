"""The rate limits of channels, as their platforms document them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aed.notifications.rules import MAX_RATE_PERIOD, RATES, Channel, next_free_at
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
