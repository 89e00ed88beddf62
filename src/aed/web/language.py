"""Choose the language of a page: the `lang` parameter, then the cookie, then Accept-Language."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from fastapi import Request

from aed.http import language

DEFAULT: Final = "zh-CN"
"""The language where nothing is asked for."""
SOURCE: Final = "en"
"""The language of the strings in templates and code."""
PARAMETER: Final = "lang"
COOKIE: Final = "aed_lang"


@cache
def languages() -> tuple[str, ...]:
    """Return the languages of pages as BCP 47 tags, the default first: one for each folder in `locale/`."""
    folders = (each.name for each in resources.files("aed.web").joinpath("locale").iterdir())
    found = {SOURCE, *(name.replace("_", "-") for name in folders if not name.startswith((".", "__")))}
    return (DEFAULT, *sorted(found - {DEFAULT}))


def language_of(request: Request) -> str:
    """Return the language of a page as a BCP 47 tag, such as `zh-CN`."""
    for tag in (request.query_params.get(PARAMETER), request.cookies.get(COOKIE)):
        found = closest(tag or "")
        if found is not None:
            return found
    return preferred(request.headers.get("accept-language", ""))


def closest(tag: str) -> str | None:
    """Return the language of pages that a tag asks for: `zh-Hant-TW` is answered by `zh-CN`; None if none."""
    return language.closest(tag, languages())


def preferred(accept_language: str) -> str:
    """Return the first language of an Accept-Language header that pages have.

    If it names only other languages, return English; if it names none, the default.
    """
    wanted = list(language.by_weight(accept_language))
    if not wanted or wanted[0] == "*":
        return DEFAULT
    return next((found for tag in wanted if (found := closest(tag)) is not None), SOURCE)
