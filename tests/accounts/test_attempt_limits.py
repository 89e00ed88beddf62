"""Limits of sign-in attempts: the agreed numbers, and how they compare."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aed.accounts.sign_in.rules import (
    CHALLENGE_LIFETIME,
    CODE_DIGITS,
    CODE_LIFETIME,
    KNOWN_BROWSER_LIFETIME,
    LIMITS_PER_ACCOUNT,
    LIMITS_PER_ACCOUNT_AND_ADDRESS,
    LIMITS_PER_ADDRESS,
    LIMITS_PER_KNOWN_BROWSER,
    MAX_ACCOUNTS_PER_BROWSER,
    MAX_CODE_TRIES,
    MAX_FACTORS,
    MAX_LIMIT_PERIOD,
    MAX_PASSWORD_LENGTH,
    MAX_TRIES_WHEN_SLOWED,
    MIN_PASSWORD_LENGTH,
    MIN_PASSWORD_SCORE,
    PROVIDER_TIMEOUT,
    RECOVERY_CODE_COUNT,
    SIGN_UP_LIMIT_PER_ADDRESS,
    SLOWDOWN_THRESHOLD,
    AttemptLimit,
    SignInMethod,
    address_key,
)

QUARTER, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
PASSWORD, CODE = SignInMethod.PASSWORD, SignInMethod.CODE
ASK_FOR_CODE, SECOND_FACTOR = SignInMethod.ASK_FOR_CODE, SignInMethod.SECOND_FACTOR


def test_the_limits_of_sign_in_are_as_agreed() -> None:
    assert {
        PASSWORD: (AttemptLimit(10, QUARTER), AttemptLimit(30, DAY)),
        CODE: (AttemptLimit(5, HOUR), AttemptLimit(10, DAY)),
        ASK_FOR_CODE: (AttemptLimit(3, HOUR), AttemptLimit(10, DAY)),
        SECOND_FACTOR: (AttemptLimit(5, QUARTER), AttemptLimit(20, DAY)),
    } == LIMITS_PER_ACCOUNT_AND_ADDRESS
    assert {
        PASSWORD: (AttemptLimit(100, DAY),),
        CODE: (AttemptLimit(10, HOUR), AttemptLimit(30, DAY)),
        ASK_FOR_CODE: (AttemptLimit(5, HOUR), AttemptLimit(20, DAY)),
        SECOND_FACTOR: (AttemptLimit(30, DAY),),
    } == LIMITS_PER_ACCOUNT
    assert {
        PASSWORD: (AttemptLimit(20, QUARTER), AttemptLimit(200, DAY)),
        CODE: (AttemptLimit(20, HOUR), AttemptLimit(60, DAY)),
        ASK_FOR_CODE: (AttemptLimit(5, HOUR), AttemptLimit(20, DAY)),
        SECOND_FACTOR: (AttemptLimit(10, QUARTER), AttemptLimit(60, DAY)),
    } == LIMITS_PER_KNOWN_BROWSER
    assert {
        PASSWORD: (AttemptLimit(50, QUARTER),),
        CODE: (AttemptLimit(50, QUARTER),),
        ASK_FOR_CODE: (AttemptLimit(30, QUARTER),),
        SignInMethod.PROVIDER: (AttemptLimit(50, QUARTER),),
        SignInMethod.WECHAT: (AttemptLimit(300, QUARTER),),
        SECOND_FACTOR: (AttemptLimit(50, QUARTER),),
        SignInMethod.SHORT_LINK: (AttemptLimit(50, QUARTER),),
    } == LIMITS_PER_ADDRESS
    assert (AttemptLimit(30, HOUR), 3) == (SLOWDOWN_THRESHOLD, MAX_TRIES_WHEN_SLOWED)
    assert (AttemptLimit(30, HOUR), DAY) == (SIGN_UP_LIMIT_PER_ADDRESS, MAX_LIMIT_PERIOD)


def test_the_strength_and_the_lifetime_of_what_one_signs_in_with_are_as_agreed() -> None:
    assert (MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH, MIN_PASSWORD_SCORE) == (10, 200, 3)
    assert (6, timedelta(minutes=10), 5) == (CODE_DIGITS, CODE_LIFETIME, MAX_CODE_TRIES)
    assert (10, 10, timedelta(minutes=5)) == (MAX_FACTORS, RECOVERY_CODE_COUNT, CHALLENGE_LIFETIME)
    assert (timedelta(days=180), 5) == (KNOWN_BROWSER_LIFETIME, MAX_ACCOUNTS_PER_BROWSER)
    assert timedelta(minutes=10) == PROVIDER_TIMEOUT


@pytest.mark.parametrize("method", LIMITS_PER_ACCOUNT_AND_ADDRESS)
def test_one_address_cannot_use_up_the_attempts_of_all_strangers(method: SignInMethod) -> None:
    one = {each.within: each.most for each in LIMITS_PER_ACCOUNT_AND_ADDRESS[method]}
    all_together = {each.within: each.most for each in LIMITS_PER_ACCOUNT[method]}
    assert one[DAY] < all_together[DAY]


@pytest.mark.parametrize("method", LIMITS_PER_KNOWN_BROWSER)
def test_strangers_have_no_more_attempts_than_a_known_browser(method: SignInMethod) -> None:
    known = {each.within: each.most for each in LIMITS_PER_KNOWN_BROWSER[method]}
    assert all(each.most <= known[each.within] for each in LIMITS_PER_ACCOUNT_AND_ADDRESS[method])


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.6", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),  # a /64 is one household
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("unknown", "unknown", True),  # behind a proxy without an address
        ("unknown", "another", False),
    ],
)
def test_attempts_are_counted_by_ipv4_address_or_by_ipv6_network(one: str, other: str, is_same: bool) -> None:
    assert (address_key(one) == address_key(other)) is is_same
    assert one not in address_key(one)
