"""Errors in the reader's language: the catalogue is complete, and answers and commands use it."""

from __future__ import annotations

import ast
import re
import string

import pytest
from fastapi.testclient import TestClient

from aed.errors import AedError, InvalidInput
from aed.translation import CHINESE, LEAD, SOURCE, detail_of, languages, translate
from tests.error_catalogue import extracted, po_path, raised
from tests.web.catalogue import as_mo, as_po, merged, read

CHINESE_CHARACTER = re.compile(r"[\u4e00-\u9fff]")
TRANSLATIONS = languages()[1:]


def placeholders(template: str) -> set[str | None]:
    return {
        name for _text, name, _spec, _conversion in string.Formatter().parse(template) if name is not None
    }


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_every_error_sentence_is_translated_and_none_is_unused(language: str) -> None:
    """If this fails, run `make words` and translate what it prints."""
    path = po_path(language)
    current = path.read_bytes()
    assert as_po(merged(path, language, extracted()), language) == current, f"{path} is not up to date"
    assert path.with_suffix(".mo").read_bytes() == as_mo(current, language), f"{path} is not compiled"
    assert [each.id for each in read(path) if each.id and (not each.string or each.fuzzy)] == []


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_a_translation_uses_only_the_placeholders_of_its_sentence(language: str) -> None:
    wrong = [
        each.id
        for each in read(po_path(language))
        if isinstance(each.id, str) and not placeholders(str(each.string)) <= placeholders(each.id) | {"lead"}
    ]
    assert wrong == []


def test_an_error_is_raised_with_a_template_and_not_with_an_f_string() -> None:
    """Errors with a constructor of their own count or continue a sentence, and are in English."""
    found = {
        f"{file}:{call.lineno}"
        for file, call, argument in raised()
        if isinstance(argument, ast.JoinedStr)
        and ast.unparse(call.func) not in ("IdentityProviderFailed", "NothingImported")
    }
    assert found == set()


def test_an_error_is_written_in_both_languages() -> None:
    error = InvalidInput("Latitude is {lat:g}, but must be from -90 to 90 degrees.", lat=91.0)
    assert str(error) == error.detail == "Latitude is 91, but must be from -90 to 90 degrees."
    assert detail_of(error, SOURCE) == error.detail
    assert detail_of(error, CHINESE) == "纬度为 91，但须在 -90 至 90 度之间。"


def test_user_input_is_never_used_as_a_template() -> None:
    error = AedError(
        "There is no feed '{name}'. Known feeds: {names}.", name="{0.__class__}", names="{names}"
    )
    assert "{0.__class__}" in error.detail
    assert "{0.__class__}" in detail_of(error, CHINESE)
    assert AedError("a note with {braces}").detail == "a note with {braces}"


def test_leads_are_called_by_the_word_of_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "Only the lead of the building or the estate's manager may confirm this."
    assert translate(sentence, CHINESE) == "只有该楼栋的里长或园区管理人员可以确认。"
    monkeypatch.setattr("aed.translation._words_in_use", {LEAD: "楼长"})
    assert translate(sentence, CHINESE) == "只有该楼栋的楼长或园区管理人员可以确认。"


def test_a_sentence_without_a_translation_is_shown_in_english() -> None:
    assert translate("Nobody has translated {this}.", CHINESE, {"this": 3}) == "Nobody has translated 3."


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "en"),
        ("*", "en"),
        ("fr", "en"),
        ("en, zh;q=0.5", "en"),
        ("zh", "zh-CN"),
        ("zh-Hant-TW", "zh-CN"),
        ("fr, zh-CN;q=0.8, en;q=0.5", "zh-CN"),
    ],
)
def test_a_problem_document_is_in_the_requested_language(
    client: TestClient, accepted: str | None, language: str
) -> None:
    headers = {"Accept-Language": accepted} if accepted else {}
    answers = [
        client.get("/v1/devices/999999", headers=headers),
        client.get("/v1/nearest", params={"lat": "far", "lon": 120.1}, headers=headers),
        client.get("/v1/nearest", params={"lat": 91, "lon": 120.1}, headers=headers),
    ]
    for answer in answers:
        problem = answer.json()
        assert answer.headers["content-language"] == language
        words = [problem["title"], problem["detail"], *(each["detail"] for each in problem.get("errors", ()))]
        assert [bool(CHINESE_CHARACTER.search(each)) for each in words] == [language == "zh-CN"] * len(
            words
        ), words
