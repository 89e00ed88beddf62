"""Choose a language by Accept-Language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from fastapi import Request

from aed.translation import SOURCE, languages

MAX_LANGUAGES: Final = 20
"""Number of languages read from Accept-Language."""


def closest(tag: str, among: Sequence[str]) -> str | None:
    """Return the language that a tag asks for: `zh-Hant-TW` is answered by `zh-CN`; None if there is none."""
    wanted = tag.strip().lower()
    by_tag = {each.lower(): each for each in among}
    if wanted in by_tag:
        return by_tag[wanted]
    primary = wanted.partition("-")[0]
    return next((each for each in among if each.partition("-")[0] == primary), None)


def by_weight(accept_language: str) -> Iterator[str]:
    """Return the tags of an Accept-Language header, the most wanted first."""
    weighed: list[tuple[float, str]] = []
    for each in accept_language.split(",")[:MAX_LANGUAGES]:
        tag, _, weight = each.strip().lower().partition(";q=")
        try:
            weighed.append((float(weight or 1), tag.strip()))
        except ValueError:
            continue
    weighed.sort(key=lambda each: -each[0])
    return (tag for weight, tag in weighed if tag and weight > 0)


def language_of_errors(request: Request) -> str:
    """Return the language of problem documents: the first accepted one, and English if none is named."""
    wanted = by_weight(request.headers.get("accept-language", ""))
    return next((found for tag in wanted if (found := closest(tag, languages())) is not None), SOURCE)
