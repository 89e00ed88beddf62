"""Translations of the strings on pages, by gettext.

Strings are English in templates and code. Each folder of `aed/web` has a catalogue of its own name in
`locale/LANGUAGE/LC_MESSAGES/`, so that two features never change the same file; what is outside the folders,
and `templates/`, is in `web.po`. `make words` extracts, updates and compiles them.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources

from aed.web.language import SOURCE


def noop(message: str) -> str:
    """Mark a string for translation where it is defined; translate it where it is shown."""
    return message


def pnoop(context: str, message: str) -> str:
    """Mark a string with a context, where the same English word has two translations."""
    return message


@cache
def translations(language: str) -> gettext.NullTranslations:
    """Return the catalogues of a language, merged; those of English are empty."""
    merged = gettext.NullTranslations()
    if language == SOURCE:
        return merged
    folder = resources.files("aed.web").joinpath("locale", language.replace("-", "_"), "LC_MESSAGES")
    for each in sorted(folder.iterdir(), key=lambda file: file.name):
        if not each.name.endswith(".mo"):
            continue
        with each.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)
        catalogue.add_fallback(merged)
        merged = catalogue
    return merged


def translator(language: str) -> Callable[[str], str]:
    """Return the function that translates strings in code; call it `_`, so that `make words` finds them."""
    return translations(language).gettext


def either(words: Mapping[str, str | None] | None, language: str) -> str:
    """Return the text of a language from {"en": …, "zh": …}; the other one where it has none."""
    if not words:
        return ""
    en, zh = words.get("en") or "", words.get("zh") or ""
    return (zh or en) if language.startswith("zh") else (en or zh)
