"""An app's access token: fetched once, renewed before it ends, and after it was refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from aed.http.outbound import OutboundClient
from aed.platforms.calls import LONGEST_TOKEN_SECONDS, RENEWED_BEFORE_SECONDS, PlatformApi, PlatformFailed
from aed.platforms.wechat import NAME, WechatApp
from aed.settings.platforms import Wechat
from tests.imports.servers import silent
from tests.platforms.wechat_server import APP_ID, APP_SECRET, SmallWechat, small_wechat


@pytest.fixture
def wechat() -> Iterator[SmallWechat]:
    with small_wechat() as opened:
        yield opened


@pytest.fixture
def app(wechat: SmallWechat) -> WechatApp:
    known = Wechat(app_id=APP_ID, app_secret=SecretStr(APP_SECRET), url=wechat.url)
    return WechatApp(known, PlatformApi(NAME, OutboundClient(is_private_allowed=True)))


def soon() -> float:
    return time.monotonic() + 5


def phone_number(app: WechatApp, wechat: SmallWechat) -> str:
    return app.phone_number_of(wechat.phone_button("+8613800138000"), until=soon())


def test_the_token_is_fetched_once_for_many_threads(app: WechatApp, wechat: SmallWechat) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: app.token.get(until=soon()), range(32)))
    assert found == {wechat.current}
    assert wechat.fetched == [False]


def test_the_token_is_renewed_within_its_last_five_minutes(app: WechatApp, wechat: SmallWechat) -> None:
    wechat.token_seconds = RENEWED_BEFORE_SECONDS - 1.0
    first = app.token.get(until=soon())
    wechat.token_seconds = RENEWED_BEFORE_SECONDS + 600.0
    second = app.token.get(until=soon())
    assert wechat.fetched == [False, False]
    assert wechat.valid[first] > time.monotonic(), "both are valid for a while"
    assert second in wechat.valid


def test_a_refused_token_is_fetched_again_and_the_request_repeated(
    app: WechatApp, wechat: SmallWechat
) -> None:
    """Another program has forced a new token: the interface answers 40001 to this one."""
    phone_number(app, wechat)
    wechat.valid.clear()
    wechat.current = ""
    assert phone_number(app, wechat) == "+8613800138000"
    assert wechat.fetched == [False, False]


def test_a_token_that_the_platform_hands_out_and_refuses_is_replaced_by_force(
    app: WechatApp, wechat: SmallWechat
) -> None:
    phone_number(app, wechat)
    refused = wechat.current
    wechat.valid[refused] = time.monotonic() + LONGEST_TOKEN_SECONDS
    kept = wechat.token_refusal
    wechat.token_refusal = lambda query: (  # type: ignore[method-assign] # the test replaces it
        {"errcode": 42001, "errmsg": "expired"} if query["access_token"] == refused else kept(query)
    )
    assert phone_number(app, wechat) == "+8613800138000"
    assert wechat.fetched == [False, False, True]
    phone_number(app, wechat)
    assert wechat.fetched == [False, False, True], "a forced token is kept: WeChat allows twenty a day"


def test_threads_that_wait_for_a_slow_token_give_up_in_time(app: WechatApp, wechat: SmallWechat) -> None:
    wechat.instead["/cgi-bin/stable_token"] = silent(20.0)

    def get(_number: int) -> float:
        began = time.monotonic()
        with pytest.raises(PlatformFailed, match="in time"):
            app.token.get(until=began + 0.3)
        return time.monotonic() - began

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(get, range(4))) < 15
