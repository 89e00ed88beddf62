"""The language of a page: the switch, then the cookie, then what the browser asks for."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from aed.web.language import languages, preferred


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "zh-CN"),
        ("*", "zh-CN"),
        ("zh-Hant-TW", "zh-CN"),
        ("en-US,en;q=0.9", "en"),
        ("en;q=0.5,zh;q=0.9", "zh-CN"),
        ("de,en;q=0.7,zh;q=0.3", "en"),
        ("de,zh;q=0.7,en;q=0.3", "zh-CN"),
        ("fr", "en"),
        ("en;q=x", "zh-CN"),
        ("," * 50_000, "zh-CN"),
    ],
)
def test_the_language_is_the_first_that_a_reader_wants_and_pages_have(header: str, language: str) -> None:
    assert preferred(header) == language


def test_chinese_comes_first() -> None:
    assert languages()[0] == "zh-CN"
    assert "en" in languages()


def test_the_switch_is_remembered(app: FastAPI, browser: dict[str, str]) -> None:
    client = TestClient(app, base_url="https://testserver")
    asked = browser | {"Accept-Language": "zh-CN"}
    assert 'lang="zh-CN"' in client.get("/", headers=asked).text
    switched = client.get("/?lang=en&q=x", headers=asked)
    assert '<html lang="en">' in switched.text
    assert 'href="/?q=x&amp;lang=zh-CN"' in switched.text
    assert '<html lang="en">' in client.get("/", headers=asked).text
    assert '<html lang="zh-CN">' in client.get("/?lang=zh", headers=asked).text
    assert '<html lang="zh-CN">' in client.get("/?lang=%3Cscript%3E", headers=asked).text
