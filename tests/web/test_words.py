"""The catalogues of the pages: complete, up to date, compiled, and with the same parameters."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from aed.web.words import either, translator
from tests.web.catalogue import as_mo, as_po, extracted, po_path, read, translated, updated

_PARAMETER = re.compile(r"%\((\w+)\)s")


@pytest.mark.parametrize("language", translated())
def test_every_string_is_translated_and_none_is_unused(language: str) -> None:
    """If this fails, run `make words` and translate what it prints."""
    source = extracted()
    folder = po_path("web", language).parent
    assert {each.name for each in folder.iterdir()} == {
        f"{name}.{kind}" for name in source for kind in ("po", "mo")
    }
    for name, strings in source.items():
        path = po_path(name, language)
        current = path.read_bytes()
        assert as_po(updated(name, language, strings), language) == current, f"{path} is not up to date"
        assert path.with_suffix(".mo").read_bytes() == as_mo(current, language), f"{path} is not compiled"
        for message in read(path):
            if not message.id:
                continue
            forms = [*message.string] if isinstance(message.string, list | tuple) else [message.string or ""]
            assert all(forms), f"{path}: not translated: {message.id!r}"
            assert not message.fuzzy, f"{path}: fuzzy: {message.id!r}"
            english = message.id if isinstance(message.id, str) else message.id[-1]
            assert all(set(_PARAMETER.findall(each)) == set(_PARAMETER.findall(english)) for each in forms)


@pytest.mark.parametrize("language", translated())
def test_a_string_has_one_translation(language: str) -> None:
    found = defaultdict(set)
    for name in extracted():
        for message in read(po_path(name, language)):
            found[message.id, message.context].add(message.string)
    assert {key: strings for key, strings in found.items() if len(strings) > 1} == {}


def test_the_catalogues_of_all_features_are_merged() -> None:
    chinese = translator("zh-CN")
    assert (chinese("Find help"), chinese("Search")) == ("紧急求助", "查找")
    assert translator("en")("Search") == "Search"


def test_words_in_two_languages_fall_back_to_the_other() -> None:
    assert either({"en": "Lobby", "zh": "大堂"}, "zh-CN") == "大堂"
    assert either({"en": "Lobby", "zh": None}, "zh-CN") == "Lobby"
    assert either({"en": None, "zh": "大堂"}, "en") == "大堂"
    assert either(None, "en") == ""
