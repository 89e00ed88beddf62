"""Translate the sentences of errors, by gettext.

Sentences are English where errors are raised: `NotFound("There is no session {session_id}.", session_id=3)`.
The catalogues in `aed/locale` have them by template. `make words` extracts, updates and compiles them. The
strings of pages have catalogues of their own (`aed.web.words`).
"""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

from aed.errors import AedError

SOURCE: Final = "en"
"""The language of the sentences in code."""
CHINESE: Final = "zh-CN"
DOMAIN: Final = "errors"
LEAD: Final = "{lead}"
"""Stands in translations for what neighbourhood leads are called: the setting AED_LEAD_WORD."""
_words_in_use: Final = {LEAD: "里长"}


def call_leads(word: str) -> None:
    """Set what neighbourhood leads are called in translations of this process."""
    _words_in_use[LEAD] = word


def noop(template: str) -> str:
    """Mark a sentence for translation where it is defined; translate it where it is shown."""
    return template


@cache
def languages() -> tuple[str, ...]:
    """Return the languages that sentences are in, as BCP 47 tags, English first."""
    folders = (each.name for each in resources.files("aed").joinpath("locale").iterdir())
    return (SOURCE, *sorted(name.replace("_", "-") for name in folders if not name.startswith((".", "__"))))


def translate(template: str, language: str, values: Mapping[str, object] | None = None) -> str:
    """Return a sentence with its values, in a language; in English if the catalogue does not have it."""
    words = _catalogue(language).gettext(template).replace(LEAD, _words_in_use[LEAD])
    return words.format_map(values) if values else words


def has_translation(template: str, language: str) -> bool:
    """Return True if the catalogue of a language has a sentence."""
    return _catalogue(language).gettext(template) != template


def detail_of(error: AedError, language: str) -> str:
    """Return what an error says, in a language."""
    return translate(error.template, language, error.values)


def title_of(error: AedError, language: str) -> str:
    """Return the title of an error's class, in a language."""
    return translate(error.title, language)


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    if language == SOURCE:
        return gettext.NullTranslations()
    folder = resources.files("aed").joinpath("locale", language.replace("-", "_"), "LC_MESSAGES")
    with folder.joinpath(f"{DOMAIN}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)
