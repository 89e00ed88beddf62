"""Static files: content-hashed addresses, integrity, caching and compression; and pages of errors."""

from __future__ import annotations

import base64
import gzip
import re
from hashlib import sha384

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from aed.web import static


def test_each_file_that_a_page_loads_has_the_integrity_it_names(
    app: FastAPI, browser: dict[str, str]
) -> None:
    client = TestClient(app)
    loaded = re.findall(
        r'(?:href|src)="(/static/[^"]+)" integrity="([^"]+)"', client.get("/", headers=browser).text
    )
    assert any("style.css" in address for address, _ in loaded)
    assert any("metronome.js" in address for address, _ in loaded)  # imported by find_help.js
    for address, integrity in loaded:
        answer = client.get(address)
        assert "sha384-" + base64.b64encode(sha384(answer.content).digest()).decode() == integrity
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_another_version_of_a_file_is_refused(app: FastAPI) -> None:
    client = TestClient(app)
    assert client.get("/static/0000000000000000/style.css").status_code == 404
    for name in ("../render.py", "..%2frender.py", "vendor/", "nothing.js"):
        assert client.get(f"/static/{static.version_of('')}/{name}").status_code == 404


def test_text_is_compressed_for_those_who_take_it(app: FastAPI) -> None:
    client = TestClient(app)
    address = static.address("style.css")
    plain = client.get(address, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    packed = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.content == plain.content
    assert len(gzip.compress(plain.content)) < 4_000  # for a phone on a bad line
    assert packed.headers["Vary"] == "Accept-Encoding"


def test_a_library_keeps_its_address_when_a_page_changes() -> None:
    assert static.bundle_of("vendor/maplibre-gl/maplibre-gl.mjs") == "vendor/maplibre-gl"
    assert static.version_of("vendor/maplibre-gl") != static.version_of("")


@pytest.mark.parametrize(("language", "words"), [("en", "There is no such page"), ("zh-CN", "页面不存在")])
def test_an_unknown_address_is_answered_in_the_readers_language(
    app: FastAPI, browser: dict[str, str], language: str, words: str
) -> None:
    client = TestClient(app)
    page = client.get("/nothing/<script>", headers=browser | {"Accept-Language": language})
    assert page.status_code == 404
    assert words in page.text
    assert "<script>" not in page.text
    assert 'href="tel:120"' in page.text
    assert client.get("/nothing").headers["content-type"] == "application/problem+json"
    assert client.get("/v1/nothing", headers=browser).headers["content-type"] == "application/problem+json"
